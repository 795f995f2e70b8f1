"""How time and memory of one solve grow with the unknowns, and how long a million evaluations take.

    python benchmarks/growth.py         # the square
    python benchmarks/growth.py cube    # the cube, by iteration on its faces
    python benchmarks/growth.py factor  # the cube, by the direct factor

Poisson on the unit square with 12², 24² and 48² patches of order 8 (5,184, 20,736 and 82,944 unknowns), or on the unit
cube with 6³, 8³, 12³ and 16³ patches (25,920 to 491,520 unknowns; the direct factor to 8³), each in a process of its
own: seconds of assembly, factorisation and solve, the exponent p of time ∝ unknowns^p from row to row, and the peak
memory of the process. Then a solution of each size at 1,000,000 points. Seconds are those of the processor.
"""

import math
import subprocess
import sys
import time
from pathlib import Path

import torch

from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.least_squares.sparse import face_iteration, normal_equations
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.versions import peak_memory_mb
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
CASES = {
    "square": ("poisson_2d.py", (12, 24, 48)),
    "cube": ("poisson_3d.py", (6, 8, 12, 16)),
    "factor": ("poisson_3d.py", (4, 6, 8)),
}
POINTS = 1_000_000


def one(case: str, cells: int) -> None:
    """Print unknowns, seconds, megabytes, seconds of the evaluations and the error for one number of cells."""
    if case == "cube":
        face_iteration.CROSS_OVER = 0.0
    if case == "factor":
        normal_equations.iteration_pays = lambda *_: False  # type: ignore[assignment]
    name, _ = CASES[case]
    solver = Discretisation(
        load_problem(PROBLEMS / name), 1e-6, Monitor(), "cpu", {"cells": cells, "degree": 8}
    )
    patches, q = solver.start()
    solver.solve(
        *Discretisation(solver.problem, 1e-6, Monitor(), "cpu", {"cells": 3}).start(), None
    )  # first calls are slow
    start = time.process_time()
    found = solver.solve(patches, q, None)
    seconds = time.process_time() - start
    memory = peak_memory_mb()
    x = torch.rand(POINTS, patches.dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = time.process_time()
    values = found.mixture(x)
    evaluation = time.process_time() - start
    exact = solver.problem.values(solver.problem.exact, x, "exact")
    error = float((values - exact).norm() / exact.norm())
    print(found.assembly.layout.total, seconds, memory, evaluation, error)


def main(case: str) -> None:
    """Run every size in a process of its own and print the table."""
    print(f"{'unknowns':>9} {'seconds':>8} {'exponent':>8} {'peak MB':>8} {'10⁶ points, s':>13} {'error':>8}")
    before = None
    for cells in CASES[case][1]:
        command = [sys.executable, __file__, case, str(cells)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        unknowns, seconds, memory, evaluation, error = (float(number) for number in answer)
        if before:
            grown = math.log(seconds / before[1]) / math.log(unknowns / before[0])
        else:
            grown = math.nan
        print(
            f"{unknowns:9.0f} {seconds:8.2f} {grown:8.2f} {memory:8.0f} {evaluation:13.2f} {error:8.1e}",
            flush=True,
        )
        before = unknowns, seconds


if __name__ == "__main__":
    if len(sys.argv) > 2:
        one(sys.argv[1], int(sys.argv[2]))
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "square")
