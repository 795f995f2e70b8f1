"""Files appear complete or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pdesolve.errors import UsageError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which becomes `path` when the block ends without an error.

    The temporary name keeps the suffix, because writers choose their format by it.

    Args:
        path: the file to write; its folder is made if it does not exist.

    Yields:
        The name to write to.

    Raises:
        UsageError: if the folder cannot be made or written to, or `path` is a folder.
    """
    path = Path(path)
    temporary = _temporary_name(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # of the file as it is known
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    if path.is_dir():
        msg = f"'{path}' is a folder, expected a file name: add a name, for example '{path / 'u.vtu'}'."
        raise UsageError(msg)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        msg = f"cannot write '{path}': {error.strerror}. Choose a folder that exists and may be written to."
        raise UsageError(msg) from error
    os.close(handle)
    os.chmod(name, 0o666 & ~_umask())  # mkstemp makes private files; a result is an ordinary one
    return Path(name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
