"""Polygons with rounded corners."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import positive
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.paths import EllipticArc
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.polygon import Chain, Polygon
from pdesolve.geometry.shapes.region import FULL_TURN, Region
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Curve, Segment


@dataclass(frozen=True, repr=False)
class RoundedPolygon(Region):
    """A polygon whose corners are replaced by arcs of one radius that touch both edges.

    Its parts are `edge i` (from vertex i to the next) and `corner i` (at vertex i).

    Raises:
        ProblemError: the vertices make no polygon, or the radius is too large for an edge.

    >>> square = RoundedPolygon([(0, 0), (1, 0), (1, 1), (0, 1)], 0.25)
    >>> round(square.measure, 9)  # 1 - (4 - π) / 16
    0.946349541
    """

    vertices: tuple[tuple[float, float], ...]
    radius: float

    if TYPE_CHECKING:

        def __init__(self, vertices: Chain, radius: float) -> None: ...

    def __post_init__(self):
        sharp = Polygon(self.vertices)
        object.__setattr__(self, "vertices", sharp.vertices)
        object.__setattr__(self, "radius", positive(self.radius, "RoundedPolygon", "radius"))
        v = np.array(self.vertices)
        cuts = self._cuts()
        for i, length in enumerate(np.linalg.norm(np.roll(v, -1, axis=0) - v, axis=1)):
            # Both corners of an edge take their part of it; something straight must be left.
            taken = cuts[i] + cuts[(i + 1) % len(v)]
            if not taken < length * (1 - 1e-9):
                largest = self.radius * length / taken
                message = (
                    f"RoundedPolygon received the radius {self.radius:g}, but edge {i} has no room for more than "
                    f"{largest:.3g}: expected a smaller radius."
                )
                raise ProblemError(message)

    def __repr__(self) -> str:
        return f"RoundedPolygon({len(self.vertices)} vertices, {self.radius:g})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        return RoundedPolygon(tuple(motion.of(*self.vertices)), motion.scale * self.radius)

    def _corners(self) -> list[tuple[tuple[float, float], float, float]]:
        """Each vertex with the directions of the edges before and behind it."""
        v = self.vertices
        n = len(v)
        result = []
        for i in range(n):
            before = _direction(v[i - 1], v[i])
            behind = _direction(v[i], v[(i + 1) % n])
            result.append((v[i], before, behind))
        return result

    def _cuts(self) -> list[float]:
        """What each corner takes of both its edges: r tan(|turn| / 2)."""
        return [self.radius * math.tan(abs(_turn(a, b)) / 2) for _, a, b in self._corners()]

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Edges and arcs, in the order of the vertices."""
        corners = self._corners()
        side = int(math.copysign(1, sum(_turn(before, behind) for _, before, behind in corners)))
        cuts = self._cuts()
        chain: list[Surface] = []
        n = len(corners)
        for i, (vertex, before, behind) in enumerate(corners):
            if abs(_turn(before, behind)) > 1e-12:  # two edges in one line have no arc between them
                chain.append(Curve((self, f"corner {i}"), self._arc(vertex, cuts[i], before, behind), side))
            following = corners[(i + 1) % n][0]
            start = _towards(vertex, behind, cuts[i])
            stop = _towards(following, behind, -cuts[(i + 1) % n])
            chain.append(Segment((self, f"edge {i}"), start, stop, side))
        return tuple(chain)

    def _arc(self, vertex: tuple[float, float], cut: float, before: float, behind: float) -> EllipticArc:
        """The arc that touches the edge before a vertex, in direction `before`, and the one behind it."""
        turn = _turn(before, behind)
        left = math.copysign(1.0, turn)  # where the centre lies
        x, y = _towards(vertex, before, -cut)
        centre = (x - left * self.radius * math.sin(before), y + left * self.radius * math.cos(before))
        start = before - left * math.pi / 2
        return EllipticArc(centre, (self.radius, self.radius), 0.0, start, start + turn)

    @property
    def edges(self) -> tuple[Boundary, ...]:
        """The straight edges."""
        return tuple(self.part(f"edge {i}") for i in range(len(self.vertices)))


def _turn(before: float, behind: float) -> float:
    """Angle in (-π, π] from one direction to the next."""
    return math.pi - (math.pi - (behind - before)) % FULL_TURN


def _towards(point: tuple[float, float], direction: float, distance: float) -> tuple[float, float]:
    x, y = point
    return x + distance * math.cos(direction), y + distance * math.sin(direction)


def _direction(start: tuple[float, float], stop: tuple[float, float]) -> float:
    return math.atan2(stop[1] - start[1], stop[0] - start[0])
