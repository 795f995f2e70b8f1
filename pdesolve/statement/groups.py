"""Unknowns that belong together: the components of a vector, the parts of a complex field.

A group is notation. Its members are unknowns of their own, u_x, u_y of a vector and u_re, u_im of a complex field, and
all that comes after the statement knows these alone.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.complex_fields import Complex, parts_of
from pdesolve.statement.fields import Field, Vector
from pdesolve.statement.matrices import Matrix
from pdesolve.statement.signatures import has_signature


@dataclass(frozen=True)
class Group:
    """Members of a group, by name.

    Attributes:
        members: the unknowns.
    """

    members: tuple[str, ...]

    def joined(self, members: Sequence[Any], axes: Sequence[str] = ()) -> Any:
        """The members as the functions of a problem are given them, on space coordinates `axes`."""
        raise NotImplementedError

    def values(self, value: Any, owner: str) -> list[Any]:
        """The value of each member from that of the group: a number, a tuple, a function.

        Raises:
            ProblemError: it cannot be such a value.
        """
        raise NotImplementedError

    def columns(self, values: Any, name: str) -> list[Tensor]:
        """Observed values (n,) of each member.

        Raises:
            ProblemError: their shape is another.
        """
        raise NotImplementedError


class VectorGroup(Group):
    """A vector with a component for each space coordinate."""

    def joined(self, members: Sequence[Any], axes: Sequence[str] = ()) -> Vector:
        """The vector."""
        return Vector(members, axes)

    def values(self, value: Any, owner: str) -> list[Any]:
        """Of zero, a tuple of numbers and functions, or a function that returns a vector."""
        components = self.members
        if callable(value):
            return [_component_of(value, i, components, owner) for i in range(len(components))]
        if isinstance(value, (tuple, list, Vector)):
            _check_length(value, components, owner)
            return list(value)
        if value != 0:
            wanted = ", ".join(components)
            message = f"{owner} is {value!r}; expected 0, or a tuple with a value for each of {wanted}"
            raise ProblemError(message)
        return [value] * len(components)

    def columns(self, values: Any, name: str) -> list[Tensor]:
        """Of an array (n, k)."""
        found = torch.as_tensor(values, dtype=torch.float64)
        if found.ndim != 2 or found.shape[1] != len(self.members):
            message = (
                f"the data of the vector '{name}' have the shape {tuple(found.shape)}; expected a column for each of "
                f"{', '.join(self.members)}"
            )
            raise ProblemError(message)
        return list(found.unbind(1))


class ComplexGroup(Group):
    """A complex field: its real and its imaginary part."""

    def joined(self, members: Sequence[Any], axes: Sequence[str] = ()) -> Complex:
        """The complex field."""
        del axes
        return Complex(*members)

    def values(self, value: Any, owner: str) -> list[Any]:
        """Of a number, real or complex, or a function that returns such numbers."""
        if callable(value):
            return [_part_of(value, imaginary) for imaginary in (False, True)]
        if isinstance(value, (tuple, list, Vector)):
            message = f"{owner} is {value!r}; expected a complex number such as 1 + 2j, or a function that returns them"
            raise ProblemError(message)
        return [_part(value, False), _part(value, True)]

    def columns(self, values: Any, name: str) -> list[Tensor]:
        """Of a complex array (n,)."""
        del name
        found = torch.as_tensor(values).to(torch.complex128)
        return [found.real, found.imag]


def vectors_among(groups: Mapping[str, Group]) -> dict[str, tuple[str, ...]]:
    """Name → names of the components, of the vectors."""
    return {name: group.members for name, group in groups.items() if isinstance(group, VectorGroup)}


def complex_among(groups: Mapping[str, Group]) -> dict[str, tuple[str, ...]]:
    """Name → names of the parts, of the complex fields."""
    return {name: group.members for name, group in groups.items() if isinstance(group, ComplexGroup)}


def marked_groups(equation: Callable, coordinates: Sequence[str]) -> dict[str, Group]:
    """Arguments of an equation that are annotated as vectors or complex fields.

    Raises:
        ProblemError: one is annotated with something else that is made of these words.
    """
    if not has_signature(equation):
        return {}
    found: dict[str, Group] = {}
    for p in inspect.signature(equation).parameters.values():
        # Under `from __future__ import annotations` an annotation is its text.
        if p.annotation is Vector or p.annotation in ("Vector", "pdesolve.Vector"):
            found[p.name] = VectorGroup(tuple(f"{p.name}_{c}" for c in coordinates if c != "t"))
        elif p.annotation in (Complex, complex) or p.annotation in ("Complex", "pdesolve.Complex", "complex"):
            found[p.name] = ComplexGroup((f"{p.name}_re", f"{p.name}_im"))
        elif re.search(r"\b(Vector|Complex)\b", str(p.annotation)):
            shown = p.annotation if isinstance(p.annotation, str) else repr(p.annotation)
            message = (
                f"the argument {p.name} of the equation is annotated with {shown}; expected Vector or Complex alone: a "
                f"vector of complex fields is stated by its components, {p.name}x: Complex, {p.name}y: Complex, as "
                f"vector({p.name}x, {p.name}y)"
            )
            raise ProblemError(message)
    return found


def _check_length(value: Any, components: tuple[str, ...], owner: str) -> None:
    if not isinstance(value, (tuple, list, Vector)) or len(value) != len(components):
        length = (
            f"has {len(value)} components" if isinstance(value, (tuple, list, Vector)) else "is no vector"
        )
        message = f"{owner} {length}; expected one for each of {', '.join(components)}"
        raise ProblemError(message)


def _component_of(function: Callable, i: int, components: tuple[str, ...], owner: str) -> Callable:
    """Component i of a function that returns a vector; it asks for what the function asks for."""

    @wraps(function)
    def component(*args: Any, **kwargs: Any) -> Any:
        value = function(*args, **kwargs)
        if not isinstance(value, Matrix) and isinstance(value, (tuple, list, Vector)):
            _check_length(value, components, owner)
            return value[i]
        message = f"{owner} returned a {type(value).__name__}; expected a vector: a tuple or vector(…)"
        raise ProblemError(message)

    return component


def _part_of(function: Callable, imaginary: bool) -> Callable:
    """The real or the imaginary part of a function; it asks for what the function asks for."""

    @wraps(function)
    def part(*args: Any, **kwargs: Any) -> Any:
        return _part(function(*args, **kwargs), imaginary)

    return part


def _part(value: Any, imaginary: bool) -> Any:
    """Real or imaginary part; zeros of the shape of a real value."""
    if isinstance(value, np.generic):
        value = value.item()
    part = parts_of(value)[imaginary]
    if part is not None:
        return part
    return 0.0 * value if isinstance(value, (Field, Tensor, np.ndarray)) else 0.0
