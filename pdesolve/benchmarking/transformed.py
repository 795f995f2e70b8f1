"""The same problem in other coordinates and units: moved, turned, lengths, times and values multiplied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import Parameter, Signature
from typing import Any, cast

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion, rotating, scaling, translation
from pdesolve.geometry.place import Boundary, Filtered, Joined, Point
from pdesolve.geometry.spacetime import Cylinder, TimeInterval
from pdesolve.patches.rotation import rotate_indices, rotation_key
from pdesolve.statement.calculus import Field, Frame, MultiIndex, active_frame, sum_of
from pdesolve.statement.conditions import Condition, Interface, Observation, Periodic, Piecewise
from pdesolve.statement.problem import Problem
from pdesolve.statement.signatures import has_signature, signature

# Of rotations in space: it lies in no plane of coordinates, so that all of them are mixed.
AXIS = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Transformation:
    """x' = length · R x + shift, t' = time · t, u' = value · u.

    Attributes:
        length, time, value: factors.
        angle: of the rotation R about the origin, in radians; in space about the axis (1, 1, 1).
        shift: as many numbers as there are space coordinates, or more; none: no shift.
    """

    length: float = 1.0
    time: float = 1.0
    value: float = 1.0
    angle: float = 0.0
    shift: tuple[float, ...] = ()

    def of(self, space: Domain) -> Motion:
        """The motion of a domain in space."""
        motion = scaling(space, self.length, None)
        if self.angle:
            motion = rotating(space, self.angle, None, AXIS).after(motion)
        if self.shift:
            motion = translation(space, self.shift[: space.dimension]).after(motion)
        return motion


def transformed(problem: Problem, transformation: Transformation) -> Problem:
    """The problem whose solution is u'(x', t') = value · u(x, t), in the coordinates of `Transformation`.

    Its equation is `value` times that of the problem, put to fields in the old coordinates:
    ∂/∂x_i = length Σ_j R_ji ∂/∂x'_j. The components of a vector stay unknowns of their own, along the old axes.
    Conditions are stated in the new coordinates.

    Raises:
        UsageError: the domain cannot be moved so, or a condition is not known here.
    """
    change = Change(problem, transformation)
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
class Change:
    """Parts of a problem in other coordinates."""

    problem: Problem
    to: Transformation

    @cached_property
    def motion(self) -> Motion:
        """The map x ↦ x' in space."""
        return self.to.of(getattr(self.problem.domain, "space", self.problem.domain))

    @cached_property
    def matrix(self) -> Tensor:
        """R, with a last row and column for the time where there is one."""
        full = torch.eye(self.problem.domain.dimension, dtype=torch.float64)
        d = len(self.motion.shift)
        full[:d, :d] = self.motion.matrix
        return full

    def domain(self, domain: Domain) -> Domain:
        """The image of a domain."""
        if isinstance(domain, Cylinder):
            t = domain.time
            scale = self.to.time
            return self.domain(domain.space) * TimeInterval(
                scale * t.t0, scale * t.t1, tuple(scale * b for b in t.breaks)
            )
        return domain.moved(self.motion)

    def place(self, place: Any) -> Any:
        """The image of a place.

        Surfaces are matched by their number: the image of a domain has the images of its surfaces, in order.
        """
        if isinstance(place, Boundary):
            image = self.domain(cast(Domain, place.source))
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
            return Point(self.motion.of(place.coordinates)[0])
        message = f"on={place!r} is no place that can be moved"
        raise UsageError(message)

    def points(self, x: Tensor) -> Tensor:
        """The images of points (n, d), time included."""
        d = len(self.motion.shift)
        return torch.cat([self.motion(x[:, :d]), x[:, d:] * self.to.time], dim=1)

    def back(self, x: Tensor) -> Tensor:
        """The points whose images are x (n, d), time included."""
        d = len(self.motion.shift)
        return torch.cat([self.motion.back(x[:, :d]), x[:, d:] / self.to.time], dim=1)

    def coordinates(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Old coordinates by name, from all new ones; from four dimensions on `x` is the (n, d) tensor."""
        x = self.back(torch.stack([fields[name] for name in self.problem.coordinates], dim=1))
        old: dict[str, Any] = dict(zip(self.problem.coordinates, x.unbind(1), strict=True))
        if "x1" in old:
            return {**old, "x": x[:, : len(self.motion.shift)]}
        return old

    def of_coordinates(self, function: Any, factor: float = 1.0) -> Any:
        """`factor` times a value: a number, or a function that asks for coordinates and constants by name."""
        if not callable(function):
            return factor * function
        if isinstance(function, Piecewise):
            return self.piecewise(function)

        def evaluate(**fields: Any) -> Any:
            value = by_name(function, {**fields, **self.coordinates(fields)}, self.problem)
            if getattr(value, "dtype", None) == torch.bool:
                return value
            return factor * value

        return like(function, evaluate, self.problem.coordinates)

    def functions(self, functions: Mapping[str, Any] | None) -> Any:
        """Solutions in the new units."""
        if functions is None:
            return None
        return {name: self.of_coordinates(value, self.to.value) for name, value in functions.items()}

    def piecewise(self, k: Piecewise) -> Piecewise:
        """A coefficient that jumps, its parts moved."""
        values = {self.domain(shape): self.by_position(value) for shape, value in k.values.items()}
        return Piecewise(values, self.by_position(k.otherwise))

    def by_position(self, value: Any) -> Any:
        """A value that is called with the coordinates in order."""
        if not callable(value):
            return value
        return lambda *x: value(*self.back(torch.stack(x, dim=1)).unbind(1))

    def condition(self, condition: Any) -> Any:
        """A condition on the image of its place, with its values in the new units.

        Raises:
            UsageError: it ties opposite sides along an axis, and the motion turns it.
        """
        found = {}
        units = condition.units(self.problem.domain.space_dimension)
        for name, (value, length, time) in units.items():
            factor = self.to.value**value * self.to.length**length * self.to.time**time
            found[name] = self.of_coordinates(getattr(condition, name), factor)
        if hasattr(condition, "on"):
            found["on"] = self.place(condition.on)
        if isinstance(condition, Periodic):
            found["shift"] = self._shift(condition)
        elif isinstance(condition, Interface):
            found["k"] = self.piecewise(condition.k)
        elif isinstance(condition, Condition):
            found["function"] = self.residual(condition.function)
        return replace(condition, **found)

    def _shift(self, condition: Periodic) -> dict[str, float]:
        if self.motion.turns:
            message = f"{condition!r} ties opposite sides along an axis; such a problem cannot be turned"
            raise UsageError(message)
        factors = {axis: self.to.time if axis == "t" else self.to.length for axis in condition.shift}
        return {axis: s * factors[axis] for axis, s in condition.shift.items()}

    def observation(self, observation: Observation) -> Observation:
        """Observations at the moved points."""
        points, values = observation.arrays
        if observation.sigma is None:
            sigma = None
        else:
            sigma = observation.sigma * self.to.value
        return replace(observation, points=self.points(points), values=values * self.to.value, sigma=sigma)

    def residual(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What must vanish, evaluated in a frame that shows the fields in the old coordinates."""

        def evaluate(**fields: Any) -> Any:
            outer = active_frame("transformed")
            inner = self.frame(outer)
            known = {**inner.arguments(), **{name: inner.unknown(name) for name in self.problem.unknowns}}
            with inner:
                found = function(**{name: known.get(name, value) for name, value in fields.items()})
                values = _tensors(found, self.to.value)
            # What is asked of the inner frame is asked of the outer one, in its coordinates.
            outer.deepest = max(outer.deepest, inner.deepest)
            outer.requested |= {(u, new) for u, old in inner.requested for new, _ in self.derivative(old)}
            return values

        return like(function, evaluate)

    def derivative(self, index: MultiIndex) -> list[tuple[MultiIndex, float]]:
        """D^α along the old axes as a combination of D^β along the new ones, [(β, factor), …]."""
        if "t" in self.problem.coordinates:
            factor = self.to.time ** index[-1]
        else:
            factor = 1.0
        factor *= self.to.length ** sum(index[: len(self.motion.shift)])
        found, weights = rotate_indices((index,), rotation_key(self.matrix.T))
        if weights is None:
            return [(index, factor)]
        return [(new, factor * w) for new, w in zip(found, weights[0].tolist(), strict=True)]

    def frame(self, outer: Frame) -> Frame:
        """The frame in the old coordinates over the same jets."""

        def jet(name: str, index: MultiIndex) -> Tensor | None:
            known = ((outer._jet(name, new), factor) for new, factor in self.derivative(index))  # type: ignore[misc]
            parts = [factor / self.to.value * value for value, factor in known if value is not None]
            if parts:
                return sum_of(parts)
            return None

        points = torch.stack([outer.coordinates[name].detach() for name in outer.names], dim=1)
        normals = outer._normals
        if normals is not None:
            normals = normals @ self.matrix.to(normals)  # Rᵀ n, for rows
        return Frame(outer.names, self.back(points), jet, outer.depth, normals)


def by_name(function: Callable[..., Any], known: Mapping[str, Any], problem: Problem) -> Any:
    """Call a function of coordinates and constants; a built-in such as torch.sin takes the first coordinate."""
    names = signature(function, "a function", problem.coordinates[:1])
    arguments = {name: known[name] for name in names if name in known}
    if has_signature(function):
        return function(**arguments)
    return function(*arguments.values())


def like(
    function: Callable[..., Any], evaluate: Callable[..., Any], coordinates: tuple[str, ...] = ()
) -> Callable[..., Any]:
    """`evaluate` under the name and with the arguments of `function`, and with all the coordinates given."""
    own = signature(function, "a function", coordinates[:1])
    evaluate.__name__ = getattr(function, "__name__", "function")
    return asking_for({**dict.fromkeys(coordinates, True), **own}, evaluate)


def asking_for(names: Mapping[str, bool], evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """`evaluate` with these arguments by name, each required or not."""
    defaults = {True: Parameter.empty, False: None}
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=defaults[required])
        for name, required in names.items()
    ]
    evaluate.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return evaluate


def _tensors(found: Any, factor: float) -> Any:
    """`factor` times what an equation returned, as tensors; what is no residual stays for the message about it."""
    if isinstance(found, (tuple, list)):
        return tuple(_tensors(part, factor) for part in found)
    if isinstance(found, Field):
        values = found.tensor
    else:
        values = found
    if isinstance(values, Tensor):
        return factor * values
    return values
