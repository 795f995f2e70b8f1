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
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.work_precision import (
    OURS,
    REPEATS,
    Entry,
    commit,
    draw,
    machine,
    repeat,
    report,
    set_threads,
    table,
)

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.against_mol.evolutions import Evolution

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
RECORD, FIGURE, TABLE = (FOLDER / name for name in ("record.json", "work_precision.png", "README.md"))
FAMILIES = {"4th-order": "Blues", "Fourier": "Oranges", "Chebyshev": "Oranges"}
POINTS = 2048
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
GRID_POINTS = {
    "4th-order differences": (64, 128, 256, 512, 1024, 2048, 4096, 8192),
    "Fourier": (16, 32, 64, 128, 256, 512, 1024, 2048),
    "Chebyshev": (17, 33, 65, 129, 257, 513, 1025),
}
SLOWER = 30  # limit of pdesolve over that of the lines
LEAST_GAIN = 0.7  # of the error, by doubling the points
PACKAGES = ("torch", "scipy", "numpy")
Error = Callable[[Any], float]
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
    from pdesolve import load_problem

    problem = load_problem(ROOT / "problems" / f"{evolution.name}.py")
    points = problem.domain.sample(POINTS, sampler="sobol", seed=2026)
    exact = problem.values(problem.exact or problem.reference, points, "exact").numpy()
    error = partial(relative_error, points=points.numpy(), exact=exact)
    entries = list(ours(problem, error, SLOWER * limit))
    space = "Fourier" if evolution.boundary is None else "Chebyshev"
    integrators = ("BDF", "Radau", "DOP853") if evolution.explicit else ("BDF", "Radau")
    for grid in ("4th-order differences", space):
        for integrator in integrators:
            entries += by_lines(evolution, grid, integrator, limit, error)
    repeat(entries)
    return [entry.row() for entry in entries]


def relative_error(solution: Any, points: np.ndarray, exact: np.ndarray) -> float:
    """‖u - u*‖/‖u*‖ over points, of the worst unknown."""
    import numpy as np

    return float((np.linalg.norm(solution(points) - exact, axis=0) / np.linalg.norm(exact, axis=0)).max())


class Ours:
    """A solution of pdesolve as the harness wants it."""

    def __init__(self, solution: Any):
        self.solution, self.met = solution, solution.converged
        self.unknowns = solution.degrees_of_freedom

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n, u) at points (n, 2)."""
        import torch

        return self.solution.evaluate(torch.from_numpy(points)).numpy()


def ours(problem: Any, error: Error, limit: float) -> Iterator[Entry]:
    """To all tolerances, certified, until one is not met in time."""
    from benchmarks.limits import Clock
    from pdesolve import solve

    def run(tol: float) -> Ours:
        return Ours(solve(problem, tol=tol, monitor=Clock(time_limit=limit)))

    run(1e-2)  # what is set up once for all
    for size, tol in enumerate(TOLERANCES):
        entry = Entry(OURS, size, partial(run, tol))
        solution = entry.run()
        entry.unknowns, entry.met, entry.error = solution.unknowns, solution.met, error(solution)
        yield entry
        if not entry.met:
            return


def by_lines(
    evolution: Evolution, space: str, integrator: str, limit: float, error: Error
) -> Iterator[Entry]:
    """For each tolerance ever more points, from one doubling less than the last tolerance needed."""
    from benchmarks.against_mol.lines import Failed, TooLong, solve

    first = 0
    for tol in TOLERANCES:
        before = float("inf")
        for i, n in enumerate(GRID_POINTS[space][first:], start=first):
            name = f"{space}, {integrator}"
            entry = Entry(name, n, partial(solve, evolution, space, integrator, n, tol, limit=limit))
            try:
                solution = entry.run()
            except Failed:
                continue
            except TooLong:
                break
            entry.unknowns, entry.error = solution.unknowns, error(solution)
            entry.solve = partial(entry.solve, limit=float("inf"))  # a repeat is not broken off
            yield entry
            if entry.takes_more_than(limit / 2) or not entry.error < LEAST_GAIN * before:
                first = max(i - 2, 0)
                break
            before = entry.error


def markdown(record: Mapping[str, Any]) -> str:
    """All tables of a record, with what they mean."""
    title = "Work and precision beside the method of lines"
    return report(record, title, INTRODUCTION, "benchmarks.against_mol")


if __name__ == "__main__":
    main()
