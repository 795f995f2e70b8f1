"""Plane domains bounded by elliptic and circular arcs: ellipse, annulus and sector."""

import math
from dataclasses import dataclass
from functools import cached_property

from pdesolve.errors import ProblemError
from pdesolve.geometry.coordinates import as_written, one_number, pair, positive
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.motion import Motion
from pdesolve.geometry.paths import EllipticArc
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.region import FULL_TURN, Region
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Curve, Segment


@dataclass(frozen=True, repr=False)
class Ellipse(Region):
    """Ellipse with two semi-axes, the first at `angle` (radians) to the x axis.

    Raises:
        ProblemError: the centre has not two coordinates, or a semi-axis is not positive.

    >>> round(Ellipse((0, 0), (2, 0.5)).measure, 9)
    3.141592654
    """

    centre: tuple[float, float]
    semi_axes: tuple[float, float]
    angle: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "centre", pair(self.centre, "Ellipse", "a centre"))
        axes = pair(self.semi_axes, "Ellipse", "semi-axes")
        object.__setattr__(
            self,
            "semi_axes",
            (positive(axes[0], "Ellipse", "semi-axis"), positive(axes[1], "Ellipse", "semi-axis")),
        )
        object.__setattr__(self, "angle", one_number(self.angle, "Ellipse"))

    def __repr__(self) -> str:
        turned = f", {self.angle:g}" if self.angle else ""
        return f"Ellipse({as_written(self.centre)}, {as_written(self.semi_axes)}{turned})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        a, b = self.semi_axes
        axes = (motion.scale * a, motion.scale * b)
        return Ellipse(motion.of(self.centre)[0], axes, self.angle + motion.angle)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """One curve, named ellipse."""
        return (Curve((self, "ellipse"), EllipticArc(self.centre, self.semi_axes, self.angle)),)


@dataclass(frozen=True, repr=False)
class Annulus(Region):
    """Ring between two concentric circles, its parts `inner` and `outer`.

    Raises:
        ProblemError: the centre has not two coordinates, or not 0 < inner radius < outer radius.

    >>> ring = Annulus((0, 0), 0.5, 1)
    >>> ring.inner.name
    'Annulus((0, 0), 0.5, 1).inner'
    """

    centre: tuple[float, float]
    inner_radius: float
    outer_radius: float

    def __post_init__(self):
        object.__setattr__(self, "centre", pair(self.centre, "Annulus", "a centre"))
        inner = positive(self.inner_radius, "Annulus", "inner radius")
        outer = positive(self.outer_radius, "Annulus", "outer radius")
        if not inner < outer:
            message = f"Annulus received the radii {inner:g} and {outer:g}, expected the inner one first and smaller."
            raise ProblemError(message)
        object.__setattr__(self, "inner_radius", inner)
        object.__setattr__(self, "outer_radius", outer)

    def __repr__(self) -> str:
        return f"Annulus({as_written(self.centre)}, {self.inner_radius:g}, {self.outer_radius:g})"

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        radii = (motion.scale * r for r in (self.inner_radius, self.outer_radius))
        return Annulus(motion.of(self.centre)[0], *radii)

    @cached_property
    def surfaces(self) -> tuple[Curve, ...]:
        """The inner circle, seen from outside the ring, and the outer one."""
        inner = EllipticArc(self.centre, (self.inner_radius, self.inner_radius))
        outer = EllipticArc(self.centre, (self.outer_radius, self.outer_radius))
        return Curve((self, "inner"), inner, -1), Curve((self, "outer"), outer)

    @property
    def inner(self) -> Boundary:
        """The inner circle."""
        return self.part("inner")

    @property
    def outer(self) -> Boundary:
        """The outer circle."""
        return self.part("outer")


@dataclass(frozen=True, repr=False)
class Sector(Region):
    """Sector of a disk, or of a ring if there is an inner radius, from one angle to a larger one (radians).

    Its parts are `arc`, the straight edges `start` and `stop`, and `inner arc` if there is an inner radius.

    Raises:
        ProblemError: a radius or an angle makes no sense, or the sector is a full turn or more.

    >>> round(Sector((0, 0), 2, 0, 1).measure, 9)
    2.0
    """

    centre: tuple[float, float]
    radius: float
    start: float
    stop: float
    inner_radius: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "centre", pair(self.centre, "Sector", "a centre"))
        object.__setattr__(self, "radius", positive(self.radius, "Sector", "radius"))
        for name in ("start", "stop"):
            object.__setattr__(self, name, one_number(getattr(self, name), "Sector"))
        inner = one_number(self.inner_radius, "Sector")
        object.__setattr__(self, "inner_radius", inner)
        if not 0 <= inner < self.radius:
            message = (
                f"Sector received the inner radius {inner:g}, expected one from 0 to below {self.radius:g}."
            )
            raise ProblemError(message)
        # A full turn has no straight edges: its ends would be one edge twice.
        if not 0 < self.stop - self.start < FULL_TURN * (1 - 1e-9):
            message = (
                f"Sector received the angles {self.start:g} and {self.stop:g}, expected radians, the smaller first "
                f"and less than a full turn apart; see also Disk and Annulus."
            )
            raise ProblemError(message)

    def __repr__(self) -> str:
        inner = f", {self.inner_radius:g}" if self.inner_radius else ""
        return f"Sector({as_written(self.centre)}, {self.radius:g}, {self.start:g}, {self.stop:g}{inner})"

    def _at(self, radius: float, angle: float) -> tuple[float, float]:
        x, y = self.centre
        return x + radius * math.cos(angle), y + radius * math.sin(angle)

    def moved(self, motion: Motion) -> Domain:
        """Return the image, of the same kind."""
        radius, inner = (motion.scale * r for r in (self.radius, self.inner_radius))
        angles = (self.start + motion.angle, self.stop + motion.angle)
        return Sector(motion.of(self.centre)[0], radius, *angles, inner)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """The arc, both straight edges, and the inner arc if there is one."""
        chain: list[Surface] = [
            Curve((self, "arc"), self._arc_of(self.radius)),
            Segment(
                (self, "stop"), self._at(self.radius, self.stop), self._at(self.inner_radius, self.stop), 1
            ),
            Segment(
                (self, "start"), self._at(self.inner_radius, self.start), self._at(self.radius, self.start), 1
            ),
        ]
        if self.inner_radius:
            chain.append(Curve((self, "inner arc"), self._arc_of(self.inner_radius), -1))
        return tuple(chain)

    def _arc_of(self, radius: float) -> EllipticArc:
        return EllipticArc(self.centre, (radius, radius), 0.0, self.start, self.stop)

    @property
    def arc(self) -> Boundary:
        """The outer arc."""
        return self.part("arc")

    @property
    def edges(self) -> tuple[Boundary, Boundary]:
        """The straight edges at the first and at the last angle."""
        return self.part("start"), self.part("stop")
