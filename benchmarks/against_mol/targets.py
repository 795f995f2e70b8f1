"""The targets of evolutions: pdesolve to its tolerance, the method of lines to the same error, the best published.

    python -m benchmarks.against_mol.targets [NAME ...] --only pdesolve --threads 2
    python -m benchmarks.against_mol.targets [NAME ...] --only lines [--limit S]
    python -m benchmarks.against_mol.targets --report

pdesolve is given the tolerance of the target and twice its seconds as the limit. The method of lines is given that
error: with a tolerance in time of a tenth and a thousandth of it, points are added until the error is reached, helps
no more, or a solve takes longer than --limit (a sixth of the seconds of the target, and three at least); of all that
reach it the fastest is kept, else the most accurate. Errors are relative L2 over the same 2048 Sobol points in space
and time, of the worst unknown. What took less than ENOUGH seconds is repeated; times are medians. Rows that are not
asked for stay in the record, benchmarks/against_mol/targets.json; TARGETS.md beside it is the table.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.work_precision import OURS, Entry, clock, commit, machine, set_threads

if TYPE_CHECKING:
    from benchmarks.against_mol.runs import Error

FOLDER = Path(__file__).resolve().parent
RECORD, TABLE = FOLDER / "targets.json", FOLDER / "TARGETS.md"
PUBLISHED = FOLDER.parent / "published.toml"
SOLVES = 4  # limits of a solve that the search on one kind of grid may take before it begins no other
OVER = 2  # times the seconds of the target that pdesolve may take
ENOUGH = 20.0  # seconds of one solve in all, after which it is not repeated
INTRODUCTION = """
`pdesolve solve problems/<name>.py --tol <tolerance>`, stopped after twice the seconds of the target, beside the method
of lines with points and tolerance chosen so that it has the error of the target; in bold what has it in time. Seconds
are medians of the repeats: of the clock where the command of the row has several threads (the targets are for two
cores), else of the processor. Errors are at the same points, of the worst unknown.
`pdesolve` finds its slabs, cells and orders itself and certifies its error, the method of lines is tuned with the
exact solution, no solve of it longer than the `--limit` of the row's command. Unknowns are coefficients of all slabs,
or ordinary differential equations. Published figures are of trained networks ([published.toml](../published.toml)).
"""


def main() -> None:
    """Measure the rows asked for, keep the others, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="problems; default all")
    parser.add_argument("--repeat", type=int, default=3, help="how often a short solve is repeated")
    parser.add_argument("--limit", type=float, help="seconds of a solve by the method of lines")
    parser.add_argument("--threads", type=int, default=1, help="with several, seconds are those of the clock")
    parser.add_argument("--only", choices=("pdesolve", "lines"), help="leave the other rows as they are")
    parser.add_argument("--report", action="store_true", help="only write the table of the record again")
    options = parser.parse_args()
    set_threads(options.threads)
    from benchmarks.targets import EVOLUTIONS
    from pdesolve.runs.memory import keep_freed_memory
    from pdesolve.runs.run_directory import json_ready

    keep_freed_memory()
    stated = [line.split() for line in EVOLUTIONS.strip().splitlines()]
    targets = {name: (float(tol), float(seconds)) for name, tol, seconds in stated}
    if unknown := [name for name in options.names if name not in targets]:
        parser.error(f"there is no row {unknown[0]!r}; the rows are {', '.join(targets)}")
    record = json_ready(json.loads(RECORD.read_text())) if RECORD.exists() else {}
    for name in [] if options.report else options.names or targets:
        rows = [] if options.only != "lines" else kept(record, name, ours=True)
        rows += measure(name, *targets[name], options)
        rows += [] if options.only != "pdesolve" else kept(record, name, ours=False)
        record[name] = json_ready({"tol": targets[name][0], "target_seconds": targets[name][1], "rows": rows})
        record = {known: record[known] for known in targets if known in record}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print("\n".join(lines_of(name, record[name], {})), flush=True)
    TABLE.write_text(markdown(record), "utf-8")


def kept(record: Mapping[str, Any], name: str, ours: bool) -> list[dict[str, Any]]:
    """Rows of an earlier run."""
    rows = record[name]["rows"] if name in record else []
    return [row for row in rows if (row["method"] == OURS) == ours]


def measure(name: str, tol: float, seconds: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of pdesolve and of both kinds of grids."""
    from benchmarks.against_mol.runs import problem_and_error

    problem, error = problem_and_error(name)
    limit = options.limit or max(3.0, seconds / 6)
    settings = f"--repeat {options.repeat} --limit {limit:g} --threads {options.threads}"
    settings += f" --only {options.only}" if options.only else ""
    provenance = {
        "command": f"python -m benchmarks.against_mol.targets {name} {settings}",
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
    }
    found = []
    if options.only != "lines":
        found.append(by_pdesolve(problem, error, tol, OVER * seconds, options.repeat))
    if options.only != "pdesolve":
        found += by_lines(name, error, tol, limit, options.repeat)
    return [{**row, **provenance} for row in found]


def by_pdesolve(problem: Any, error: Error, tol: float, limit: float, repeats: int) -> dict[str, Any]:
    """To the tolerance within the limit of seconds; how it ended is part of the row."""
    from benchmarks.against_mol.runs import Ours
    from benchmarks.limits import Clock
    from pdesolve import solve
    from pdesolve.errors import PdesolveError

    entry = Entry(OURS, 0, lambda: Ours(solve(problem, tol=tol, monitor=Clock(time_limit=limit))))
    try:
        done = entry.run()
    except PdesolveError as stop:
        entry.seconds, entry.wall = entry.seconds or [limit], entry.wall or [limit]
        return {**entry.row(), "met": False, "status": str(stop)}
    entry.unknowns, entry.met = done.unknowns, done.met
    entry.error = error(done) if done.solution.complete else float("nan")
    solution = done.solution
    if done.met:  # a second run of one that its limit ended might end without a solution
        again(entry, repeats)
    return {**entry.row(), "estimate": solution.estimated_error, "status": solution.status}


def by_lines(name: str, error: Error, tol: float, limit: float, repeats: int) -> list[dict[str, Any]]:
    """For each kind of grid the fastest that has the error, else the most accurate."""
    from benchmarks.against_mol import runs

    problem, rows = runs.stated(name), []
    spectral = "Fourier" if problem.boundary is None else "Chebyshev"
    for space in ("4th-order differences", spectral):
        entries: list[Entry] = []
        begin = clock()
        for tolerance, integrator in product((tol / 10, tol / 1000), problem.integrators):
            done = any(entry.error <= tol and entry.method.endswith(integrator) for entry in entries)
            if not done and clock() - begin < SOLVES * limit:
                entries += runs.by_lines(problem, space, integrator, limit, error, (tolerance,), target=tol)
        known = [entry for entry in entries if entry.error < float("inf")]
        if not known:
            rows.append({"method": space, "status": f"no solution within {limit:g} s"})
            continue
        reached = [entry for entry in known if entry.error <= tol]
        best = min(reached, key=lambda e: min(e.seconds)) if reached else min(known, key=lambda e: e.error)
        again(best, repeats)
        rows.append({**best.row(), "met": bool(reached), "status": f"{best.size} points along an axis"})
    return rows


def again(entry: Entry, repeats: int) -> None:
    """Repeat a solve that does not take long."""
    while len(entry.seconds) < repeats and sum(entry.seconds) < ENOUGH:
        entry.run()


# -------------------------------------------------------------------- table


HEADER = ("problem", "error, seconds wanted", "method", "error", "s", "wall s", "unknowns", "published")


def markdown(record: Mapping[str, Any]) -> str:
    """All rows of a record, with what they mean."""
    published = tomllib.loads(PUBLISHED.read_text("utf-8"))
    lines = ["| " + " | ".join(HEADER) + " |", "| --- | --- | --- |" + " ---: |" * 4 + " --- |"]
    for name, case in record.items():
        lines += lines_of(name, case, published.get(name, {}))
    rows = [row for case in record.values() for row in case["rows"]]
    made = ", ".join(sorted({f"{row['date']}, {row['machine']}" for row in rows}))
    title = "# Evolutions: targets, the method of lines, published figures"
    notes = (
        f"Made by `python -m benchmarks.against_mol.targets`: {made}. Command, commit and status of each row are in "
        "[targets.json](targets.json)."
    )
    return "\n\n".join([title, " ".join(INTRODUCTION.split()), "\n".join(lines), notes]) + "\n"


def lines_of(name: str, case: Mapping[str, Any], published: Mapping[str, Any]) -> Sequence[str]:
    """One line for each method."""
    best = f"{published['error']:g}, {published['cost']}" if published else "–"
    link = f"[{name}](../../problems/{name}.py)"
    first = (link, f"{case['tol']:g}, {case['target_seconds']:g} s")
    result = []
    for i, row in enumerate(case["rows"]):
        cells = [
            *(first if i == 0 else ("", "")),
            row["method"],
            *_numbers(row, case),
            best if i == 0 else "",
        ]
        result.append(f"| {' | '.join(cells)} |")
    return result


def _numbers(row: Mapping[str, Any], case: Mapping[str, Any]) -> tuple[str, ...]:
    if "seconds" not in row:
        return row["status"], "", "", ""
    error = "not done" if row["error"] is None else f"{row['error']:.1e}"
    in_time = row["seconds"] <= case["target_seconds"]
    if row["error"] is not None and row["error"] <= case["tol"] and row["met"] and in_time:
        error = f"**{error}**"
    seconds, wall = (f"{row[key]:.2g}" if row[key] < 10 else f"{row[key]:.0f}" for key in ("seconds", "wall"))
    return error, seconds, wall, f"{row['unknowns']:,}"


if __name__ == "__main__":
    main()
