"""Cost of a slab over a long time: seconds and memory of a march of more than a thousand slabs.

    python benchmarks/long_march.py [END]

The wave u_t + 30 u_x = 0 on a circle (problems/advection_1d.py without its end at t = 1) to --tol 1e-4, up to t = END:
CPU seconds and mean unknowns of every tenth of the slabs, and the peak memory of the process at its end.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

from pdesolve import Problem, TimeInterval, solve
from pdesolve.loading import load_problem
from pdesolve.monitor import Monitor
from pdesolve.versions import peak_memory_mb

PROBLEM = Path(__file__).resolve().parent.parent / "problems" / "advection_1d.py"


class Log(Monitor):
    """A monitor that notes CPU seconds and memory after every slab."""

    def record(self, **row: float) -> None:
        """As in `Monitor`."""
        super().record(**row, cpu=time.process_time(), memory=peak_memory_mb())


def main(end: float) -> None:
    """March, and print the tenths."""
    torch.set_num_threads(1)
    stated, log = load_problem(PROBLEM), Log()
    log.on_checkpoint, log.checkpoint_every = (lambda _: None), 5.0
    domain = stated.domain.space * TimeInterval(0, end)
    problem = Problem(domain, stated.equation, stated.conditions, constants=stated.constants)
    solution = solve(problem, tol=1e-4, monitor=log)
    rows = log.history
    cpu = np.diff([row["cpu"] for row in rows], prepend=rows[0]["cpu"])
    print(f"{len(rows)} slabs to t = {rows[-1]['time']:.4g}; {solution.status}")
    print(f"{'slabs':>12} {'ms per slab':>12} {'unknowns':>9} {'peak MB':>8}")
    for part in np.array_split(np.arange(len(rows)), 10):
        unknowns = np.mean([rows[i]["unknowns"] for i in part])
        span = f"{part[0] + 1}-{part[-1] + 1}"
        print(
            f"{span:>12} {1e3 * np.median(cpu[part]):12.1f} {unknowns:9.0f} {rows[part[-1]]['memory']:8.0f}"
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 400.0)
