"""Progress, history, time limit and checkpoints of a run, behind one small object."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pdesolve.runs.deadline import enforced
from pdesolve.runs.memory import memory_watched
from pdesolve.runs.wording import named

Result = TypeVar("Result")
State = dict[str, Any] | Callable[[], dict[str, Any]]

LOG = logging.getLogger(__name__)

# Seconds, or share of the limit if that is more, by which a first step that has nothing to fall back on may pass the
# limit: limits are to be kept to within 2 s or 10 %, and one front in a box takes up to 1.6 s of that.
GRACE = 1.0
GRACE_SHARE = 0.05
# Of the time of a run. A march saves all slabs so far: of 2,000, every five seconds, that would be half of the time.
SAVING = 0.05
CLOCK: Callable[[], float] = (
    time.perf_counter
)  # of a monitor that is given none; tests count their own work alone


@dataclass
class Monitor:
    """What a method tells the outside world while it works.

    Attributes:
        time_limit: seconds after which `out_of_time` is true (None: no limit).
        clock: what counts the seconds; `time.process_time` where other work on the machine should not count.
        on_record: called with every history row (live bar, `history.jsonl`).
        on_note: called with a sentence about what will be done, such as the memory that it takes.
        on_checkpoint: called with a state dict at most every `checkpoint_every` seconds; 0: at every step.
        resume_state: the state of an interrupted run of the same settings, or None.
        history: one dict per recorded step, each with `seconds` since the start.
        evaluations: calls of a trained method's residual, gradient or Jacobian at all its points.
        resolved: what a trained method made of its settings, defaults included; for records.
        agree: whether what may be true here is true in one of the processes that take the same steps; None for one.
        values_at: (θ of a checkpoint (p,), points (n, d)) → values (n, u), set by a trained method so that
            errors along the way can be measured afterwards.
        true_error: expansion ↦ its error against a stated exact solution, for the history alone: no method sees it.
    """

    time_limit: float | None = None
    clock: Callable[[], float] = field(default_factory=lambda: CLOCK)
    on_record: Callable[[dict[str, Any]], None] | None = None
    on_note: Callable[[str], None] | None = None
    on_checkpoint: Callable[[dict[str, Any]], None] | None = None
    checkpoint_every: float = 5.0
    resume_state: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(init=False)
    evaluations: int = 0
    resolved: dict[str, Any] = field(default_factory=dict)
    agree: Callable[[bool], bool] | None = None
    values_at: Callable[[Any, Any], Any] | None = None
    true_error: Callable[[Any], float | None] | None = None
    _last_checkpoint: float = -math.inf
    _saving: float = 0.0  # seconds that the last checkpoint took

    def __post_init__(self) -> None:
        """Start the clock."""
        self.started = self.clock()

    @property
    def seconds(self) -> float:
        """Seconds of the clock since the start (earlier parts of a resumed run included)."""
        return self.clock() - self.started

    def record(self, **row: Any) -> None:
        """Append one history row; `seconds` is added."""
        row = {"seconds": self.seconds, **row}
        self.history.append(row)
        if LOG.isEnabledFor(logging.INFO):
            LOG.info("%s", in_words(row))
        if self.on_record is not None:
            self.on_record(row)

    def note(self, sentence: str) -> None:
        """Tell something beside the history."""
        LOG.info("%s", sentence)
        if self.on_note is not None:
            self.on_note(sentence)

    def measured(self, expansion: Callable[[], Any]) -> dict[str, float]:
        """The true error of what `expansion` makes as an entry of a history row; none where it is not known."""
        error = None if self.true_error is None else self.true_error(expansion())
        return {} if error is None else {"error": error}

    def counted(self, function: Callable[..., Result]) -> Callable[..., Result]:
        """The function, its calls counted as `evaluations`."""

        def calling(*arguments: Any) -> Result:
            self.evaluations += 1
            return function(*arguments)

        return calling

    def out_of_time(self, share: float = 1.0) -> bool:
        """Whether the time limit, or a share of it, has passed; in all processes at the same step."""
        over = self.time_limit is not None and self.seconds > share * self.time_limit
        if self.agree is None:
            return over
        # Each asks, whatever its own clock says: an answer that only some wait for would never come.
        return self.agree(over)

    def why_over(self) -> str | None:
        """The sentence for a limit that has passed, else None."""
        if not self.out_of_time():
            return None
        if self.time_limit is None:
            return "interrupted"
        return f"the time limit of {self.time_limit:g} s passed; raise {named('time_limit')}"

    @contextmanager
    def enforce(self, ready: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Keep limits while the block runs: of time, heard by `check_deadline` in what it calls, and of memory.

        Args:
            ready: whether something is known that could be returned; as long as there is nothing, the time may be a
                little longer.

        Raises:
            OutOfTimeError: the time limit has passed.
            OutOfMemoryError: an allocation has failed.
        """

        def why_over() -> str | None:
            if ready():
                return self.why_over()
            return self._why_over_without_result()

        with enforced(why_over), memory_watched():
            yield

    def _why_over_without_result(self) -> str | None:
        limit = self.time_limit
        if limit is None or self.seconds <= limit + max(GRACE, GRACE_SHARE * limit):
            return None
        return f"the time limit of {limit:g} s passed before the first solution was there; raise {named('time_limit')}"

    def checkpoint(self, state: State, force: bool = False) -> None:
        """Hand over a resumable state, or what makes one, at most every `checkpoint_every` seconds unless forced.

        A state grows with the run: saving that takes long is done so seldom that it costs no more than SAVING.
        """
        if self.on_checkpoint is None:
            return
        begin = self.seconds
        pause = self.checkpoint_every
        if pause > 0:
            pause = max(pause, self._saving / SAVING)
        if not force and begin - self._last_checkpoint < pause:
            return
        self.on_checkpoint({"seconds": begin, "history": self.history, **made(state)})
        self._last_checkpoint = self.seconds
        self._saving = self._last_checkpoint - begin


def in_words(row: dict[str, Any]) -> str:
    """A history row as `level 3, unknowns 1204, predicted 3.2e-05`, for a log."""
    known = {name: value for name, value in row.items() if value is not None and name != "seconds"}
    return ", ".join(f"{name} {_short(value)}" for name, value in known.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def made(state: State) -> dict[str, Any]:
    """A state, made now where it is a function that makes one."""
    if callable(state):
        return state()
    return state
