"""Conditions, values and functions of unknowns that belong together, as those of these unknowns.

Conditions on a group become conditions on its members, functions that ask for it are given it, and results that are
vectors or complex become tuples of real fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import normal_derivative
from pdesolve.statement.complex_fields import Complex, is_complex
from pdesolve.statement.conditions import Condition, Dirichlet, Observation, Robin
from pdesolve.statement.fields import Vector
from pdesolve.statement.groups import ComplexGroup, Group, VectorGroup
from pdesolve.statement.matrices import tangential
from pdesolve.statement.signatures import has_signature

Groups = Mapping[str, Group]
DIRECTIONS = ("normal", "tangent")
USE_COMPLEX = "for a complex unknown write its argument of the equation as {name}: Complex"


def flat(result: Any, groups: Groups) -> Any:
    """What must vanish as a tuple of fields: vectors and matrices give their components, complex fields both parts."""
    split = any(isinstance(group, ComplexGroup) for group in groups.values())
    if isinstance(result, (Vector, tuple, list)) or (split and is_complex(result)):
        return tuple(_leaves(result, split))
    return result


def _leaves(result: Any, split: bool) -> Iterator[Any]:
    if isinstance(result, (Vector, tuple, list)):
        for part in result:
            yield from _leaves(part, split)
    # Of real unknowns alone, a complex residual is a mistake, which the term tells.
    elif split and isinstance(result, (Complex, Tensor)) and is_complex(result):
        yield from (result.real, result.imag)
    else:
        yield result


def with_members(functions: Any, groups: Groups, owner: str) -> Any:
    """A dict of functions by unknown, in which those of groups are given for their members."""
    if len(groups) == 1 and functions is not None and not isinstance(functions, Mapping):
        functions = {next(iter(groups)): functions}  # the only unknown may be left out
    if not isinstance(functions, Mapping):
        return functions
    found: dict[str, Any] = {}
    for name, value in functions.items():
        if name in groups:
            parts = groups[name].values(value, f"{owner} of '{name}'")
            found |= dict(zip(groups[name].members, parts, strict=True))
        else:
            found[name] = value
    return found


def expanded(conditions: Sequence[Any], groups: Groups) -> tuple[Any, ...]:
    """Conditions on groups as conditions on their members."""
    return tuple(one for condition in conditions for one in _expanded(condition, groups))


def _expanded(condition: Any, groups: Groups) -> list[Any]:
    if isinstance(condition, Condition):
        if not groups:
            return [condition]
        return [replace(condition, function=_on_members(condition.function, groups))]
    name: Any = getattr(condition, "unknown", None)
    if name is None and len(groups) == 1 and getattr(condition, "speaks_of_one", False):
        name = next(iter(groups))
    along = getattr(condition, "along", None)
    if name not in groups:
        _check_scalar(condition, along)
        return [condition]
    if along is not None:
        return [_along(condition, name, groups[name])]
    if _mixes_parts(condition, groups[name]):
        return [_robin(condition, name, groups)]
    return _by_member(condition, groups[name])


def _mixes_parts(condition: Any, group: Group) -> bool:
    """Whether a condition may multiply a complex field by what is complex."""
    complex_robin = isinstance(group, ComplexGroup) and isinstance(condition, Robin)
    return complex_robin and not isinstance(condition.a, (int, float))


def _check_scalar(condition: Any, along: str | None) -> None:
    kind = type(condition).__name__
    if along is not None:
        message = f"{kind} has along={along!r}, but its unknown is no vector; leave it out"
        raise ProblemError(message)
    for key in ("value", "a", "jump"):
        value = getattr(condition, key, None)
        if isinstance(value, (tuple, list)):
            message = (
                f"{kind} has the value {value!r}, but its unknown is no vector; expected a number or a function "
                "of the coordinates"
            )
            raise ProblemError(message)
        if isinstance(value, complex):
            name = getattr(condition, "unknown", None) or "u"
            message = (
                f"{kind} has the complex number {value!r} for a real unknown; {USE_COMPLEX.format(name=name)}"
            )
            raise ProblemError(message)


def _by_member(condition: Any, group: Group) -> list[Any]:
    kind = {VectorGroup: "vector", ComplexGroup: "complex unknown"}[type(group)]
    owner = f"{type(condition).__name__} of a {kind}"
    for key in ("value", "jump"):
        if hasattr(condition, key):
            parts = group.values(getattr(condition, key), f"the {key} of {owner}")
            return [
                replace(condition, unknown=one, **{key: part})
                for one, part in zip(group.members, parts, strict=True)
            ]
    return [replace(condition, unknown=one) for one in group.members]


def observed(observation: Observation, groups: Groups) -> list[Observation]:
    """Observations of a vector (n, k), or of a complex field (n,), as those of its members."""
    # What is no observation is refused later, with its place in the list.
    name: Any = getattr(observation, "unknown", None)
    if name is None and len(groups) == 1 and isinstance(observation, Observation):
        name = next(iter(groups))
    if name not in groups:
        return [observation]
    columns = groups[name].columns(observation.values, name)
    return [
        replace(observation, unknown=one, values=column)
        for one, column in zip(groups[name].members, columns, strict=True)
    ]


def _on_members(function: Callable, groups: Groups) -> Callable:
    """A function of groups as one of their members, its result a tuple."""
    if not has_signature(function) or hasattr(function, "members_of"):
        return function
    names = list(inspect.signature(function).parameters)
    wanted = [name for name in names if name in groups]
    asked = [one for name in names for one in (groups[name].members if name in groups else (name,))]

    def on_members(**given: Any) -> Any:
        for name in wanted:
            given[name] = groups[name].joined([given.pop(one) for one in groups[name].members])
        return flat(function(**given), groups)

    on_members.members_of = function  # type: ignore[attr-defined]
    return _signed(on_members, asked, function)


def _robin(condition: Robin, name: str, groups: Groups) -> Condition:
    """∂u/∂n + a u = value of a complex field where a is complex, or a function that may return such numbers."""
    parts = {key: value for key, value in (("a", condition.a), ("value", condition.value)) if callable(value)}
    asked = {key: list(inspect.signature(function).parameters) for key, function in parts.items()}

    def residual(**given: Any) -> Any:
        u = given[name]
        a, value = (
            parts[key](**{one: given[one] for one in asked[key]}) if key in parts else getattr(condition, key)
            for key in ("a", "value")
        )
        return normal_derivative(u) + a * u - value

    names = dict.fromkeys((name, *(one for needed in asked.values() for one in needed)))
    return Condition(_on_members(_signed(residual, list(names), None), groups), condition.on)


def _along(condition: Any, name: str, group: Group) -> Condition:
    """Dirichlet values along the normal or the tangent."""
    owner = f"Dirichlet of '{name}' along the {condition.along}"
    if not isinstance(condition, Dirichlet) or condition.along not in DIRECTIONS:
        message = f"{owner}: expected along='normal' or along='tangent'"
        raise ProblemError(message)
    if not isinstance(group, VectorGroup):
        message = f"{owner}: '{name}' is no vector; leave along= out"
        raise ProblemError(message)
    components = group.members
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
            return flat(u @ n - wanted, {})
        return flat(tangential(u, n) - wanted, {})

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
