"""Ctrl-C and SIGTERM: stop at the next step with what there is; insist, and it stops at once."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from pdesolve.runs.monitor import Monitor, State

# Seconds for the method to come to its next step; a second signal does not wait. Batch systems kill a job about 30
# seconds after SIGTERM, and the solution must be written by then.
PATIENCE = 10.0


@dataclass
class StoppableMonitor(Monitor):
    """A monitor whose time can be declared over.

    Attributes:
        stop_requested: whether the user asked to stop.
    """

    stop_requested: bool = False
    _kept_last: bool = False

    def stop(self) -> None:
        """Let `out_of_time` be true from now on."""
        self.stop_requested = True
        limit = math.inf
        if self.time_limit is not None:
            limit = self.time_limit
        self.time_limit = min(self.seconds, limit)

    def _why_over_without_result(self) -> str | None:
        """Who asks to stop gets no time of grace for a first result."""
        return self.why_over() if self.stop_requested else super()._why_over_without_result()

    def checkpoint(self, state: State, force: bool = False) -> None:
        """As in `Monitor`; but the state in which the time ran out is the last that is kept.

        A sequence of optimisers that is cut short passes through its later stages without a step; to resume
        from their states would give other numbers than the uninterrupted run.
        """
        if not self._kept_last:
            super().checkpoint(state, force)
            self._kept_last = force and self.out_of_time()


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C while the block runs."""
    # Python allows no other thread to set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


@contextlib.contextmanager
def stop_on_signals(monitor: StoppableMonitor) -> Iterator[None]:
    """While the block runs, the first signal ends the time; the second, or impatience, raises.

    Raises:
        KeyboardInterrupt: at the second signal, or when the method does not stop by itself soon.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if monitor.stop_requested:
            raise KeyboardInterrupt
        monitor.stop()
        if hasattr(signal, "setitimer"):  # not on Windows
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    # SIGALRM is what the timer sends when the patience is over.
    names = [name for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name)]
    earlier = {name: signal.signal(getattr(signal, name), on_signal) for name in names}
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            # A timer that still runs must not interrupt what comes after.
            signal.setitimer(signal.ITIMER_REAL, 0)
        for name, handler in earlier.items():
            signal.signal(getattr(signal, name), handler)
