"""Cost of a slab over a long time: seconds and memory of marches of thousands of slabs.

    python -m benchmarks.long_march [NAME [END]]

`advection_1d`: the wave u_t + 30 u_x = 0 on a circle (problems/advection_1d.py without its end at t = 1) up to t = END,
150 by default: 716 periods. `wave_1d`: a string (problems/wave_1d.py) up to t = 100: 100 periods. Both to --tol 1e-4,
a march that begins again with more stages included. Printed as the march goes, and kept in
benchmarks/records/long_march.json: milliseconds of CPU of a slab and unknowns in every quarter of the slabs, and the
peak memory of the process at its end. Beside them the milliseconds of a fixed piece of work after each slab: where
these grow, it is other work on the machine.
"""

import json
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch

from benchmarks.work_precision import commit, machine
from pdesolve import Problem, TimeInterval, solve
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.versions import peak_memory_mb
from pdesolve.statement.loading import load_problem

FOLDER = Path(__file__).resolve().parent
PROBLEMS = FOLDER.parent / "problems"
RECORD = FOLDER / "records" / "long_march.json"
ENDS = {"advection_1d": 150.0, "wave_1d": 100.0}
TOLD = 100  # slabs from one line to the next


class Log(Monitor):
    """A monitor that notes after every slab its CPU seconds, those of a fixed piece of work, and memory."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = time.process_time()
        self.on_checkpoint = lambda _: None  # saving is part of the cost

    def record(self, **row: float) -> None:
        """As in `Monitor`."""
        slab = time.process_time() - self.begin
        begin = time.process_time()
        yardstick()
        fixed = time.process_time() - begin
        super().record(**row, cpu=slab, fixed=fixed, memory=peak_memory_mb())
        if row["slab"] % TOLD == 0:
            print(f"slab {row['slab']:5d}, t = {row['time']:.4g}, estimate {row['estimate']:.1e}", flush=True)
        self.begin = time.process_time()


def yardstick() -> float:
    """Small matrices and interpreted steps, as in a slab: always the same work."""
    a = np.add.outer(np.arange(30.0), np.arange(30.0) ** 2) / 900 + 30 * np.eye(30)
    for k in range(20):
        a = np.linalg.qr(a + 1e-3 * k)[0] + 30 * np.eye(30)
    return float(a.sum())


def quarters(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """Median milliseconds of a slab, mean unknowns and peak memory of each quarter of the slabs."""
    cpu, fixed = (np.array([row[key] for row in rows]) for key in ("cpu", "fixed"))
    return [
        {
            "first": int(part[0]) + 1,
            "last": int(part[-1]) + 1,
            "ms": round(1e3 * float(np.median(cpu[part])), 2),
            "ms_of_fixed_work": round(1e3 * float(np.median(fixed[part])), 2),
            "unknowns": round(float(np.mean([rows[i]["unknowns"] for i in part]))),
            "memory_mb": round(rows[part[-1]]["memory"]),
        }
        for part in np.array_split(np.arange(len(rows)), 4)
    ]


def main(name: str, end: float) -> None:
    """March, print the quarters, and keep them."""
    torch.set_num_threads(1)
    stated, log = load_problem(PROBLEMS / f"{name}.py"), Log()
    domain = stated.domain.space * TimeInterval(0, end)
    problem = Problem(domain, stated.equation, stated.conditions, stated.exact, constants=stated.constants)
    begin = time.process_time()
    solution = solve(problem, tol=1e-4, monitor=log)
    seconds = time.process_time() - begin
    last = max(i for i, row in enumerate(log.history) if row["slab"] == 1)  # of a march that began again
    found = quarters(log.history[last:])
    error = solution.relative_l2_error()
    print(f"{found[-1]['last']} slabs to t = {log.history[-1]['time']:.4g}; {solution.status}")
    print(f"relative L2 error {error:.1e}, estimate {solution.estimated_error:.1e}, {seconds:.0f} CPU s")
    print(f"{'slabs':>12} {'ms per slab':>12} {'fixed work':>10} {'unknowns':>9} {'peak MB':>8}")
    for q in found:
        span = f"{q['first']}-{q['last']}"
        print(
            f"{span:>12} {q['ms']:12.1f} {q['ms_of_fixed_work']:10.2f} {q['unknowns']:9d} {q['memory_mb']:8d}"
        )
    grown = {key: found[-1][key] / found[0][key] for key in ("ms", "ms_of_fixed_work", "memory_mb")}
    print(
        f"last over first quarter: {grown['ms']:.2f} in time ({grown['ms_of_fixed_work']:.2f} of the fixed ",
        end="",
    )
    print(f"work), {grown['memory_mb']:.2f} in memory")
    kept = {}
    if RECORD.exists():
        kept = json.loads(RECORD.read_text())
    kept[name] = {
        "command": f"python -m benchmarks.long_march {name} {end:g}",
        "date": date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "status": solution.status,
        "error": error,
        "estimate": solution.estimated_error,
        "cpu_seconds": round(seconds, 1),
        "quarters": found,
    }
    RECORD.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "advection_1d"
    main(chosen, float(sys.argv[2]) if len(sys.argv) > 2 else ENDS[chosen])
