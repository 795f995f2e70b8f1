"""Runs in processes of their own: limits on time and memory, and a record whatever happens."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from pdesolve.benchmarking.case import Case
from pdesolve.benchmarking.nursery import Nursery
from pdesolve.benchmarking.records import Record, read_record, write_record
from pdesolve.benchmarking.worker import blank
from pdesolve.errors import UsageError

# Seconds between looks at a process
PAUSE = 0.05
Show = Callable[[Record], None]


def run_case(case: Case, stop: threading.Event | None = None, nursery: Nursery | None = None) -> Record:
    """Run a case in a process of its own.

    The process is killed when it holds more memory than it may, or is still there `grace` seconds after its
    budget; a crash, a kill from outside and these two are outcomes of the record like any other.

    Args:
        case: what to run.
        stop: when set, the process is killed and KeyboardInterrupt raised.
        nursery: starts the process; None: one for this run alone.
    """
    if nursery is None:
        with Nursery() as nursery:
            return run_case(case, stop, nursery)
    with tempfile.TemporaryDirectory(prefix="pdesolve-bench-") as folder:
        target = Path(folder) / "record.json"
        log = Path(folder) / "log"
        pid = nursery.start(case, target, log)
        try:
            code, reason, peak, seconds = _watch(nursery, pid, case, stop)
        finally:
            nursery.kill()
        if reason is None:
            record = read_record(target)
        else:
            record = None
        if record is not None:
            return record
        return _failed(case, reason or _death(code, log), peak, seconds)


def _watch(
    nursery: Nursery, pid: int, case: Case, stop: threading.Event | None
) -> tuple[int, tuple[str, str] | None, float | None, float]:
    """Wait for the end; exit code, (outcome, sentence) where it had to be brought about, most memory, seconds."""
    start = time.monotonic()
    peak: float | None = None
    while (code := nursery.poll()) is None:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        held = _resident_mb(pid)
        peak = max(filter(None, (held, peak)), default=None)
        seconds = time.monotonic() - start
        if held is not None and held > case.memory:
            sentence = f"killed: it held {held:.0f} MiB of {case.memory}"
            return -signal.SIGKILL, ("out of memory", sentence), peak, seconds
        if seconds > case.budget + case.grace:
            sentence = (
                f"killed after {seconds:.0f} s: {case.budget:g} s of budget and {case.grace:g} s of grace"
            )
            return -signal.SIGKILL, ("timed out", sentence), peak, seconds
        # Watched from outside: a method that hangs in a library does not look at its clock.
        time.sleep(PAUSE)
    return code, None, peak, time.monotonic() - start


def _resident_mb(pid: int) -> float | None:
    """Memory that a process holds, in MiB; None where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    # statm counts pages; its second number is what is resident.
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _death(code: int, log: Path) -> tuple[str, str]:
    """How a process ended that left no record."""
    if log.exists():
        printed = log.read_text("utf-8", errors="replace")
    else:
        printed = ""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if code < 0:
        cause = f"signal {signal.Signals(-code).name}"
    else:
        cause = f"exit code {code}"
    # A process that died has left nothing but what it printed: the last line of a traceback.
    if lines and ("MemoryError" in lines[-1] or "allocate memory" in lines[-1]):
        return "out of memory", lines[-1][:500]
    sentence = f"ended with {cause}, without a record"
    if lines:
        sentence += f": {lines[-1][:400]}"
    return "crashed", sentence


def _failed(case: Case, reason: tuple[str, str], peak: float | None, seconds: float) -> Record:
    outcome, sentence = reason
    found: Record = {"outcome": outcome, "status": sentence, "seconds": seconds}
    if peak is not None:
        found["peak_memory_mb"] = round(peak, 1)
    return {**blank(case), **found}


# -------------------------------------------------------------------- many runs


def run_all(
    cases: Iterable[Case], out: Path, show: Show, jobs: int = 1, skip_existing: bool = False
) -> list[Record]:
    """Run cases as local processes, `jobs` at a time; every record is written as soon as it is there.

    Args:
        cases: what to run.
        out: records go to its folder `records`.
        show: called with every new record.
        jobs: processes at a time.
        skip_existing: leave out cases whose record is there already, failures included.

    Returns:
        All records, those found included, in the order of the cases.

    Raises:
        UsageError: records of other cases with the same names are in the way.
        KeyboardInterrupt: it was interrupted; finished records are kept.
    """
    cases = list(cases)
    found = existing(cases, out, skip_existing)
    stop = threading.Event()
    jobs = max(1, jobs)
    with ExitStack() as stack:
        nurseries: SimpleQueue[Nursery] = SimpleQueue()
        for _ in range(jobs):
            nurseries.put(stack.enter_context(Nursery()))

        def run(case: Case) -> Record:
            nursery = nurseries.get()
            try:
                return run_case(case, stop, nursery)
            finally:
                nurseries.put(nursery)

        # Threads only wait: each run is a process of its own.
        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        pending = {
            pool.submit(run, case): (position, case)
            for position, case in enumerate(cases)
            if position not in found
        }
        try:
            collect(pending, found, out, show)
        except BaseException:
            stop.set()
            for future in pending:
                future.cancel()
            raise
    return [found[position] for position in range(len(cases))]


def existing(cases: list[Case], out: Path, skip: bool) -> dict[int, Record]:
    """Position → record, of the cases whose record is there already.

    Raises:
        UsageError: the folder has records and they are not to be skipped, or belong to other cases.
    """
    folder = out / "records"
    found = {
        position: record
        for position, case in enumerate(cases)
        if (record := read_record(folder / f"{case.name}.json")) is not None
    }
    if found and not skip:
        message = (
            f"{folder} has {len(found)} of these records: --skip-existing keeps them, --out DIR leaves them"
        )
        raise UsageError(message)
    return {position: r for position, r in found.items() if r.get("identity") == cases[position].identity}


def collect(
    pending: dict[Future[Record], tuple[int, Case]], found: dict[int, Record], out: Path, show: Show
) -> None:
    """Write and show every record as it comes."""
    left = set(pending)
    while left:
        # Not for ever at once, so that Ctrl-C comes through.
        done, left = wait(left, timeout=0.2, return_when=FIRST_COMPLETED)
        for future in done:
            position, case = pending[future]
            record = {**future.result(), "position": position}
            write_record(out / "records", record, case.name)
            found[position] = record
            show(record)
