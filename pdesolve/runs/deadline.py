"""A deadline that is heard far below the loop that set it: within assemblies and factorisations.

Code there knows no monitor and should not carry one. It calls `check_deadline()` once for each batch, front or step of
an iteration; outside every `enforced` block, or before the time is over, that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pdesolve.errors import OutOfTimeError

# Why the work must end, or None; one function for each `enforced` block around the code that runs.
_asked: ContextVar[tuple[Callable[[], str | None], ...]] = ContextVar("deadlines", default=())


@contextmanager
def enforced(why_over: Callable[[], str | None]) -> Iterator[None]:
    """Let `check_deadline` raise within the block once `why_over()` is a sentence; blocks may be nested."""
    token = _asked.set((*_asked.get(), why_over))
    try:
        yield
    finally:
        _asked.reset(token)


def check_deadline() -> None:
    """Do nothing, or end the work.

    Raises:
        OutOfTimeError: the time of a block around this call is over.
    """
    for why_over in _asked.get():
        sentence = why_over()
        if sentence is not None:
            raise OutOfTimeError(sentence)
