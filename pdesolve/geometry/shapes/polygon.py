"""Polygons without self-intersections, in either orientation, and with holes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import finite_numbers
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.frames import frame
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.rules.planar_rule import planar_rule
from pdesolve.geometry.surfaces import Segment
from pdesolve.quadrature import Rule

Chain = Sequence[Sequence[float]]  # of corners, as lists, tuples or arrays have them
# Points at once: the temporaries of one edge after another then stay in the cache of a core.
CHUNK = 16384


@dataclass(frozen=True, repr=False)
class Polygon(Domain):
    """Interior of a closed chain of straight edges; `edges[i]` joins vertices i and i + 1 as given.

    Holes are chains of their own inside; `hole_edges[k][i]` is edge i of hole k.

    Raises:
        ProblemError: fewer than three vertices, two equal neighbours, no area, edges that touch or cross, or a
            hole that is not inside.

    >>> Polygon([(0, 0), (1, 0), (0, 1)]).measure
    0.5
    >>> Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], holes=[[(1, 1), (2, 1), (2, 2), (1, 2)]]).measure
    8.0
    """

    vertices: tuple[tuple[float, float], ...]
    holes: tuple[tuple[tuple[float, float], ...], ...] = ()

    if TYPE_CHECKING:

        def __init__(self, vertices: Chain, holes: Sequence[Chain] = ()) -> None: ...

    def __post_init__(self):
        object.__setattr__(self, "vertices", _vertices(self.vertices))
        object.__setattr__(self, "holes", tuple(_vertices(hole) for hole in self.holes))
        for chain in self._chains:
            _check_simple(chain)
        if self.holes:
            _check_holes(self.vertices, self.holes)

    def __repr__(self) -> str:
        if self.holes or len(self.vertices) > 4:
            count = len(self.holes)
            holes = f", {count} hole{'s' * (count > 1)}" * (count > 0)
            return f"Polygon({len(self.vertices)} vertices{holes})"
        return "Polygon([" + ", ".join(f"({x:g}, {y:g})" for x, y in self.vertices) + "])"

    @property
    def _chains(self) -> tuple[tuple[tuple[float, float], ...], ...]:
        return (self.vertices, *self.holes)

    @cached_property
    def _sides(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """Ends of all edges."""
        return [e for chain in self._chains for e in zip(chain, chain[1:] + chain[:1], strict=True)]

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box of the vertices, (2, 2)."""
        v = torch.tensor(self.vertices, dtype=torch.float64)
        return torch.stack([v.amin(dim=0), v.amax(dim=0)])

    @cached_property
    def surfaces(self) -> tuple[Segment, ...]:
        """All edges, in the order of the vertices, then those of the holes."""
        edges = []
        for k, chain in enumerate(self._chains):
            # The interior is on the left of a counter-clockwise outer chain, and on the right of such a hole.
            side = 1 if (_signed_area(chain) > 0) == (k == 0) else -1
            prefix = f"hole {k - 1} " if k else ""
            ends = zip(chain, chain[1:] + chain[:1], strict=True)
            edges += [Segment((self, f"{prefix}edge {i}"), a, b, side) for i, (a, b) in enumerate(ends)]
        return tuple(edges)

    @property
    def edges(self) -> tuple[Boundary, ...]:
        """All outer edges as places."""
        names = (s.name for s in self.surfaces[: len(self.vertices)])
        return tuple(Boundary(self, (name,), f"edges[{i}]") for i, name in enumerate(names))

    @property
    def hole_edges(self) -> tuple[tuple[Boundary, ...], ...]:
        """The edges of every hole as places."""
        return tuple(
            tuple(Boundary(self, (f"hole {k} edge {i}",), f"hole_edges[{k}][{i}]") for i in range(len(hole)))
            for k, hole in enumerate(self.holes)
        )

    @cached_property
    def measure(self) -> float:
        """Return the area by the shoelace formula ½ |Σ x_i y_{i+1} - x_{i+1} y_i|, less the holes."""
        return abs(_signed_area(self.vertices)) - sum(abs(_signed_area(hole)) for hole in self.holes)

    @cached_property
    def rotation(self) -> Tensor:
        """Frame of the direction, modulo 90 degrees, with the longest edges in total."""
        return frame([(s.tangent, s.length) for s in self.surfaces])

    def level(self, x: Tensor) -> Tensor:
        """Return the signed distance to the nearest edge, negative where a ray crosses an odd number."""
        return torch.cat([self._level(part) for part in x.split(CHUNK)])

    def _level(self, x: Tensor) -> Tensor:
        px = x[:, 0].contiguous()
        py = x[:, 1].contiguous()
        square = torch.full_like(px, math.inf)
        inside = torch.zeros_like(px, dtype=torch.bool)
        for (ax, ay), (bx, by) in self._sides:
            ex = bx - ax
            ey = by - ay
            wx = px - ax
            wy = py - ay
            s = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp_(0, 1)
            square = torch.minimum(square, (wx - s * ex) ** 2 + (wy - s * ey) ** 2)
            # A ray along x crosses the edge where its ends are on both sides and the point is on its left.
            crosses = (py >= ay) != (py >= by)
            if ey > 0:
                inside ^= crosses & (wx * ey < wy * ex)
            elif ey < 0:
                inside ^= crosses & (wx * ey > wy * ex)
        distance = square.sqrt()
        return torch.where(inside, -distance, distance)

    def moved(self, motion: Motion) -> "Polygon":
        """Return the image, of the same kind."""
        holes = tuple(tuple(motion.of(*hole)) for hole in self.holes)
        return Polygon(tuple(motion.of(*self.vertices)), holes)

    def rule(self, order: int) -> Rule:
        """Return the strip rule in the frame of `rotation`, exact for polynomials of degree `order`."""
        return planar_rule(self, order)


def _vertices(values) -> tuple[tuple[float, float], ...]:
    rows = [finite_numbers(v, "Polygon") for v in values]
    if any(len(row) != 2 for row in rows):
        message = "Polygon received a vertex without exactly 2 coordinates, expected pairs such as (0, 0)."
        raise ProblemError(message)
    if len(rows) > 1 and rows[0] == rows[-1]:
        rows.pop()
    if len(rows) < 3:
        message = f"Polygon received {len(rows)} different vertices, expected at least 3."
        raise ProblemError(message)
    return tuple((x, y) for x, y in rows)


def _check_holes(vertices, holes) -> None:
    rings = [Polygon(chain) for chain in (vertices, *holes)]
    corners = [torch.tensor(ring.vertices, dtype=torch.float64) for ring in rings]
    for k in range(1, len(rings)):
        if not bool((rings[0].level(corners[k]) < 0).all()) or _touch(corners[0], corners[k]):
            message = f"Polygon received hole {k - 1}, which is not inside the outer chain, expected it to lie within."
            raise ProblemError(message)
        for j in range(1, k):
            apart = float(rings[j].level(corners[k][:1])) > 0 and float(rings[k].level(corners[j][:1])) > 0
            if not apart or _touch(corners[j], corners[k]):
                message = f"Polygon received holes {j - 1} and {k - 1} that meet, expected holes apart from each other."
                raise ProblemError(message)


def _touch(a: Tensor, b: Tensor) -> bool:
    """Tell whether two closed chains of vertices (n, 2) and (m, 2) cross or touch."""
    i, j = torch.cartesian_prod(torch.arange(len(a)), torch.arange(len(b))).T
    gap = _distance(a[i], a.roll(-1, 0)[i], b[j], b.roll(-1, 0)[j])
    return float(gap.min()) <= 1e-12 * float((a.amax(dim=0) - a.amin(dim=0)).norm())


def _signed_area(vertices) -> float:
    x0, y0 = vertices[0]  # relative to a vertex, so that a distant polygon loses no digits
    v = [(x - x0, y - y0) for x, y in vertices]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(v, v[1:] + v[:1], strict=True)) / 2


def _check_simple(vertices) -> None:
    v = torch.tensor(vertices, dtype=torch.float64)
    a, b = v, v.roll(-1, dims=0)
    size = float((v.amax(dim=0) - v.amin(dim=0)).norm())
    short = ((b - a).norm(dim=1) <= 1e-12 * size).nonzero()[:, 0].tolist()
    if short:
        message = f"Polygon received vertex {short[0]} equal to the next one, expected different vertices."
        raise ProblemError(message)
    n, zero = len(v), 1e-12 * size
    i, j = torch.triu_indices(n, n, 1)
    neighbours = (j == i + 1) | ((i == 0) & (j == n - 1))
    gap = _distance(a[i], b[i], a[j], b[j])
    bad = (~neighbours & (gap <= zero)).nonzero()[:, 0].tolist()
    if bad:
        p, q = int(i[bad[0]]), int(j[bad[0]])
        message = (
            f"Polygon received edges {p} and {q} that cross or touch, expected a chain that does not meet "
            f"itself; are the vertices in order around the shape?"
        )
        raise ProblemError(message)
    if abs(_signed_area(vertices)) <= 1e-12 * size**2:
        message = "Polygon received vertices on one line, expected some area inside."
        raise ProblemError(message)
    ahead = b - a
    back = a.roll(1, dims=0) - a
    cross = ahead[:, 0] * back[:, 1] - ahead[:, 1] * back[:, 0]
    sharp = (
        (cross.abs() <= 1e-12 * ahead.norm(dim=1) * back.norm(dim=1)) & ((ahead * back).sum(dim=1) > 0)
    ).nonzero()
    if len(sharp):
        message = f"Polygon received edges that fold back at vertex {int(sharp[0])}, expected an angle there."
        raise ProblemError(message)


def _distance(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Return the distances (e,) of segments a–b and c–d, all (e, 2); zero where they cross."""

    def side(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        u = q - p
        w = r - p
        return u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]

    def to_segment(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
        u = q - p
        s = (((r - p) * u).sum(dim=1) / (u * u).sum(dim=1)).clamp(0, 1)[:, None]
        return (r - p - s * u).norm(dim=1)

    crossing = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    ends = torch.stack([to_segment(a, b, c), to_segment(a, b, d), to_segment(c, d, a), to_segment(c, d, b)])
    return torch.where(crossing, 0.0, ends.amin(dim=0))
