"""A term: one thing that must vanish at a set of points, guarded against wrong types and shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

import pdesolve
from pdesolve.errors import PdesolveError, ProblemError, did_you_mean
from pdesolve.statement.calculus import Field, Frame, Vector
from pdesolve.statement.complex_fields import is_complex

PACKAGE = str(Path(__file__).parents[1]) + "/"


@dataclass(frozen=True)
class Term:
    """One residual that must vanish at a set of points.

    Attributes:
        name: for messages, e.g. "equation 'poisson'" or "Dirichlet on square.left".
        kind: "equation", "dirichlet", "neumann", "robin", "initial" or "condition".
        place: where it holds; None is the interior of the domain.
        function: frame ↦ what must vanish (a field or several).
        unknown: the unknown it prescribes, for kinds other than equation and condition.
        value: the prescribed value (kinds dirichlet, neumann, robin and initial).
    """

    name: str
    kind: str
    place: Any
    function: Callable[[Frame], Any]
    unknown: str | None = None
    value: Any = None

    @property
    def prescribes_a_number(self) -> bool:
        """Whether it is u or ∂u/∂n minus a number, the same at all points."""
        return self.kind in ("dirichlet", "neumann") and not callable(self.value)

    def evaluate(self, frame: Frame) -> tuple[Tensor, ...]:
        """The residuals at the points of the frame, each (n,).

        Raises:
            ProblemError: a wrong type or shape came back, or the function itself failed.
        """
        with frame:
            try:
                result = self.function(frame)
            except PdesolveError:
                raise
            except (Exception, SystemExit) as error:
                message = (
                    f"{self.name} failed: {type(error).__name__}: {error}{_location(error)}{_hint(error)}"
                )
                raise ProblemError(message) from error
            parts = result if isinstance(result, (tuple, list)) else (result,)
            if not parts:
                message = f"{self.name} returned nothing; expected one residual or a tuple of them"
                raise ProblemError(message)
            return tuple(_residual(part, frame.size, self.name) for part in parts)


def _location(error: BaseException) -> str:
    trace = error.__traceback__
    found = ""
    # The innermost line that is the user's: what torch and this package did there says little.
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/torch/" not in file and not file.startswith(PACKAGE):
            found = f" (line {trace.tb_lineno} of {file.rsplit('/', 1)[-1]})"
        trace = trace.tb_next
    return found


_DERIVATIVES = "write u.x for the derivative along x, u.xx for the second"
# Words of Python's and torch's messages → what to write instead.
_HINTS = {
    ("Python scalar", "ufunc", "must be real number"): "use torch's functions on coordinates and unknowns: "
    "torch.sin, not math.sin or numpy.sin",
    (
        "Boolean value of Tensor",
    ): "coordinates are columns of points: `if`, `and`, `max` cannot choose for each of "
    "them; write torch.where(x < 0.5, a, b), `&` for `and`, torch.maximum for max",
    ("'Field' object is not callable",): "an unknown is not called: write u, not u(x, y)",
    (
        "grad can be implicitly created",
        "does not require grad",
        "not have been used in the graph",
    ): "an unknown knows its derivatives: write u.x, u.xx or grad(u), not torch.autograd.grad",
    ("diff()",): _DERIVATIVES,
    ("pow(): 'Vector'",): "a vector has no powers: |grad(u)|² is dot(grad(u), grad(u))",
}
# Names that other programs have for derivatives.
_DIFFERENTIATION = frozenset("D Dx Dy Dxx d dx dy dde derivative diff jacobian hessian nabla partial".split())


def _hint(error: BaseException) -> str:
    if isinstance(error, NameError) and error.name in _DIFFERENTIATION:
        return f"; {_DERIVATIVES}"
    if isinstance(error, NameError) and error.name:
        return did_you_mean(error.name, pdesolve.__all__)
    for words, hint in _HINTS.items():
        if any(word in str(error) for word in words):
            return f"; {hint}"
    return ""


def _residual(part: Any, size: int, name: str) -> Tensor:
    if isinstance(part, Field):
        part = part.tensor
    if isinstance(part, Vector):
        message = f"{name} returned a vector; return its components as a tuple: return tuple(v)"
        raise ProblemError(message)
    if is_complex(part):
        message = (
            f"{name} returned complex numbers, and its unknowns are real; write a complex unknown as u: Complex, or "
            "return a tuple of the real and the imaginary part"
        )
        raise ProblemError(message)
    if not isinstance(part, Tensor):
        shown = f"a {type(part).__name__}"
        if isinstance(part, (int, float)):
            shown += f" ({part})"
        if part is None:
            shown = "None (is `return` missing?)"
        message = (
            f"{name} returned {shown}; expected a field of shape ({size},) that depends on the unknown, "
            "made with torch functions (torch.sin, not math.sin or numpy.sin)"
        )
        raise ProblemError(message)
    if not part.is_floating_point():
        message = (
            f"{name} returned {str(part.dtype).removeprefix('torch.')} numbers; expected real ones that vanish where "
            "it holds: a - b, not a == b or a > b"
        )
        raise ProblemError(message)
    if part.shape != (size,):
        message = (
            f"{name} returned shape {tuple(part.shape)}, expected ({size},): one residual per collocation "
            f"point. An array of shape ({size}, 1) may have been broadcast, or a sum taken over the points."
        )
        raise ProblemError(message)
    return part
