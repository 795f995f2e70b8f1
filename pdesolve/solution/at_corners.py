"""How fast an expression grows towards the corners whose singular functions a solution has.

There, two solutions agree on what is infinite: their difference tells nothing of an integral that does not exist, nor
of a maximum that is infinite. But the places are known, so that the exponent is seen right beside them, on rings of
which each has half the radius of the one before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.solution.growth import AGREED, BLUR, no_integral, no_value
from pdesolve.solution.regions import Region
from pdesolve.solution.values import Values

# Radii of rings, 2^-k of the size of the domain: so near that the strongest power outweighs all others, and far from
# where differences to the corner are rounding.
RINGS = range(14, 22)
LAST = 3  # rings in which the exponent must be the same
ANGLES = 48  # places on a ring; the widest wedge outside the domain that is not enriched for has 3 degrees
THERE = 1e-6  # of the size of the domain, within which a part of a boundary ends at a corner
ALONG = (0.21, 0.5, 0.83)  # of an edge: places at which it is looked at
AT = 1e-9  # of the size of the domain, within which a point is a corner
SPREAD = 0.1  # of slopes from ring to ring that are those of one power


def require_integrable_at_corners(values: Values, region: Region) -> None:
    """See that |f| does not grow like r^-d or faster towards a corner, in a region of dimension d.

    Raises:
        SolveError: it does, and has no integral.
    """
    for place, sizes in _rings(values, region):
        power = _growth(sizes.abs().mean(1))
        if power >= region.dimension - BLUR:
            raise SolveError(no_integral(region.name, power, place))
    for place, sizes in _rings_across_edges(values, region):
        power = _growth(sizes.abs().mean(1))
        # What lies around an edge has one dimension less.
        if power >= region.dimension - 1 - BLUR:
            raise SolveError(no_integral(region.name, power, place))


def require_bounded_at_corners(
    values: Values, region: Region, sign: float, only: Tensor | None = None
) -> None:
    """See that sign · f does not grow without bound towards a corner; with sign 0, that |f| does not.

    Args:
        values: of the expression.
        region: in which it is looked at.
        sign: of what is maximised.
        only: the point (d,) that is asked for, where it is one.

    Raises:
        SolveError: it does.
    """
    size = _size(region)
    at_corners = (
        (place, sizes)
        for place, sizes in _rings(values, region)
        if only is None or float((place - only).norm()) <= AT * size
    )
    for place, sizes in chain(at_corners, _rings_across_edges(values, region, only)):
        heights = sizes.abs()
        if sign:
            heights = sign * sizes
        power = _growth(heights.amax(1))
        if power > BLUR:
            raise SolveError(no_value(region.name, power, place))


def _growth(means: Tensor) -> float:
    """The largest b with which means (k, m) over rings of halved radii grow like r^-b; 0 where no power is seen."""
    positive = (means > 0).all(0)
    slopes = means[:, positive].log2().diff(dim=0)[-LAST:]
    if not slopes.numel():
        return 0.0
    steady = slopes.amax(0) - slopes.amin(0) <= SPREAD
    return float(torch.where(steady, slopes[-1], 0.0).max())


def _rings(values: Values, region: Region) -> Iterator[tuple[Tensor, Tensor]]:
    """Corners (2,) in the closed region, and values (k, n, m) at n places of each of k rings around them.

    Values in which the solutions do not agree are 0.
    """
    for place in getattr(values.solution.approximator, "singular_places", ()):
        found: list[tuple[Tensor, Tensor | None]] = []
        if region.on is None:
            found.append((_around(region, place), None))
        else:
            found += _along(region, place)
        yield from ((place, sizes) for sizes in _agreed(values, found))


def _agreed(values: Values, found: Sequence[tuple[Tensor, Tensor | None]]) -> Iterator[Tensor]:
    """Values (k, n, m) at points (k, n, d), with normals, where both solutions agree; 0 where they do not."""
    for points, normals in found:
        if points.shape[1]:
            flat = values.at(points.flatten(0, 1), normals)
            agreed = (flat[-1] - flat[0]).abs() <= AGREED * flat[0].abs()
            yield torch.where(agreed, flat[0], 0.0).view(*points.shape[:2], -1)


def _rings_across_edges(
    values: Values, region: Region, only: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """As `_rings`, around places (3,) on edges, in the planes across them; of one place only if it is asked for."""
    for begin, end, across in getattr(values.solution.approximator, "singular_edges", ()):
        places = [begin + share * (end - begin) for share in ALONG]
        if only is not None:
            share = float((only - begin) @ (end - begin) / (end - begin).square().sum())
            nearest = begin + min(max(share, 0.0), 1.0) * (end - begin)
            places = [only] if float((nearest - only).norm()) <= AT * _size(region) else []
        for place in places:
            if region.on is None:
                found: list[tuple[Tensor, Tensor | None]] = [(_around(region, place, across), None)]
            else:
                found = list(_on_faces(region, place, across))
            yield from ((place, sizes) for sizes in _agreed(values, found))


def _on_faces(region: Region, place: Tensor, across: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Points (k, 1, 3) on each flat part of a boundary beside an edge, and normals (k, 3)."""
    size = _size(region)
    radii = size * 2.0 ** -torch.tensor(list(RINGS), dtype=torch.float64)
    corners = torch.cartesian_prod(*[torch.linspace(0, 1, 3, dtype=torch.float64)] * 2)
    for piece in region.pieces():
        box = piece.map(corners)
        low, high = box.amin(0) - AT * size, box.amax(0) + AT * size
        for direction in torch.cat([across, -across]):
            points = place + radii[:, None] * direction
            if bool(((points >= low) & (points <= high)).all()) and bool(piece.active(points).all()):
                yield points[:, None], piece.normal_at(points)


def _size(region: Region) -> float:
    return float((region.domain.bounds[1] - region.domain.bounds[0]).norm())


def _around(region: Region, place: Tensor, plane: Tensor | None = None) -> Tensor:
    """Points (k, n, d) inside a region around a corner, or around an edge, in the plane (2, d) across it."""
    angle = 2 * math.pi * (torch.arange(ANGLES, dtype=torch.float64) + 0.5) / ANGLES
    directions = torch.stack([angle.cos(), angle.sin()], dim=1)
    if plane is not None:
        directions = directions @ plane
    radii = _size(region) * 2.0 ** -torch.tensor(list(RINGS), dtype=torch.float64)
    points = place + radii[:, None, None] * directions
    flat = points.flatten(0, 1)
    inside = (region.domain.level(flat) < 0) & (region.inner.level(flat) < 0)
    # Directions that are inside on every ring see the same wedge on all of them.
    return points[:, inside.view(len(radii), -1).all(0)]


def _along(region: Region, place: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Points (k, 1, 2) on each part of a boundary that ends at a corner, and normals (k, 2)."""
    steps = 2.0 ** -torch.tensor(list(RINGS), dtype=torch.float64)
    found = []
    for piece in region.pieces():
        for interval in piece.intervals:
            for end, other in ((interval[0], interval[1]), (interval[1], interval[0])):
                if float((piece.map(end.view(1, 1))[0] - place).norm()) > THERE * _size(region):
                    continue
                points = piece.map((end + (other - end) * steps)[:, None])
                found.append((points[:, None], piece.normal_at(points)))
    return found
