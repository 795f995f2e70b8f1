"""Interval, Rectangle and Box: axis-aligned boxes in any dimension."""

import math
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import as_written, coordinate_names, finite_numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.rules.boundary_rule import sobol_size
from pdesolve.geometry.surfaces import Face
from pdesolve.quadrature import Rule, gauss_legendre, sobol, tensor_rule

FACES = (("left", "right"), ("bottom", "top"), ("back", "front"))


class AxisAlignedBox(Domain):
    """{x : lower_i < x_i < upper_i}; subclasses are the box's names in one, two and any dimensions."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def _set(self, lower, upper) -> None:
        what = type(self).__name__
        lower = finite_numbers(lower, what)
        upper = finite_numbers(upper, what)
        if len(lower) != len(upper) or not lower:
            message = (
                f"{what} received a lower corner with {len(lower)} and an upper corner with {len(upper)} "
                f"coordinates, expected equally many."
            )
            raise ProblemError(message)
        for name, a, b in zip(coordinate_names(len(lower)), lower, upper, strict=True):
            if not a < b:
                message = (
                    f"{what} received the bounds {a:g} and {b:g} for {name}, expected the lower one first "
                    f"and the upper one larger."
                )
                raise ProblemError(message)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @cached_property
    def bounds(self) -> Tensor:
        """The box itself, (2, d)."""
        return torch.tensor([self.lower, self.upper], dtype=torch.float64)

    def level(self, x: Tensor) -> Tensor:
        """max_i |x_i - c_i| - h_i, with centre c and half widths h."""
        faces = enumerate(zip(self.lower, self.upper, strict=True))
        return reduce(torch.maximum, (torch.maximum(a - x[:, i], x[:, i] - b) for i, (a, b) in faces))

    @cached_property
    def surfaces(self) -> tuple[Face, ...]:
        """Two faces for each axis, lower one first."""
        names = coordinate_names(len(self.lower))
        faces = []
        for axis, coordinate in enumerate(names):
            ends = (self.lower[axis], self.upper[axis])
            # Left and right, bottom and top, back and front: there are no such words beyond three dimensions.
            labels = FACES[axis] if len(names) <= 3 else tuple(f"{coordinate} = {end:g}" for end in ends)
            for upper_side, label in zip((False, True), labels, strict=True):
                faces.append(Face((self, label), axis, upper_side, self.lower, self.upper))
        return tuple(faces)

    @property
    def faces(self) -> tuple[Boundary, ...]:
        """All faces as places: lower and upper one of each axis."""
        return tuple(Boundary(self, (s.name,), s.name) for s in self.surfaces)

    def rule(self, order: int) -> Rule:
        """Return the tensor Gauss rule; from four dimensions on, order³ scrambled Sobol points."""
        d = len(self.lower)
        if d <= 3:
            axes = zip(self.lower, self.upper, strict=True)
            return tensor_rule(*(gauss_legendre(order, a, b) for a, b in axes))
        n = sobol_size(order)
        points = self.bounds[0] + (self.bounds[1] - self.bounds[0]) * sobol(n, d)
        return Rule(points, torch.full((n,), self.measure / n, dtype=torch.float64))

    def moved(self, motion: Motion) -> Domain:
        """Return the image: of the same kind unless it is turned."""
        if motion.turns:
            return super().moved(motion)
        return self._between(*motion.of(self.lower, self.upper))

    def _between(self, lower: tuple[float, ...], upper: tuple[float, ...]) -> Domain:
        """Return the box of the same kind with other corners."""
        raise NotImplementedError

    @property
    def measure(self) -> float:
        """Product of the edges."""
        return math.prod(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def left(self) -> Boundary:
        """Face of least x."""
        return self.faces[0]

    @property
    def right(self) -> Boundary:
        """Face of largest x."""
        return self.faces[1]


class _WithBottom(AxisAlignedBox):
    @property
    def bottom(self) -> Boundary:
        """Face of least y."""
        return self.faces[2]

    @property
    def top(self) -> Boundary:
        """Face of largest y."""
        return self.faces[3]


@dataclass(frozen=True, repr=False)
class Interval(AxisAlignedBox):
    """Interval (a, b) on the x axis.

    Raises:
        ProblemError: a or b is not a finite number, or a ≥ b.

    >>> Interval(-1, 1).measure
    2.0
    """

    a: float
    b: float

    def __post_init__(self):
        self._set(self.a, self.b)
        object.__setattr__(self, "a", self.lower[0])
        object.__setattr__(self, "b", self.upper[0])

    def __repr__(self) -> str:
        return f"Interval({self.a:g}, {self.b:g})"

    def _between(self, lower: tuple[float, ...], upper: tuple[float, ...]) -> Domain:
        return Interval(lower[0], upper[0])


@dataclass(frozen=True, repr=False)
class Rectangle(_WithBottom):
    """Rectangle with the given lower left and upper right corner; faces left, right, bottom, top.

    Raises:
        ProblemError: a corner has not two finite coordinates, or they are in the wrong order.

    >>> Rectangle((0, 0), (2, 1)).left.name
    'Rectangle((0, 0), (2, 1)).left'
    """

    lower: tuple[float, float]
    upper: tuple[float, float]

    def __post_init__(self):
        self._set(self.lower, self.upper)
        if len(self.lower) != 2:
            message = (
                f"Rectangle received corners with {len(self.lower)} coordinates, expected 2; "
                f"use Interval(a, b) in one dimension and Box(lower, upper) in three and more."
            )
            raise ProblemError(message)

    def __repr__(self) -> str:
        return f"Rectangle({as_written(self.lower)}, {as_written(self.upper)})"

    def _between(self, lower: tuple[float, ...], upper: tuple[float, ...]) -> Domain:
        return Rectangle((lower[0], lower[1]), (upper[0], upper[1]))


@dataclass(frozen=True, repr=False)
class Box(_WithBottom):
    """Box in any dimension; in 3-D its faces are left, right (x), bottom, top (y), back, front (z).

    From four dimensions on the coordinates are x1 … xd and the faces are in `faces`, two for each axis.

    Raises:
        ProblemError: the corners are not finite, differ in dimension, or are in the wrong order.

    >>> Box((0, 0, 0), (1, 2, 3)).measure
    6.0
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self):
        self._set(self.lower, self.upper)

    def __repr__(self) -> str:
        return f"Box({as_written(self.lower)}, {as_written(self.upper)})"

    def _between(self, lower: tuple[float, ...], upper: tuple[float, ...]) -> Domain:
        return Box(lower, upper)

    @property
    def back(self) -> Boundary:
        """Face of least z."""
        return self.faces[4]

    @property
    def front(self) -> Boundary:
        """Face of largest z."""
        return self.faces[5]
