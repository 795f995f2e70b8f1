"""The same problem in other units: lengths, times and values multiplied by constants."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pdesolve.calculus import Field, Frame, MultiIndex, active_frame
from pdesolve.conditions import (
    Condition,
    Dirichlet,
    Initial,
    Integral,
    Interface,
    Neumann,
    Observation,
    Periodic,
    Piecewise,
    Robin,
)
from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Boundary, Filtered, Joined, Point
from pdesolve.geometry.spacetime import Cylinder, TimeInterval
from pdesolve.problem import Problem


@dataclass(frozen=True)
class Units:
    """x' = length · x, t' = time · t, u' = value · u."""

    length: float = 1.0
    time: float = 1.0
    value: float = 1.0

    def of(self, name: str) -> float:
        """The factor of a coordinate."""
        return self.time if name == "t" else self.length


def rescaled(problem: Problem, units: Units) -> Problem:
    """The problem whose solution is u'(x', t') = value · u(x' / length, t' / time).

    Its equation is `value` times that of the problem, put to fields in the old units:
    D^α u = length^|α_x| time^α_t D^α u' / value. Conditions are stated in the new units.

    Raises:
        UsageError: the domain is no plain one that can be scaled, or a condition is not known here.
    """
    change = _Change(problem, units)
    return Problem(
        domain=change.domain(problem.domain),
        equation=change.residual(problem.equation),
        conditions=[change.condition(condition) for condition in problem.conditions],
        exact=change.functions(problem.exact),
        reference=change.functions(problem.reference),
        guess=change.functions(problem.guess),
        constants=problem.constants,
        parameters=problem.parameters,
        data=[change.observation(observation) for observation in problem.data],
        name=problem.name,
    )


@dataclass(frozen=True)
class _Change:
    problem: Problem
    units: Units

    def domain(self, domain: Domain) -> Domain:
        if isinstance(domain, Cylinder):
            t = domain.time
            scale = self.units.time
            return self.domain(domain.space) * TimeInterval(scale * t.t0, scale * t.t1)
        return domain.scaled(self.units.length)

    def place(self, place: Any) -> Any:
        """The image of a place.

        Surfaces are matched by their number: the image of a domain has the images of its surfaces, in order.
        """
        if isinstance(place, Boundary):
            image = self.domain(place.source)
            if place.faces is None:
                return Boundary(image, None, place.label)
            pairs = zip(place.source.surfaces, image.surfaces, strict=True)
            return Boundary(
                image, tuple(new.name for old, new in pairs if old.name in place.faces), place.label
            )
        if isinstance(place, Filtered):
            return Filtered(self.place(place.place), self.of_coordinates(place.predicate))
        if isinstance(place, Joined):
            return Joined(tuple(map(self.place, place.places)))
        if isinstance(place, Point):
            return Point([self.units.length * c for c in place.coordinates])
        message = f"on={place!r} is no place that can be rescaled"
        raise UsageError(message)

    def back(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Coordinates in the old units; anything else as it is."""
        known = self.problem._coordinate_arguments
        return {name: v / self.units.of(name) if name in known else v for name, v in fields.items()}

    def of_coordinates(self, function: Any, factor: float = 1.0) -> Any:
        """`factor` times a value: a number, or a function that asks for coordinates and constants by name."""
        if not callable(function):
            return factor * function
        if isinstance(function, Piecewise):
            return self.piecewise(function)

        def evaluate(*args: Any, **fields: Any) -> Any:
            if args:  # a built-in torch function of the first coordinate
                return factor * function(*(a / self.units.of(self.problem.coordinates[0]) for a in args))
            value = function(**self.back(fields))
            return value if getattr(value, "dtype", None) == torch.bool else factor * value

        return _like(function, evaluate)

    def functions(self, functions: Mapping[str, Any] | None) -> Any:
        """Solutions in the new units."""
        if functions is None:
            return None
        return {name: self.of_coordinates(value, self.units.value) for name, value in functions.items()}

    def piecewise(self, k: Piecewise) -> Piecewise:
        values = {self.domain(shape): self.by_position(value) for shape, value in k.values.items()}
        return Piecewise(values, self.by_position(k.otherwise))

    def by_position(self, value: Any) -> Any:
        """A value that is called with the coordinates in order."""
        if not callable(value):
            return value
        names = self.problem.coordinates
        return lambda *x: value(*(c / self.units.of(name) for c, name in zip(x, names, strict=False)))

    def condition(self, condition: Any) -> Any:
        u, per_length = self.units.value, 1 / self.units.length
        if isinstance(condition, Periodic):
            shift = {axis: s * self.units.of(axis) for axis, s in condition.shift.items()}
            return replace(condition, shift=shift, jump=self.of_coordinates(condition.jump, u))
        if isinstance(condition, Integral):
            factor = u * self.units.length**self.problem.domain.space_dimension
            return replace(condition, value=self.of_coordinates(condition.value, factor))
        if isinstance(condition, Initial):
            factor = u / self.units.time**condition.order
            return replace(condition, value=self.of_coordinates(condition.value, factor))
        on = self.place(condition.on)
        if isinstance(condition, Dirichlet):
            return replace(condition, on=on, value=self.of_coordinates(condition.value, u))
        if isinstance(condition, Neumann):
            return replace(condition, on=on, value=self.of_coordinates(condition.value, u * per_length))
        if isinstance(condition, Robin):
            a = self.of_coordinates(condition.a, per_length)
            return replace(condition, on=on, a=a, value=self.of_coordinates(condition.value, u * per_length))
        if isinstance(condition, Interface):
            return replace(condition, on=on, k=self.piecewise(condition.k))
        if isinstance(condition, Condition):
            return replace(condition, on=on, function=self.residual(condition.function))
        message = f"conditions contains a {type(condition).__name__}, which cannot be rescaled"
        raise UsageError(message)

    def observation(self, observation: Observation) -> Observation:
        points, values = observation.arrays
        scales = points.new_tensor([self.units.of(name) for name in self.problem.coordinates])
        sigma = None if observation.sigma is None else observation.sigma * self.units.value
        return replace(observation, points=points * scales, values=values * self.units.value, sigma=sigma)

    def residual(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What must vanish, evaluated in a frame that shows the fields in the old units."""

        def evaluate(**fields: Any) -> Any:
            outer = active_frame("rescaled")
            inner = _frame(outer, self.units)
            known = {**inner.arguments(), **{name: inner.unknown(name) for name in self.problem.unknowns}}
            with inner:
                found = function(**{name: known.get(name, value) for name, value in fields.items()})
                values = _tensors(found, self.units.value)
            outer.deepest = max(outer.deepest, inner.deepest)
            outer.requested |= inner.requested
            return values

        return _like(function, evaluate)


def _frame(outer: Frame, units: Units) -> Frame:
    """The frame in the old units over the same jets."""
    factors = {name: units.of(name) for name in outer.names}

    def jet(name: str, index: MultiIndex) -> Tensor | None:
        value = outer._jet(name, index)  # type: ignore[misc]
        if value is None:
            return None
        scale = 1 / units.value
        for axis, order in zip(outer.names, index, strict=True):
            scale *= factors[axis] ** order
        return scale * value

    points = torch.stack([outer.coordinates[name].detach() / factors[name] for name in outer.names], dim=1)
    return Frame(outer.names, points, jet, outer.depth, outer._normals)


def _tensors(found: Any, factor: float) -> Any:
    """`factor` times what an equation returned, as tensors; what is no residual stays for the message about it."""
    if isinstance(found, (tuple, list)):
        return tuple(_tensors(part, factor) for part in found)
    values = found.tensor if isinstance(found, Field) else found
    return factor * values if isinstance(values, Tensor) else values


def _like(function: Callable[..., Any], evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`evaluate` under the name and with the arguments of `function`."""
    try:
        evaluate.__signature__ = _by_keyword(inspect.signature(function).parameters.values())  # type: ignore[attr-defined]
    except (TypeError, ValueError):  # a built-in such as torch.sin
        evaluate = _positional(evaluate)
    evaluate.__name__ = getattr(function, "__name__", "function")
    return evaluate


def _by_keyword(parameters: Iterable[inspect.Parameter]) -> inspect.Signature:
    return inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in parameters])


def _positional(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def of_one(x: Any) -> Any:
        return evaluate(x)

    return of_one
