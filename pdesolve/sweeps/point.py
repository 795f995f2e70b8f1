"""One point of a sweep: a solve with some constants set, its row, and its run directory."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pdesolve.errors import PdesolveError, UsageError
from pdesolve.output.registry import export
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.run_directory import RunDirectory, problem_sha256, read_run, refuse_differences
from pdesolve.runs.versions import peak_memory_mb, versions
from pdesolve.solution.solution import Solution
from pdesolve.solver import solve
from pdesolve.statement.loading import load_problem
from pdesolve.statement.problem import Problem

HIGHEST_SHOWN = 3  # space dimensions that ParaView shows
SOLVED, DOUBTFUL, FAILED = "solved", "not verified", "failed"
# What `summary.json` may tell, and a row has.
MEASURES = ("estimated_error", "relative_l2_error", "residual_rms", "degrees_of_freedom", "seconds")
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is the same at all points.

    Attributes:
        problem: the problem, or the path of its file.
        options: arguments of `solve` beside the problem and the settings.
        settings: of the method.
        threads: of the linear algebra. A fixed number, so that no point depends on how many others run beside it.
    """

    problem: Problem | Path
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    threads: int = 1

    def at(self, point: Mapping[str, float]) -> Problem:
        """The problem at a point.

        Raises:
            PdesolveError: it cannot be loaded, or has no such constants.
        """
        if isinstance(self.problem, Path):
            return load_problem(self.problem, point)
        return self.problem.with_constants(point)

    def identity(self, point: Mapping[str, float]) -> dict[str, Any]:
        """Everything that decides the numbers of a point, as `pdesolve solve` notes it."""
        # As on the command line, more time does not make it another run.
        own = {key: value for key, value in self.options.items() if key != "time_limit"}
        source = self.source()
        return {
            "problem": self.name,
            "problem_sha256": problem_sha256(source),
            **own,
            "settings": dict(self.settings),
            "params": dict(point),
        }

    @property
    def name(self) -> str:
        """Of the problem."""
        if isinstance(self.problem, Path):
            return self.problem.stem
        return str(self.problem.name)

    def source(self) -> bytes:
        """The text of the problem file; empty where there is none."""
        if isinstance(self.problem, Path):
            return self.problem.read_bytes()
        if self.problem.source_path is None:
            return b""
        return Path(self.problem.source_path).read_bytes()


def run_point(task: Task, point: Mapping[str, float], directory: Path | None) -> tuple[Row, Solution | None]:
    """Solve at one point.

    Args:
        task: what is the same at all points.
        point: values of the constants.
        directory: where the run is written, None for nowhere.

    Returns:
        The row, and the solution. A solve that fails is a row with its sentence, and no solution.

    Raises:
        UsageError: an option is wrong, which holds for all points.
    """
    began = time.perf_counter()
    before = torch.get_num_threads()
    torch.set_num_threads(task.threads)
    try:
        solution = _solved(task, point, directory)
    # An option that is wrong is wrong at all points, and Ctrl-C means the whole sweep.
    except (UsageError, KeyboardInterrupt):
        raise
    except Exception as error:
        summary = {"status": sentence_of(error), "seconds": time.perf_counter() - began, "converged": False}
        return _failed(task, point, directory, summary), None
    finally:
        torch.set_num_threads(before)
    summary = solution.summary()
    if directory is not None:
        _write_summary(directory, summary)
    return row_of(point, summary), solution


def _solved(task: Task, point: Mapping[str, float], directory: Path | None) -> Solution:
    problem = task.at(point)
    monitor = Monitor(time_limit=task.options.get("time_limit"))
    if directory is None:
        return solve(problem, monitor=monitor, **task.options, **task.settings)
    source = task.source()
    run = RunDirectory(directory, task.identity(point), source)
    # What may be solved again was decided before the first point.
    run.reserve(force=True)
    try:
        run.begin(
            {"started": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "threads": task.threads, "versions": versions()}
        )
        monitor.on_record = run.append_history
        solution = solve(problem, monitor=monitor, **task.options, **task.settings)
        solution.save(directory)
        _show(solution, directory)
    finally:
        run.abandon()
    return solution


def _show(solution: Solution, directory: Path) -> None:
    """Write `solution.vtu` for ParaView, at the last time of an evolution; what cannot be shown is left out."""
    domain = solution.problem.domain
    if not solution.complete or len(domain.space_coordinates) > HIGHEST_SHOWN:
        return
    last = None
    if "t" in domain.coordinates:
        last = float(domain.bounds[1, -1])
    try:
        export(solution, directory / "solution.vtu", time=last)
    # A full disk is no matter of what can be shown.
    except OSError:
        raise
    except Exception as error:
        warnings.warn(f"{directory / 'solution.vtu'} was not written: {sentence_of(error)}", stacklevel=2)


def _failed(task: Task, point: Mapping[str, float], directory: Path | None, summary: dict[str, Any]) -> Row:
    if directory is not None:
        run = RunDirectory(directory, task.identity(point), task.source())
        run.reserve(force=True)
        run.begin({"threads": task.threads, "versions": versions()})
        _write_summary(directory, {**summary, "error": summary["status"]})
        run.abandon()
    return row_of(point, {**summary, "error": summary["status"]})


def _write_summary(directory: Path, summary: Mapping[str, Any]) -> None:
    full = {**summary, "output": str(directory), "versions": versions(), "peak_memory_mb": peak_memory_mb()}
    RunDirectory(directory, {}, b"").write_json("summary.json", full)


def row_of(point: Mapping[str, float], summary: Mapping[str, Any]) -> Row:
    """The row of a point: its constants, the quantities with their estimates, measures, the verdict, the sentence."""
    row: Row = dict(point)
    for name, found in (summary.get("quantities") or {}).items():
        row |= _quantity(name, found)
    if values := summary.get("eigenvalues"):
        row |= _quantity("eigenvalue", {"value": values, "estimated_error": summary.get("eigenvalue_errors")})
    row |= {key: _number(summary.get(key)) for key in MEASURES}
    row["verdict"] = _verdict(summary)
    row["status"] = str(summary.get("status") or "")
    return row


def _verdict(summary: Mapping[str, Any]) -> str:
    if summary.get("error"):
        return FAILED
    if summary.get("converged"):
        return SOLVED
    return DOUBTFUL


def _quantity(name: str, found: Mapping[str, Any]) -> Row:
    """Columns of a quantity, or of its components: values, and what is known of their errors."""
    value, error = found.get("value"), found.get("estimated_error")
    if isinstance(value, (complex, dict)):  # a complex eigenvalue has no column of its own yet
        return {}
    if not isinstance(value, (list, tuple)):
        return {name: _number(value), f"{name}_estimated_error": _number(error)}
    row: Row = {}
    for i, (part, wrong) in enumerate(zip(value, error or [None] * len(value), strict=True), start=1):
        row |= _quantity(f"{name}_{i}", {"value": part, "estimated_error": wrong})
    return row


def _number(value: Any) -> float:
    if not isinstance(value, (int, float)):
        return math.nan
    return float(value)


def saved_row(task: Task, point: Mapping[str, float], directory: Path) -> Row | None:
    """The row of a point that was solved before; None where there is none, or the run did not come to its end.

    Raises:
        UsageError: the directory holds the run of another problem file, or of other options.
    """
    path = directory / "summary.json"
    if not path.is_file():
        return None
    refuse_differences(directory, read_run(directory), task.identity(point))
    try:
        return row_of(point, json.loads(path.read_text("utf-8")))
    except (ValueError, OSError):
        return None


def sentence_of(error: BaseException) -> str:
    """An error as one line."""
    text = " ".join(str(error).split())
    if isinstance(error, PdesolveError):
        return text
    if isinstance(error, MemoryError):
        return "out of memory: try a looser tolerance"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
