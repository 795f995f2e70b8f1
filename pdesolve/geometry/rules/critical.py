"""Where the slices x = const of a solid change: at extreme points of spheres and edges, and at corners."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.geometry.surface import DomainLike, Surface

MOST_PLANES = 24  # whose common points are computed
SLICES = 6
GRID = 49  # parameters on each axis that start the search for turning points
NEARLY = 0.05  # n_y² + n_z² at the start of that search
ZOOMS = 24  # each to a half
ON_BOUNDARY = 1e-9  # level, relative to the domain, of a point on the boundary


class Circle(NamedTuple):
    """A circle in space."""

    centre: Tensor
    radius: float
    axis: Tensor


def critical_values(domain: DomainLike) -> Tensor:
    """Return first coordinates at which the slices of a 3-D domain bounded by planes and spheres change.

    These are the bounds of the simple shapes, the extreme points of the circles in which two of the
    surfaces meet, and the points in which three meet, so far as they lie on the boundary.
    """
    planes = [surface.carrier()[1] for surface in domain.surfaces if surface.carrier()[0] == "plane"]
    values = torch.cat([leaf.bounds[:, 0] for leaf in domain.leaves])
    curved = [s for s in domain.surfaces if s.carrier()[0] not in ("plane", "sphere")]
    if curved:  # where such a surface meets another is not known in closed form: slices for good measure
        lower, upper = domain.bounds[:, 0].tolist()
        values = torch.cat([values, torch.linspace(lower, upper, SLICES + 1, dtype=torch.float64)])
        values = torch.cat([values, *(_turning_values(surface) for surface in curved)])
    carriers = list(dict.fromkeys(surface.carrier() for surface in domain.surfaces))
    points = _vertices(list(dict.fromkeys(planes)))
    for a, b in itertools.combinations(carriers, 2):
        circle = _circle(a, b)
        if circle is None:
            continue
        points += _extremes(circle)
        for third in carriers:
            if third not in (a, b):
                points += _crossings(circle, third)
    if not points:
        return values
    x = torch.stack(points)
    size = float((domain.bounds[1] - domain.bounds[0]).norm())
    return torch.cat([values, x[domain.level(x).abs() <= ON_BOUNDARY * size, 0]])


def _vertices(planes: list[tuple[float, ...]]) -> list[Tensor]:
    """Points in which three of the planes (normal, offset) meet."""
    if not 3 <= len(planes) <= MOST_PLANES:
        return []
    found = torch.tensor(list(itertools.combinations(planes, 3)), dtype=torch.float64)
    normals, offsets = found[:, :, :3], found[:, :, 3]
    good = torch.linalg.det(normals).abs() > 1e-9
    return list(torch.linalg.solve(normals[good], offsets[good]))


def _turning_values(surface: Surface) -> Tensor:
    """Return the first coordinates (n,) of points of a surface whose normal is along that axis.

    They are the zeros among the local minima of n_y² + n_z² on a grid of parameters, refined on ever smaller
    grids about each.
    """
    axis = torch.linspace(0, 1, GRID, dtype=torch.float64)

    def sideways(t: Tensor) -> Tensor:
        return (
            surface.normal_at(surface.map(t.reshape(-1, 2)))[:, 1:].square().sum(dim=1).reshape(t.shape[:-1])
        )

    grid = torch.cartesian_prod(axis, axis)
    value = sideways(grid).reshape(1, 1, GRID, GRID)
    least = -torch.nn.functional.max_pool2d(-value, 3, stride=1, padding=1)
    t = grid[((value == least) & (value < NEARLY)).reshape(-1)]
    nearby = torch.cartesian_prod(*[torch.linspace(-1, 1, 5, dtype=torch.float64)] * 2)
    reach = 1.0 / (GRID - 1)
    for _ in range(ZOOMS if len(t) else 0):
        around = (t[:, None] + reach * nearby).clamp(0, 1)
        best = sideways(around).argmin(dim=1)
        t, reach = around[torch.arange(len(t)), best], reach / 2
    return surface.map(t)[sideways(t) < 1e-12, 0] if len(t) else value.new_zeros(0)


def _vector(values) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _circle(a, b) -> Circle | None:
    """Return the circle in which a sphere meets a plane or a sphere."""
    if a[0] != "sphere":
        a, b = b, a
    if a[0] != "sphere" or b[0] not in ("sphere", "plane"):
        return None
    centre, radius = _vector(a[1][:-1]), a[1][-1]
    if b[0] == "plane":
        axis = _vector(b[1][:-1])
        height = b[1][-1] - float(axis @ centre)
    else:
        offset = _vector(b[1][:-1]) - centre
        distance = float(offset.norm())
        if distance == 0:
            return None
        axis = offset / distance
        height = (distance**2 + radius**2 - b[1][-1] ** 2) / (2 * distance)
    if abs(height) >= radius:
        return None
    return Circle(centre + height * axis, (radius**2 - height**2) ** 0.5, axis)


def _extremes(circle: Circle) -> Iterator[Tensor]:
    """Yield the points of least and largest first coordinate (any two if the circle lies in x = const)."""
    along = -circle.axis[0] * circle.axis
    along[0] += 1
    if float(along.norm()) < 1e-12:
        along = torch.linalg.cross(circle.axis, _vector((0.0, 1.0, 0.0)))
    yield circle.centre - circle.radius * along / along.norm()
    yield circle.centre + circle.radius * along / along.norm()


def _crossings(circle: Circle, carrier) -> Iterator[Tensor]:
    """Yield the points centre + ρ (u cos θ + v sin θ) on a plane or sphere: A cos θ + B sin θ = C."""
    kind, values = carrier
    u = torch.linalg.cross(circle.axis, torch.eye(3, dtype=torch.float64)[int(circle.axis.abs().argmin())])
    u = u / u.norm()
    v = torch.linalg.cross(circle.axis, u)
    if kind == "plane":
        normal = _vector(values[:-1])
        c = values[-1] - float(normal @ circle.centre)
    elif kind == "sphere":
        normal = 2 * (circle.centre - _vector(values[:-1]))
        c = values[-1] ** 2 - circle.radius**2 - float(normal @ normal) / 4
    else:
        return
    a, b = circle.radius * normal @ u, circle.radius * normal @ v
    size = torch.hypot(a, b)
    if abs(c) < float(size):
        for sign in (-1, 1):
            theta = torch.atan2(b, a) + sign * torch.acos(c / size)
            yield circle.centre + circle.radius * (theta.cos() * u + theta.sin() * v)
