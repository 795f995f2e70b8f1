"""A time limit for pdesolve in the seconds that benchmarks compare."""

from __future__ import annotations

from benchmarks.work_precision import clock
from pdesolve.monitor import Monitor


class Clock(Monitor):
    """A time limit in the seconds that are compared."""

    @property
    def seconds(self) -> float:
        """Since the start."""
        return clock() - self.begin

    def __post_init__(self) -> None:
        self.begin = clock()
