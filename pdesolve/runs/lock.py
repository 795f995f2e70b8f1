"""A lock on a run directory: two processes never write one at the same time."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pdesolve.errors import UsageError

NAME = ".pdesolve.lock"


class DirectoryLock:
    """Held from `acquire` to `release`; the system lets it go when the process ends, however it ends."""

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UsageError: another process has it.
        """
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _lock(descriptor):
                owner = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                process = f" (process {owner})" if owner else ""
                message = (
                    f"another run{process} is writing to {self.path.parent}: wait, or choose another --out"
                )
                raise UsageError(message)
            # The one who had it may have removed the file between our opening and our locking it.
            if _is_at(descriptor, self.path):
                self._descriptor = descriptor
            else:
                os.close(descriptor)
        # The number of the process, for the sentence that another one gets.
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let it go; nothing where it is not held."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool:
    """Lock an open file without waiting; true also where the file system knows no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return True
    return True


def _lock_on_windows(descriptor: int) -> bool:
    import msvcrt  # type: ignore[import-not-found, unused-ignore]

    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True
