"""Unknowns that belong together: `def elasticity(u: Vector)`.

A vector is notation. Its components are the unknowns u_x, u_y, … of the space coordinates, and all that comes after the
statement knows these alone: conditions on the vector become conditions on its components, functions that ask for it are
given it, and results that are vectors become tuples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

import torch

from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Condition, Dirichlet, Observation
from pdesolve.statement.fields import Vector
from pdesolve.statement.matrices import Matrix, tangential
from pdesolve.statement.signatures import has_signature

# Name → names of the components.
Vectors = Mapping[str, tuple[str, ...]]
DIRECTIONS = ("normal", "tangent")


def marked_vectors(equation: Callable) -> tuple[str, ...]:
    """Arguments of an equation that are annotated as vectors."""
    if not has_signature(equation):
        return ()
    parameters = inspect.signature(equation).parameters.values()
    # Under `from __future__ import annotations` an annotation is its text.
    return tuple(
        p.name for p in parameters if p.annotation is Vector or p.annotation in ("Vector", "pdesolve.Vector")
    )


def component_names(name: str, coordinates: Sequence[str]) -> tuple[str, ...]:
    """Names of the components of a vector unknown: u_x, u_y."""
    return tuple(f"{name}_{c}" for c in coordinates if c != "t")


def flat(result: Any) -> Any:
    """What must vanish as a tuple of fields: vectors and matrices give their components."""
    if not isinstance(result, (Vector, tuple, list)):
        return result
    return tuple(_leaves(result))


def _leaves(result: Any) -> Iterator[Any]:
    for part in result:
        if isinstance(part, (Vector, tuple, list)):
            yield from _leaves(part)
        else:
            yield part


def with_components(functions: Any, vectors: Vectors, owner: str) -> Any:
    """A dict of functions by unknown, in which those of vectors are given for their components."""
    if len(vectors) == 1 and functions is not None and not isinstance(functions, Mapping):
        functions = {next(iter(vectors)): functions}  # the only unknown may be left out
    if not isinstance(functions, Mapping):
        return functions
    found: dict[str, Any] = {}
    for name, value in functions.items():
        if name in vectors:
            parts = values_of_components(value, vectors[name], f"{owner} of '{name}'")
            found |= dict(zip(vectors[name], parts, strict=True))
        else:
            found[name] = value
    return found


def expanded(conditions: Sequence[Any], vectors: Vectors) -> tuple[Any, ...]:
    """Conditions on vectors as conditions on their components."""
    return tuple(one for condition in conditions for one in _expanded(condition, vectors))


def _expanded(condition: Any, vectors: Vectors) -> list[Any]:
    if isinstance(condition, Condition):
        if not vectors:
            return [condition]
        return [replace(condition, function=_on_components(condition.function, vectors))]
    name: Any = getattr(condition, "unknown", None)
    along = getattr(condition, "along", None)
    if name is None and len(vectors) == 1 and getattr(condition, "speaks_of_one", False):
        name = next(iter(vectors))
    if name not in vectors:
        _check_scalar(condition, along)
        return [condition]
    if along is not None:
        return [_along(condition, name, vectors[name])]
    return _by_component(condition, vectors[name])


def _check_scalar(condition: Any, along: str | None) -> None:
    kind = type(condition).__name__
    if along is not None:
        message = f"{kind} has along={along!r}, but its unknown is no vector; leave it out"
        raise ProblemError(message)
    if isinstance(getattr(condition, "value", None), (tuple, list)):
        message = (
            f"{kind} has the value {condition.value!r}, but its unknown is no vector; expected a number or a function "
            "of the coordinates"
        )
        raise ProblemError(message)


def _by_component(condition: Any, components: tuple[str, ...]) -> list[Any]:
    owner = f"{type(condition).__name__} of a vector"
    for key in ("value", "jump"):
        if hasattr(condition, key):
            parts = values_of_components(getattr(condition, key), components, f"the {key} of {owner}")
            return [
                replace(condition, unknown=c, **{key: part})
                for c, part in zip(components, parts, strict=True)
            ]
    return [replace(condition, unknown=c) for c in components]


def observed(observation: Observation, vectors: Vectors) -> list[Observation]:
    """Observations (n, k) of a vector as those of its components."""
    # What is no observation is refused later, with its place in the list.
    name: Any = getattr(observation, "unknown", None)
    if name not in vectors:
        return [observation]
    values = torch.as_tensor(observation.values, dtype=torch.float64)
    components = vectors[name]
    if values.ndim != 2 or values.shape[1] != len(components):
        message = (
            f"the data of the vector '{name}' have the shape {tuple(values.shape)}; expected a column for each of "
            f"{', '.join(components)}"
        )
        raise ProblemError(message)
    return [replace(observation, unknown=c, values=values[:, i]) for i, c in enumerate(components)]


def values_of_components(value: Any, components: tuple[str, ...], owner: str) -> list[Any]:
    """The value of each component: of zero, a tuple of numbers and functions, or a function that returns a vector.

    Raises:
        ProblemError: it is another number, or has another length.
    """
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


def _on_components(function: Callable, vectors: Vectors) -> Callable:
    """A function of vectors as one of their components, its result a tuple."""
    if not has_signature(function) or hasattr(function, "components_of"):
        return function
    names = list(inspect.signature(function).parameters)
    wanted = [name for name in names if name in vectors]
    asked = [c for name in names for c in vectors.get(name, (name,))]

    def on_components(**given: Any) -> Any:
        for name in wanted:
            given[name] = Vector([given.pop(c) for c in vectors[name]])
        return flat(function(**given))

    on_components.components_of = function  # type: ignore[attr-defined]
    return _signed(on_components, asked, function)


def _along(condition: Any, name: str, components: tuple[str, ...]) -> Condition:
    """Dirichlet values along the normal or the tangent."""
    owner = f"Dirichlet of '{name}' along the {condition.along}"
    if not isinstance(condition, Dirichlet) or condition.along not in DIRECTIONS:
        message = f"{owner}: expected along='normal' or along='tangent'"
        raise ProblemError(message)
    value = condition.value
    asked: list[str] = []
    if callable(value):
        asked = list(inspect.signature(value).parameters)

    def residual(**given: Any) -> Any:
        n = given["n"]
        u = Vector([given[c] for c in components])
        wanted = value
        if callable(value):
            wanted = value(**{key: given[key] for key in asked})
        if condition.along == "normal":
            return flat(u @ n - wanted)
        return flat(tangential(u, n) - wanted)

    names = list(dict.fromkeys((*components, "n", *asked)))
    return Condition(_signed(residual, names, None), condition.on)


def _signed(function: Callable, names: Sequence[str], like: Callable | None) -> Callable:
    """A function that says which arguments it takes by name."""
    kept = {} if like is None else {p.name: p.default for p in inspect.signature(like).parameters.values()}
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=kept.get(name, inspect.Parameter.empty)
            )
            for name in names
        ]
    )
    function.__name__ = getattr(like, "__name__", "condition")
    return function
