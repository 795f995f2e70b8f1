"""A solution: call it, differentiate it, measure it, save it."""

from __future__ import annotations

import contextlib
import io
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.marching.expansion import MarchedMixture
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.solution import shown
from pdesolve.solution.measures import error_rule, integral_rule, relative_l2
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import compile_term, sample_points
from pdesolve.statement.subdomains import subdomains_of
from pdesolve.trained.exact_values import ExactValues

FORMAT = "pdesolve solution 1"
CHUNK = 65_536
_MIXTURES = {cls.__name__: cls for cls in (PartitionedMixture, MarchedMixture)}  # of frozen coefficients


@dataclass(eq=False)
class Solution:
    """An approximate solution with its provenance.

    Attributes:
        problem: what was solved.
        approximator: θ ↦ jets, with `jet(points (n, d), indices) -> (n, u, a)`.
        method, tol, seed, dtype, device, settings: how.
        status: a sentence saying how the solve ended; `converged` is its truth value.
        estimates: estimated relative L2 error per unknown, None for a method without estimate.
        history: one dict per recorded step.
        seconds: from the loaded problem to the solution.
        residual_rms: root mean square of the equation's residual.
        parameters: identified scalars by name.
        intervals: their 95 % intervals, from a method that knows them.
        uncertainty: standard deviation of each unknown due to noise in the data, relative L2.
        noise: standard deviation of each group of observations, given or estimated.
    """

    problem: Problem
    approximator: Any
    method: str
    tol: float
    status: str
    converged: bool
    estimates: tuple[float, ...] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    seed: int = 0
    dtype: str = "float64"
    device: str = "cpu"
    settings: dict[str, Any] = field(default_factory=dict)
    residual_rms: float = math.nan
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    uncertainty: dict[str, float] = field(default_factory=dict)
    noise: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return shown.text(self)

    def _repr_html_(self) -> str:
        return shown.html(self)

    # ---------------------------------------------------------------- values

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns."""
        return self.problem.unknowns

    def jet(self, points: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points (n, d): (n, u, a) on the CPU, evaluated in chunks."""
        indices = tuple(tuple(index) for index in indices)
        points = torch.as_tensor(points)
        target = self._parameter()
        found = []
        with torch.no_grad():
            for part in torch.split(points, CHUNK):
                found.append(self.approximator.jet(part.to(target), indices).cpu())
        empty = torch.zeros(0, len(self.unknowns), len(indices), dtype=target.dtype)
        return torch.cat(found) if found else empty

    def _parameter(self) -> Tensor:
        if isinstance(self.approximator, tuple(_MIXTURES.values())):
            return self.approximator.coefficients
        return next(iter(self.approximator.parameters()))

    def evaluate(self, points: Tensor) -> Tensor:
        """Values (n, u) at points (n, d)."""
        return self.jet(points, ((0,) * self.problem.domain.dimension,))[:, :, 0]

    def __call__(self, *coordinates: Any) -> Any:
        """Values at coordinates of one broadcast shape; what kind comes in goes out; NaN outside the domain.

        Returns:
            An array, tensor or number; for a system a dict of them by name.
        """
        return self._call(coordinates, self.evaluate, self.unknowns)

    def derivative(self, *axes: str, unknown: str | None = None) -> Any:
        """A partial derivative as a function: `solution.derivative("x", unknown="u")(x, y)`."""
        names = self.problem.coordinates
        for axis in axes:
            if axis not in names:
                message = f"no derivative '{axis}': the coordinates are {', '.join(names)}"
                raise UsageError(message)
        index = tuple(axes.count(name) for name in names)
        place = self._index(unknown)
        return lambda *c: self._call(c, lambda p: self.jet(p, (index,))[:, place], ("derivative",))

    def _call(self, coordinates: tuple, function: Any, names: Sequence[str]) -> Any:
        d = self.problem.domain.dimension
        if len(coordinates) != d:
            names_of = ", ".join(self.problem.coordinates)
            message = f"received {len(coordinates)} coordinates, expected {d}: {names_of}"
            raise UsageError(message)
        device = next((c.device for c in coordinates if isinstance(c, Tensor)), None)
        as_number = all(isinstance(c, (int, float)) for c in coordinates)
        tensors = _broadcast(coordinates)
        points = torch.stack([c.reshape(-1) for c in tensors], dim=1)
        slack = 1e-12 * float((self.problem.domain.bounds[1] - self.problem.domain.bounds[0]).max())
        inside = self.problem.domain.contains(points, slack)
        values = torch.full((len(points), len(names)), torch.nan, dtype=torch.float64)
        values[inside] = function(points[inside]).to(torch.float64)
        results = [column.reshape(tensors[0].shape) for column in values.unbind(1)]
        if as_number:
            results = [float(r) for r in results]
        elif device is None:
            results = [r.numpy() for r in results]
        else:
            results = [r.to(device) for r in results]
        return results[0] if len(names) == 1 else dict(zip(names, results, strict=True))

    def _index(self, unknown: str | None) -> int:
        if unknown is None and len(self.unknowns) == 1:
            return 0
        if unknown not in self.unknowns:
            message = f"unknown={unknown!r}; expected one of {', '.join(self.unknowns)}"
            raise UsageError(message)
        return self.unknowns.index(unknown)

    # ---------------------------------------------------------------- measures

    @cached_property
    def _rule(self) -> tuple[Tensor, Tensor]:
        return error_rule(self.problem, self.approximator)

    def exact_values(self, points: Tensor) -> Tensor | None:
        """`exact` (or `reference`) at points (n, d): (n, u); None where there is neither."""
        functions = self.problem.exact or self.problem.reference
        if functions is None:
            return None
        parts = [self.problem.values(functions, part) for part in torch.split(points, CHUNK)]
        return torch.cat(parts)

    @property
    def complete(self) -> bool:
        """Whether the solution covers the whole domain: a march that was stopped ends early."""
        return self.reached is None

    @property
    def reached(self) -> float | None:
        """The time at which a march was stopped before the end, else None."""
        if not isinstance(self.approximator, MarchedMixture):
            return None
        last = float(self.approximator.times[-1])
        time = self.problem.domain.time
        return last if time.t1 - last > 1e-9 * time.length else None

    @cached_property
    def _errors(self) -> tuple[list[float], list[float]] | None:
        points, weights = self._rule
        exact = self.exact_values(points) if self.complete else None
        if exact is None:
            return None
        e = self.evaluate(points).to(exact) - exact
        seen = torch.isfinite(exact) | ~torch.isfinite(exact).any(0)  # a reference may be known in part only
        e, exact = torch.where(seen, e, 0.0), torch.where(seen, exact, 0.0)
        return relative_l2(e, exact, weights), e.abs().amax(0).tolist()

    def relative_l2_error(self, unknown: str | None = None) -> float | None:
        """‖u - u*‖/‖u*‖ against `exact` or `reference`; of a system the largest, unless one is named."""
        return self._error(0, unknown)

    def max_error(self, unknown: str | None = None) -> float | None:
        """Largest |u - u*| over the same points."""
        return self._error(1, unknown)

    def _error(self, kind: int, unknown: str | None) -> float | None:
        if self._errors is None:
            return None
        values = self._errors[kind]
        return _largest(values) if unknown is None else values[self._index(unknown)]

    @property
    def estimated_error(self) -> float | None:
        """A-posteriori estimate of the relative L2 error, the largest over the unknowns."""
        return None if self.estimates is None else _largest(self.estimates)

    @property
    def degrees_of_freedom(self) -> int:
        """Unknown coefficients, or trainable parameters."""
        if isinstance(self.approximator, tuple(_MIXTURES.values())):
            return len(self.approximator.coefficients)
        return sum(p.numel() for p in self.approximator.parameters())

    @cached_property
    def _equation(self) -> Any:
        term = self.problem.terms[0]
        return compile_term(self.problem, term, *sample_points(self.problem, term, 64))

    def residual(self, points: Tensor) -> Tensor:
        """Residual of the equation (n, m) at points (n, d)."""
        return self.jet_and_residual(points, ())[1]

    def jet_and_residual(self, points: Tensor, indices: Sequence[MultiIndex]) -> tuple[Tensor, Tensor]:
        """Derivatives (n, u, a) and the residual of the equation (n, m) at points (n, d), evaluated together."""
        operator = self._equation
        wanted = tuple(dict.fromkeys([*(tuple(index) for index in indices), *(a for _, a in operator.slots)]))
        parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in self.parameters.items()}
        derivatives, found = [], []
        for part in torch.split(points, CHUNK):
            jets = self.jet(part, wanted)
            columns = [jets[:, u, wanted.index(a)] for u, a in operator.slots]
            slots = torch.stack(columns, 1).to(part)
            found.append(operator.residual(part, slots, None, parameters).detach())
            derivatives.append(jets[..., [wanted.index(tuple(index)) for index in indices]])
        return torch.cat(derivatives), torch.cat(found)

    def measure_residual(self) -> float:
        """Root mean square of the equation's residual over the domain."""
        points, weights = self._rule
        if len(points) > 200_000:
            chosen = torch.linspace(0, len(points) - 1, 200_000).long()
            points, weights = points[chosen], weights[chosen]
        r = self.residual(points)
        return float(((r**2).mean(1) * weights).sum().div(weights.sum()).sqrt())

    def integral(self, unknown: str | None = None) -> float:
        """∫ u over the domain."""
        points, weights = integral_rule(self.problem, self.approximator)
        return float((self.evaluate(points)[:, self._index(unknown)] * weights).sum())

    def flux(self, on: Any, unknown: str | None = None, order: int = 40) -> float:
        """∫ ∂u/∂n over a part of the boundary.

        Raises:
            UsageError: `on` is no place, or no part of the boundary.
        """
        if not hasattr(on, "pieces_on"):
            message = f"flux received on={on!r}; expected a part of the boundary such as square.left"
            raise UsageError(message)
        rule = on.rule(self.problem.domain, order)
        if not len(rule.points):
            message = f"{getattr(on, 'name', 'on')} is no part of the boundary of the domain"
            raise UsageError(message)
        d = self.problem.domain.dimension
        space = self.problem.domain.space_dimension
        steps = tuple(tuple(int(i == j) for j in range(d)) for i in range(space))
        gradient = self.jet(rule.points, steps)[:, self._index(unknown)]
        return float(((gradient * rule.normals[:, :space]).sum(1) * rule.weights).sum())

    # ---------------------------------------------------------------- summary and files

    def summary(self) -> dict[str, Any]:
        """The keys of `--json` that speak of the solution; None where unknown or not finite."""
        found: dict[str, Any] = {
            "problem": self.problem.name,
            "method": self.method,
            "tol": self.tol,
            "status": self.status,
            "converged": self.converged,
            "relative_l2_error": _finite(self.relative_l2_error()),
            "max_error": _finite(self.max_error()),
            "estimated_error": _finite(self.estimated_error),
            "residual_rms": _finite(self.residual_rms),
            "degrees_of_freedom": self.degrees_of_freedom,
            "seconds": self.seconds,
            "seed": self.seed,
            "dtype": self.dtype,
            "device": self.device,
        }
        if len(self.unknowns) > 1:
            found["unknowns"] = {
                name: {
                    "relative_l2_error": _finite(self.relative_l2_error(name)),
                    "max_error": _finite(self.max_error(name)),
                    "estimated_error": _finite(self.estimates[i] if self.estimates else None),
                }
                for i, name in enumerate(self.unknowns)
            }
        if self.parameters:
            found["parameters"] = dict(self.parameters)
        if self.intervals:
            found["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        if self.uncertainty:
            found |= {"uncertainty": dict(self.uncertainty), "noise": list(self.noise)}
        return found

    def save(self, directory: str | Path) -> Path:
        """Write `solution.pt` and a copy of the problem file; loading gives the same numbers to the bit.

        Returns:
            The path of `solution.pt`.
        """
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        source = self.problem.source_path
        if source is not None and Path(source).resolve() != (directory / "problem.py").resolve():
            shutil.copyfile(source, directory / "problem.py")
        for file in self.problem.domain.files:  # meshes that the problem file reads
            if file.resolve() != (directory / file.name).resolve():
                shutil.copyfile(file, directory / file.name)
        saved = [f.name for f in fields(self) if f.name not in ("problem", "approximator")]
        state = {name: getattr(self, name) for name in saved}
        state |= {
            "format": FORMAT,
            "problem": self.problem.name,
            "constants": dict(self.problem.constants),
            "approximator": _approximator_state(self.approximator),
        }
        path = directory / "solution.pt"
        content = io.BytesIO()  # torch hides the reason why a file cannot be written
        torch.save(state, content)
        temporary = path.with_suffix(".tmp")
        try:
            temporary.write_bytes(content.getvalue())
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            error.filename = str(path)
            raise
        return path

    @classmethod
    def load(cls, directory: str | Path, problem: Problem | None = None) -> Solution:
        """Read what `save` wrote.

        Args:
            directory: a run directory.
            problem: the problem, where no problem file was saved beside the solution.

        Raises:
            UsageError: there is no solution, or the file is damaged or foreign.
        """
        from pdesolve.statement.loading import load_problem

        directory = Path(directory)
        path = directory / "solution.pt"
        if not path.is_file():
            message = f"{directory} holds no solution.pt; expected the directory of a finished run"
            raise UsageError(message)
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            known = state.pop("format") == FORMAT
        except Exception as error:
            kind = type(error).__name__
            message = f"{path} is damaged or no solution of pdesolve ({kind}); run solve again"
            raise UsageError(message) from None
        if not known:
            message = f"{path} was written by another version of pdesolve; run solve again"
            raise UsageError(message)
        name, constants = state.pop("problem"), state.pop("constants")
        if problem is None and not (directory / "problem.py").is_file():
            message = (
                f"{directory} holds no problem.py, as the problem was defined outside of a file (in a notebook?): "
                f"pass it, Solution.load('{directory}', problem)"
            )
            raise UsageError(message)
        if problem is None:
            problem = load_problem(directory / "problem.py", constants or None)
            problem.name = name
        approximator = _approximator_from(state.pop("approximator"), problem)
        return cls(problem=problem, approximator=approximator, **state)


def _broadcast(coordinates: Sequence[Any]) -> tuple[Tensor, ...]:
    try:
        tensors = [torch.as_tensor(c, dtype=torch.float64).detach().cpu() for c in coordinates]
        return torch.broadcast_tensors(*tensors)
    except (RuntimeError, TypeError, ValueError) as error:
        message = f"the coordinates are no numbers or arrays of one shape: {error}"
        raise UsageError(message) from None


def _largest(values: Sequence[float]) -> float:
    """The largest, or NaN where there is one."""
    return math.nan if any(map(math.isnan, values)) else max(values)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _approximator_state(approximator: Any) -> dict[str, Any]:
    if isinstance(approximator, tuple(_MIXTURES.values())):
        return {"kind": type(approximator).__name__, "state": approximator.state()}
    return {
        "kind": type(approximator).__name__,
        "config": approximator.config(),
        "state": dict(approximator.state_dict()),
    }


def _approximator_from(saved: dict[str, Any], problem: Problem) -> Any:
    import pdesolve.approximators as known

    if saved["kind"] in _MIXTURES:
        return _MIXTURES[saved["kind"]].from_state(saved["state"], subdomains_of(problem))
    if saved["kind"] == "Lifting":
        inner = saved["config"]
        module = ExactValues.of(problem).around(getattr(known, inner["kind"])(**inner["config"]))
    else:
        module = getattr(known, saved["kind"])(**saved["config"])
    module.to(next(iter(saved["state"].values())).dtype)
    module.load_state_dict(saved["state"])
    return module
