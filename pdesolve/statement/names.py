"""The names that the functions of a problem may ask for, and whom a condition speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.grouped import USE_COMPLEX, with_members
from pdesolve.statement.groups import Group, complex_among, marked_groups, vectors_among
from pdesolve.statement.signatures import signature

RESERVED = re.compile(r"[xyztn]|x[0-9]+")


@dataclass(frozen=True)
class Names:
    """Coordinates, constants, parameters and unknowns of a problem.

    Attributes:
        coordinates: in order, time last.
        constants: name → number.
        parameters: name → first value of a scalar to be identified.
        unknowns: the other arguments of the equation; of a vector or a complex field, its members; then the scalars.
        groups: name → the members of a vector or a complex field.
        scalars: unknowns that live in time only.
    """

    coordinates: tuple[str, ...]
    constants: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    unknowns: tuple[str, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    scalars: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.scalars:
            if name in {*self.coordinates, *self.constants, *self.parameters} or self.scalars.count(name) > 1:
                message = f"Scalar '{name}': that name is taken; expected another one"
                raise ProblemError(message)
        for kind, names in (("constants", self.constants), ("parameters", self.parameters)):
            for name, value in names.items():
                self._check_number(kind, name, value)

    def _check_number(self, kind: str, name: str, value: Any) -> None:
        if RESERVED.fullmatch(name) or name in self.coordinates:
            message = f"{kind} has the key '{name}', a reserved name (x y z t n, x1, x2, …); rename it"
            raise ProblemError(message)
        # Python counts True as the number 1, which nobody means.
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            message = f"{kind}['{name}'] is a {type(value).__name__}; expected a number"
            raise ProblemError(message)

    @property
    def vectors(self) -> dict[str, tuple[str, ...]]:
        """Name → names of the components, of the vectors."""
        return vectors_among(self.groups)

    @property
    def complex(self) -> dict[str, tuple[str, ...]]:
        """Name → names of the parts, of the complex fields."""
        return complex_among(self.groups)

    @property
    def of_coordinates(self) -> tuple[str, ...]:
        """Arguments that stand for coordinates: from four space dimensions on, `x` is all of them."""
        if "x1" in self.coordinates:
            return (*self.coordinates, "x")
        return self.coordinates

    @property
    def of_values(self) -> set[str]:
        """What the functions of prescribed values may ask for."""
        return {*self.of_coordinates, *self.constants}

    @property
    def of_conditions(self) -> set[str]:
        """What the function of a `Condition` may ask for."""
        return {*self.of_values, *self.unknowns, *self.groups, *self.parameters, "n"}

    def with_unknowns_of(self, equation: Callable) -> Names:
        """The same with the unknowns: those arguments that an equation requires and that are nothing else.

        Raises:
            ProblemError: there is none, or one of them is a coordinate that the domain lacks.
        """
        known = {*self.of_coordinates, *self.constants, *self.parameters, *self.scalars}
        # An argument with a default is no unknown: the equation works without it.
        required = [name for name, must in signature(equation, "the equation", ()).items() if must]
        unknowns = tuple(name for name in required if name not in known)
        for name in unknowns:
            if RESERVED.fullmatch(name):
                message = (
                    f"the equation asks for '{name}', a reserved name that this domain lacks: its "
                    f"coordinates are {', '.join(self.coordinates)}"
                )
                raise ProblemError(message)
        if not unknowns:
            message = (
                "the equation has no unknown among its arguments: a name that is no coordinate "
                f"({', '.join(self.coordinates)}) and no constant is an unknown, e.g. def poisson(u, x, y)"
            )
            raise ProblemError(message)
        groups = marked_groups(equation, self.coordinates)
        components = [c for name in unknowns for c in (groups[name].members if name in groups else (name,))]
        if len(set(components)) < len(components):
            message = f"the equation has the unknowns {', '.join(components)}, of which two are called the same; rename"
            raise ProblemError(message)
        return replace(self, unknowns=(*components, *self.scalars), groups=groups)

    def check_arguments(self, function: Callable, owner: str, known: set[str]) -> None:
        """Refuse a function that asks for what there is not.

        Raises:
            ProblemError: it does; the sentence says what it may ask for.
        """
        for name, required in signature(function, owner, self.coordinates[:1]).items():
            if required and name not in known:
                message = f"{owner} asks for '{name}'; it may ask for {', '.join(sorted(known))}"
                raise ProblemError(message)

    def unknown_of(self, condition: Any, kind: str) -> str:
        """The unknown a condition speaks of; it may be left out where there is one only.

        Raises:
            ProblemError: it is left out of a system, or is no unknown.
        """
        fields = [name for name in self.unknowns if name not in self.scalars]
        if condition.unknown is None and len(fields) == 1:
            return fields[0]
        if condition.unknown is None:
            message = (
                f"{kind} does not say which unknown it prescribes; add unknown= one of "
                f"{', '.join(self.unknowns)} (an argument of the equation that is meant as a constant "
                "belongs in constants={…})"
            )
            raise ProblemError(message)
        if condition.unknown not in self.unknowns:
            message = (
                f"{kind} has unknown='{condition.unknown}'; the unknowns of the equation are "
                f"{', '.join(self.unknowns)}"
            )
            raise ProblemError(message)
        return condition.unknown

    def per_unknown(self, functions: Any, owner: str, partial: bool = False) -> dict[str, Any] | None:
        """Functions or numbers by unknown, from a dict or from the one there is.

        Raises:
            ProblemError: one is missing (unless `partial`), too many, or neither function nor number.
        """
        functions = with_members(functions, self.groups, owner)
        if functions is None:
            return None
        if not isinstance(functions, Mapping):
            if len(self.unknowns) > 1:
                message = f"{owner} must be a dict with a function for each of {', '.join(self.unknowns)}"
                raise ProblemError(message)
            functions = {self.unknowns[0]: functions}
        # A guess may speak of some unknowns only; an exact solution has to give all.
        missing = set(self.unknowns) - set(functions)
        if (missing and not partial) or not set(functions) <= set(self.unknowns):
            message = (
                f"{owner} has the keys {', '.join(functions)}; the unknowns are {', '.join(self.unknowns)}"
            )
            raise ProblemError(message)
        for name, function in functions.items():
            self._check_function(function, f"{owner} of '{name}'")
        return dict(functions)

    def _check_function(self, function: Any, owner: str) -> None:
        if callable(function):
            self.check_arguments(function, owner, self.of_values)
        elif isinstance(function, complex):
            message = f"{owner} is the complex number {function!r}, of a real unknown; {USE_COMPLEX.format(name='u')}"
            raise ProblemError(message)
        elif isinstance(function, bool) or not isinstance(function, (int, float)):
            message = f"{owner} is a {type(function).__name__}; expected a function of the coordinates"
            raise ProblemError(message)
