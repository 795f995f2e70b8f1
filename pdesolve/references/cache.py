"""Arrays of computed references, kept in the user's cache directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from pdesolve.errors import PostponedError

Arrays = dict[str, np.ndarray]

_may_compute: ContextVar[bool] = ContextVar("may compute", default=True)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Let references that are not in the cache raise `PostponedError` instead of being computed."""
    token = _may_compute.set(False)
    try:
        yield
    finally:
        _may_compute.reset(token)


def cached(key: str, compute: Callable[[], Arrays]) -> Arrays:
    """The arrays of that name, from the cache where they are there, else computed and kept.

    Raises:
        PostponedError: they are not there, and may not be computed now.
    """
    path = cache_directory() / f"{key}.npz"
    arrays = _load(path)
    if arrays is None and not _may_compute.get():
        message = "the reference has not been computed yet"
        raise PostponedError(message)
    if arrays is None:
        arrays = compute()
        _save(path, arrays)
    return arrays


def cache_directory() -> Path:
    """Where references are kept: $PDESOLVE_CACHE, or the user's cache directory."""
    if "PDESOLVE_CACHE" in os.environ:
        return Path(os.environ["PDESOLVE_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir())) / "pdesolve"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pdesolve"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pdesolve"


def cache_name(parts: Sequence[Any]) -> str:
    """A hash of what the functions of a problem give, so that any change of the problem is another file."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(np.asarray(part, dtype=complex).round(12)).tobytes())
    return digest.hexdigest()[:24]


def _load(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception:  # missing, or cut short: computed again
        return None


def _save(path: Path, arrays: Arrays) -> None:
    """Write to a temporary name and rename; a directory that cannot be written to is no obstacle."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            named: dict[str, Any] = dict(arrays)
            np.savez(file, **named)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
