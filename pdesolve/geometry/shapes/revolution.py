"""Solids of revolution, and the torus."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import positive
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.set_operations import SetOperation
from pdesolve.geometry.shapes.ball import Disk
from pdesolve.geometry.shapes.box import Rectangle
from pdesolve.geometry.shapes.polygon import Polygon
from pdesolve.geometry.shapes.swept import (
    Revolved,
    active_arcs,
    centre_of,
    check_plane,
    meridian,
    unique,
)
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule, bisect

# Samples of a profile curve that tell where it crosses the axis. It may cross once between two of them.
AROUND = 129


@dataclass(frozen=True, repr=False)
class Revolution(Domain):
    """{(x, y, z) : (√(x² + y²), z) in profile}: a plane domain in (r, z) turned about the z axis.

    Its parts have the names of the profile's; what the profile has at r ≤ 0 does not count. `rotated` and
    `translated` take it to other axes.

    Raises:
        ProblemError: the profile is no plane domain, or lies at r ≤ 0.

    >>> round(Revolution(Disk((2, 0), 0.5)).measure, 6)  # a torus, 2π² · 2 · 0.5²
    9.869604
    """

    profile: Domain

    def __post_init__(self):
        check_plane(self.profile, "Revolution")
        if not float(self.profile.bounds[1, 0]) > 0:
            message = (
                f"Revolution received {self.profile}, which lies on the left of the axis, expected a profile in "
                f"(r, z) with r > 0 somewhere."
            )
            raise ProblemError(message)
        _ = self._section

    def __repr__(self) -> str:
        return f"Revolution({self.profile!r})"

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of the profile."""
        return self.profile.files

    @cached_property
    def _section(self) -> Domain:
        """The profile, continued across the axis if it ends there."""
        return _across_axis(self.profile, self.profile.rounding)

    @cached_property
    def _right(self) -> Domain:
        """The part of the section with r > 0."""
        lower, upper = self._section.bounds.tolist()
        if lower[0] >= 0:
            return self._section
        # Wider than the profile on all sides but the axis, so that only the axis cuts it.
        margin = upper[1] - lower[1]
        half = Rectangle((0, lower[1] - margin), (upper[0] + margin, upper[1] + margin))
        return self._section & half

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box, (2, 3)."""
        r = float(self._section.bounds[1, 0])
        lower, upper = self._section.bounds[:, 1].tolist()
        return torch.tensor([[-r, -r, lower], [r, r, upper]], dtype=torch.float64)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Surfaces of revolution of all arcs with r > 0."""
        pieces = self._section.pieces
        return tuple(
            Revolved((self, name), piece.surface, a, b, sign)
            for name, piece in zip(unique([piece.name for piece in pieces]), pieces, strict=True)
            for start, stop, sign in active_arcs(piece)
            for a, b in _right_of_axis(piece.surface, start, stop)
        )

    def level(self, x: Tensor) -> Tensor:
        """Return the level of the profile at (√(x² + y²), z)."""
        return self._section.level(meridian(x))

    def rule(self, order: int) -> Rule:
        """Rule of the profile times equally spaced points around the axis."""
        y, w = self._right.rule(order)
        n = 2 * order + 1  # the trapezoidal rule around the axis is exact for trigonometric degree 2 order
        turn = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
        r = y[:, :1]
        z = y[:, 1:].expand(-1, n)
        points = torch.stack([r * turn.cos(), r * turn.sin(), z], dim=2).reshape(-1, 3)
        return Rule(points, (w[:, None] * r * (2 * math.pi / n)).expand(-1, n).reshape(-1))

    @cached_property
    def measure(self) -> float:
        """2π ∫ r over the profile (Pappus)."""
        y, w = self._right.rule(24)
        return 2 * math.pi * float(w @ y[:, 0])


def _across_axis(domain: Domain, slack: float) -> Domain:
    """Continue rectangles and polygons that end at the axis r = 0 across it, so that it is no boundary."""
    if isinstance(domain, SetOperation):
        parts = (_across_axis(part, slack) for part in (domain.left, domain.right))
        return type(domain)(*parts)  # type: ignore[arg-type]
    if isinstance(domain, Rectangle) and abs(domain.lower[0]) <= slack:
        return Rectangle((-domain.upper[0], domain.lower[1]), domain.upper)
    if isinstance(domain, Polygon) and not domain.holes and abs(float(domain.bounds[0, 0])) <= slack:
        return _mirrored(domain, slack)
    return domain


def _mirrored(polygon: Polygon, slack: float) -> Polygon:
    """Join a polygon at r ≥ 0 and its mirror image along the one edge that they share."""
    v = [(0.0 if abs(r) <= slack else r, z) for r, z in polygon.vertices]
    n = len(v)
    shared = [i for i in range(n) if v[i][0] == 0 and v[(i + 1) % n][0] == 0]
    if len(shared) != 1 or sum(r == 0 for r, _ in v) != 2:
        message = (
            f"{polygon} meets the axis of revolution in more than one edge; make it a union of polygons."
        )
        raise ProblemError(message)
    right = v[shared[0] + 1 :] + v[: shared[0] + 1]  # from one end on the axis to the other
    left = [(-r, z) for r, z in reversed(right[1:-1])]
    return Polygon(tuple(right + left))


def _right_of_axis(curve: Surface, start: float, stop: float) -> Iterator[tuple[float, float]]:
    """Yield the parts of start ≤ s ≤ stop with r > 0."""

    def right(s: Tensor) -> Tensor:
        return curve.map(s[:, None])[:, 0] > 0

    s = torch.linspace(start, stop, AROUND, dtype=torch.float64)
    state = right(s)
    i = (state[1:] != state[:-1]).nonzero()[:, 0]
    # Ends on the axis to rounding are no crossings.
    turns = [t for t in bisect(right, s[i], s[i + 1]).tolist() if start + 1e-12 < t < stop - 1e-12]
    ends = [start, *turns, stop]
    for a, b in itertools.pairwise(ends):
        middle = torch.tensor([(a + b) / 2], dtype=torch.float64)
        if b - a > 1e-12 and float(curve.map(middle[:, None])[0, 0]) > 0:
            yield a, b


def torus(centre, radius: float, tube_radius: float) -> Domain:
    """Return the torus around the z axis through its centre; `radius` is that of the circle inside the tube.

    Raises:
        ProblemError: the centre has not three coordinates, or not 0 < tube_radius < radius.
    """
    middle = centre_of(centre, "torus")
    tube = positive(tube_radius, "torus", "tube radius")
    if not tube < positive(radius, "torus", "radius"):
        message = (
            f"torus received the radii {radius:g} and {tube:g}, expected the tube's to be the smaller one."
        )
        raise ProblemError(message)
    ring = Revolution(Disk((radius, 0.0), tube))
    if not any(middle):
        return ring
    return ring.translated(middle)
