"""Inverse problems over many seeds of the noise: is the truth in the interval, how far are fields from the truth?

    python benchmarks/inverse.py                    # constant: 20 seeds; fields: 5 seeds
    python benchmarks/inverse.py --seeds 10 --fields 2

Each seed gives the same problem file other noise. Of the constant the table has the number of 95 % intervals that hold
the truth (19 of 20 are to be expected, 17 or more are asked for), of the fields the relative L2 errors of the
coefficient, against the 5 % asked for, beside the deviation that the solve itself ascribes to the noise.
"""

import argparse
import runpy
import time
from pathlib import Path
from typing import Any

import numpy as np

from pdesolve import solve

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
CONSTANT = "kappa_1d"
FIELDS = {"pinv_2d": 1e-4, "hinv_2d": 1e-2}  # tolerance of the discretisation, far below the noise


def with_noise(name: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """The problem of a file with the noise of a seed, and what else the file defines."""
    file = runpy.run_path(str(PROBLEMS / f"{name}.py"))
    problem = file["problem"]
    return problem.with_data([file["measured"](seed)]), file


def constant(seeds: int) -> int:
    """Print the table of the constant; the number of intervals that hold the truth."""
    print(
        f"{CONSTANT}, tolerance 1e-6\n{'seed':>4} {'kappa':>9} {'95 % interval':>21}  {'truth in it':>11} {'s':>6}"
    )
    held = 0
    for seed in range(seeds):
        problem, file = with_noise(CONSTANT, seed)
        start = time.process_time()
        solution = solve(problem)
        seconds = time.process_time() - start
        low, high = solution.intervals["kappa"]
        inside = low <= file["TRUE"] <= high
        held += inside
        value = solution.parameters["kappa"]
        print(
            f"{seed:4d} {value:9.5f}   {low:.5f} … {high:.5f}  {'yes' if inside else 'no':>11} {seconds:6.2f}"
        )
    print(f"{held} of {seeds} intervals hold the truth\n")
    return held


def fields(name: str, tol: float, seeds: int) -> float:
    """Print the table of one field; its largest error."""
    print(
        f"{name}, tolerance {tol:g}\n{'seed':>4} {'error of a':>10} {'deviation':>10} {'error of u':>10} {'s':>6}"
    )
    errors = []
    for seed in range(seeds):
        problem, _ = with_noise(name, seed)
        start = time.process_time()
        solution = solve(problem, tol=tol)
        seconds = time.process_time() - start
        errors.append(solution.relative_l2_error("a"))
        spread = solution.uncertainty["a"]
        u = solution.relative_l2_error("u")
        if solution.converged:
            mark = ""
        else:
            mark = f"  {solution.status}"
        print(f"{seed:4d} {errors[-1]:10.2%} {spread:10.2%} {u:10.2%} {seconds:6.1f}{mark}")
    print(f"median {np.median(errors):.2%}, largest {max(errors):.2%}\n")
    return max(errors)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="of the constant [20]")
    parser.add_argument("--fields", type=int, default=5, help="seeds of each field [5]")
    asked = parser.parse_args()
    constant(asked.seeds)
    for name, tol in FIELDS.items():
        fields(name, tol, asked.fields)


if __name__ == "__main__":
    main()
