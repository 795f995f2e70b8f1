"""A solution: call it, differentiate it, measure it, save it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.runs.answer import SecondSolution
from pdesolve.solution import shown
from pdesolve.solution.asked import Asked
from pdesolve.solution.coordinates import at_coordinates, parts_asked, with_complex
from pdesolve.solution.files import approximator_from, approximator_state, read_solution, write_solution
from pdesolve.solution.handed_on import HandedOn
from pdesolve.solution.in_norms import InNorms
from pdesolve.solution.measures import error_rule, is_trained, relative_l2
from pdesolve.solution.modes import OfModes
from pdesolve.solution.residuals import relative_residual
from pdesolve.solution.spectrum import spectrum_summary
from pdesolve.solution.times import checked_times
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.outputs import output_expressions
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import compiled

# Points at once: a jet of some derivatives then takes some megabytes.
CHUNK = 65_536
# Points at which the residual is measured, where there are more: their mean is known to 1/√50,000 = 0.4 % then.
RESIDUALS = 50_000
GOLDEN = (5**0.5 - 1) / 2  # of all numbers the one that is furthest from ratios


@dataclass(eq=False)
class Solution(OfModes, InNorms, HandedOn):
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
        times: when an evolution is written, where that was asked for; None leaves it to the format.
        verification: the solution beside it, that tells the errors of quantities.
        spectrum: eigenvalues with their errors, bounds and groups; empty where none are sought.
        norm, absolute: the norm of the tolerance, and tolerances in the units of an unknown, by its name.
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
    times: tuple[float, ...] | None = None
    verification: SecondSolution | None = None
    spectrum: dict[str, Any] = field(default_factory=dict)
    norm: str = "l2"
    absolute: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return shown.text(self)

    def _repr_html_(self) -> str:
        return shown.html(self)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle: the fields, with the approximator as files hold it; what was measured is measured again."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**state, "approximator": approximator_state(self.approximator)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.approximator = approximator_from(state["approximator"], self.problem)

    # ---------------------------------------------------------------- values

    def jet(self, points: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points (n, d): (n, u, a) on the CPU, evaluated in chunks."""
        indices = tuple(tuple(index) for index in indices)
        points = torch.as_tensor(points)
        target = self._parameter()
        found = []
        with torch.no_grad():
            for part in torch.split(points, CHUNK):
                found.append(self.approximator.jet(part.to(target), indices).cpu())
        return torch.cat(found)

    def _parameter(self) -> Tensor:
        if is_trained(self.approximator):
            return next(iter(self.approximator.parameters()))
        return self.approximator.coefficients

    def evaluate(self, points: Tensor) -> Tensor:
        """Values (n, u) at points (n, d)."""
        return self.jet(points, ((0,) * self.problem.domain.dimension,))[:, :, 0]

    def __call__(self, *coordinates: Any) -> Any:
        """Values at coordinates of one broadcast shape; what kind comes in goes out; NaN outside the domain.

        Returns:
            An array, tensor or number, complex for a complex unknown; for a system a dict of them by name.
        """
        found = at_coordinates(self.problem.domain, self.evaluate, coordinates, self.unknowns)
        return with_complex(found, self.complex_names)

    def at(self, time: float) -> Any:
        """The solution of an evolution at one time, a function of the coordinates of space: `solution.at(0.5)(x, y)`.

        Raises:
            UsageError: the problem has no space and time, or not this time.
        """
        domain = self.problem.domain
        checked_times(domain, [time])
        if not domain.space_dimension:
            message = f"the unknowns depend on t alone: call solution({time:g})"
            raise UsageError(message)
        if self.reached is not None and time > self.reached:
            message = f"the solution was stopped at t = {self.reached:g}, before {time:g}"
            raise UsageError(message)
        return lambda *coordinates: self(*coordinates, float(time))

    def derivative(self, *axes: str, unknown: str | None = None) -> Any:
        """A partial derivative as a function: `solution.derivative("x", unknown="u")(x, y)`."""
        names = self.problem.coordinates
        for axis in axes:
            if axis not in names:
                message = f"no derivative '{axis}': the coordinates are {', '.join(names)}"
                raise UsageError(message)
        index = tuple(axes.count(name) for name in names)
        parts = parts_asked(unknown, self.complex_names, self.unknowns)
        places = [self.index_of(part) for part in parts]

        def values(points: Tensor) -> Tensor:
            return self.jet(points, (index,))[:, places, 0]

        def at(*coordinates: Any) -> Any:
            names = [str(part) for part in parts]
            found = at_coordinates(self.problem.domain, values, coordinates, names)
            return with_complex(found, self.complex_names)

        return at

    def index_of(self, unknown: str | None) -> int:
        """Number of an unknown; that of the only one may be left out."""
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
        if is_trained(self.approximator):
            return None
        last = self.approximator.end
        if last is None:
            return None
        time = self.problem.domain.time
        if time.t1 - last > 1e-9 * time.length:  # a march adds up its steps, and rounding with them
            return last
        return None

    @cached_property
    def _errors(self) -> tuple[list[float], list[float]] | None:
        # A part of the domain has no solution, so an error over all of it would be meaningless.
        if not self.complete:
            return None
        points, weights = self._rule
        exact = self.exact_values(points)
        if exact is None:
            return None
        # A reference may be known in part only: it counts there. Known nowhere, it must not make the error zero.
        seen = torch.isfinite(exact) | ~torch.isfinite(exact).any(0)
        exact = torch.where(seen, exact, 0.0)
        error = torch.where(seen, self.evaluate(points).to(exact) - exact, 0.0)
        return relative_l2(error, exact, weights), error.abs().amax(0).tolist()

    @property
    def degrees_of_freedom(self) -> int:
        """Unknown coefficients, or trainable parameters."""
        if is_trained(self.approximator):
            return sum(p.numel() for p in self.approximator.parameters())
        return len(self.approximator.coefficients)

    @cached_property
    def equation(self) -> Any:
        """The compiled equation."""
        return compiled(self.problem, 0)

    def residual(self, points: Tensor) -> Tensor:
        """Residual of the equation (n, m) at points (n, d)."""
        return self.jet_and_residual(points, ())[1]

    def jet_and_residual(self, points: Tensor, indices: Sequence[MultiIndex]) -> tuple[Tensor, Tensor]:
        """Derivatives (n, u, a) and the residual of the equation (n, m) at points (n, d), evaluated together."""
        operator = self.equation
        # One evaluation for what is asked for and what the equation needs: the jets cost most.
        wanted = tuple(dict.fromkeys([*(tuple(index) for index in indices), *(a for _, a in operator.slots)]))
        parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in self.parameters.items()}
        derivatives: list[Tensor] = []
        found: list[Tensor] = []
        for part in torch.split(points, CHUNK):
            jets = self.jet(part, wanted)
            columns = [jets[:, u :: len(self.problem.unknowns), wanted.index(a)] for u, a in operator.slots]
            slots = torch.stack(columns, 2).to(part)  # (n, 1 or modes, s)
            found.append(self._residual_at(part, slots, parameters))
            derivatives.append(jets[..., [wanted.index(tuple(index)) for index in indices]])
        return torch.cat(derivatives), torch.cat(found)

    def measure_residual(self) -> float:
        """Root mean square of the equation's residual over the domain."""
        points, weights = self._rule
        if len(points) > RESIDUALS:
            # Evenly through all points, so that every part of the domain is seen, and the same ones each time; in steps
            # of no ratio, since every so many of them lie at the same place of their patch, or at the same time.
            fractions = torch.arange(RESIDUALS, dtype=torch.float64) * GOLDEN % 1
            chosen = (fractions * len(points)).long().sort().values
            points = points[chosen]
            weights = weights[chosen]
        r = self.residual(points)
        return float(((r**2).mean(1) * weights).sum().div(weights.sum()).sqrt())

    # ---------------------------------------------------------------- outputs and quantities

    def with_expansion(self, expansion: Any) -> Solution:
        """The same with another approximate solution, such as the one that verifies it."""
        # Nothing verifies that one in its turn.
        return replace(self, approximator=expansion, verification=None)

    def output(self, name: str) -> Any:
        """An output as a function of the coordinates, `solution.output("von_mises")(x, y)`; a vector gives a tuple."""
        return self._asked.output(name)

    def integral(
        self,
        f: Any = None,
        on: Any = None,
        over: Any = None,
        time: float | None = None,
        unknown: str | None = None,
    ) -> Any:
        """∫ f over a part of the boundary, a sub-domain or the domain, with its estimated error.

        Args:
            f: name of an unknown or of an output, or a function of the unknowns (and of `n` on a boundary).
            on: part of the boundary.
            over: sub-domain.
            time: of an evolution; left out, the integral is over all times, too.
            unknown: as f.

        Returns:
            A number with `estimated_error`, a tuple of them for a vector.
        """
        if f is not None and unknown is not None:
            message = f"integral received f={f!r} and unknown={unknown!r}; give one of them"
            raise UsageError(message)
        return self._asked.integral(unknown if f is None else f, on, over, time)

    def mean(self, f: Any = None, on: Any = None, over: Any = None, time: float | None = None) -> Any:
        """∫ f / ∫ 1, as `integral`."""
        return self._asked.mean(f, on, over, time)

    def maximum(self, f: Any = None, on: Any = None, over: Any = None, time: float | None = None) -> Any:
        """The largest value of f on a closed region, with `estimated_error` and its `place`."""
        return self._asked.extremum(f, on, over, time, 1.0)

    def minimum(self, f: Any = None, on: Any = None, over: Any = None, time: float | None = None) -> Any:
        """The smallest value of f on a closed region, with `estimated_error` and its `place`."""
        return self._asked.extremum(f, on, over, time, -1.0)

    def probe(self, point: Sequence[float], f: Any = None, time: float | None = None) -> Any:
        """The value of f at a point of the closed domain, with its estimated error."""
        return self._asked.probe(point, f, time)

    def line(
        self,
        start: Sequence[float],
        end: Sequence[float],
        n: int = 200,
        f: Any = None,
        time: float | None = None,
    ) -> dict[str, Any]:
        """Values at n points along a line.

        Returns:
            Arrays (n,) by name: the coordinates, `distance` from the start, f (all unknowns and outputs where it is
            None), and `…_estimated_error`; NaN outside the domain.
        """
        return self._asked.line(start, end, n, f, time)

    def quantities(self, time: float | None = None) -> dict[str, Any]:
        """The quantities of the problem by name; of an evolution at a time, its last where that is left out."""
        return self._asked.table(time)

    def quantities_over(self, times: Sequence[float]) -> dict[str, list[float]]:
        """The quantities of an evolution at many times: columns `t`, each quantity, and `…_estimated_error`."""
        return self._asked.over(times)

    @cached_property
    def output_expressions(self) -> dict[str, Any]:
        """The outputs of the problem, compiled."""
        return output_expressions(self.problem)

    @cached_property
    def _asked(self) -> Asked:
        self.require_one_function()
        return Asked(self)

    def flux(self, on: Any, unknown: str | None = None, time: float | None = None) -> Any:
        """∫ of the flux that the equation means through a part of the boundary, with its estimated error.

        Of -div(k grad(u)) it is ∫ k ∂u/∂n, of elasticity a component of the traction σ n; `unknown` says which row.
        Of an evolution it is that at a time.

        Raises:
            UsageError: `on` is no part of the boundary, or the time is missing.
            ProblemError: the equation means no flux, as -k(x) laplace(u).
        """
        return self._asked.flux(on, unknown, time)

    # ---------------------------------------------------------------- summary and files

    def summary(self) -> dict[str, Any]:
        """The keys of `--json` that speak of the solution; None where unknown or not finite."""
        found: dict[str, Any] = {
            "problem": self.problem.name,
            "method": self.method,
            "tol": self.tol,
            "status": self.status,
            "converged": self.converged,
            **self._accuracy(None, self.estimated_error),
            "residual_rms": _finite(self.residual_rms),
            "degrees_of_freedom": self.degrees_of_freedom,
            "seconds": self.seconds,
            "seed": self.seed,
            "dtype": self.dtype,
            "device": self.device,
        }
        if len(self.unknowns) > 1:
            estimates = self.estimates or (None,) * len(self.unknowns)
            found["unknowns"] = {
                name: self._accuracy(name, estimate)
                for name, estimate in zip(self.unknowns, estimates, strict=True)
            }
        found["relative_residual"] = relative_residual(self, *self._rule)
        found |= self.goal_summary()
        if self.spectrum:
            found |= spectrum_summary(self.spectrum)
        if self.parameters:
            found["parameters"] = dict(self.parameters)
        if self.intervals:
            found["intervals"] = {name: list(ends) for name, ends in self.intervals.items()}
        if self.problem.quantities:
            found["quantities"] = self._asked.records()
        if self.uncertainty:
            found |= {"uncertainty": dict(self.uncertainty), "noise": list(self.noise)}
        return found

    def _accuracy(self, unknown: str | None, estimate: float | None) -> dict[str, float | None]:
        """What is known of the error of one unknown, or of the worst."""
        return {
            "relative_l2_error": _finite(self.relative_l2_error(unknown)),
            "max_error": _finite(self.max_error(unknown)),
            "estimated_error": _finite(estimate),
        }

    def save(self, directory: str | Path) -> Path:
        """Write `solution.pt` and copies of the problem file and its data; loading gives the same numbers to the bit.

        Returns:
            The path of `solution.pt`.
        """
        provenance = {
            part.name: getattr(self, part.name)
            for part in fields(self)
            if part.name not in ("problem", "approximator")
        }
        return write_solution(Path(directory), self.problem, self.approximator, provenance)

    @classmethod
    def load(cls, directory: str | Path, problem: Problem | None = None) -> Solution:
        """Read what `save` wrote.

        Args:
            directory: a run directory.
            problem: the problem, where no problem file was saved beside the solution.

        Raises:
            UsageError: there is no solution, or the file is damaged or foreign.
        """
        problem, approximator, provenance = read_solution(Path(directory), problem)
        return cls(problem=problem, approximator=approximator, **provenance)


def _finite(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return value
