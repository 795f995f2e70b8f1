"""A time limit for pdesolve in the seconds that benchmarks compare."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.work_precision import clock
from pdesolve.runs.monitor import Monitor


@dataclass
class Clock(Monitor):
    """Counts seconds as `work_precision.clock` does."""

    begin: float = field(default_factory=clock)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return clock() - self.begin
