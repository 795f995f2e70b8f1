"""One `pdesolve solve`: from the options to files, an answer and an exit code."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import click

from pdesolve.cli import quantities
from pdesolve.cli.answer import answer_sentence, print_answer, print_record
from pdesolve.cli.faults import INTERRUPTED, Fault, Interrupted
from pdesolve.cli.interrupt import StoppableMonitor, sigterm_as_interrupt, stop_on_signals
from pdesolve.cli.products import ProductsSoFar, check_file_names, check_suitable, write_products
from pdesolve.cli.progress import Show, progress
from pdesolve.cli.request import Request
from pdesolve.cli.values import duration, short
from pdesolve.cli.warn import log_as_lines, warnings_as_lines
from pdesolve.errors import OutOfTimeError, UsageError
from pdesolve.runs.memory import keep_freed_memory
from pdesolve.runs.ranks import number_of_processes
from pdesolve.runs.run_directory import RunDirectory, read_run, refuse_differences
from pdesolve.runs.versions import peak_memory_mb, versions

# Exit code of a run that finished, but not within its tolerance.
NOT_VERIFIED = 3
# An error this many times tolerance and estimate is no error of the method: the file states another solution. Estimates
# are within a factor of ten of the error (tests/problems).
DIFFERENT = 10.0
_VERDICTS = {0: "solved", NOT_VERIFIED: "not verified", INTERRUPTED: "interrupted"}


def run(request: Request, record: dict[str, Any]) -> int:
    """Solve, save, answer.

    Args:
        request: the options.
        record: filled as things become known; what `--json` prints.

    Returns:
        The exit code.
    """
    with contextlib.ExitStack() as stack:
        mine = _of_this_process(request, stack)
        code = _run(mine, record)
    # The launcher ends all processes as soon as one has another code, and the first may still write.
    if mine is not request:
        return 0
    return code


def _of_this_process(request: Request, stack: contextlib.ExitStack) -> Request:
    """Of the processes that torchrun started, the first one answers; the others write where nobody looks.

    Raises:
        UsageError: a run is to go on, of which only the first process would know.
    """
    if number_of_processes() == 1:
        return request
    if request.resume:
        message = "--resume goes on in one process, and torchrun started several: leave it out, or start one"
        raise UsageError(message)
    if os.environ.get("RANK") == "0":
        return request
    stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    elsewhere = str(Path(folder) / "run")
    return dataclasses.replace(
        request, out=elsewhere, vtk=None, plot=None, no_picture=True, quiet=True, json=False
    )


def _run(request: Request, record: dict[str, Any]) -> int:
    record.update(request.known)
    keep_freed_memory()
    with warnings_as_lines(request.quiet), log_as_lines(request.verbose), sigterm_as_interrupt():
        session = _open(request, record)
        try:
            return session.run()
        except BaseException as error:
            session.save_failure(error)
            raise
        finally:
            session.directory.abandon()


def _open(request: Request, record: dict[str, Any]) -> Session:
    """Load the problem and reserve the directory; nothing is written yet."""
    from pdesolve.statement.loading import load_problem

    check_file_names(request.vtk, request.plot)
    path = request.directory()
    saved = {}
    if request.resume:
        saved = read_run(path)
    request = request.completed(saved)
    record.update(request.known)
    problem = quantities.stated(load_problem(request.file, request.params), request.quantities)
    source = Path(request.file).read_bytes()
    check_suitable(problem.domain, request.vtk)
    request.moments(problem.domain)
    directory = RunDirectory(path, request.identity(source), source, resuming=request.resume)
    monitor = StoppableMonitor()
    if request.resume:
        refuse_differences(path, saved, directory.identity)
        _go_on(monitor, directory)
    try:
        directory.reserve(request.force)
    except BaseException:
        directory.abandon()
        raise
    record["output"] = str(path)
    return Session(request, problem, directory, monitor, record, saved)


def _go_on(monitor: StoppableMonitor, directory: RunDirectory) -> None:
    """Give the monitor the state, history and clock of the run so far."""
    state = directory.load_checkpoint()
    if state is None:
        warnings.warn(f"{directory.path} has no checkpoint yet: the run starts again", stacklevel=2)
        return
    monitor.resume_state = state
    monitor.history = [dict(row) for row in state["history"]]
    # The time limit is one for all parts of a run together.
    monitor.started -= state["seconds"]


@dataclass
class Session:
    """A run under way: what was asked for, where it goes, and what is known so far."""

    request: Request
    problem: Any
    directory: RunDirectory
    monitor: StoppableMonitor
    record: dict[str, Any]
    earlier: dict[str, Any]

    def run(self) -> int:
        """Solve, save the solution and what shows it, print the answer.

        Returns:
            The exit code.
        """
        request = self.request
        with (
            progress(request.problem, request.method, request.tol, self.monitor, request.quiet) as show,
            contextlib.redirect_stdout(sys.stderr),
        ):
            solution = self._solve(show)
            show({"doing": "measuring the error, writing files"})
            code = self._verdict(solution)
            files = self._save(solution)
        self._answer(code, files)
        return code

    def _solve(self, show: Show) -> Any:
        """Call the solver; history and checkpoints go to the directory as they come.

        Raises:
            Interrupted: it was stopped before it had a solution.
        """
        shown = ProductsSoFar(self.problem, self.directory.path, self._moments)

        def on_record(row: dict[str, Any]) -> None:
            self._begin()
            self.directory.append_history(row)
            show(row)

        def on_checkpoint(state: dict[str, Any]) -> None:
            self._begin()
            self.directory.save_checkpoint(state)
            shown.update(state)

        self.monitor.on_record = on_record
        self.monitor.on_checkpoint = on_checkpoint
        try:
            with stop_on_signals(self.monitor):
                return self._call_solver()
        except KeyboardInterrupt:
            raise Interrupted(self._how_to_go_on()) from None
        except OutOfTimeError:
            if not self.monitor.stop_requested:
                raise
            raise Interrupted(self._how_to_go_on()) from None

    def _call_solver(self) -> Any:
        from pdesolve import solver

        request = self.request
        options = {
            key: getattr(request, key)
            for key in ("method", "tol", "norm", "absolute", "seed", "time_limit", "dtype", "device")
        }
        if request.dask is not None:
            options["client"] = request.dask
            if not request.quiet:
                self.monitor.on_note = partial(click.echo, err=True)
        self.monitor.started += self._idle()
        try:
            return solver.solve(
                self.problem, monitor=self.monitor, times=self._moments, **options, **request.settings
            )
        except SystemExit as error:
            message = "the problem file stopped Python (SystemExit) while it was being solved"
            raise UsageError(message) from error

    @cached_property
    def _moments(self) -> tuple[float, ...] | None:
        return self.request.moments(self.problem.domain)

    def _idle(self) -> float:
        """Seconds between the making of the monitor and the start of the solver: imports, mostly."""
        state = self.monitor.resume_state
        if state is None:
            return self.monitor.seconds
        return self.monitor.seconds - state["seconds"]

    def _begin(self) -> None:
        self.directory.begin(_provenance(self.request, self.earlier))

    def _verdict(self, solution: Any) -> int:
        """The exit code; an interrupted solution says so in its status."""
        if solution.converged:
            return 0
        if not self.monitor.stop_requested:
            return NOT_VERIFIED
        solution.status = "stopped by the user"
        return INTERRUPTED

    def _compare(self) -> None:
        """Warn where a verified solution and the one in the problem file are different ones."""
        error = self.record["relative_l2_error"]
        estimate = self.record["estimated_error"]
        if not self.record["converged"] or error is None or estimate is None or self.problem.data:
            return
        if error > DIFFERENT * max(estimate, self.request.tol):
            stated = "exact" if self.problem.exact else "reference"
            warnings.warn(
                f"the solution meets equation and conditions to {short(estimate)}, but differs from {stated} by "
                f"{short(error)}: the problem file may not say what was meant; see pdesolve check {self.request.file}",
                stacklevel=2,
            )

    def _save(self, solution: Any) -> dict[str, str]:
        """Write everything; label → path of what shows the solution."""
        self._begin()
        # The file may have been edited meanwhile; the copy is what was solved.
        solution.problem.source_path = self.directory.path / "problem.py"
        # First: errors against a reference may take seconds, which whoever stops a run need not wait for.
        solution.save(self.directory.path)
        self.record.update(solution.summary() | solution.verification_summary())
        self._compare()
        self._save_summary()
        files = self._write_products(solution)
        # Again, with the memory that the files took.
        self._save_summary()
        return files

    def _write_products(self, solution: Any) -> dict[str, str]:
        path = self.directory.path
        # Who stops a run waits for its end: the solution is saved by now, and a picture takes a second or two.
        picture = not (self.request.no_picture or self.monitor.stop_requested)
        try:
            return write_products(solution, path, self.request.vtk, self.request.plot, picture)
        except KeyboardInterrupt:
            message = f"interrupted while files were written; the solution is in {path}"
            raise Interrupted(message) from None

    def _save_summary(self) -> None:
        self.record |= {"versions": versions(), "peak_memory_mb": peak_memory_mb()}
        self.directory.write_json("summary.json", self.record)

    def _answer(self, code: int, files: dict[str, str]) -> None:
        if self.request.json:
            error = self._how_to_go_on() if code == INTERRUPTED else None
            print_record({**self.record, "error": error})
            return
        sentence = answer_sentence(self.record, _VERDICTS[code])
        if code == INTERRUPTED and self._can_resume:
            sentence += "; --resume continues"
        print_answer(self.record, files, sentence, self.request.quiet)

    def save_failure(self, error: BaseException) -> None:
        """Leave a summary that says what happened, where the run had begun; what was solved stays in it."""
        if not self.directory.begun:
            return
        fault = Fault.of(error)
        if self.record["status"] is None:
            self.record |= {"status": fault.sentence, "converged": False, "seconds": self.monitor.seconds}
        # The disk may be what failed.
        with contextlib.suppress(OSError):
            self._save_summary()
            self.directory.write_json("summary.json", {**self.record, "error": fault.sentence})

    @property
    def _can_resume(self) -> bool:
        return (self.directory.path / "checkpoint.pt").exists()

    def _how_to_go_on(self) -> str:
        when = f"interrupted after {duration(self.monitor.seconds)}"
        path = self.directory.path
        if not self.directory.begun:
            return f"{when}, before the first result"
        if self._can_resume:
            return f"{when}; the last checkpoint is in {path}, and --resume --out {path} continues"
        return f"{when}; settings and history are in {path}"


def _provenance(request: Request, earlier: dict[str, Any]) -> dict[str, Any]:
    """What run.json says beside the identity; a resumed run keeps what it was started with."""
    import torch

    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    if earlier:
        kept = {key: earlier.get(key) for key in ("file", "command", "started")}
        kept["resumed"] = [*earlier.get("resumed", []), now]
    else:
        command = ["pdesolve", *sys.argv[1:]]
        kept = {"file": str(Path(request.file).resolve()), "command": command, "started": now}
    return {
        **kept,
        "time_limit": request.time_limit,
        "times": request.times,
        "steps": request.steps,
        "working_directory": os.getcwd(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
    }
