"""Parametrised plane curves: elliptic arcs, polar curves, splines and polylines.

A path is a map t ∈ [0, 1] ↦ p(t) ∈ ℝ² with its velocity p'(t). Paths are values: two with the same numbers
are equal, and what takes time is computed on first use.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.quadrature import bisect

# Of a whole path. The nearest of them starts the search for the foot of a perpendicular, which then is in the
# valley of the right minimum unless two parts of the path are closer than a 2048th of it.
SAMPLES = 2048
# Between two breaks, so that a spline with many knots has samples on each of its pieces.
FEWEST_SAMPLES = 8
# The secant method gains digits by a factor 1.6 each time: from 1/SAMPLES, five times reach rounding.
ITERATIONS = 5
Vertices = tuple[tuple[float, float], ...]


def _closed(vertices: Vertices) -> Vertices:
    return (*vertices, vertices[0])


class Path(ABC):
    """A plane curve p(t), 0 ≤ t ≤ 1, smooth between its breaks."""

    closed: bool = False
    smooth: bool = False  # analytic and closed: equally spaced points integrate it to spectral accuracy

    @property
    @abstractmethod
    def breaks(self) -> tuple[float, ...]:
        """Parameters, 0 and 1 among them, between which a Gauss rule is accurate."""

    @abstractmethod
    def point(self, t: Tensor) -> Tensor:
        """Return p(t), (n, 2)."""

    @abstractmethod
    def velocity(self, t: Tensor) -> Tensor:
        """Return p'(t), (n, 2)."""

    @cached_property
    def _table(self) -> tuple[Tensor, Tensor, cKDTree]:
        """Parameters of samples, their distances in the parameter, and a search tree of their points."""
        breaks = self.breaks
        each = max(FEWEST_SAMPLES, SAMPLES // (len(breaks) - 1))
        steps = torch.arange(each, dtype=torch.float64) / each
        start = torch.tensor(breaks, dtype=torch.float64)
        width = start.diff()
        t = torch.cat([(start[:-1, None] + width[:, None] * steps).reshape(-1), start[-1:]])
        step = torch.cat([(width / each).repeat_interleave(each), width[-1:] / each])
        return t, step, cKDTree(self.point(t).numpy())

    def nearest(self, x: Tensor) -> Tensor:
        """Return the parameter t (n,) of the point of the path nearest to each point x (n, 2).

        g(t) = (x - p(t))·p'(t) vanishes at the foot of a perpendicular; its root is found by the secant
        method from the nearest of many samples.
        """
        x = x.to(torch.float64)
        table, steps, tree = self._table
        index = torch.from_numpy(tree.query(x.numpy())[1])
        t = table[index]
        low = t - steps[index]
        high = t + steps[index]
        g, speed = self._slope(x, t)
        before = t
        g_before = g
        t = self._confined(t + g / speed, low, high)  # a Newton step without the curvature: g' ≈ -|p'|²
        for _ in range(ITERATIONS - 1):
            g, speed = self._slope(x, t)
            change = t - before
            rate = (g - g_before) / torch.where(change == 0, 1.0, change)
            # A secant that does not fall leads to a maximum of the distance, beyond the centre of curvature.
            rate = torch.where((change == 0) | (rate > -0.1 * speed), -speed, rate)
            before = t
            g_before = g
            t = self._confined(t - g / rate, low, high)
        return self._wrapped(t)

    def _slope(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return g(t) = (x - p)·p', half the negative slope of the squared distance, and |p'|²."""
        velocity = self.velocity(t)
        return ((x - self.point(t)) * velocity).sum(dim=1), (velocity * velocity).sum(dim=1)

    def _wrapped(self, t: Tensor) -> Tensor:
        if self.closed:
            return t % 1.0
        return t

    def _confined(self, t: Tensor, low: Tensor, high: Tensor) -> Tensor:
        t = torch.minimum(torch.maximum(t, low), high)
        if self.closed:
            return t
        return t.clamp(0, 1)

    @cached_property
    def extremes(self) -> Tensor:
        """Points (n, 2) with the least and largest x and y among them."""
        table = self._table[0]
        velocity = self.velocity(table)
        found = [self.point(table)]
        for axis in (0, 1):
            i = (velocity[1:, axis] * velocity[:-1, axis] < 0).nonzero()[:, 0]
            found.append(self.point(self._turn(axis, table[i], table[i + 1])))
        return torch.cat(found)

    def _turn(self, axis: int, before: Tensor, behind: Tensor) -> Tensor:
        """Return the parameters at which the velocity along an axis changes its sign."""
        return bisect(lambda t: self.velocity(t)[:, axis] > 0, before, behind)


@dataclass(frozen=True)
class EllipticArc(Path):
    """p(t) = centre + Q (a cos θ, b sin θ), θ = start + t (stop - start), Q the rotation by `angle`."""

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float = 0.0
    start: float = 0.0
    stop: float = 2 * math.pi

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether it is a whole ellipse."""
        return abs(self.stop - self.start) >= 2 * math.pi * (1 - 1e-12)

    @property
    def smooth(self) -> bool:  # type: ignore[override]
        """Whether it is a whole ellipse."""
        return self.closed

    @property
    def breaks(self) -> tuple[float, ...]:
        """Equal parts of at most a quarter of a turn."""
        parts = max(1, math.ceil(abs(self.stop - self.start) / (math.pi / 2) - 1e-9))
        return tuple(i / parts for i in range(parts + 1))

    def _turned(self, along: Tensor, across: Tensor) -> Tensor:
        c = math.cos(self.angle)
        s = math.sin(self.angle)
        return torch.stack([c * along - s * across, s * along + c * across], dim=1)

    def nearest(self, x: Tensor) -> Tensor:
        """Return the share of the turn on a circle, in closed form; on an ellipse, search."""
        if self.semi_axes[0] != self.semi_axes[1]:
            return super().nearest(x)
        y = x.to(torch.float64) - torch.tensor(self.centre, dtype=torch.float64)
        turn = self.stop - self.start
        theta = torch.atan2(y[:, 1], y[:, 0]) - self.angle - self.start
        t = (theta * math.copysign(1.0, turn)) % (2 * math.pi) / abs(turn)
        # Beyond the end it is nearer to whichever end fewer degrees away.
        return torch.where(t <= 1, t, torch.where(t < (1 + 2 * math.pi / abs(turn)) / 2, 1.0, 0.0))

    def point(self, t: Tensor) -> Tensor:
        """Return points of the ellipse."""
        theta = self.start + t * (self.stop - self.start)
        a, b = self.semi_axes
        return self._turned(a * theta.cos(), b * theta.sin()) + t.new_tensor(self.centre)

    def velocity(self, t: Tensor) -> Tensor:
        """Return (stop - start) Q (-a sin θ, b cos θ)."""
        turn = self.stop - self.start
        theta = self.start + t * turn
        a, b = self.semi_axes
        return turn * self._turned(-a * theta.sin(), b * theta.cos())


@dataclass(frozen=True)
class PolarCurve(Path):
    """p(t) = centre + r(θ) (cos θ, sin θ), θ = 2πt, with a smooth periodic r > 0 in torch's functions."""

    radius: Callable[[Tensor], Tensor]
    centre: tuple[float, float] = (0.0, 0.0)
    closed = True
    smooth = True

    @property
    def breaks(self) -> tuple[float, ...]:
        """Thirty-second parts of a turn."""
        return tuple(i / 32 for i in range(33))

    def _radius(self, theta: Tensor) -> Tensor:
        value = torch.as_tensor(self.radius(theta), dtype=theta.dtype)
        return value.expand(theta.shape)

    def point(self, t: Tensor) -> Tensor:
        """Return points of the curve."""
        theta = 2 * math.pi * t
        with torch.no_grad():
            r = self._radius(theta)
        return r[:, None] * torch.stack([theta.cos(), theta.sin()], dim=1) + t.new_tensor(self.centre)

    def velocity(self, t: Tensor) -> Tensor:
        """Return 2π (r' (cos θ, sin θ) + r (-sin θ, cos θ)), r' by automatic differentiation."""
        with torch.enable_grad():
            theta = (2 * math.pi * t.detach()).requires_grad_()
            r = self._radius(theta)
            slope = torch.zeros_like(theta)
            if r.requires_grad:  # a radius that is a number has no graph
                (slope,) = torch.autograd.grad(r.sum(), theta)
        theta = theta.detach()
        r = r.detach()
        outward = torch.stack([theta.cos(), theta.sin()], dim=1)
        across = torch.stack([-theta.sin(), theta.cos()], dim=1)
        return 2 * math.pi * (slope[:, None] * outward + r[:, None] * across)


@dataclass(frozen=True)
class SplinePath(Path):
    """Cubic spline through points, parametrised by chord length; periodic if `closed`, natural ends if not.

    Source:
        de Boor, A Practical Guide to Splines, ch. IV; chord-length parameters: Farin, Curves and Surfaces
        for CAGD, §9.5.
    """

    points: Vertices
    closed: bool = True

    @property
    def _chain(self) -> Vertices:
        return _closed(self.points) if self.closed else self.points

    @cached_property
    def _knots(self) -> Tensor:
        v = np.array(self._chain)
        length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(v, axis=0), axis=1))])
        return torch.from_numpy(length / length[-1])

    @cached_property
    def _coefficients(self) -> Tensor:
        """(4, knots - 1, 2), highest power first."""
        v = np.array(self._chain)
        ends = "not-a-knot"
        if self.closed:
            ends = "periodic"
        elif len(v) < 4:  # a cubic through fewer points is not determined without more conditions
            ends = "natural"
        # Only splines need it, and it takes as long to import as a small problem to solve.
        from scipy.interpolate import CubicSpline

        return torch.from_numpy(np.ascontiguousarray(CubicSpline(self._knots.numpy(), v, bc_type=ends).c))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Return the knots."""
        return tuple(self._knots.tolist())

    def _local(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = self._wrapped(t)
        i = (torch.searchsorted(self._knots, t.contiguous(), right=True) - 1).clamp(0, len(self._knots) - 2)
        return self._coefficients[:, i], (t - self._knots[i])[:, None]

    def point(self, t: Tensor) -> Tensor:
        """Return points of the spline."""
        (a, b, c, d), s = self._local(t)
        return ((a * s + b) * s + c) * s + d

    def velocity(self, t: Tensor) -> Tensor:
        """Return derivatives of the spline."""
        (a, b, c, _), s = self._local(t)
        return (3 * a * s + 2 * b) * s + c


@dataclass(frozen=True)
class Polyline(Path):
    """Straight segments through vertices, each with a share of the parameter in proportion to its length."""

    vertices: Vertices
    closed: bool = False

    @cached_property
    def _corners(self) -> Tensor:
        v = _closed(self.vertices) if self.closed else self.vertices
        return torch.tensor(v, dtype=torch.float64)

    @cached_property
    def _knots(self) -> Tensor:
        length = torch.cat([torch.zeros(1, dtype=torch.float64), self._corners.diff(dim=0).norm(dim=1)])
        return length.cumsum(0) / length.sum()

    @property
    def breaks(self) -> tuple[float, ...]:
        """Return the parameters of the vertices."""
        return tuple(self._knots.tolist())

    def _segment(self, t: Tensor) -> Tensor:
        return (torch.searchsorted(self._knots, t.contiguous(), right=True) - 1).clamp(
            0, len(self._knots) - 2
        )

    def point(self, t: Tensor) -> Tensor:
        """Return points on the segments."""
        i = self._segment(t)
        s = ((t - self._knots[i]) / self._knots.diff()[i])[:, None]
        return (1 - s) * self._corners[i] + s * self._corners[i + 1]

    def velocity(self, t: Tensor) -> Tensor:
        """Return the direction of each segment times the whole length."""
        i = self._segment(t)
        return self._corners.diff(dim=0)[i] / self._knots.diff()[i][:, None]

    def nearest(self, x: Tensor) -> Tensor:
        """Return the nearest parameter on the segments about the nearest samples; exact but for thin gaps."""
        x = x.to(torch.float64)
        table, _, tree = self._table
        found = torch.from_numpy(tree.query(x.numpy(), k=3)[1])
        first = self._segment(table[found])  # (n, 3)
        count = len(self._knots) - 1
        around = torch.cat([first - 1, first, first + 1], dim=1)
        around = around % count if self.closed else around.clamp(0, count - 1)
        a = self._corners[around]
        edge = self._corners[around + 1] - a
        s = (((x[:, None] - a) * edge).sum(dim=2) / (edge * edge).sum(dim=2)).clamp(0, 1)
        gap = (x[:, None] - a - s[:, :, None] * edge).norm(dim=2)
        # At a vertex the segment that x faces most squarely: it tells the side of the path.
        normal = torch.stack([edge[:, :, 1], -edge[:, :, 0]], dim=2) / edge.norm(dim=2, keepdim=True)
        facing = ((x[:, None] - a) * normal).sum(dim=2).abs()
        best = gap.amin(dim=1, keepdim=True)
        size = float(self._corners.abs().max())
        pick = torch.where(gap <= best * (1 + 1e-9) + 1e-14 * size, facing, -1.0).argmax(dim=1)[:, None]
        i = around.gather(1, pick)[:, 0]
        s = s.gather(1, pick)[:, 0]
        # Just inside its segment, so that velocity(t) is that of the segment chosen.
        s = s.clamp(1e-12, 1 - 1e-12)
        return self._knots[i] + s * self._knots.diff()[i]


def check_simple(path: Path, what: str) -> None:
    """Refuse a path that crosses itself, as seen on its samples.

    Raises:
        ProblemError: two segments between samples cross.
    """
    t, _, _ = path._table
    t = t[:: max(1, len(t) // 600)]
    x = path.point(t)
    if not torch.isfinite(x).all():
        message = f"{what} is not finite everywhere, expected a bounded closed curve."
        raise ProblemError(message)
    if path.closed:
        x = torch.cat([x, x[:1]])
    a = x[:-1]
    b = x[1:]
    far = (b - a).norm(dim=1) > 0
    a = a[far]
    b = b[far]

    def side(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        u = q - p
        w = r - p
        return u[..., 0] * w[..., 1] - u[..., 1] * w[..., 0]

    n = len(a)
    p = a[:, None]
    q = b[:, None]
    crossing = (side(p, q, a) * side(p, q, b) < 0) & (side(a, b, p) * side(a, b, q) < 0)
    i = torch.arange(n)
    gap = (i[:, None] - i[None]).abs()
    # Neighbours, around the end of a closed path too, share a point.
    crossing &= (gap > 1) & (gap < n - 1)
    if crossing.any():
        x0, y0 = a[int(crossing.any(dim=1).nonzero()[0])].tolist()
        message = (
            f"{what} crosses itself near ({x0:.3g}, {y0:.3g}), expected a curve that does not meet itself; "
            f"are the points in order around the shape?"
        )
        raise ProblemError(message)
