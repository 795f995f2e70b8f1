"""Measure pdesolve beside the method of lines: record, work–precision figure and table.

    python -m benchmarks.against_mol [CASE ...] [--limit 10] [--report]

In space: differences of the fourth order, and Fourier (periodic) or Chebyshev points (else). In time: BDF and Radau of
scipy with the exact Jacobian; DOP853, too, for waves. For every tolerance the points are doubled until that lowers the
error no more. pdesolve goes to the tolerance 1e-12. One solve may take the limit of seconds, one of pdesolve 30 times
that. All solves are repeated in turns, on one thread. Errors are relative, over the same Sobol points in space and
time, of the worst unknown. Needs no extra.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.work_precision import (
    REPEATS,
    commit,
    draw,
    machine,
    repeat,
    report,
    set_threads,
    table,
)

if TYPE_CHECKING:
    from benchmarks.against_mol.evolutions import Evolution

FOLDER = Path(__file__).resolve().parent
RECORD, FIGURE, TABLE = (FOLDER / name for name in ("record.json", "work_precision.png", "README.md"))
FAMILIES = {"4th-order": "Blues", "Fourier": "Oranges", "Chebyshev": "Oranges"}
SLOWER = 30  # limit of pdesolve over that of the lines
PACKAGES = ("torch", "scipy", "numpy")
INTRODUCTION = """
Best time (of the processor) to reach a relative L2 error over Sobol points in space and time, of the worst unknown; in
brackets the ratio to `pdesolve` to the same error (below 1: faster than `pdesolve`). A dash: not reached within the
limits, or finer than the reference of the problem file. `pdesolve` finds its slabs, cells and orders itself and
certifies its error; the method of lines is given points and tolerance by hand, takes the best of all tried, and knows
nothing of its error in space.
"""


def main() -> None:
    """Measure the cases asked for, keep the others of the record, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="stems of problem files; default all")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds of a solve; pdesolve: 30 times")
    parser.add_argument(
        "--report", action="store_true", help="only write table and figure of the record again"
    )
    options = parser.parse_args()
    set_threads(1)
    from benchmarks.against_mol.evolutions import EVOLUTIONS
    from benchmarks.against_mol.runs import POINTS

    if unknown := [name for name in options.cases if name not in EVOLUTIONS]:
        parser.error(f"there is no case {unknown[0]!r}; the cases are {', '.join(EVOLUTIONS)}")
    sources = commit()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {"cases": {}}
    for name in [] if options.report else options.cases or EVOLUTIONS:
        record["cases"][name] = {
            "command": f"python -m benchmarks.against_mol {name} --limit {options.limit:g}",
            "date": date.today().isoformat(),
            "commit": sources,
            "machine": machine(),
            "points": POINTS,
            "repeats": REPEATS,
            "versions": {package: version(package) for package in PACKAGES},
            "rows": measure(EVOLUTIONS[name], options.limit),
        }
        record["cases"] = {k: record["cases"][k] for k in EVOLUTIONS if k in record["cases"]}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(table(name, record["cases"][name]["rows"]), end="\n\n", flush=True)
    TABLE.write_text(markdown(record), "utf-8")
    draw(record, FIGURE, FAMILIES)


def measure(evolution: Evolution, limit: float) -> list[dict[str, Any]]:
    """Rows of all methods."""
    from benchmarks.against_mol.runs import TOLERANCES, by_lines, ours, problem_and_error

    problem, error = problem_and_error(evolution.name)
    entries = list(ours(problem, error, TOLERANCES, SLOWER * limit))
    space = "Fourier" if evolution.boundary is None else "Chebyshev"
    for grid in ("4th-order differences", space):
        for integrator in evolution.integrators:
            entries += by_lines(evolution, grid, integrator, limit, error, TOLERANCES)
    repeat(entries)
    return [entry.row() for entry in entries]


def markdown(record: Mapping[str, Any]) -> str:
    """All tables of a record, with what they mean."""
    title = "Work and precision beside the method of lines"
    return report(record, title, INTRODUCTION, "benchmarks.against_mol")


if __name__ == "__main__":
    main()
