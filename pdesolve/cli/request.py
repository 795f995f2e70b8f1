"""What `solve` was asked for, and where its results go."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdesolve.errors import UsageError
from pdesolve.runs.run_directory import newest_run, problem_sha256

RUNS = Path("runs")
# These decide the numbers of a run: one that goes on must have the same.
DECISIVE = ("method", "tol", "norm", "absolute", "seed", "dtype", "device", "settings", "params")
# These decide at which times its files are written.
WRITTEN = ("times", "steps")


@dataclass(frozen=True)
class Request:
    """The options of `solve`; `given` names those that were on the command line."""

    file: str
    method: str
    tol: float
    norm: str
    absolute: dict[str, float]
    seed: int
    time_limit: float | None
    dtype: str
    device: str
    settings: dict[str, Any]
    params: dict[str, float]
    out: str | None
    vtk: str | None
    times: tuple[float, ...] | None
    steps: int | None
    plot: str | None
    no_picture: bool
    resume: bool
    force: bool
    json: bool
    quiet: bool
    debug: bool
    verbose: bool = False
    quantities: tuple[tuple[str, str], ...] = ()  # kind and what was written, as ("integral", "u@right")
    dask: str | None = None
    given: frozenset[str] = frozenset()

    @property
    def problem(self) -> str:
        """Name of the problem."""
        return Path(self.file).stem

    @property
    def known(self) -> dict[str, Any]:
        """What the record can say before anything is solved."""
        return {key: getattr(self, key) for key in ("problem", "method", "tol", "seed", "dtype", "device")}

    def identity(self, source: bytes) -> dict[str, Any]:
        """Everything that decides the numbers."""
        own = {key: getattr(self, key) for key in DECISIVE}
        return {"problem": self.problem, "problem_sha256": problem_sha256(source), **own}

    def moments(self, domain: Any) -> tuple[float, ...] | None:
        """The times that files are to be written at, None where none were named.

        Raises:
            UsageError: the problem has not all of them.
        """
        from pdesolve.solution.times import checked_times, even_times

        if self.steps is not None:
            return even_times(domain, self.steps)
        return None if self.times is None else checked_times(domain, self.times)

    def completed(self, saved: Mapping[str, Any]) -> Request:
        """The same, with options that were left out taken from the run that goes on."""
        left_out = [key for key in DECISIVE if key not in self.given and key in saved]
        if not {*WRITTEN} & self.given:
            left_out += [key for key in WRITTEN if key in saved]
        return dataclasses.replace(self, **{key: saved[key] for key in left_out})

    def directory(self) -> Path:
        """`--out`; else a new directory, or with `--resume` that of the latest run.

        Raises:
            UsageError: there is no run to resume.
        """
        if self.out is not None:
            return Path(self.out)
        if not self.resume:
            return _unused(RUNS / f"{self.problem}-{self.method}-{time.strftime('%Y%m%d-%H%M%S')}")
        prefix = f"{self.problem}-"
        if "method" in self.given:
            prefix += f"{self.method}-"
        found = newest_run(RUNS, prefix)
        if found is None:
            message = f"--resume: there is no run {RUNS / prefix}*; name its directory with --out"
            raise UsageError(message)
        return found


def _unused(path: Path) -> Path:
    """The path, numbered where two runs start in one second."""
    free = path
    number = 2
    while free.exists():
        free = path.with_name(f"{path.name}-{number}")
        number += 1
    return free
