"""The same runs on a Dask cluster: each worker starts the process of a run and watches it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pdesolve.benchmarking.case import Case
from pdesolve.benchmarking.records import Record, write_record
from pdesolve.benchmarking.runner import Show, existing, run_case
from pdesolve.errors import SolveError
from pdesolve.runs.cluster import connected


def run_on_cluster(
    cases: Iterable[Case], out: Path, show: Show, address: str, skip_existing: bool = False
) -> list[Record]:
    """Run cases on the workers of a Dask scheduler, one at a time on each thread of a worker.

    The workers need pdesolve and see the problem files under the same paths; the records are written here.

    Args:
        cases: what to run.
        out: records go to its folder `records`.
        show: called with every new record.
        address: of the scheduler, "tcp://host:8786".
        skip_existing: leave out cases whose record is there already, failures included.

    Returns:
        All records, those found included, in the order of the cases.

    Raises:
        UsageError: dask.distributed is missing, or the scheduler does not answer.
        SolveError: the cluster lost a run.
    """
    cases = list(cases)
    found = existing(cases, out, skip_existing)
    client = connected(address)
    from distributed import as_completed

    with client:
        pending = {
            client.submit(run_case, _absolute(case), pure=False, retries=0): (position, case)
            for position, case in enumerate(cases)
            if position not in found
        }
        # Written here as they come: workers need not see the folder.
        for future in as_completed(pending):
            position, case = pending[future]
            if future.status != "finished":
                message = (
                    f"the cluster lost the run {case.name}: {future.exception()}; --skip-existing goes on"
                )
                raise SolveError(message)
            record = {**future.result(), "position": position, "problem_file": case.problem}
            # With the paths of this machine, not of the worker's.
            record |= {"command": case.command, "identity": case.identity}
            write_record(out / "records", record, case.name)
            found[position] = record
            show(record)
    return [found[position] for position in range(len(cases))]


def _absolute(case: Case) -> Case:
    """The case with a path that means the same in another working directory."""
    content = case.to_json()
    content["problem"] = str(Path(case.problem).resolve())
    settings = dict(content["method"]["settings"])
    file, sign, name = str(settings.get("approximator", "")).rpartition(":")
    if sign:
        settings["approximator"] = f"{Path(file).resolve()}:{name}"
    content["method"]["settings"] = settings
    return Case.from_json(content)
