"""What the file and the picture of one solution both need, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Made = TypeVar("Made")

# Key ↦ what was made, and the objects whose identities are in the key: they must live as long as it does.
_kept: ContextVar[dict[tuple[Any, ...], tuple[Any, tuple[object, ...]]] | None] = ContextVar(
    "kept", default=None
)


@contextmanager
def shared() -> Iterator[None]:
    """Within it, a mesh and the fields on it are made once; beyond it nothing is kept, as a problem may change."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def once(make: Callable[[], Made], of: tuple[object, ...], *options: object) -> Made:
    """What `make` returns; within `shared`, what it returned before for the same objects and options.

    Args:
        make: a function that always returns the same for them; nobody may change what it returned.
        of: objects, compared by identity.
        *options: numbers and names, compared by value.
    """
    kept = _kept.get()
    if kept is None:
        return make()
    key = (*map(id, of), *options)
    if key not in kept:
        kept[key] = (make(), of)
    found: Made = kept[key][0]
    return found
