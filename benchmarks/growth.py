"""How time and memory of one solve grow with the unknowns, and how long a million evaluations take.

    python benchmarks/growth.py

Poisson on the unit square with 12², 24² and 48² patches of order 8 (5,184, 20,736 and 82,944 unknowns), each in a
process of its own: seconds of assembly, factorisation and solve, the exponent p of time ∝ unknowns^p from row to row,
and the peak memory of the process. Then a solution of each size at 1,000,000 points.
"""

import math
import subprocess
import sys
import time
from pathlib import Path

import torch

from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.versions import peak_memory_mb
from pdesolve.statement.loading import load_problem

CELLS = (12, 24, 48)
POINTS = 1_000_000
PROBLEM = Path(__file__).resolve().parent.parent / "problems" / "poisson_2d.py"


def one(cells: int) -> None:
    """Print unknowns, seconds, megabytes and seconds of the evaluations for one number of cells."""
    solver = Discretisation(load_problem(PROBLEM), 1e-6, Monitor(), "cpu", {"cells": cells, "degree": 8})
    patches, q = solver.start()
    solver.solve(
        *Discretisation(solver.problem, 1e-6, Monitor(), "cpu", {"cells": 3}).start(), None
    )  # first calls are slow
    start = time.perf_counter()
    found = solver.solve(patches, q, None)
    seconds = time.perf_counter() - start
    x = torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = time.perf_counter()
    found.mixture(x)
    evaluation = time.perf_counter() - start
    print(found.assembly.layout.total, seconds, peak_memory_mb(), evaluation)


def main() -> None:
    """Run every size in a process of its own and print the table."""
    print(f"{'unknowns':>9} {'seconds':>8} {'exponent':>8} {'peak MB':>8} {'10⁶ points, s':>13}")
    before = None
    for cells in CELLS:
        command = [sys.executable, __file__, str(cells)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        unknowns, seconds, memory, evaluation = (float(number) for number in answer)
        if before:
            grown = math.log(seconds / before[1]) / math.log(unknowns / before[0])
        else:
            grown = math.nan
        print(f"{unknowns:9.0f} {seconds:8.2f} {grown:8.2f} {memory:8.0f} {evaluation:13.2f}")
        before = unknowns, seconds


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(int(sys.argv[1]))
    else:
        main()
