"""The smooth untrimmed hypersurfaces that bound the shapes: faces, edges, spheres and curves.

Each maps parameters (n, d-1) in the unit cube to points (n, d). The normal, a function of the point, is
the outward one of the shape it bounds.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.geometry.paths import EllipticArc, Path
from pdesolve.geometry.surface import SAME, Surface


@dataclass(frozen=True)
class Face(Surface):
    """Face {x_axis = value} of the box [lower, upper]; a single point in one dimension."""

    owner: tuple[Any, str]
    axis: int
    upper_side: bool
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return len(self.lower)

    @property
    def value(self) -> float:
        """The coordinate that all its points share."""
        corner = self.upper if self.upper_side else self.lower
        return corner[self.axis]

    @property
    def plane(self) -> tuple[int, float]:
        """The hyperplane (axis, value)."""
        return self.axis, self.value

    @property
    def _others(self) -> list[int]:
        return [i for i in range(self.dimension) if i != self.axis]

    def map(self, parameters: Tensor) -> Tensor:
        """x_axis = value, the other coordinates linear in the parameters."""
        x = parameters.new_empty(len(parameters), self.dimension)
        x[:, self.axis] = self.value
        for j, i in enumerate(self._others):
            x[:, i] = self.lower[i] + (self.upper[i] - self.lower[i]) * parameters[:, j]
        return x

    def normal_at(self, x: Tensor) -> Tensor:
        """± the unit vector of the axis."""
        normal = torch.zeros_like(x)
        normal[:, self.axis] = 2.0 * self.upper_side - 1.0
        return normal

    def area(self, parameters: Tensor) -> Tensor:
        """Return the area of the face, constant."""
        return parameters.new_full(
            (len(parameters),), math.prod(self.upper[i] - self.lower[i] for i in self._others)
        )

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane x_axis = value."""
        return "plane", (*(float(i == self.axis) for i in range(self.dimension)), self.value)

    def foot(self, x: Tensor) -> Tensor:
        """Project on the line and keep to the edge (in the plane)."""
        (i,) = self._others
        return ((x[:, i] - self.lower[i]) / (self.upper[i] - self.lower[i])).clamp(0, 1)

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie within the bounds of the other coordinates."""
        mask = torch.ones(len(x), dtype=torch.bool)
        for i in self._others:
            slack = SAME * (self.upper[i] - self.lower[i])
            mask &= (x[:, i] >= self.lower[i] - slack) & (x[:, i] <= self.upper[i] + slack)
        return mask


@dataclass(frozen=True)
class Segment(Surface):
    """Straight edge from `start` to `stop`; the outward normal is on its right for `side` = +1."""

    owner: tuple[Any, str]
    start: tuple[float, float]
    stop: tuple[float, float]
    side: int
    dimension: int = 2

    @property
    def length(self) -> float:
        """Distance of its ends."""
        return math.dist(self.start, self.stop)

    @property
    def tangent(self) -> tuple[float, float]:
        """Unit vector from start to stop."""
        length = self.length
        return (self.stop[0] - self.start[0]) / length, (self.stop[1] - self.start[1]) / length

    @property
    def plane(self) -> tuple[int, float] | None:
        """The line (axis, value) if it is parallel to an axis."""
        for axis in (0, 1):
            if self.start[axis] == self.stop[axis]:
                return axis, self.start[axis]
        return None

    def map(self, parameters: Tensor) -> Tensor:
        """X = (1 - s) start + s stop."""
        start = parameters.new_tensor(self.start)
        stop = parameters.new_tensor(self.stop)
        return (1 - parameters) * start + parameters * stop

    @property
    def _normal(self) -> tuple[float, float]:
        tx, ty = self.tangent
        return self.side * ty, -self.side * tx

    def normal_at(self, x: Tensor) -> Tensor:
        """Return the tangent turned by a right angle, constant."""
        return x.new_tensor(self._normal).expand(len(x), 2)

    def area(self, parameters: Tensor) -> Tensor:
        """Return the length of the edge, constant."""
        return parameters.new_full((len(parameters),), self.length)

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the line through both ends."""
        nx, ny = self._normal
        return "plane", (nx, ny, nx * self.start[0] + ny * self.start[1])

    def foot(self, x: Tensor) -> Tensor:
        """Project on the line and keep to the edge."""
        start = x.new_tensor(self.start)
        along = x.new_tensor(self.stop) - start
        return ((x - start) @ along / (along @ along)).clamp(0, 1)

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie between both ends."""
        s = (x - x.new_tensor(self.start)) @ x.new_tensor(self.tangent) / self.length
        return (s >= -SAME) & (s <= 1 + SAME)


@dataclass(frozen=True)
class Sphere(Surface):
    """Sphere |x - centre| = radius in d ≥ 2 dimensions by hyperspherical angles (a circle for d = 2).

    Angles θ_1 … θ_{d-2} in (0, π) and φ in (0, 2π):  x_d = r cos θ_1, x_{d-1} = r sin θ_1 cos θ_2, …,
    (x_1, x_2) = r ∏ sin θ_i (cos φ, sin φ);  area element r^{d-1} ∏ sin^{d-1-i} θ_i · π^{d-2} · 2π.
    """

    owner: tuple[Any, str]
    centre: tuple[float, ...]
    radius: float

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return len(self.centre)

    @property
    def breaks(self) -> tuple[float, ...]:
        """Return quarters of a circle: panels short enough for a Gauss rule."""
        if self.dimension > 2:
            return (0.0, 1.0)
        return (0.0, 0.25, 0.5, 0.75, 1.0)

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Only the last angle closes."""
        return (*((False,) * (self.dimension - 2)), True)

    def map(self, parameters: Tensor) -> Tensor:
        """Hyperspherical coordinates, last coordinate first."""
        d = self.dimension
        x = parameters.new_empty(len(parameters), d)
        radius = parameters.new_full((len(parameters),), self.radius)
        for i in range(d - 2):
            theta = torch.pi * parameters[:, i]
            x[:, d - 1 - i] = radius * theta.cos()
            radius = radius * theta.sin()
        phi = 2 * torch.pi * parameters[:, -1]
        x[:, 0] = radius * phi.cos()
        x[:, 1] = radius * phi.sin()
        return x + x.new_tensor(self.centre)

    def normal_at(self, x: Tensor) -> Tensor:
        """(x - centre) / |x - centre|."""
        y = x - x.new_tensor(self.centre)
        return y / y.norm(dim=1, keepdim=True)

    def area(self, parameters: Tensor) -> Tensor:
        """r^{d-1} ∏ sin^{d-1-i} θ_i · π^{d-2} · 2π."""
        d = self.dimension
        constant = self.radius ** (d - 1) * math.pi ** (d - 2) * 2 * math.pi
        area = parameters.new_full((len(parameters),), constant)
        for i in range(d - 2):
            area = area * torch.sin(torch.pi * parameters[:, i]) ** (d - 2 - i)
        return area

    def foot(self, x: Tensor) -> Tensor:
        """Return the share of the turn of a circle."""
        y = x - x.new_tensor(self.centre)
        return torch.atan2(y[:, 1], y[:, 0]) / (2 * torch.pi) % 1.0

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the sphere itself."""
        return "sphere", (*self.centre, self.radius)


@dataclass(frozen=True)
class Curve(Surface):
    """A plane path as boundary; the outward normal is on its right for `side` = +1."""

    owner: tuple[Any, str]
    path: Path
    side: int = 1
    dimension: int = 2

    @property
    def breaks(self) -> tuple[float, ...]:
        """Those of the path."""
        return self.path.breaks

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Whether it is closed and analytic."""
        return (self.path.smooth,)

    def map(self, parameters: Tensor) -> Tensor:
        """Return p(t)."""
        return self.path.point(parameters[:, 0])

    def area(self, parameters: Tensor) -> Tensor:
        """|p'(t)|."""
        return self.path.velocity(parameters[:, 0]).norm(dim=1)

    def foot(self, x: Tensor) -> Tensor:
        """Return the parameters of the nearest points of the path."""
        return self.path.nearest(x)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return the tangent at the nearest point, turned by a right angle."""
        return self._normal(self.foot(x)).to(x.dtype)

    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest points and the normals there from one search."""
        t = self.foot(x)
        return self.path.point(t), self._normal(t)

    def _normal(self, t: Tensor) -> Tensor:
        tangent = self.path.velocity(t)
        normal = torch.stack([tangent[:, 1], -tangent[:, 0]], dim=1) * self.side
        return normal / normal.norm(dim=1, keepdim=True)

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the circle of a circular arc; any other path coincides only with itself."""
        path = self.path
        if isinstance(path, EllipticArc) and path.semi_axes[0] == path.semi_axes[1]:
            return "sphere", (*path.centre, path.semi_axes[0])
        return super().carrier()

    def covers(self, x: Tensor) -> Tensor:
        """Tell which points lie on the path, to rounding (x is on its carrier)."""
        size = float(self.path.extremes.abs().max())
        gap = (x - self.path.point(self.path.nearest(x)).to(x.dtype)).norm(dim=1)
        return gap <= SAME * size


def extremes(surface: Surface) -> Tensor:
    """Return points (n, 2) of a plane curve with the least and largest coordinates among them."""
    if isinstance(surface, Curve):
        return surface.path.extremes
    if isinstance(surface, Sphere):
        centre = torch.tensor(surface.centre, dtype=torch.float64)
        return torch.stack([centre - surface.radius, centre + surface.radius])
    return surface.map(torch.tensor([[0.0], [1.0]], dtype=torch.float64))
