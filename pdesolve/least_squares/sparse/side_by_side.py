"""Pieces of linear algebra on threads of Python, each with one thread of its own within.

What is computed does not depend on the number of threads, as it does where BLAS divides a product among them; and
no thread waits in a loop for others, which on a busy machine takes longer than the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")
# How many threads may work side by side; 0 outside of every block
_allowed: ContextVar[int] = ContextVar("threads", default=0)


@contextmanager
def threads_for_pieces() -> Iterator[None]:
    """Give the threads of torch to the pieces within; torch itself has one there."""
    threads = torch.get_num_threads()
    if threads == 1 or _allowed.get():
        yield
        return
    token = _allowed.set(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _allowed.reset(token)


def side_by_side(function: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """The function of every item, in their order; on several threads within `threads_for_pieces`."""
    threads = min(_allowed.get(), len(items))
    if threads <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # Deadlines are heard in the threads, too: each task has a copy of the context.
        waiting = [pool.submit(copy_context().run, _alone, function, item) for item in items]
        return [one.result() for one in waiting]


def _alone(function: Callable[[Any], Result], item: Any) -> Result:
    # All threads are taken: what a piece divides in its turn, it does by itself.
    _allowed.set(1)
    return function(item)
