"""Measure pdesolve beside scikit-fem and NGSolve: record, work–precision figure and table.

    python -m benchmarks.against_fem [CASE ...] [--threads 1] [--limit 10] [--report]

pdesolve goes to the tolerance 1e-12, or as far as it gets within the limit of seconds. Every other method goes from
coarse to fine until the next solve would take longer than the limit, its error is rounding, or it has 600,000
unknowns. Then all solves are repeated in turns, so that a noisy machine disturbs all alike. Times are of mesh,
assembly and solve; errors are relative, over the same Sobol points for all. Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.against_fem.cases import CASES, Case
from benchmarks.against_fem.report import FAMILIES, markdown
from benchmarks.work_precision import OURS, REPEATS, commit, draw, machine, measure, set_threads, table

FOLDER = Path(__file__).resolve().parent
RECORD, FIGURE, TABLE = (FOLDER / name for name in ("record.json", "work_precision.png", "README.md"))
POINTS = 4096
SIZES = {OURS: 11}  # to the tolerance 1e-12
PACKAGES = ("torch", "scipy", "scikit-fem", "pypardiso", "ngsolve")


def methods(case: Case, threads: int, limit: float) -> dict[str, Callable[[int], Any]]:
    """All methods by name, functions of a size from 0 on."""
    from benchmarks.against_fem import ngsolve_fem, ours, scikit_fem

    problem = ours.problem_of(case)
    found: dict[str, Callable[[int], Any]] = {OURS: partial(ours.solve_adaptively, problem, limit=limit)}
    if not case.singular:
        cells = max(2, round(0.5 / case.coarsest))
        for q in (8, 12):
            found[f"pdesolve, fixed cells, order {q}"] = partial(ours.solve_fixed, problem, q, cells=cells)
    for p in (1, 2, 4):
        found[f"scikit-fem P{p}"] = partial(scikit_fem.solve, case, p)
    found["scikit-fem P4, SuperLU"] = partial(scikit_fem.solve, case, 4, pardiso=False)
    for p in (2, 4, 6, 8, 12, *([16] if case.singular else [])):
        found[f"NGSolve order {p}"] = partial(ngsolve_fem.solve, case, p, threads=threads)
    return found


def main() -> None:
    """Measure the cases asked for, keep the others of the record, and write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; default all")
    parser.add_argument("--threads", type=int, default=1, help="for every method alike")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds that every solve may take")
    parser.add_argument(
        "--report", action="store_true", help="only write table and figure of the record again"
    )
    options = parser.parse_args()
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"there is no case {unknown[0]!r}; the cases are {', '.join(CASES)}")
    set_threads(options.threads)
    sources = commit()
    if RECORD.exists():
        record = json.loads(RECORD.read_text())
    else:
        record = {"cases": {}}
    for name in [] if options.report else options.cases or CASES:
        record["cases"][name] = measure_case(CASES[name], options.threads, options.limit) | {
            "commit": sources
        }
        record["cases"] = {k: record["cases"][k] for k in CASES if k in record["cases"]}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(table(name, record["cases"][name]["rows"]), end="\n\n", flush=True)
    TABLE.write_text(markdown(record), "utf-8")
    draw(record, FIGURE, FAMILIES)


def measure_case(case: Case, threads: int, limit: float) -> dict[str, Any]:
    """Rows of all methods, and how and on what they were measured."""
    from benchmarks.against_fem.ours import problem_of, sobol_points

    rows = measure(methods(case, threads, limit), SIZES, *sobol_points(problem_of(case), POINTS), limit)
    return {
        "command": f"python -m benchmarks.against_fem {case.name} --threads {threads} --limit {limit:g}",
        "date": date.today().isoformat(),
        "machine": machine(),
        "threads": threads,
        "points": POINTS,
        "repeats": REPEATS,
        "versions": {package: version(package) for package in PACKAGES},
        "rows": rows,
    }


if __name__ == "__main__":
    main()
