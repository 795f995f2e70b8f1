"""Unknowns that live in time only, beside fields in space: a controller, a tank, an unknown energy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pdesolve.errors import ProblemError
from pdesolve.statement.arguments import names_explained
from pdesolve.statement.conditions import Integral, Stated
from pdesolve.statement.names import RESERVED
from pdesolve.statement.quantities import Mean, Probe, checked_quantities
from pdesolve.statement.signatures import signature

_OTHER_WORDS = {
    **dict.fromkeys(("uses", "totals", "integrals", "functionals", "where"), "quantities"),
    **dict.fromkeys(("function", "residual", "ode", "rate"), "equation"),
}
KINDS = "Integral, Mean or Probe"


@dataclass(frozen=True, eq=False, init=False)
class Scalar(Stated):
    """An unknown q(t) of time only, and its equation.

    `Scalar("q", lambda q, m: q.t + m - 1, {"m": Mean("u")})` is an entry of `conditions`; equation and conditions of
    the fields then may ask for `q`, as for any unknown, and `Initial(0, unknown="q")` states where it begins.

    Attributes:
        name: of the unknown.
        equation: what must vanish at every time: a function of t, of this and other such unknowns and their derivatives
            in time, of the quantities, and of constants.
        quantities: name → Integral, Mean or Probe of the fields, numbers at every time.

    Raises:
        ProblemError: the name is no name or reserved, the equation no function, or a quantity none that can be used.
    """

    speaks_of_one: ClassVar[bool] = False
    needs_time: ClassVar[bool] = True

    name: str
    equation: Callable[..., Any]
    quantities: Mapping[str, Any] = field(default_factory=dict)

    @names_explained("Scalar", _OTHER_WORDS)
    def __init__(self, name: str, equation: Callable[..., Any], quantities: Mapping[str, Any] | None = None):
        if not isinstance(name, str) or not name.isidentifier() or RESERVED.fullmatch(name):
            message = (
                f"Scalar received the name {name!r}; expected a name such as 'q' (x y z t n are reserved)"
            )
            raise ProblemError(message)
        if not callable(equation):
            message = (
                f"Scalar '{name}' received a {type(equation).__name__} as its equation; expected a function of what "
                f"must vanish, e.g. lambda {name}: {name}.t + {name}"
            )
            raise ProblemError(message)
        found = checked_quantities(quantities)
        for key, quantity in found.items():
            if not isinstance(quantity, (Integral, Mean, Probe)):
                message = (
                    f"quantity '{key}' of Scalar '{name}' is a {type(quantity).__name__}; expected {KINDS}"
                )
                raise ProblemError(message)
            if key == name or RESERVED.fullmatch(key) or not key.isidentifier():
                message = f"a quantity of Scalar '{name}' is called '{key}'; expected another name that is not reserved"
                raise ProblemError(message)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "equation", equation)
        object.__setattr__(self, "quantities", found)


def coupled(scalars: Sequence[Scalar]) -> tuple[str, ...]:
    """Names of all quantities: those of the first scalar, then of the next; each with the name of its scalar."""
    return tuple(f"{scalar.name}_{key}" for scalar in scalars for key in scalar.quantities)


def equations_of(scalars: Sequence[Scalar], constants: Mapping[str, float]) -> Callable[..., Any]:
    """The equations of all scalars, and one that each quantity vanishes, as the equation of a problem in time.

    The quantities are unknowns there, so that the linearisation knows them; what stands for their own equations is not
    used.

    Raises:
        ProblemError: an equation asks for something that there is not.
    """
    names = tuple(scalar.name for scalar in scalars)
    known = {*names, *constants, "t"}
    own = {
        scalar.name: signature(scalar.equation, f"the equation of Scalar '{scalar.name}'", ("t",))
        for scalar in scalars
    }
    for scalar in scalars:
        _check_asked(scalar, own[scalar.name], known)

    def equation(**given: Any) -> tuple[Any, ...]:
        found = []
        for scalar in scalars:
            mine = {key: given[f"{scalar.name}_{key}"] for key in scalar.quantities}
            available = {**given, **mine}
            chosen = {name: available[name] for name in own[scalar.name] if name in available}
            found.append(_one_number(scalar, scalar.equation(**chosen)))
        return (*found, *(given[name] for name in coupled(scalars)))

    kind = inspect.Parameter.KEYWORD_ONLY
    arguments = (*names, *coupled(scalars), *constants, "t")
    equation.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in arguments]
    )
    equation.__name__ = f"Scalar {', '.join(names)}"
    return equation


def _check_asked(scalar: Scalar, asked: Mapping[str, bool], known: set[str]) -> None:
    there = {*known, *scalar.quantities}
    for name, required in asked.items():
        if required and name not in there:
            message = (
                f"the equation of Scalar '{scalar.name}' asks for '{name}'; it may ask for {', '.join(sorted(there))}: "
                "a field has many values at a time, state the one that is meant among its quantities"
            )
            raise ProblemError(message)


def _one_number(scalar: Scalar, result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        message = f"the equation of Scalar '{scalar.name}' returned {len(result)} numbers; expected one"
        raise ProblemError(message)
    return result
