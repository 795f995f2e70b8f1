"""Plane domains bounded by smooth curves: polar curves, and splines through points."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import as_written, pair
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.paths import PolarCurve, SplinePath, check_simple
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.region import FULL_TURN, Region
from pdesolve.geometry.surfaces import Curve

# At which the radius of a star-shaped domain is examined: every half degree.
ANGLES = 720


@dataclass(frozen=True, repr=False)
class StarShaped(Region):
    """{c + ρ (cos θ, sin θ) : ρ < r(θ)} for a smooth, positive, 2π-periodic r in torch's functions.

    Raises:
        ProblemError: r is no such function.

    >>> flower = StarShaped(lambda theta: 1 + 0.2 * torch.cos(5 * theta))
    >>> round(flower.measure, 9)  # π (1 + 0.2² / 2)
    3.204424507
    """

    radius: Callable[[Tensor], Tensor]
    centre: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        object.__setattr__(self, "centre", pair(self.centre, "StarShaped", "a centre"))
        if not callable(self.radius):
            message = (
                f"StarShaped received {self.radius!r}, expected a function such as "
                f"lambda theta: 1 + 0.1 * cos(theta)."
            )
            raise ProblemError(message)
        _check_radius(self.radius)

    def __repr__(self) -> str:
        name = getattr(self.radius, "__name__", "radius")
        return f"StarShaped({'radius' if name == '<lambda>' else name}, {as_written(self.centre)})"

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, named curve."""
        return (Curve((self, "curve"), PolarCurve(self.radius, self.centre)),)


def _check_radius(radius: Callable[[Tensor], Tensor]) -> None:
    """Refuse a radius that is no positive function of period 2π, as seen at many angles, the last a full turn."""
    theta = torch.arange(ANGLES + 1, dtype=torch.float64) * (FULL_TURN / ANGLES)
    try:
        r = torch.as_tensor(radius(theta), dtype=torch.float64)
    except Exception as error:
        message = (
            f"the radius of StarShaped failed on a tensor of angles, expected torch's functions: {error}."
        )
        raise ProblemError(message) from None
    n = len(theta)
    if r.shape not in ((), (n,)):
        message = f"the radius of StarShaped returned shape {tuple(r.shape)} for {n} angles, expected ({n},)."
        raise ProblemError(message)
    r = r.expand(n)
    if not (torch.isfinite(r).all() and (r > 0).all()):
        message = (
            f"the radius of StarShaped is {float(r.nan_to_num().min()):.3g} somewhere, "
            f"expected finite values above zero."
        )
        raise ProblemError(message)
    if abs(float(r[0] - r[-1])) > 1e-9 * float(r.max()):
        message = (
            f"the radius of StarShaped is {float(r[0]):.6g} at angle 0 and {float(r[-1]):.6g} at 2π, expected a "
            f"function of period 2π."
        )
        raise ProblemError(message)


@dataclass(frozen=True, repr=False)
class SmoothCurve(Region):
    """The inside of a closed curve through points, in either orientation: cubic splines between its corners.

    Without corners the spline is periodic, twice continuously differentiable. `corners` are the numbers of
    points where the curve may turn sharply, such as the trailing edge of an airfoil.

    Raises:
        ProblemError: fewer than four points, equal neighbours, or a curve that crosses itself.

    >>> from math import cos, sin, pi
    >>> circle = SmoothCurve([(cos(2 * pi * i / 40), sin(2 * pi * i / 40)) for i in range(40)])
    >>> abs(circle.measure - pi) < 1e-4
    True
    """

    points: tuple[tuple[float, float], ...]
    corners: tuple[int, ...] = ()

    def __post_init__(self):
        points = [pair(p, "SmoothCurve", "a point") for p in self.points]
        if len(points) > 1 and math.dist(points[0], points[-1]) <= 1e-12 * max(
            map(abs, points[0] + points[-1])
        ):
            points.pop()
        if len(points) < 4:
            message = f"SmoothCurve received {len(points)} different points, expected at least 4."
            raise ProblemError(message)
        for i, (p, q) in enumerate(zip(points, points[1:] + points[:1], strict=True)):
            if p == q:
                message = f"SmoothCurve received point {i} equal to the next one, expected different points."
                raise ProblemError(message)
        corners = tuple(sorted({int(c) % len(points) for c in self.corners}))
        object.__setattr__(self, "points", tuple(points))
        object.__setattr__(self, "corners", corners)
        check_simple(_Chain(tuple(s.path for s in self.surfaces)), "SmoothCurve")

    @cached_property
    def _side(self) -> int:
        """+1 if the points run counter-clockwise."""
        v = torch.tensor(self.points, dtype=torch.float64)
        # About the middle: the shoelace formula cancels for points far from the origin.
        v = v - v.mean(dim=0)
        w = v.roll(-1, dims=0)
        area = float((v[:, 0] * w[:, 1] - v[:, 1] * w[:, 0]).sum()) / 2
        return int(math.copysign(1, area))

    def __repr__(self) -> str:
        return f"SmoothCurve({len(self.points)} points)"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        return SmoothCurve(tuple(motion.of(*self.points)), self.corners)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, or one from each corner to the next."""
        if not self.corners:
            return (Curve((self, "curve"), SplinePath(self.points), self._side),)
        n = len(self.points)
        ends = (*self.corners, self.corners[0] + n)
        paths = [
            SplinePath(tuple(self.points[k % n] for k in range(a, b + 1)), closed=False)
            for a, b in itertools.pairwise(ends)
        ]
        return tuple(Curve((self, f"curve {i}"), path, self._side) for i, path in enumerate(paths))

    @property
    def curves(self) -> tuple[Boundary, ...]:
        """The curves between corners, from the first corner on."""
        return tuple(self.part(surface.name) for surface in self.surfaces)


class _Chain:
    """Paths one after another, with the samples by which they are examined for crossings."""

    closed = True

    def __init__(self, paths):
        each = max(64, 512 // len(paths))
        t = torch.arange(each, dtype=torch.float64) / each
        self._points = torch.cat([path.point(t) for path in paths])
        self._table = torch.arange(len(self._points)), None, None

    def point(self, index: Tensor) -> Tensor:
        return self._points[index]


def airfoil(coordinates: Iterable[Sequence[float]], trailing_edge: int | None = None) -> SmoothCurve:
    """Return the airfoil through coordinates in the usual order: from the trailing edge around the nose and back.

    A trailing edge given twice, at the first and the last point, is one sharp corner; two different points are
    joined by a blunt edge with two corners.

    Args:
        coordinates: (n, 2) points, as in a Selig file.
        trailing_edge: number of the corner point if it is not the first.

    Raises:
        ProblemError: see `SmoothCurve`.
    """
    points = [(float(x), float(y)) for x, y in coordinates]
    if trailing_edge is not None:
        return SmoothCurve(tuple(points), (trailing_edge,))
    size = max(math.dist(points[0], p) for p in points)
    if math.dist(points[0], points[-1]) > 1e-9 * size:
        return SmoothCurve(tuple(points), (0, len(points) - 1))
    return SmoothCurve(tuple(points), (0,))
