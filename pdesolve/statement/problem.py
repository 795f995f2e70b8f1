"""A problem: domain, equation and conditions, stated once and independent of any method.

Functions in a problem receive their arguments *by name*: coordinates, constants, parameters, unknowns and, on
boundaries, the normal `n`. `Problem.terms` is the list of everything that must vanish and where.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.arguments import names_explained
from pdesolve.statement.calculus import DerivativeError, Field, Frame, normal_derivative
from pdesolve.statement.conditions import (
    Condition,
    Dirichlet,
    Initial,
    Integral,
    Interface,
    Neumann,
    Observation,
    Periodic,
    Robin,
)
from pdesolve.statement.seams import Seam, find_seams
from pdesolve.statement.term import Term

RESERVED = re.compile(r"[xyztn]|x[0-9]+")
_OTHER_WORDS = {
    **dict.fromkeys(("pde", "eq", "equations", "operator", "residual", "system"), "equation"),
    **dict.fromkeys(
        ("bc", "bcs", "boundary_conditions", "boundaries", "constraints", "ic", "ics"), "conditions"
    ),
    **dict.fromkeys(("geometry", "geom", "region", "mesh", "space"), "domain"),
    **dict.fromkeys(("solution", "analytic", "exact_solution"), "exact"),
    **dict.fromkeys(("initial_guess", "start", "u0"), "guess"),
    **dict.fromkeys(("params", "unknown_parameters"), "parameters"),
    **dict.fromkeys(("observations", "measurements"), "data"),
}
_KINDS = (Dirichlet, Neumann, Robin, Initial, Periodic, Condition, Integral, Interface)


def signature(function: Callable, owner: str, default: Sequence[str]) -> dict[str, bool]:
    """Argument names of a function → whether it must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in torch functions such as torch.sin
        return {name: True for name in default}
    names = {}
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            message = f"{owner} takes *args or **kwargs; write its arguments out, they are matched by name"
            raise ProblemError(message)
        names[p.name] = p.default is p.empty
    return names


class Problem:
    """A partial differential equation with its conditions.

    Args:
        domain: where it holds.
        equation: function returning what must vanish: one (n,) field, or a tuple of them for a system.
        conditions: list of conditions.
        exact: exact solution, a function of the coordinates (a dict of functions for a system).
        reference: independently computed solution, used for errors only.
        guess: starting point of a nonlinear solve (function, number, or dict of them).
        constants: name → number, available by name and overridable from the command line.
        parameters: name → starting value of a scalar to be identified from `data`.
        data: list of observations.

    Raises:
        ProblemError: any part is not what it should be; the sentence says which and what to write.
    """

    @names_explained("Problem", _OTHER_WORDS)
    def __init__(
        self,
        domain: Any,
        equation: Callable[..., Any],
        conditions: Sequence[Any] = (),
        exact: Any = None,
        reference: Any = None,
        guess: Any = None,
        constants: Mapping[str, float] | None = None,
        parameters: Mapping[str, float] | None = None,
        data: Sequence[Observation] | None = None,
        name: str | None = None,
    ):
        if not hasattr(domain, "coordinates") or not hasattr(domain, "pieces"):
            message = (
                f"domain is a {type(domain).__name__}; expected a domain such as Rectangle((0, 0), (1, 1)) "
                "or Interval(-1, 1) * TimeInterval(0, 1)"
            )
            raise ProblemError(message)
        if not callable(equation):
            message = (
                f"equation is a {type(equation).__name__}; expected a function that returns what must vanish"
            )
            raise ProblemError(message)
        if not isinstance(conditions, (list, tuple)):
            message = (
                f"conditions is a {type(conditions).__name__}; expected a list: conditions=[Dirichlet(...)]"
            )
            raise ProblemError(message)
        self.domain, self.equation, self.conditions = domain, equation, tuple(conditions)
        self.constants, self.parameters = dict(constants or {}), dict(parameters or {})
        self.data = tuple(data) if isinstance(data, (list, tuple)) else ()
        self.name = name or getattr(equation, "__name__", "problem")
        self.source_path: Any = None
        self._check_names()
        self.unknowns = self._find_unknowns()
        for condition in self.conditions:
            self._check_condition(condition)
        self.seams = find_seams(self.conditions, domain, self.coordinates, self.unknowns)
        self._check_data(data)
        self.exact = self._per_unknown(exact, "exact")
        self.reference = self._per_unknown(reference, "reference")
        self.guess = self._per_unknown(guess, "guess", partial=True)

    # ---------------------------------------------------------------- names

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Coordinate names, time last."""
        return self.domain.coordinates

    @cached_property
    def _coordinate_arguments(self) -> tuple[str, ...]:
        return (*self.coordinates, *(("x",) if "x1" in self.coordinates else ()))

    def _check_names(self) -> None:
        for kind, names in (("constants", self.constants), ("parameters", self.parameters)):
            for name, value in names.items():
                if RESERVED.fullmatch(name) or name in self.coordinates:
                    message = (
                        f"{kind} has the key '{name}', a reserved name (x y z t n, x1, x2, …); rename it"
                    )
                    raise ProblemError(message)
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    message = f"{kind}['{name}'] is a {type(value).__name__}; expected a number"
                    raise ProblemError(message)

    def _find_unknowns(self) -> tuple[str, ...]:
        known = {*self._coordinate_arguments, *self.constants, *self.parameters}
        unknowns = []
        for name, required in signature(self.equation, "the equation", ()).items():
            if name in known or not required:
                continue
            if RESERVED.fullmatch(name):
                message = (
                    f"the equation asks for '{name}', a reserved name that this domain lacks: its "
                    f"coordinates are {', '.join(self.coordinates)}"
                )
                raise ProblemError(message)
            unknowns.append(name)
        if not unknowns:
            message = (
                "the equation has no unknown among its arguments: a name that is no coordinate "
                f"({', '.join(self.coordinates)}) and no constant is an unknown, e.g. def poisson(u, x, y)"
            )
            raise ProblemError(message)
        return tuple(unknowns)

    def _check_condition(self, condition: Any) -> None:
        if not isinstance(condition, _KINDS):
            message = (
                f"conditions contains a {type(condition).__name__}; expected Dirichlet, Neumann, Robin, "
                "Initial, Periodic, Condition, Integral or Interface"
            )
            raise ProblemError(message)
        kind = type(condition).__name__
        if isinstance(condition, Initial) and "t" not in self.coordinates:
            message = "Initial needs a time interval: use domain = space * TimeInterval(0, 1)"
            raise ProblemError(message)
        if not isinstance(condition, (Periodic, Condition)):
            self.unknown_of(condition, kind)
        for value in (getattr(condition, name, None) for name in ("value", "a", "jump")):
            if callable(value):
                self._check_arguments(value, f"the value of {kind}", self._value_names())
        if isinstance(condition, Condition):
            names = {*self._value_names(), *self.unknowns, *self.parameters, "n"}
            self._check_arguments(condition.function, "the function of Condition", names)

    def _check_data(self, data: Any) -> None:
        if data is not None and not isinstance(data, (list, tuple)):
            message = f"data is a {type(data).__name__}; expected a list: data=[Observation(points, values)]"
            raise ProblemError(message)
        for i, observation in enumerate(self.data):
            if not isinstance(observation, Observation):
                message = f"data[{i}] is a {type(observation).__name__}; expected Observation(points, values)"
                raise ProblemError(message)
            self.unknown_of(observation)
            observation.check(f"data[{i}]", self.coordinates)

    def _value_names(self) -> set[str]:
        return {*self._coordinate_arguments, *self.constants}

    def _check_arguments(self, function: Callable, owner: str, known: set[str]) -> None:
        for name, required in signature(function, owner, self.coordinates[:1]).items():
            if required and name not in known:
                message = f"{owner} asks for '{name}'; it may ask for {', '.join(sorted(known))}"
                raise ProblemError(message)

    def unknown_of(self, condition: Any, kind: str = "") -> str:
        """The unknown a condition speaks of; may be left out where there is one only."""
        kind = kind or type(condition).__name__
        if condition.unknown is None:
            if len(self.unknowns) > 1:
                message = (
                    f"{kind} does not say which unknown it prescribes; add unknown= one of "
                    f"{', '.join(self.unknowns)} (an argument of the equation that is meant as a constant "
                    "belongs in constants={…})"
                )
                raise ProblemError(message)
            return self.unknowns[0]
        if condition.unknown not in self.unknowns:
            message = (
                f"{kind} has unknown='{condition.unknown}'; the unknowns of the equation are "
                f"{', '.join(self.unknowns)}"
            )
            raise ProblemError(message)
        return condition.unknown

    def _per_unknown(self, functions: Any, owner: str, partial: bool = False) -> dict[str, Any] | None:
        if functions is None:
            return None
        if not isinstance(functions, Mapping):
            if len(self.unknowns) > 1:
                message = f"{owner} must be a dict with a function for each of {', '.join(self.unknowns)}"
                raise ProblemError(message)
            functions = {self.unknowns[0]: functions}
        missing = [u for u in self.unknowns if u not in functions and not partial]
        extra = [u for u in functions if u not in self.unknowns]
        if missing or extra:
            message = (
                f"{owner} has the keys {', '.join(functions)}; the unknowns are {', '.join(self.unknowns)}"
            )
            raise ProblemError(message)
        for name, function in functions.items():
            if callable(function):
                self._check_arguments(function, f"{owner} of '{name}'", self._value_names())
            elif isinstance(function, bool) or not isinstance(function, (int, float)):
                message = (
                    f"{owner} of '{name}' is a {type(function).__name__}; "
                    "expected a function of the coordinates"
                )
                raise ProblemError(message)
        return dict(functions)

    def with_constants(self, constants: Mapping[str, float]) -> Problem:
        """The same problem with some constants overridden (`--param nu=0.001`)."""
        for name in constants:
            if name not in self.constants:
                known = ", ".join(self.constants) or "none"
                message = f"--param {name}: the constants of this problem are: {known}"
                raise ProblemError(message)
        return self._with(constants={**self.constants, **constants})

    def with_guess(self, guess: Any) -> Problem:
        """The same problem with another starting point of its nonlinear solve."""
        return self._with(guess=guess)

    def with_data(self, data: Sequence[Observation]) -> Problem:
        """The same problem with other observations."""
        return self._with(data=data)

    def _with(self, **changes: Any) -> Problem:
        names = "domain equation conditions exact reference guess constants parameters data name".split()
        problem = Problem(**{**{name: getattr(self, name) for name in names}, **changes})
        problem.source_path = self.source_path
        return problem

    # ---------------------------------------------------------------- evaluation

    def call(self, function: Callable, frame: Frame, parameters: Mapping[str, Any] | None = None) -> Any:
        """Call a user's function with its arguments matched by name, in a frame."""
        available: dict[str, Any] = {**self.constants, **self.parameters, **(parameters or {})}
        available.update(frame.arguments())
        names = signature(function, "a function", self.coordinates[:1])
        positional = not has_signature(function)
        chosen = {}
        for name, required in names.items():
            if name in self.unknowns and name not in available:
                chosen[name] = frame.unknown(name)
            elif name in available:
                chosen[name] = available[name]
            elif required:
                message = f"'{name}' is not available here: there is {', '.join(available)}"
                raise DerivativeError(message)
        return function(*chosen.values()) if positional else function(**chosen)

    def value(self, value: Any, frame: Frame, owner: str) -> Tensor:
        """A prescribed value at the points of a frame, (n,); a constant broadcasts."""
        result = self.call(value, frame) if callable(value) else value
        if isinstance(result, Field):
            result = result.tensor
        points = next(iter(frame.coordinates.values()))
        if isinstance(result, (int, float)):
            return torch.full((frame.size,), float(result), dtype=points.dtype, device=points.device)
        if not isinstance(result, Tensor):
            try:
                result = torch.as_tensor(result, dtype=points.dtype, device=points.device)
            except Exception:
                message = (
                    f"{owner} returned a {type(result).__name__}; "
                    f"expected a number or a tensor of shape ({frame.size},)"
                )
                raise ProblemError(message) from None
        if result.is_complex():
            message = f"{owner} returned complex numbers; expected real ones: make real and imaginary part two unknowns"
            raise ProblemError(message)
        if result.ndim == 0:
            return result.to(points).expand(frame.size)
        if result.shape != (frame.size,):
            message = (
                f"{owner} returned shape {tuple(result.shape)}, expected ({frame.size},): one value per "
                "point. Coordinates arrive as separate (n,) tensors: write x, not x[0] or x[:, 0]."
            )
            raise ProblemError(message)
        return result

    def values(self, functions: Mapping[str, Any], points: Tensor, owner: str = "exact") -> Tensor:
        """A solution given as functions, at points (n, d): (n, u), NaN where a function is missing."""
        frame = Frame(self.coordinates, points)
        with torch.no_grad():
            columns = self._columns(functions, frame, owner)
        if frame.deepest:  # grad(…) of coordinates inside the functions
            with torch.enable_grad():
                columns = self._columns(
                    functions, Frame(self.coordinates, points, depth=frame.deepest), owner
                )
        return torch.stack([c.detach().to(points) for c in columns], dim=1)

    def _columns(self, functions: Mapping[str, Any], frame: Frame, owner: str) -> list[Tensor]:
        with frame:
            return [
                self.value(functions[u], frame, f"{owner} of '{u}'")
                if u in functions
                else frame.full(torch.nan)
                for u in self.unknowns
            ]

    def jumps(self, seam: Seam, points: Tensor) -> Tensor:
        """Jumps (n, u) of all unknowns over a seam at points (n, d) of its upper end.

        Where the shift goes beyond the end of another axis and comes in again, that axis' own jump is taken off.
        """
        with torch.no_grad(), Frame(self.coordinates, points) as frame:
            owner = f"the jump of Periodic('{self.coordinates[seam.axis]}')"
            jumps = torch.stack([self.value(seam.jumps[u], frame, owner) for u in self.unknowns], dim=1)
        if not bool(jumps.isfinite().all()):
            message = f"{owner} is not finite at the upper end; expected numbers"
            raise ProblemError(message)
        for axis, count in seam.wraps(points).items():
            other = next(s for s in self.seams if s.axis == axis)
            jumps = jumps - count[:, None] * self.jumps(other, other.ends(points)[1])
        return jumps

    # ---------------------------------------------------------------- terms

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Everything pointwise that must vanish: the equation first, then the conditions."""
        label = f"equation '{getattr(self.equation, '__name__', 'equation')}'"
        first = Term(
            label, "equation", None, lambda frame: self.call(self.equation, frame, frame_parameters(frame))
        )
        return (first, *(t for c in self.conditions if (t := self._term(c)) is not None))

    def _term(self, condition: Any) -> Term | None:
        kind = type(condition).__name__
        if isinstance(condition, Initial):
            unknown = self.unknown_of(condition)

            def initial(frame: Frame) -> Any:
                u = frame.unknown(unknown)
                derivative = u.derivative(*["t"] * condition.order) if condition.order else u
                return derivative - self.value(condition.value, frame, "the value of Initial")

            name = f"Initial of {unknown}" + (f", order {condition.order}" if condition.order else "")
            return Term(name, "initial", self.domain.initial, initial, unknown, condition.value)
        if isinstance(condition, Condition):
            place = getattr(condition.on, "name", "boundary")
            return Term(
                f"Condition on {place}",
                "condition",
                condition.on,
                lambda frame: self.call(condition.function, frame, frame_parameters(frame)),
            )
        if not isinstance(condition, (Dirichlet, Neumann, Robin)):
            return None
        unknown = self.unknown_of(condition)
        owner = f"{kind} on {getattr(condition.on, 'name', 'boundary')}"
        if len(self.unknowns) > 1:
            owner = f"{kind} of {unknown} on {getattr(condition.on, 'name', 'boundary')}"

        def prescribed(frame: Frame) -> Any:
            u = frame.unknown(unknown)
            value = self.value(condition.value, frame, f"the value of {owner}")
            if isinstance(condition, Dirichlet):
                return u - value
            if isinstance(condition, Neumann):
                return normal_derivative(u) - value
            return normal_derivative(u) + self.value(condition.a, frame, f"a of {owner}") * u - value

        return Term(owner, kind.lower(), condition.on, prescribed, unknown, condition.value)

    @cached_property
    def periodic_axes(self) -> tuple[int, ...]:
        """Indices of the coordinates in which everything is periodic."""
        return tuple(seam.axis for seam in self.seams)

    @cached_property
    def integrals(self) -> tuple[Integral, ...]:
        """Integral constraints."""
        return tuple(c for c in self.conditions if isinstance(c, Integral))

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """Interface conditions inside the domain."""
        return tuple(c for c in self.conditions if isinstance(c, Interface))

    def _repr_html_(self) -> str:
        rows = {
            "domain": str(self.domain),
            "unknowns": ", ".join(self.unknowns),
            "coordinates": ", ".join(self.coordinates),
            "constants": ", ".join(f"{name} = {value:g}" for name, value in self.constants.items()),
            "identified": ", ".join(self.parameters),
            "conditions": "\n".join(term.name for term in self.terms[1:]),
        }
        shown = {name: html.escape(text).replace("\n", "<br>") for name, text in rows.items() if text}
        body = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in shown.items())
        return f"<table><caption>Problem {html.escape(self.name)}</caption>{body}</table>"

    def __repr__(self) -> str:
        unknowns, coordinates = ", ".join(self.unknowns), ", ".join(self.coordinates)
        return f"Problem({self.name}: unknowns {unknowns}; coordinates {coordinates})"


def has_signature(function: Callable) -> bool:
    """Whether a function tells its arguments; built-in torch functions do not."""
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


def frame_parameters(frame: Frame) -> Mapping[str, Any]:
    """Parameters to be identified that travel with a frame."""
    return getattr(frame, "parameters", None) or {}
