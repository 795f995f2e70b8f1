"""Quantities: numbers that a solution is asked for, stated beside the problem as its conditions are.

The first argument is an unknown or an output (by name), or a function of the unknowns; on a part of the boundary it may
ask for the normal `n`. `Integral`, which also prescribes a mean among the conditions, is one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Integral

KINDS = "Integral, Mean, Maximum, Minimum, Flux or Probe"


@dataclass(frozen=True)
class Mean:
    """∫ f / ∫ 1 over a part of the boundary, a sub-domain, or the domain."""

    f: Any = None
    on: Any = None
    over: Any = None


@dataclass(frozen=True)
class Maximum:
    """The largest value of f on a part of the boundary, in a closed sub-domain, or in the closed domain."""

    f: Any = None
    on: Any = None
    over: Any = None


@dataclass(frozen=True)
class Minimum:
    """The smallest value of f on a part of the boundary, in a closed sub-domain, or in the closed domain."""

    f: Any = None
    on: Any = None
    over: Any = None


@dataclass(frozen=True)
class Flux:
    """∫ of the flux that the equation means through a part of the boundary: of -div(k grad(u)), ∫ k ∂u/∂n."""

    on: Any
    unknown: str | None = None


@dataclass(frozen=True)
class Probe:
    """The value of f at a point of the closed domain."""

    at: Sequence[float]
    f: Any = None


QUANTITIES = (Integral, Mean, Maximum, Minimum, Flux, Probe)


def checked_quantities(quantities: Any) -> dict[str, Any]:
    """Quantities by name.

    Raises:
        ProblemError: one of them is no quantity, or has no name.
    """
    if quantities is None:
        return {}
    if not isinstance(quantities, Mapping):
        message = (
            f"quantities is a {type(quantities).__name__}; expected a dict name → {KINDS}: "
            'quantities={"drag": Integral(f, on=hole.boundary)}'
        )
        raise ProblemError(message)
    for name, quantity in quantities.items():
        if not isinstance(name, str) or not name:
            message = f"quantities has the key {name!r}; expected a name such as 'drag'"
            raise ProblemError(message)
        if not isinstance(quantity, QUANTITIES):
            message = f"quantity '{name}' is a {type(quantity).__name__}; expected {KINDS}"
            raise ProblemError(message)
        _check_region(name, quantity)
    return dict(quantities)


def _check_region(name: str, quantity: Any) -> None:
    part = getattr(quantity, "on", None)
    region = getattr(quantity, "over", None)
    if (part is not None or isinstance(quantity, Flux)) and not hasattr(part, "pieces_on"):
        message = (
            f"quantity '{name}' received on={part!r}; expected a part of the boundary such as square.left or "
            "hole.boundary"
        )
        raise ProblemError(message)
    if region is not None and not hasattr(region, "contains"):
        message = f"quantity '{name}' received over={region!r}; expected a sub-domain such as Disk((0, 0), 1)"
        raise ProblemError(message)
    if part is not None and region is not None:
        message = f"quantity '{name}' received on= and over=; give a part of the boundary or a sub-domain"
        raise ProblemError(message)


def integrand(quantity: Any) -> Any:
    """What a quantity is taken of: an unknown, an output, or a function."""
    if isinstance(quantity, Integral):
        return quantity.value if quantity.unknown is None else quantity.unknown
    return quantity.f


def check_prescribed(condition: Integral) -> None:
    """An `Integral` among the conditions speaks of the whole domain.

    Raises:
        ProblemError: it names a part, or an output.
    """
    if condition.on is not None or condition.over is not None or isinstance(condition.value, str):
        message = (
            "Integral among the conditions prescribes the integral of an unknown over the whole domain, "
            "Integral(value, unknown=); with on=, over= or a name it is a quantity: quantities={…}"
        )
        raise ProblemError(message)
