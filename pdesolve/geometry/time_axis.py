"""A time axis as a domain of its own: where ordinary differential equations hold."""

from __future__ import annotations

from dataclasses import dataclass

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.moved import Motion
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.box import AxisAlignedBox
from pdesolve.geometry.spacetime import TimeInterval


@dataclass(frozen=True, repr=False)
class TimeAxis(AxisAlignedBox):
    """{t : t0 < t < t1}, with no coordinate in space; a `Problem` makes it of its TimeInterval.

    Its boundary is the two ends, `initial` and `final`.
    """

    time: TimeInterval

    def __post_init__(self):
        self._set((self.time.t0,), (self.time.t1,))

    def __repr__(self) -> str:
        return repr(self.time)

    @property
    def space_dimension(self) -> int:
        """Zero: unknowns depend on time alone."""
        return 0

    @property
    def space_coordinates(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The time."""
        return ("t",)

    @property
    def initial(self) -> Boundary:
        """The first time, as a place for conditions."""
        return Boundary(self, ("left",), "initial")

    @property
    def final(self) -> Boundary:
        """The last time, as a place for conditions."""
        return Boundary(self, ("right",), "final")

    def moved(self, motion: Motion) -> Domain:
        """Refuse: a motion turns, shifts and scales lengths.

        Raises:
            ProblemError: always.
        """
        del motion
        message = f"{self} was to be moved; state another TimeInterval instead."
        raise ProblemError(message)
