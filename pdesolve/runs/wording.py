"""How sentences name an argument of `solve`: `time_limit` in Python, `--time-limit` on the command line.

Sentences are written where something is noticed, far below the command line. They name arguments by `named`, and who
talks to the user from a terminal says once, around everything, how its options are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Writer = Callable[[str, str | None], str]


def as_argument(name: str, value: str | None = None) -> str:
    """An argument of a function: `tol`, `method='pinn'`."""
    if value is None:
        return name
    return f"{name}='{value}'"


_writer: ContextVar[Writer] = ContextVar("writer", default=as_argument)


def named(name: str, value: str | None = None) -> str:
    """An argument of `solve`, or a setting of a method, as the user would write it."""
    return _writer.get()(name, value)


@contextmanager
def worded_by(writer: Writer) -> Iterator[None]:
    """Let `named` use a writer while the block runs."""
    token = _writer.set(writer)
    try:
        yield
    finally:
        _writer.reset(token)
