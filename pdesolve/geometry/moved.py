"""Rotation, translation and scaling of any domain."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain, numbers
from pdesolve.geometry.surfaces import Surface
from pdesolve.quadrature import Rule

GRID = 65  # parameters on each axis that start the search for a bounding box
ZOOMS = 16  # each to a third


@dataclass(frozen=True)
class Motion:
    """The similarity x ↦ scale · R x + shift, with the rotation R given by its rows."""

    rotation: tuple[tuple[float, ...], ...]
    shift: tuple[float, ...]
    scale: float = 1.0

    @cached_property
    def matrix(self) -> Tensor:
        """R, (d, d)."""
        return torch.tensor(self.rotation, dtype=torch.float64)

    @property
    def turns(self) -> bool:
        """Whether R is not the identity."""
        return not torch.equal(self.matrix, torch.eye(len(self.shift), dtype=torch.float64))

    @property
    def angle(self) -> float:
        """Angle of a rotation in the plane."""
        return math.atan2(self.rotation[1][0], self.rotation[0][0])

    def __call__(self, x: Tensor) -> Tensor:
        """Return the images of points x (n, d)."""
        return self.scale * (x @ self.matrix.T.to(x.dtype)) + x.new_tensor(self.shift)

    def back(self, x: Tensor) -> Tensor:
        """Return the points whose images are x (n, d)."""
        return (x - x.new_tensor(self.shift)) @ self.matrix.to(x.dtype) / self.scale

    def turn(self, vectors: Tensor) -> Tensor:
        """Rotate vectors (n, d)."""
        return vectors @ self.matrix.T.to(vectors.dtype)

    def of(self, *points) -> list[Any]:
        """Return the images of points given as tuples."""
        return [tuple(row) for row in self(torch.tensor(points, dtype=torch.float64)).tolist()]

    def after(self, first: "Motion") -> "Motion":
        """Return the composition x ↦ self(first(x))."""
        rotation = [[_exact(v) for v in row] for row in (self.matrix @ first.matrix).tolist()]
        return Motion(tuple(map(tuple, rotation)), self.of(first.shift)[0], self.scale * first.scale)


def translation(domain: Domain, offset) -> Motion:
    """Return x ↦ x + offset."""
    shift = _point(offset, domain, "translated")
    return Motion(_identity(domain.dimension), shift)


def scaling(domain: Domain, factor: float, about) -> Motion:
    """Return x ↦ about + factor (x - about)."""
    value = numbers(factor, "scaled")
    if len(value) != 1 or not value[0] > 0:
        message = f"scaled received the factor {factor!r}, expected one number above zero."
        raise ProblemError(message)
    centre = _point(about, domain, "scaled")
    return Motion(_identity(domain.dimension), tuple((1 - value[0]) * c for c in centre), value[0])


def rotating(domain: Domain, angle: float, about, axis) -> Motion:
    """Return the rotation by an angle (radians) about a point, in space about an axis through it."""
    value = numbers(angle, "rotated")
    if len(value) != 1:
        message = f"rotated received the angle {angle!r}, expected one number in radians."
        raise ProblemError(message)
    if domain.dimension == 2:
        rows = _plane_rotation(value[0])
    elif domain.dimension == 3:
        rows = _space_rotation(value[0], _direction(axis))
    else:
        message = f"{domain} has {domain.dimension} dimension(s), expected 2 or 3 to rotate it."
        raise ProblemError(message)
    centre = _point(about, domain, "rotated")
    moved = Motion(rows, (0.0,) * domain.dimension).of(centre)[0]
    return Motion(rows, tuple(c - m for c, m in zip(centre, moved, strict=True)))


def _identity(d: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(i == j) for j in range(d)) for i in range(d))


def _plane_rotation(angle: float) -> tuple[tuple[float, ...], ...]:
    c, s = _exact(math.cos(angle)), _exact(math.sin(angle))
    return (c, -s), (s, c)


def _space_rotation(angle: float, axis: Tensor) -> tuple[tuple[float, ...], ...]:
    """Rodrigues' formula R = cos I + sin [a]× + (1 - cos) a aᵀ."""
    c, s = _exact(math.cos(angle)), _exact(math.sin(angle))
    x, y, z = axis.tolist()
    cross = axis.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = c * torch.eye(3, dtype=torch.float64) + s * cross + (1 - c) * torch.outer(axis, axis)
    return tuple(map(tuple, matrix.tolist()))


def _exact(value: float) -> float:
    """Quarter turns are exact."""
    return float(round(value)) if abs(value - round(value)) < 1e-14 else value


def _direction(axis) -> Tensor:
    names = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}
    vector = numbers(names.get(axis, axis) if isinstance(axis, str) else axis, "rotated")
    length = math.hypot(*vector)
    if len(vector) != 3 or not length > 0:
        message = f'rotated received the axis {axis!r}, expected "x", "y", "z" or a vector such as (0, 0, 1).'
        raise ProblemError(message)
    return torch.tensor(vector, dtype=torch.float64) / length


def _point(values, domain: Domain, what: str) -> tuple[float, ...]:
    if values is None:
        return (0.0,) * domain.dimension
    point = numbers(values, what)
    if len(point) != domain.dimension:
        message = f"{what} received {len(point)} numbers for {domain}, expected {domain.dimension}."
        raise ProblemError(message)
    return point


@dataclass(frozen=True)
class MovedSurface(Surface):
    """The image of a surface."""

    owner: tuple[Any, str]
    base: Surface
    motion: Motion

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.base.dimension

    @property
    def breaks(self) -> tuple[float, ...]:  # type: ignore[override]
        """As before the motion."""
        return self.base.breaks

    @property
    def continuous(self) -> bool:  # type: ignore[override]
        """As before the motion."""
        return self.base.continuous

    @property
    def periodic(self) -> tuple[bool, ...]:
        """As before the motion."""
        return self.base.periodic

    @property
    def plane(self) -> tuple[int, float] | None:  # type: ignore[override]
        """The hyperplane (axis, value) if it is parallel to an axis still."""
        kind, values = self.carrier()
        for axis in range(self.dimension if kind == "plane" else 0):
            if abs(values[axis]) == 1.0:
                return axis, values[-1] * values[axis]
        return None

    def map(self, parameters: Tensor) -> Tensor:
        """Return the image of the surface's map."""
        return self.motion(self.base.map(parameters))

    def normal_at(self, x: Tensor) -> Tensor:
        """R n."""
        return self.motion.turn(self.base.normal_at(self.motion.back(x)))

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area element times scale^{d-1}."""
        return self.base.area(parameters) * self.motion.scale ** (self.dimension - 1)

    def whole_rule(self, order: int) -> Rule | None:
        """Return the image of the surface's rule."""
        rule = self.base.whole_rule(order)
        if rule is None:
            return None
        return Rule(self.motion(rule.points), rule.weights * self.motion.scale ** (self.dimension - 1))

    def foot(self, x: Tensor) -> Tensor:
        """Return the parameters of the nearest points of a plane curve."""
        return self.base.foot(self.motion.back(x))

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the image of a plane or sphere; anything else coincides only with itself."""
        kind, values = self.base.carrier()
        vector, last = torch.tensor([values[:-1]], dtype=torch.float64), values[-1]
        if kind == "plane":
            normal = self.motion.turn(vector)[0]
            offset = self.motion.scale * last + float(
                normal @ torch.tensor(self.motion.shift, dtype=torch.float64)
            )
            return kind, (*normal.tolist(), offset)
        if kind == "sphere":
            return kind, (*self.motion(vector)[0].tolist(), self.motion.scale * last)
        return super().carrier()

    def distance(self, x: Tensor) -> Tensor:
        """As before the motion, scaled."""
        return self.motion.scale * self.base.distance(self.motion.back(x))

    def covers(self, x: Tensor) -> Tensor:
        """As before the motion."""
        return self.base.covers(self.motion.back(x))


def _bounds(surfaces: tuple[Surface, ...]) -> Tensor:
    """Bounding box of surfaces: the best of a grid of parameters, then of ever smaller grids about it."""
    corners = []
    for surface in surfaces:
        k, d = surface.dimension - 1, surface.dimension
        start = torch.cartesian_prod(*[torch.linspace(0, 1, GRID, dtype=torch.float64)] * k).reshape(-1, k)
        nearby = torch.cartesian_prod(*[torch.linspace(-1, 1, 9, dtype=torch.float64)] * k).reshape(-1, k)
        for axis in range(d):
            for sign in (-1.0, 1.0):
                best, reach = start[(sign * surface.map(start)[:, axis]).argmax()], 1.0 / (GRID - 1)
                for _ in range(ZOOMS):
                    t = (best + reach * nearby).clamp(0, 1)
                    best, reach = t[(sign * surface.map(t)[:, axis]).argmax()], reach / 3
                corners.append(surface.map(best[None])[0])
    x = torch.stack(corners)
    return torch.stack([x.amin(dim=0), x.amax(dim=0)])


@dataclass(frozen=True, repr=False)
class Moved(Domain):
    """The image of a domain; its parts have the names they had."""

    base: Domain
    motion: Motion

    def __repr__(self) -> str:
        how = []
        if self.motion.turns:
            how.append("rotated")
        if self.motion.scale != 1:
            how.append(f"scaled by {self.motion.scale:g}")
        if any(self.motion.shift):
            how.append("shifted")
        return f"{self.base} {' and '.join(how)}"

    def __str__(self) -> str:
        return f"({self!r})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the domain before the motion."""
        return self.base.files

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box: of the shifted corners, or of the image of the boundary."""
        if not self.motion.turns:
            return self.motion(self.base.bounds)
        return _bounds(self.surfaces)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Images of the surfaces."""
        return tuple(MovedSurface((self, s.name), s, self.motion) for s in self.base.surfaces)

    def cuts(self, surface: Surface):
        """As before the motion."""
        levels = self.base.cuts(surface.base)  # type: ignore[attr-defined]
        scale, back = self.motion.scale, self.motion.back
        return tuple((lambda x, level=level: scale * level(back(x))) for level in levels)

    def trims(self, surface: Surface) -> bool:
        """As before the motion."""
        return self.base.trims(surface.base)  # type: ignore[attr-defined]

    @cached_property
    def rotation(self) -> Tensor:
        """R times the frame of the domain before the motion."""
        return self.motion.matrix @ self.base.rotation

    def level(self, x: Tensor) -> Tensor:
        """Return the level before the motion times scale."""
        return self.motion.scale * self.base.level(self.motion.back(x))

    def rule(self, order: int) -> Rule:
        """Return the image of the rule."""
        x, w = self.base.rule(order)
        return Rule(self.motion(x), w * self.motion.scale**self.dimension)

    @property
    def measure(self) -> float:
        """Return the measure times scale^d."""
        return self.base.measure * self.motion.scale**self.dimension

    def moved(self, motion: Motion) -> Domain:
        """Return one motion of the domain that was moved first."""
        return self.base.moved(motion.after(self.motion))
