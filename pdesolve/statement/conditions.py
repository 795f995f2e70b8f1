"""Conditions: what holds on boundaries, at the start, at points, and in the mean.

Each condition is a frozen statement, and knows what it says: the term that must vanish at points, and the units of its
values. Values are numbers or functions of the coordinates, matched by name. Another kind of condition is another
subclass of `Stated`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from pdesolve.errors import ProblemError, did_you_mean
from pdesolve.statement.calculus import normal_derivative
from pdesolve.statement.frame import Frame
from pdesolve.statement.term import Term
from pdesolve.statement.terms import Evaluator, called

# A number, or a function of coordinates and constants by name.
Value = Any
# Of the unit of the unknown, of length, and of time.
Powers = tuple[int, int, int]


class Stated:
    """What a problem asks of a condition; the answers here are those of one that says nothing about single points.

    Attributes:
        speaks_of_one: whether it speaks of one unknown, that of its attribute `unknown`.
        needs_time: whether there must be a time interval.
    """

    speaks_of_one: ClassVar[bool] = True
    needs_time: ClassVar[bool] = False

    def term(self, problem: Evaluator) -> Term | None:
        """What must vanish at points of a place; None where it is no statement about single points."""
        del problem
        return None

    def units(self, dimension: int) -> dict[str, Powers]:
        """The units of its values by the names of its attributes, in so many space dimensions."""
        del dimension
        return {}


class Prescribed(Stated):
    """A linear expression in one unknown and its derivatives has a value on a place."""

    value: Value
    on: Any

    def left_side(self, u: Any, read: Callable[[Value, str], Any]) -> Any:
        """The expression for a field u; `read` evaluates the coefficients, which it is told by name."""
        raise NotImplementedError

    def term(self, problem: Evaluator) -> Term:
        """`left_side` minus the value."""
        unknown = problem.unknown_of(self)
        kind = type(self).__name__
        whose = f" of {unknown}" if len(problem.unknowns) > 1 else ""
        owner = f"{kind}{whose} on {_name_of(self.on)}"

        def residual(frame: Frame) -> Any:
            value = problem.value(self.value, frame, f"the value of {owner}")
            read = lambda a, name: problem.value(a, frame, f"{name} of {owner}")  # noqa: E731
            return self.left_side(frame.unknown(unknown), read) - value

        return Term(owner, kind.lower(), self.on, residual, unknown, self.value)


def _name_of(place: Any) -> str:
    return getattr(place, "name", "boundary")


def _check_value(value: Any, owner: str) -> None:
    if callable(value) or (isinstance(value, (int, float, complex)) and not isinstance(value, bool)):
        return
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        return
    if isinstance(value, tuple) and value:  # of a vector: one for each component
        for part in value:
            _check_value(part, owner)
        return
    message = (
        f"{owner} received a value of type {type(value).__name__}; expected a number or a function of the "
        "coordinates, e.g. lambda x, y: x * y"
    )
    raise ProblemError(message)


def _check_place(place: Any, owner: str) -> None:
    if hasattr(place, "pieces_on") or hasattr(place, "coordinates_of_point") or hasattr(place, "coords"):
        return
    message = (
        f"{owner} received on={place!r}; expected a place: square.boundary, square.left, "
        "square.boundary.where(lambda x, y: x < 0) or Point((0, 0))"
    )
    if hasattr(place, "boundary"):
        message += ". This is a domain; the sides of square - disk are square.left, …, and disk.boundary"
    raise ProblemError(message)


@dataclass(frozen=True)
class Dirichlet(Prescribed):
    """u = value on a place.

    Of a vector the value is 0, a tuple or a function that returns one. With `along="normal"` it is that of u · n, with
    `along="tangent"` that of u · t, t = (-n_y, n_x), in space u - (u · n) n.
    """

    value: Value
    on: Any
    unknown: str | None = None
    along: str | None = None

    def __post_init__(self) -> None:
        _check_value(self.value, "Dirichlet")
        _check_place(self.on, "Dirichlet")

    def left_side(self, u: Any, read: Callable[[Value, str], Any]) -> Any:
        """The unknown itself."""
        del read
        return u

    def units(self, dimension: int) -> dict[str, Powers]:
        """The value has the unit of the unknown."""
        del dimension
        return {"value": (1, 0, 0)}


@dataclass(frozen=True)
class Neumann(Prescribed):
    """∂u/∂n = value on a place (n: outward unit normal).

    What flows in through the wall of -div(k * grad(u)) is k ∂u/∂n: of a flux q the value is q / k.
    """

    value: Value
    on: Any
    unknown: str | None = None

    def __post_init__(self) -> None:
        _check_value(self.value, "Neumann")
        _check_place(self.on, "Neumann")

    def left_side(self, u: Any, read: Callable[[Value, str], Any]) -> Any:
        """∂u/∂n."""
        del read
        return normal_derivative(u)

    def units(self, dimension: int) -> dict[str, Powers]:
        """The value is one of the unknown per length."""
        del dimension
        return {"value": (1, -1, 0)}


@dataclass(frozen=True)
class Robin(Prescribed):
    """∂u/∂n + a u = value on a place.

    A wall of conductivity k in air of temperature T, k ∂u/∂n = h (T - u), has a = h / k and the value h / k * T.
    """

    a: Value
    value: Value
    on: Any
    unknown: str | None = None

    def __post_init__(self) -> None:
        _check_value(self.a, "Robin (a)")
        _check_value(self.value, "Robin")
        _check_place(self.on, "Robin")

    def left_side(self, u: Any, read: Callable[[Value, str], Any]) -> Any:
        """∂u/∂n + a u."""
        return normal_derivative(u) + read(self.a, "a") * u

    def units(self, dimension: int) -> dict[str, Powers]:
        """The value is one of the unknown per length, and a is one per length."""
        del dimension
        return {"a": (0, -1, 0), "value": (1, -1, 0)}


@dataclass(frozen=True)
class Initial(Stated):
    """∂^order u/∂t^order = value at the start of the time interval."""

    needs_time: ClassVar[bool] = True

    value: Value
    unknown: str | None = None
    order: int = 0

    def __post_init__(self) -> None:
        _check_value(self.value, "Initial")
        if self.order not in (0, 1, 2, 3):
            message = f"Initial received order={self.order!r}; expected 0 (the value) or 1 (∂u/∂t)"
            raise ProblemError(message)

    def term(self, problem: Evaluator) -> Term:
        """∂^order u/∂t^order minus the value."""
        unknown = problem.unknown_of(self)
        name = f"Initial of {unknown}"
        if self.order:
            name += f", order {self.order}"

        def residual(frame: Frame) -> Any:
            u = frame.unknown(unknown)
            for _ in range(self.order):
                u = u.t
            return u - problem.value(self.value, frame, "the value of Initial")

        return Term(name, "initial", problem.domain.initial, residual, unknown, self.value)

    def units(self, dimension: int) -> dict[str, Powers]:
        """The value is one of the unknown per time^order."""
        del dimension
        return {"value": (1, 0, -self.order)}


@dataclass(frozen=True)
class Periodic(Stated):
    """Every unknown (or the one named) and its derivatives continue at the other end of an axis.

    u(x + L e + s) = u(x) + jump with the length L of the axis e; normal derivatives are the same at both. Of a complex
    unknown with a phase, u(x + L e + s) = exp(i phase) u(x), and so its derivatives (Bloch, Z. Phys. 52 (1929) 555).

    Attributes:
        axis: name of a space coordinate.
        unknown: the one that is meant; an axis is periodic for all or for none, but jumps may differ.
        shift: s, other axis → how far the upper end is displaced along it, as of a sheared cell.
        jump: u at the upper end minus u at the lower one, a number or a function of the coordinates there.
        phase: in radians, a number or a function of the constants: k L for the wave number k along the axis.
    """

    speaks_of_one: ClassVar[bool] = False

    axis: str
    unknown: str | None = None
    shift: Mapping[str, float] = field(default_factory=dict)
    jump: Value = 0.0
    phase: Value = 0.0

    def __post_init__(self) -> None:
        _check_value(self.jump, "Periodic (jump)")
        _check_phase(self)
        numbers = isinstance(self.shift, Mapping) and all(
            isinstance(s, (int, float)) and math.isfinite(s) for s in self.shift.values()
        )
        if not numbers:
            message = (
                f"Periodic received shift={self.shift!r}; expected a dict other axis → finite number, "
                'e.g. Periodic("x", shift={"y": 0.25})'
            )
            raise ProblemError(message)

    def units(self, dimension: int) -> dict[str, Powers]:
        """The jump has the unit of the unknown."""
        del dimension
        return {"jump": (1, 0, 0)}


def _check_phase(condition: Periodic) -> None:
    phase = condition.phase
    if not callable(phase) and not (isinstance(phase, (int, float)) and math.isfinite(phase)):
        message = (
            f"Periodic received phase={phase!r}; expected an angle in radians, or a function of the constants"
        )
        raise ProblemError(message)
    if phase != 0 and condition.jump != 0:
        message = "Periodic received phase= and jump=; expected one of them"
        raise ProblemError(message)


@dataclass(frozen=True)
class Condition(Stated):
    """`function(unknowns, coordinates, n, …)` vanishes on a place; its arguments are matched by name."""

    speaks_of_one: ClassVar[bool] = False

    function: Callable[..., Any]
    on: Any
    unknown: str | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            message = (
                f"Condition received a {type(self.function).__name__}; expected a function of what must "
                "vanish, e.g. Condition(lambda u, x: u.x - x, on=...)"
            )
            raise ProblemError(message)
        _check_place(self.on, "Condition")

    def term(self, problem: Evaluator) -> Term:
        """The function."""
        return Term(f"Condition on {_name_of(self.on)}", "condition", self.on, called(problem, self.function))


@dataclass(frozen=True)
class Integral(Stated):
    """Among conditions: ∫ u = value over the domain (in a cylinder: over the space domain at every time).

    Among quantities: ∫ f, its first argument being f, over a part of the boundary (`on`), a sub-domain (`over`) or the
    domain.
    """

    value: Value
    unknown: str | None = None
    on: Any = None
    over: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.value, str):  # of a quantity: the name of an output
            _check_value(self.value, "Integral")

    def units(self, dimension: int) -> dict[str, Powers]:
        """The value is one of the unknown times the volume of the space domain."""
        return {"value": (1, dimension, 0)}


# The coefficients that were called within `called_coefficients`.
_calls: ContextVar[list[Piecewise] | None] = ContextVar("called coefficients", default=None)


@contextmanager
def called_coefficients() -> Iterator[list[Piecewise]]:
    """Collect the `Piecewise` coefficients that are called within the block."""
    found: list[Piecewise] = []
    token = _calls.set(found)
    try:
        yield found
    finally:
        _calls.reset(token)


@dataclass(frozen=True)
class Piecewise:
    """A coefficient that is constant (or a function) on each of several sub-domains.

    Called with coordinates, it gives the values there: `k(x, y)`. A value may be the name of a constant of the problem,
    `Piecewise({disk: "inner"}, otherwise=1.0)`, which an equation hands on: `k(x, y, inner=inner)`.
    """

    values: Mapping[Any, Value | str]
    otherwise: Value | str = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping) or not all(hasattr(d, "contains") for d in self.values):
            message = "Piecewise expects a dict domain → value, e.g. Piecewise({disk: 1000.0}, otherwise=1.0)"
            raise ProblemError(message)
        for value in (*self.values.values(), self.otherwise):
            if not (isinstance(value, str) and value.isidentifier()):
                _check_value(value, "Piecewise")

    def at(self, constants: Mapping[str, Any]) -> Piecewise:
        """The coefficient with numbers in place of the names of constants.

        Raises:
            ProblemError: a name is none of them.
        """

        def known(value: Value | str) -> Value:
            if not isinstance(value, str):
                return value
            if value not in constants:
                message = f"Piecewise has the value '{value}', which is no constant here; expected one of "
                message += (
                    f"{', '.join(constants) or 'those in constants={…}'}{did_you_mean(value, constants)}"
                )
                raise ProblemError(message)
            return constants[value]

        return Piecewise({domain: known(v) for domain, v in self.values.items()}, known(self.otherwise))

    def __call__(self, *coordinates: Any, **constants: Any) -> Any:
        """The coefficient (n,) at coordinates (n,) each, with the constants that it names."""
        if constants:
            return self.at(constants)(*coordinates)
        calls = _calls.get()
        if calls is not None:
            calls.append(self)
        points = torch.stack(
            [c.tensor if hasattr(c, "tensor") else torch.as_tensor(c) for c in coordinates], dim=1
        ).detach()
        return self.on_branch(self.branch(points), *coordinates)

    def branch(self, points: Any) -> Any:
        """Number (n,) of the last sub-domain that contains each point (n, d), from 1; 0 for `otherwise`."""
        found = torch.zeros(len(points), dtype=torch.long, device=points.device)
        for number, domain in enumerate(self.values, start=1):
            # Later domains win where several contain a point.
            found = torch.where(domain.contains(points[:, : domain.dimension]), number, found)
        return found

    def on_branch(self, branch: Any, *coordinates: Any) -> Any:
        """The coefficient (n,) of the given branches (n,) at coordinates (n,) each."""
        # All values everywhere, then the right one: a branch may be asked for beyond its domain, at an interface.
        result = torch.zeros(len(branch), dtype=torch.float64, device=branch.device)
        for number, value in enumerate((self.otherwise, *self.values.values())):
            if isinstance(value, str):
                message = (
                    f"Piecewise needs its constant {value}: call it with it, as in k(x, y, {value}={value})"
                )
                raise ProblemError(message)
            found: Any = value
            if callable(value):
                found = value(*coordinates[: _arity(value)])
            elif not isinstance(value, torch.Tensor):
                found = float(value)
            # Branches are chosen by values: the derivative of a jump is none.
            found = getattr(found, "tensor", found)
            result = torch.where(branch == number, found, result)
        return result


def _arity(function: Callable[..., Any]) -> int | None:
    """How many coordinates a function takes, None for any number: those of space may stand without the time."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return None
    return len(parameters)


@dataclass(frozen=True)
class Interface(Stated):
    """[u] = 0 and [k ∂u/∂n] = 0 across a surface inside the domain, where the unknown is split."""

    k: Piecewise
    on: Any
    unknown: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.k, Piecewise):
            message = (
                f"Interface received k of type {type(self.k).__name__}; expected "
                "Piecewise({disk: 1000.0}, otherwise=1.0)"
            )
            raise ProblemError(message)
        _check_place(self.on, "Interface")


@dataclass(frozen=True)
class Observation:
    """Measured values (n,) of an unknown at points (n, d), with standard deviation sigma."""

    points: Any
    values: Any
    unknown: str | None = None
    sigma: float | None = None

    @property
    def arrays(self) -> tuple[Any, Any]:
        """Points (n, d) and values (n,) as tensors; points (n,) on a line become (n, 1)."""
        points, values = (torch.as_tensor(part, dtype=torch.float64) for part in (self.points, self.values))
        if points.ndim == 1:
            points = points[:, None]
        return points, values

    def check(self, name: str, coordinates: Sequence[str]) -> None:
        """Points (n, d) in these coordinates and values (n,), all finite.

        Raises:
            ProblemError: they are not; `name` says which observation.
        """
        try:
            points, values = self.arrays
        except (TypeError, ValueError, RuntimeError) as error:
            message = f"{name} holds points or values that are no array of numbers: {error}"
            raise ProblemError(message) from None
        d = len(coordinates)
        shape = tuple(torch.as_tensor(self.points).shape)
        if points.ndim != 2 or points.shape[1] != d or values.shape != points.shape[:1]:
            message = (
                f"{name} has points of shape {shape} and values of shape {tuple(values.shape)}, expected "
                f"(n, {d}) and (n,): one row per observation, columns {', '.join(coordinates)}"
            )
            raise ProblemError(message)
        if not (points.isfinite().all() and values.isfinite().all()):
            message = f"{name} holds numbers that are not finite; remove those observations"
            raise ProblemError(message)
        if self.sigma is not None and not self.sigma > 0:
            message = f"{name} has sigma={self.sigma!r}; expected a standard deviation above 0"
            raise ProblemError(message)
