"""A surrogate: the solution of a problem for any values of its constants in a box, with an error estimate at each."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.output.files import replacing
from pdesolve.runs.checksum import checksum
from pdesolve.solution.coordinates import at_coordinates
from pdesolve.solution.solution import Solution
from pdesolve.surrogates.box import Box
from pdesolve.surrogates.dependence import Dependence
from pdesolve.surrogates.reduced import Found, Reduced

FORMAT = "pdesolve surrogate 1"
FILE = "surrogate.pt"


class Surrogate:
    """Answers for all constants in a box, as `build_surrogate` made it.

    Args:
        base: the solution at one parameter; its problem and patches are those of all others.
        functions: (N, p) coefficients of the basis functions on these patches.
        model: the reduced model.
        tol: relative L2 error that was asked for.
        status: a sentence, how the making ended; `converged` is its truth value.
        converged: whether the estimates met the tolerance at all parameters that were looked at.
    """

    def __init__(
        self, base: Solution, functions: Tensor, model: Reduced, tol: float, status: str, converged: bool
    ):
        self.base = base
        self.functions = functions
        self.model = model
        self.tol = tol
        self.status = status
        self.converged = converged
        # A solution at one parameter asks for the coefficients and the estimate: it is solved once.
        self._found = lru_cache(maxsize=64)(self._solve)

    @property
    def box(self) -> Box:
        """The ranges of the constants."""
        return self.model.dependence.box

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return self.model.size

    def _solve(self, *point: float) -> Found:
        return self.model.at(np.array(point))

    def at(self, constants: Mapping[str, float]) -> Found:
        """Coefficients and estimate at constants by name, whatever the estimate.

        Raises:
            UsageError: a constant is missing, unknown, or outside of its range.
        """
        return self._found(*self.box.point(constants))

    def estimated_error(self, **constants: float) -> float:
        """Estimated relative L2 error at constants by name, that of the solutions behind it included.

        Raises:
            UsageError: a constant is missing, unknown, or outside of its range.
        """
        return self.at(constants).error

    def coefficients(self, **constants: float) -> Tensor:
        """Coefficients (p,) on the patches.

        Raises:
            UsageError: a constant is outside of its range, or the estimated error above the tolerance.
        """
        found = self.at(constants)
        told = ", ".join(f"{name}={value:g}" for name, value in constants.items())
        self.model.require(found, self.tol, told)
        return torch.from_numpy(found.a) @ self.functions

    def __call__(self, *coordinates: Any, **constants: float) -> Any:
        """Values at coordinates, for constants by name: `surrogate(x, y, k=3)`; as a solution is called.

        Raises:
            UsageError: a constant is outside of its range, or the estimated error above the tolerance.
        """
        mixture = self.base.approximator.with_coefficients(self.coefficients(**constants))
        names = self.base.problem.unknowns

        def values(points: Tensor) -> Tensor:
            return mixture(points.to(mixture.coefficients)).cpu()

        return at_coordinates(self.base.problem.domain, values, coordinates, names)

    def solution(self, **constants: float) -> Solution:
        """The solution for constants by name, to be plotted, exported, differentiated.

        Raises:
            UsageError: a constant is outside of its range, or the estimated error above the tolerance.
        """
        c = self.coefficients(**constants)
        problem = self.base.problem.with_constants(constants)
        estimates = (self.estimated_error(**constants),) * len(problem.unknowns)
        mixture = self.base.approximator.with_coefficients(c)
        status = "by a surrogate, within its tolerance"
        found = Solution(problem, mixture, self.base.method, self.tol, status, True, estimates)
        found.residual_rms = found.measure_residual()
        return found

    def summary(self) -> dict[str, Any]:
        """What `--json` prints."""
        ends = zip(self.box.names, self.box.lower, self.box.upper, strict=True)
        return {
            "problem": self.base.problem.name,
            "over": {name: [low, high] for name, low, high in ends},
            "tol": self.tol,
            "status": self.status,
            "converged": self.converged,
            "functions": self.size,
            "degrees_of_freedom": self.functions.shape[1],
        }

    def __repr__(self) -> str:
        return f"Surrogate({self.base.problem.name} over {self.box}: {self.size} functions; {self.status})"

    # ---------------------------------------------------------------- files

    def save(self, directory: str | Path) -> Path:
        """Write `surrogate.pt`, and beside it the solution whose patches it stands on, with its problem file."""
        directory = Path(directory)
        self.base.save(directory)
        model, dependence = self.model, self.model.dependence
        state: dict[str, Any] = {
            "format": FORMAT,
            "names": list(self.box.names),
            "lower": list(self.box.lower),
            "upper": list(self.box.upper),
            "kinds": list(dependence.kinds),
            "accuracy": dependence.error,
            "floor": model.floor,
            "tol": self.tol,
            "status": self.status,
            "converged": self.converged,
            "functions": self.functions,
        }
        arrays = {name: getattr(dependence, name) for name in ("magic", "powers", "coefficients")}
        arrays |= {name: getattr(model, name) for name in ("constant", "linear", "snapshots", "starts")}
        if model.quadratic is not None:
            arrays["quadratic"] = model.quadratic
        state |= {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}
        state["checksum"] = checksum(state)
        content = io.BytesIO()
        torch.save(state, content)
        with replacing(directory / FILE) as temporary:
            temporary.write_bytes(content.getvalue())
        return directory / FILE

    @classmethod
    def load(cls, directory: str | Path) -> Surrogate:
        """Read what `save` wrote.

        Raises:
            UsageError: there is no surrogate, or the file is damaged or foreign.
        """
        directory = Path(directory)
        state = _read(directory / FILE)
        base = Solution.load(directory)
        box = Box(tuple(state["names"]), tuple(state["lower"]), tuple(state["upper"]))
        own = {name: value.numpy() for name, value in state.items() if isinstance(value, Tensor)}
        dependence = Dependence(
            box, own["magic"], tuple(state["kinds"]), own["powers"], own["coefficients"], state["accuracy"]
        )
        model = Reduced(
            dependence,
            own["constant"],
            own["linear"],
            own.get("quadratic"),
            own["snapshots"],
            own["starts"],
            state["floor"],
        )
        return cls(base, state["functions"], model, state["tol"], state["status"], state["converged"])


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        message = f"{path.parent} holds no {FILE}; expected the directory of a surrogate"
        raise UsageError(message)
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        known = state.pop("checksum") == checksum(state) and state["format"] == FORMAT
    except Exception as error:
        message = f"{path} is damaged or no surrogate of pdesolve ({type(error).__name__}); make it again"
        raise UsageError(message) from None
    if not known:
        message = f"{path} is damaged, or was written by another version of pdesolve; make it again"
        raise UsageError(message)
    return state
