"""Files that a problem file reads while it runs: data that lie beside it, and modules of its own.

A saved solution holds copies of them, so that it loads where the problem file is not.
"""

from __future__ import annotations

import ast
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path

_OPENED: ContextVar[list[str] | None] = ContextVar("files opened by a problem file", default=None)
_WRITING = os.O_WRONLY | os.O_RDWR


@contextlib.contextmanager
def files_opened() -> Iterator[list[str]]:
    """Collect the paths of the files that are opened for reading, as they were given.

    Python tells of them, whoever asks (numpy, pandas, json, …), but not of files that a library opens in C, as h5py.
    """
    _listen()
    paths: list[str] = []
    token = _OPENED.set(paths)
    try:
        yield paths
    finally:
        _OPENED.reset(token)


@cache
def _listen() -> None:
    """Ask Python once to report the files it opens; such a request cannot be withdrawn."""
    sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple) -> None:
    # It is called for every event of the process, so it must be quick and must not fail.
    if event != "open":
        return
    paths = _OPENED.get()
    if paths is None:
        return
    path, mode, flags = arguments
    # What a file writes is none of its inputs, and needs no copy.
    writing = set(mode) & set("wax+") if mode else flags & _WRITING
    if isinstance(path, (str, bytes, os.PathLike)) and not writing:
        paths.append(os.fsdecode(path))


def files_beside(problem: Path, opened: Iterable[str], folder: Path | None = None) -> dict[str, Path]:
    """The data files and modules of a problem file, by the path under which a copy of it finds its copies.

    A file below the folder of the problem file keeps its place relative to it, one that was given relative to the
    current folder that place. Any other file is found where it is, as long as it is there.

    Args:
        problem: the problem file.
        opened: what it reads.
        folder: the one that it stands for, where that is not its own.
    """
    folder = folder or problem.resolve().parent
    found: dict[str, Path] = {}
    for given in opened:
        file = Path(given).resolve()
        # Compiled modules belong to this Python; their sources are found by what is imported.
        if file.suffix == ".pyc" or not file.is_file():
            continue
        # As from `Path(__file__).parent`.
        if file.is_relative_to(folder):
            found[file.relative_to(folder).as_posix()] = file
        # As from the current folder, to which a copy is loaded.
        if not Path(given).is_absolute() and ".." not in Path(given).parts:
            found[Path(given).as_posix()] = file
    # By their names, since Python opens a compiled module in place of its source.
    for file in _modules(problem.resolve(), folder, set()):
        found[file.relative_to(folder).as_posix()] = file
    return {place: file for place, file in found.items() if file != problem.resolve()}


def _modules(file: Path, folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Modules in the folder that a file imports by name, and those that these import."""
    for name in _imported(file):
        beside = folder.joinpath(*name.split("."))
        # A module is a file, or a folder with a file of its own.
        for candidate in (beside.with_suffix(".py"), beside / "__init__.py"):
            if candidate.is_file() and candidate not in seen:
                seen.add(candidate)
                yield candidate
                yield from _modules(candidate, folder, seen)


def _imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
