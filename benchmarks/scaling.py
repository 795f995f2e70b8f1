"""Problems in other units: lengths × 1e3, values × 1e6, times × 1e-3 must not change the relative error.

    python benchmarks/scaling.py                       # every problem in problems/ that is solved in time
    python benchmarks/scaling.py heat_1d poisson_disk  # only these

Each problem is solved as it is and in the other units, to 1e-4. The exit code is 1 if the relative errors of a problem
that is solved in time differ by more than a factor three, or if only one of the two is certified.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
RECORD = ROOT / "benchmarks" / "records" / "scaling.json"
LENGTH = 1e3
TIME = 1e-3
VALUE = 1e6
FACTOR = 3.0  # between the relative errors
ROUNDING = 1e-11  # below which errors are alike


def measure(path: Path, tol: float, limit: float) -> dict[str, Any] | None:
    """Solve one problem in both units; None where it has nothing to compare or is not solved in time."""
    from pdesolve import load_problem, solve
    from pdesolve.benchmarking.transformed import Transformation, transformed

    problem = load_problem(path)
    if problem.domain.dimension > 3 or (problem.exact is None and problem.reference is None):
        return None
    found: dict[str, Any] = {"problem": path.stem}
    for key, one in (("", problem), ("scaled_", transformed(problem, Transformation(LENGTH, TIME, VALUE)))):
        start = time.process_time()
        solution = solve(one, tol=tol, time_limit=limit)
        if not key and not solution.converged:
            return None
        found |= {
            f"{key}error": _error(problem, solution),
            f"{key}estimate": solution.estimated_error,
            f"{key}certified": solution.converged,
            f"{key}seconds": round(time.process_time() - start, 2),
            f"{key}status": solution.status,
        }
    return found | {"alike": alike(found)}


def _error(problem: Any, solution: Any) -> float:
    """The largest relative error of an unknown that is not zero: what is zero has an absolute error only."""
    sample = problem.values(problem.exact or problem.reference, problem.domain.sample(100))
    sizes = zip(problem.unknowns, sample.abs().amax(dim=0).tolist(), strict=True)
    return max(solution.relative_l2_error(name) for name, size in sizes if size > 0)


def alike(row: Mapping[str, Any]) -> bool:
    """Whether both are certified with relative errors within the factor."""
    errors = (row["error"], row["scaled_error"])
    if not row["scaled_certified"] or not all(e is not None and math.isfinite(e) for e in errors):
        return False
    low, high = (max(e, ROUNDING) for e in sorted(errors))
    return high <= FACTOR * low


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| problem | error | error in other units | seconds | seconds in other units | alike |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {r['problem']} | {r['error']:.1e} | {r['scaled_error']:.1e} | {r['seconds']:.1f} | "
        f"{r['scaled_seconds']:.1f} | {'yes' if r['alike'] else 'no: ' + r['scaled_status']} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> int:
    """Solve, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="problems instead of all")
    parser.add_argument("--tol", type=float, default=1e-4)
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds for each solve")
    options = parser.parse_args()
    known = {path.stem: path for path in sorted((ROOT / "problems").glob("*.py"))}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no problem {', '.join(unknown)}; there are {', '.join(known)}")
    rows = []
    left_out = []
    for name in options.names or known:
        row = measure(known[name], options.tol, options.time_limit)
        if row is None:
            left_out.append(name)
            continue
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
    print(table(rows))
    print(
        f"\n{sum(r['alike'] for r in rows)} of {len(rows)} alike; not solved in time: {', '.join(left_out)}"
    )
    if not options.names:
        RECORD.write_text(json.dumps({"date": date.today().isoformat(), "rows": rows}, indent=1) + "\n")
    if all(r["alike"] for r in rows):
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
