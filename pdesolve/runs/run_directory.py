"""The directory of a run: settings, problem file, history, checkpoint, summary and solution.

Every file but the appended history is written under a temporary name and renamed, so that a killed run leaves
whole files only, and `checkpoint.pt` always is one from which the run can go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pdesolve.errors import UsageError
from pdesolve.runs.lock import NAME, DirectoryLock
from pdesolve.runs.wording import named

# Raised when a run of before cannot go on.
FORMAT = "pdesolve run 1"
# What runs meant that were saved before there was a word for it.
SINCE: dict[str, Any] = {"norm": "l2", "absolute": {}}
# What a run writes: all that `--force` may remove.
RESULTS = ("run.json", "problem.py", "history.jsonl", "checkpoint.pt", "summary.json", "solution.pt")


@dataclass
class RunDirectory:
    """Where a run keeps its files. Nothing is written, nor an earlier result removed, before `begin`.

    Attributes:
        path: the directory.
        identity: what decides the numbers: problem, method, tol, seed, dtype, device, settings, params.
        source: the text of the problem file.
        fresh: the folders that `reserve` made, innermost first.
        resuming: whether an interrupted run goes on here.
        begun: whether `begin` was called.
    """

    path: Path
    identity: dict[str, Any]
    source: bytes
    fresh: tuple[Path, ...] = ()
    resuming: bool = False
    begun: bool = False
    _lock: DirectoryLock | None = None
    _earlier_rows: list[dict[str, Any]] = field(default_factory=list)

    # ---------------------------------------------------------------- life of a directory

    def reserve(self, force: bool) -> None:
        """Make the directory, or see that it may be used, and lock it.

        Raises:
            UsageError: it holds files already, another process writes to it, or it cannot be made or written to.
        """
        self._refuse_files(force)
        self.fresh = _make(self.path)
        self._lock = DirectoryLock(self.path)
        self._lock.acquire()
        # Again: another run may have come and gone before the lock was ours.
        self._refuse_files(force)

    def _refuse_files(self, force: bool) -> None:
        if not self.resuming and not force and _occupied(self.path):
            message = (
                f"{self.path} already exists and is not empty: choose another {named('out')}, continue its run with "
                f"{named('resume')}, or replace its results with {named('force')}"
            )
            raise UsageError(message)
        self._spare_foreign_problem()

    def _spare_foreign_problem(self) -> None:
        """Refuse to overwrite a problem file that no run has put there."""
        copy = self.path / "problem.py"
        if copy.is_file() and not (self.path / "run.json").exists() and copy.read_bytes() != self.source:
            message = (
                f"{copy} was not written by a run and would be overwritten: choose another {named('out')}"
            )
            raise UsageError(message)

    def abandon(self) -> None:
        """Unlock the directory; remove the folders that `reserve` made, where nothing was written."""
        if self._lock is not None:
            self._lock.release()
        if self.begun:
            return
        for folder in self.fresh:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Remove what an earlier run left here, then write settings and problem file; again: do nothing."""
        if self.begun:
            return
        self.begun = True
        if not self.resuming:
            self._clear()
        self.write_json("run.json", {"format": FORMAT, **self.identity, **provenance})
        self.write("problem.py", lambda file: file.write(self.source))
        rows = "".join(_line(row) for row in self._earlier_rows)
        self.write("history.jsonl", lambda file: file.write(rows.encode()))

    def _clear(self) -> None:
        patterns = ("solution.*", "solution-*.vtu", "solution/solution_*.vtu")
        found = [old for pattern in patterns for old in self.path.glob(pattern)]
        for old in [*(self.path / name for name in RESULTS), *found]:
            old.unlink(missing_ok=True)

    # ---------------------------------------------------------------- files

    def write(self, name: str, writer: Callable[[IO[bytes]], Any]) -> Path:
        """Write a file under a temporary name, flush it to the disk, and rename it."""
        path = self.path / name
        temporary = path.with_name(f".{name}.part")
        try:
            with temporary.open("wb") as file:
                writer(file)
                file.flush()
                # Renaming an unflushed file may leave an empty one after a power failure.
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                error.filename = str(path)  # of the file as it is known
            raise
        return path

    def write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write a JSON file; numbers that are not finite become null."""
        text = json.dumps(json_ready(content), indent=2, allow_nan=False) + "\n"
        return self.write(name, lambda file: file.write(text.encode()))

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Append one row to `history.jsonl`."""
        with (self.path / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(_line(row))

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Write `checkpoint.pt`: tensors, numbers and strings, with the identity of the run."""
        import torch

        content = {"format": FORMAT, "identity": fingerprint(self.identity), "state": plain(state)}
        # By way of memory: torch hides the reason why a file cannot be written.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        self.write("checkpoint.pt", lambda file: file.write(buffer.getvalue()))

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The state to go on from; None where the run was stopped before its first checkpoint.

        Raises:
            UsageError: the file is damaged, or belongs to another run.
        """
        path = self.path / "checkpoint.pt"
        if not path.exists():
            return None
        state = _checkpoint_state(path, self.identity)
        self._earlier_rows = [dict(row) for row in state.get("history", [])]
        return state


def read_run(path: Path) -> dict[str, Any]:
    """What `run.json` says about the run in a directory.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    file = path / "run.json"
    if not file.is_file():
        message = f"{path} holds no run.json, so there is no run to resume: leave {named('resume')} out to start one"
        raise UsageError(message)
    try:
        run = json.loads(file.read_text(encoding="utf-8"))
        known = run["format"] == FORMAT
    except (ValueError, KeyError, TypeError, OSError) as error:
        message = f"{file} is damaged ({type(error).__name__}): start again with {named('force')}"
        raise UsageError(message) from error
    if not known:
        message = f"{file} was written by another version of pdesolve: start again with {named('force')}"
        raise UsageError(message)
    return run


def refuse_differences(path: Path, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """See that a run goes on with what it was started with.

    Raises:
        UsageError: naming everything that differs.
    """
    found = [
        _difference(key, saved.get(key), value)
        for key, value in json_ready(now).items()
        if saved.get(key, SINCE.get(key)) != value
    ]
    if found:
        message = (
            f"cannot resume {path}: {'; '.join(found)}; go on with what the run was started with, or choose "
            f"another {named('out')}"
        )
        raise UsageError(message)


def _difference(key: str, saved: Any, now: Any) -> str:
    if key == "problem_sha256":
        return "the problem file has changed"
    if isinstance(saved, dict) and isinstance(now, dict):
        names = [name for name in {**saved, **now} if saved.get(name) != now.get(name)]
        option = {"settings": named, "params": _constant, "absolute": _absolute}[key]
        return ", ".join(
            f"{option(name)} was {saved.get(name, 'not given')} and is {now.get(name, 'not given')}"
            for name in names
        )
    return f"{key} was {saved} and is {now}"


def _constant(name: str) -> str:
    return named("param", name)


def _absolute(name: str) -> str:
    return named("absolute", name)


def newest_run(folder: Path, prefix: str) -> Path | None:
    """The latest run whose directory name starts with a prefix, None where there is none."""
    # By the time of its settings, which are written once: a later export into an older run does not count.
    found = [path.parent for path in folder.glob(f"{prefix}*/run.json")]
    return max(found, key=lambda path: (path / "run.json").stat().st_mtime, default=None)


def problem_sha256(source: bytes) -> str:
    """Hash of a problem file."""
    return hashlib.sha256(source).hexdigest()


def fingerprint(identity: Mapping[str, Any]) -> str:
    """A short name of everything that decides the numbers of a run."""
    # Sorted, since a dict that went through a file may come back in another order.
    text = json.dumps(json_ready(identity), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def json_ready(value: Any) -> Any:
    """A value as JSON holds it: null for what is not finite, numbers for one-element arrays, else text."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return None
    if hasattr(value, "tolist"):  # tensors and numpy arrays
        return json_ready(value.tolist())
    return str(value)


def plain(value: Any) -> Any:
    """A checkpoint's content as a safe load accepts it: numpy's scalars become Python's."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if type(value) in (list, tuple):
            return type(value)(plain(item) for item in value)
        return list(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        return value.item()
    return value


def _checkpoint_state(path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        state = content["state"]
        owner = content["identity"]
        readable = content["format"] == FORMAT and isinstance(state, dict)
    except Exception as error:
        kind = type(error).__name__
        message = (
            f"{path} is damaged or no checkpoint of pdesolve ({kind}): start again with {named('force')}"
        )
        raise UsageError(message) from error
    if not readable or owner != fingerprint(identity):
        message = f"{path} belongs to another run than run.json beside it: start again with {named('force')}"
        raise UsageError(message)
    return state


def _occupied(path: Path) -> bool:
    try:
        return path.exists() and (not path.is_dir() or any(file.name != NAME for file in path.iterdir()))
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write to {path}: {error.strerror or error}; choose another {named('out')}")


def _make(path: Path) -> tuple[Path, ...]:
    """Make a directory and see that files can be made in it; the folders that were new, innermost first."""
    new = tuple(_missing(path))
    probe = path / ".pdesolve.part"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _unusable(path, error) from error
    return new


def _missing(path: Path) -> Iterable[Path]:
    for folder in (path, *path.parents):
        if folder.exists():
            return
        yield folder


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(json_ready(row), allow_nan=False) + "\n"
