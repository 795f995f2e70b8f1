"""Similarities of the plane and of space: translation, rotation and scaling."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers
from pdesolve.geometry.surface import DomainLike


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


def translation(domain: DomainLike, offset) -> Motion:
    """Return x ↦ x + offset."""
    shift = _point(offset, domain, "translated")
    return Motion(_identity(domain.dimension), shift)


def scaling(domain: DomainLike, factor: float, about) -> Motion:
    """Return x ↦ about + factor (x - about)."""
    value = finite_numbers(factor, "scaled")
    if len(value) != 1 or not value[0] > 0:
        message = f"scaled received the factor {factor!r}, expected one number above zero."
        raise ProblemError(message)
    centre = _point(about, domain, "scaled")
    return Motion(_identity(domain.dimension), tuple((1 - value[0]) * c for c in centre), value[0])


def rotating(domain: DomainLike, angle: float, about, axis) -> Motion:
    """Return the rotation by an angle (radians) about a point, in space about an axis through it."""
    value = finite_numbers(angle, "rotated")
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
    # x ↦ c + R (x - c) has the shift c - R c.
    moved = Motion(rows, (0.0,) * domain.dimension).of(centre)[0]
    return Motion(rows, tuple(c - m for c, m in zip(centre, moved, strict=True)))


def _identity(d: int) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(i == j) for j in range(d)) for i in range(d))


def _plane_rotation(angle: float) -> tuple[tuple[float, ...], ...]:
    c = _exact(math.cos(angle))
    s = _exact(math.sin(angle))
    return (c, -s), (s, c)


def _space_rotation(angle: float, axis: Tensor) -> tuple[tuple[float, ...], ...]:
    """Rodrigues' formula R = cos I + sin [a]× + (1 - cos) a aᵀ."""
    c = _exact(math.cos(angle))
    s = _exact(math.sin(angle))
    x, y, z = axis.tolist()
    # [a]×, the matrix of the cross product with the axis.
    cross = axis.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = c * torch.eye(3, dtype=torch.float64) + s * cross + (1 - c) * torch.outer(axis, axis)
    return tuple(map(tuple, matrix.tolist()))


def _exact(value: float) -> float:
    """Return a cosine or sine, of a quarter turn exactly: faces stay parallel to the axes then."""
    if abs(value - round(value)) < 1e-14:
        return float(round(value))
    return value


def _direction(axis) -> Tensor:
    names = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}
    if isinstance(axis, str):
        axis = names.get(axis, axis)
    vector = finite_numbers(axis, "rotated")
    length = math.hypot(*vector)
    if len(vector) != 3 or not length > 0:
        message = f'rotated received the axis {axis!r}, expected "x", "y", "z" or a vector such as (0, 0, 1).'
        raise ProblemError(message)
    return torch.tensor(vector, dtype=torch.float64) / length


def _point(values, domain: DomainLike, what: str) -> tuple[float, ...]:
    if values is None:
        return (0.0,) * domain.dimension
    point = finite_numbers(values, what)
    if len(point) != domain.dimension:
        message = f"{what} received {len(point)} numbers for {domain}, expected {domain.dimension}."
        raise ProblemError(message)
    return point
