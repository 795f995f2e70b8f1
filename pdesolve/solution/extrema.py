"""Largest and smallest values of an expression in a closed region, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pdesolve.errors import SolveError, UsageError
from pdesolve.geometry.piece import Piece
from pdesolve.solution.at_corners import require_bounded_at_corners
from pdesolve.solution.estimated import Estimated
from pdesolve.solution.growth import require_bounded
from pdesolve.solution.regions import Region
from pdesolve.solution.values import ROUNDING, Values

# The grid misses the tops, so that its highest point may be on a lower hill.
CLIMBERS = 6  # places from which the search goes on: several hills of nearly one height
ALONG = 5  # points of a step along each axis
NARROWED = 0.4  # part of the step that is left where its middle is the highest point
STEPS = 60  # enough for 20 narrowings, from 1e-2 of the domain to 1e-10, and some moves
# At a smooth maximum the error of the value goes with the square of that of the place.
SMALLEST = 1e-8  # step, of the domain: a smooth maximum is then met to 1e-16
WORTH = 0.1  # of the range of values: from points lower than the highest by more, nobody climbs
# The total stays affordable in each dimension, so that an axis gets fewer points where there are more axes.
AT_FIRST = {1: 400, 2: 120, 3: 30}  # points along an axis from which the highest are taken
ON_PIECE = {0: 1, 1: 400, 2: 60, 3: 20}  # the same on a piece of the boundary, by its parameters


class Hills(NamedTuple):
    """Parameters (k, p) of points, and the values (k,) there, the highest first."""

    parameters: Tensor
    heights: Tensor

    def above(self, height: float) -> Hills:
        """Those that are not lower."""
        keep = self.heights >= height
        return Hills(self.parameters[keep], self.heights[keep])


@dataclass(frozen=True)
class Chart:
    """A map from parameters to points at which a value is known.

    Attributes:
        heights: parameters (n, p) ↦ values (n,), -∞ where there is no point of the region.
        points: parameters (n, p) ↦ points (n, d).
        lower, upper: bounds (p,) of the parameters.
        along: points of the first grid along each axis.
    """

    heights: Callable[[Tensor], Tensor]
    points: Callable[[Tensor], Tensor]
    lower: Tensor
    upper: Tensor
    along: int

    def hills(self) -> tuple[Hills, float]:
        """The highest points of a grid, and the least value on it."""
        axes = [
            torch.linspace(float(a), float(b), self.along, dtype=torch.float64)
            for a, b in zip(self.lower, self.upper, strict=True)
        ]
        grid = torch.zeros(1, 0, dtype=torch.float64)
        if axes:
            grid = torch.cartesian_prod(*axes).reshape(-1, len(axes))
        heights = self.heights(grid)
        best = heights.argsort(descending=True)[:CLIMBERS]
        return Hills(grid[best], heights[best]), _least(heights)

    def climbed(self, hills: Hills) -> Hills:
        """From each point to the top of its hill, by grids that move and narrow."""
        k, p = hills.parameters.shape
        extent = self.upper - self.lower
        if not p or not len(hills.heights):
            return hills
        steps = torch.linspace(-1, 1, ALONG, dtype=torch.float64)
        stencil = torch.cartesian_prod(*[steps] * p).reshape(-1, p)
        at = hills.parameters
        heights = hills.heights
        radius = torch.full((k, 1), 1 / (self.along - 1), dtype=torch.float64)
        for _ in range(STEPS):
            around = (at[:, None] + radius[:, None] * stencil * extent).clamp(self.lower, self.upper)
            found = self.heights(around.reshape(-1, p)).reshape(k, -1)
            top, which = found.max(1)
            higher = top > heights
            at = torch.where(higher[:, None], around[torch.arange(k), which], at)
            heights = torch.maximum(heights, top)
            # Where nothing around is higher, or only next to the middle, look closer.
            inner = stencil[which].abs().amax(1) < 1
            radius = torch.where((~higher | inner)[:, None], NARROWED * radius, radius)
            if float(radius.max()) < SMALLEST:
                break
        return Hills(at, heights)


def extremum(values: Values, region: Region, sign: float) -> Estimated:
    """The largest value of sign · f in a closed region, times the sign, and where it is.

    Raises:
        UsageError: f is a vector.
        SolveError: f grows without bound.
    """
    if values.expression.operator.components != 1:
        message = f"{values.expression.name} is a vector and has no maximum; ask for that of its norm or a component"
        raise UsageError(message)
    require_bounded_at_corners(values, region, sign)
    height, place = _highest(values, region, sign)
    value = sign * height
    if values.verifying is None:
        return Estimated(value, None, place)
    # The finer solution is searched on its own: its maximum may lie elsewhere.
    finer, _ = _highest(replace(values, solution=values.verifying, verifying=None), region, sign)
    require_bounded(values, region, torch.tensor([abs(finer - height) / max(abs(height), 1e-300)]), place)
    error = values.times * abs(finer - height) + ROUNDING * abs(value)
    return Estimated(value, error, place)


def _highest(values: Values, region: Region, sign: float) -> tuple[float, tuple[float, ...]]:
    """The largest value of sign · f(u), and where."""
    best = -torch.inf
    place: tuple[float, ...] = ()
    charts = _charts(values, region, sign)
    seen = [chart.hills() for chart in charts]
    known = torch.cat([hills.heights for hills, _ in seen]).isfinite()
    if not bool(known.any()):
        _require_points(values, region)
    highest = max(float(hills.heights.max()) for hills, _ in seen)
    lowest = min(least for _, least in seen)
    for chart, (hills, _) in zip(charts, seen, strict=True):
        top = chart.climbed(hills.above(highest - WORTH * (highest - lowest)))
        if len(top.heights) and float(top.heights.max()) > best:
            which = int(top.heights.argmax())
            best = float(top.heights[which])
            place = tuple(chart.points(top.parameters[which : which + 1])[0].tolist())
    return best, place


def _require_points(values: Values, region: Region) -> None:
    """Say why there is no value at any point of a region.

    Raises:
        UsageError: it has no points in the domain.
        SolveError: f is not finite at any.
    """
    points, normals, _ = next(region.rules())
    values.finite(points[:1], None if normals is None else normals[:1])


def _least(heights: Tensor) -> float:
    known = heights[heights.isfinite()]
    if not len(known):
        return torch.inf
    return float(known.min())


def _charts(values: Values, region: Region, sign: float) -> list[Chart]:
    """The pieces of the boundary of a region and, unless it is a part of the boundary, what is inside."""
    charts = [_of_piece(values, region, piece, sign) for piece in region.pieces()]
    if region.on is None:
        charts.append(_of_inside(values, region, sign))
    return charts


def _of_inside(values: Values, region: Region, sign: float) -> Chart:
    inner = region.inner

    def heights(x: Tensor) -> Tensor:
        return _heights(values, region, sign, x, None, inner.contains(x))

    lower, upper = inner.bounds
    return Chart(heights, region.timed, lower, upper, AT_FIRST.get(inner.dimension, 8))


def _of_piece(values: Values, region: Region, piece: Piece, sign: float) -> Chart:
    parameters = piece.dimension - 1

    def heights(s: Tensor) -> Tensor:
        x = piece.map(s)
        return _heights(values, region, sign, x, piece.normal_at(x), piece.active(x))

    def points(s: Tensor) -> Tensor:
        return region.timed(piece.map(s))

    ends = torch.tensor([[0.0], [1.0]], dtype=torch.float64).expand(2, parameters)
    return Chart(heights, points, ends[0], ends[1], ON_PIECE.get(parameters, 8))


def _heights(values: Values, region: Region, sign: float, x: Tensor, normals: Any, known: Tensor) -> Tensor:
    """The values f(u) at points (n, d), times the sign, -∞ outside the region and where it is not known."""
    found = torch.full((len(x),), -torch.inf, dtype=torch.float64)
    known = known & region.contains(x)
    if bool(known.any()):
        points = region.timed(x[known])
        n = None if normals is None else region.timed_normals(normals[known])
        f = sign * values.at(points, n)[0, :, 0]
        _require_finite(values, f, points)
        # What is not known must never be the highest.
        found[known] = f.nan_to_num(-torch.inf)
    return found


def _require_finite(values: Values, f: Tensor, points: Tensor) -> None:
    """See that no value (n,) at points (n, d) is infinite: then there is no largest one.

    Raises:
        SolveError: one is.
    """
    infinite = f == torch.inf
    if bool(infinite.any()):
        where = ", ".join(f"{c:.6g}" for c in points[infinite][0].tolist())
        message = f"{values.expression.name} is infinite at ({where}): there is no largest value"
        raise SolveError(message)
