"""What the process of one run does: it solves a case and writes its record."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdesolve.benchmarking.case import Case, file_sha256
from pdesolve.benchmarking.records import FORMAT, Record, write_record
from pdesolve.errors import PdesolveError, UsageError
from pdesolve.runs.memory import is_out_of_memory
from pdesolve.runs.versions import machine, peak_memory_mb, versions

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution
    from pdesolve.statement.problem import Problem

CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
MEASURES = "status relative_l2_error max_error estimated_error residual_rms seconds converged".split()


def blank(case: Case) -> Record:
    """What a record says before anything has run."""
    return {
        "format": FORMAT,
        "problem": case.problem_name,
        "method": case.method.label,
        "seed": case.seed,
        "outcome": None,
        "status": None,
        "relative_l2_error": None,
        "max_error": None,
        "estimated_error": None,
        "residual_rms": None,
        "seconds": None,
        "cpu_seconds": None,
        "wall_seconds": None,
        "parameters": None,
        "evaluations": None,
        "iterations": None,
        "converged": None,
        "peak_memory_mb": None,
        "command": case.command,
        "base_method": case.method.method,
        "settings": dict(case.method.settings),
        "resolved": {},
        "budget": case.budget,
        "clock": case.clock,
        "memory_limit_mb": case.memory,
        "tol": case.method.tol or case.tol,
        "dtype": case.dtype,
        "device": case.device,
        "threads": case.threads,
        "problem_file": case.problem,
        "problem_sha256": file_sha256(case.problem),
        "identity": case.identity,
        "versions": versions(),
        "machine": machine(),
        "load": system_load(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "history": [],
    }


def system_load() -> float | None:
    """How many processes wanted a core during the last minute; None where the system does not say."""
    import os

    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def execute(case: Case, problem: Problem | None = None) -> Record:
    """Solve the case in this process; whatever goes wrong becomes the outcome of the record.

    Args:
        case: what to run.
        problem: it is solved instead of that in the file.
    """
    record = blank(case)
    try:
        if problem is None:
            problem = _loaded(case, record)
        _solve(case, record, problem)
    except PdesolveError as error:
        record |= {"outcome": _outcome(error), "status": " ".join(str(error).split())}
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        # Messages of torch can hold whole stacks of C++.
        record |= {"outcome": _outcome(error), "status": text[:500]}
        traceback.print_exc()
    record["peak_memory_mb"] = peak_memory_mb()
    return record


def _outcome(error: Exception) -> str:
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, PdesolveError) and error.exit_code == UsageError.exit_code:
        return "refused"
    return "crashed"


def _loaded(case: Case, record: Record) -> Problem:
    """The problem of the file, in a process of its own."""
    import torch

    from pdesolve.benchmarking.measuring import remember_references
    from pdesolve.statement.loading import load_problem

    torch.set_num_threads(case.threads)
    problem = load_problem(case.problem)
    remember_references(problem, record["problem_sha256"])
    return problem


def _solve(case: Case, record: Record, problem: Problem) -> None:
    from pdesolve.benchmarking.measuring import RecordingMonitor, error_history, error_picture
    from pdesolve.solver import solve

    spec = case.method
    monitor = RecordingMonitor(clock=CLOCKS[case.clock])
    # From here: loading the file and importing are no part of a method's time.
    wall = time.perf_counter()
    cpu = time.process_time()
    solution = solve(
        problem,
        spec.method,
        spec.tol or case.tol,
        case.seed,
        case.budget,
        case.dtype,
        case.device,
        monitor,
        **spec.settings,
    )
    record |= {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    summary = solution.summary()
    record |= {key: summary[key] for key in MEASURES}
    record["device"] = summary["device"]
    record["parameters"] = summary["degrees_of_freedom"]
    record["evaluations"] = monitor.evaluations or None
    record["resolved"] = {**monitor.resolved, "approximator": _configuration(solution.approximator)}
    record["outcome"] = _ending(solution)
    if case.field and record["outcome"] == "finished":
        record["picture"] = error_picture(solution)
    # After the clocks have stopped: what the copies were worth is measured at no one's expense.
    record["history"] = error_history(problem, monitor) or _estimates(solution.history, summary)
    steps = [row["iteration"] for row in record["history"] if row.get("iteration") is not None]
    record["iterations"] = next(reversed(steps), None)


def _ending(solution: Solution) -> str:
    """How a run that returned a solution ended."""
    error = solution.relative_l2_error()
    if error is None and (solution.problem.exact or solution.problem.reference):
        # A march that was stopped before the last time
        return "incomplete"
    if not math.isfinite(solution.residual_rms) or not math.isfinite(error or 0.0):
        return "not finite"
    return "finished"


def _configuration(approximator: Any) -> Mapping[str, Any] | None:
    """What it was made with, where JSON can say it."""
    try:
        return {"class": type(approximator).__name__, **approximator.config()}
    except (AttributeError, PdesolveError):
        return {"class": type(approximator).__name__}


def _estimates(history: list[dict[str, Any]], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a method that keeps no θ: its own estimates, and the error at the end."""
    rows = [
        {
            "seconds": row["seconds"],
            "estimate": row["estimate"],
            "unknowns": row.get("unknowns"),
            "error": None,
        }
        for row in history
        if row.get("estimate") is not None
    ]
    return [*rows, {"seconds": summary["seconds"], "error": summary["relative_l2_error"]}]


def limit_memory(mebibytes: int) -> None:
    """Let allocations beyond the limit fail, where the system can see to it."""
    try:
        import resource

        # Data rather than address space: libraries map files that they never read.
        resource.setrlimit(resource.RLIMIT_DATA, (mebibytes * 2**20,) * 2)
    except (ImportError, ValueError, OSError):  # not on Windows; the parent process watches, too
        pass


def run(case: Case, target: Path) -> None:
    """Solve a case within its memory and write its record to the file named."""
    # CUDA reserves address space beyond any limit
    if not case.device.startswith("cuda"):
        limit_memory(case.memory)
    write_record(target.parent, execute(case), target.stem)
