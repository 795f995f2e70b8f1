"""The targets of the default method, problem by problem, as the plain command meets or misses them.

    python benchmarks/targets.py [NAME …]          steady problems, then evolutions
    python benchmarks/targets.py --variants        steady problems shifted, rotated, with frequencies × 1.3
    python benchmarks/targets.py --sweep           error and estimate at 1e-3, 1e-6 and 1e-9
    python benchmarks/targets.py --evolutions      those with an exact solution at 1e-4 and 1e-7

Every line is `solve(problem, tol)` with the tolerance stated, no other setting, and a limit of ten times the seconds
of the target (120 s for --evolutions). The column error/tol is to stay below 3. Seconds are CPU seconds of one
thread: they count work, not what else the machine does.
"""

import argparse
import time
from datetime import date
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from pdesolve import Problem, solve
from pdesolve.benchmarking.variants import VARIANTS, faster
from pdesolve.errors import PdesolveError
from pdesolve.runs.memory import keep_freed_memory
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).resolve().parent.parent / "problems"
RECORD = Path(__file__).resolve().parent / "records" / "variants.md"
COLUMNS = (
    "problem",
    "tol",
    "error",
    "error/tol",
    "estimate",
    "unknowns",
    "CPU s",
    "target s",
    "how it ended",
)
STEADY = """
poisson_2d 1e-12 1
poisson_multiscale_2d 1e-12 20
helmholtz_2d 1e-11 2
helmholtz_2d_10 1e-9 15
nonlinear_poisson_2d 1e-10 5
annulus_robin 1e-10 5
peak_2d 1e-9 10
poisson_four_holes 1e-7 15
poisson_lshape 1e-6 20
poisson_lshape_f1 1e-6 20
layer_2d 1e-7 20
poisson_3d 1e-8 20
cube_less_ball 1e-5 60
cavity_2d 1e-5 60
kovasznay 1e-9 20
"""
EVOLUTIONS = """
heat_1d 1e-12 2
wave_1d 1e-12 5
advection_1d 1e-11 5
burgers_1d 1e-11 15
burgers_1d_thick 1e-12 10
allen_cahn_1d 1e-7 60
kdv_1d 1e-10 60
kuramoto_sivashinsky_1d 1e-8 180
sine_gordon_1d 1e-9 30
fisher_kpp_1d 1e-9 30
schroedinger_soliton_1d 1e-9 30
schroedinger_1d 1e-8 30
heat_2d 1e-9 20
klein_gordon_2d 1e-7 60
flow_mixing_2d 1e-6 120
nonlinear_diffusion_2d 1e-4 120
taylor_green_2d 1e-8 60
"""
SWEPT = """
poisson_1d advection_diffusion_1d poisson_2d poisson_disk annulus_robin nonlinear_poisson_2d helmholtz_2d
reaction_diffusion_2d kovasznay interface_2d heat_1d wave_1d advection_1d sine_gordon_1d fisher_kpp_1d poisson_3d
"""
SCALE_FREE = "poisson_four_holes poisson_lshape poisson_lshape_f1".split()  # no frequency to raise
FIXED = {"layer_2d": (1.0, 0.5)}  # while the domain grows: the layer must stay at the boundary


class Clock(Monitor):
    """A monitor whose time limit counts CPU seconds."""

    def __init__(self, limit: float):
        super().__init__(time_limit=limit)
        self.begin = time.process_time()

    @property
    def seconds(self) -> float:
        """CPU seconds of this process since the clock was made."""
        return time.process_time() - self.begin


def problem_of(name: str) -> Problem:
    """A problem file, or a variant of it: "poisson_2d", "poisson_2d shifted"."""
    base, *variant = name.split()
    problem = load_problem(next(PROBLEMS.rglob(f"{base}.py")))
    if variant == ["faster"]:
        return faster(problem, FIXED.get(base))
    if variant:
        return VARIANTS[variant[0]](problem)
    return problem


def measure(name: str, tol: float, limit: float) -> tuple[str, ...]:
    """Error, its ratio to the tolerance, estimate, unknowns, CPU seconds and how the run ended, as text."""
    problem = problem_of(name)
    clock = Clock(limit)
    try:
        solution = solve(problem, tol=tol, monitor=clock)
    except PdesolveError as stop:
        return "–", "–", "–", "–", f"{clock.seconds:.1f}", str(stop)
    seconds = clock.seconds
    verdict = solution.status
    if solution.converged:
        verdict = "certified"
    error = solution.relative_l2_error()
    return (
        _shown(error, ".1e"),
        _shown(error and error / tol, ".2g"),
        _shown(solution.estimated_error, ".1e"),
        str(solution.degrees_of_freedom),
        f"{seconds:.1f}",
        verdict,
    )


def _shown(value: float | None, form: str) -> str:
    if value is None:
        return "–"
    return format(value, form)


def main() -> None:
    """Print one table, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="only these problems")
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--evolutions", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    if chosen.sweep:
        rows = [(name, tol, 6.0) for name in SWEPT.split() for tol in (1e-3, 1e-6, 1e-9)]
    elif chosen.evolutions:
        names = [line.split()[0] for line in EVOLUTIONS.strip().splitlines()]
        rows = [(name, tol, 12.0) for name in names if problem_of(name).exact for tol in (1e-4, 1e-7)]
    else:
        if chosen.variants:
            text = STEADY
        else:
            text = STEADY + EVOLUTIONS
        lines = [line.split() for line in text.strip().splitlines() if line]
        rows = [(name, float(tol), float(seconds)) for name, tol, seconds in lines]
    if chosen.names:
        rows = [row for row in rows if row[0] in chosen.names]
    if chosen.variants:
        pairs = [(row, variant) for row in rows for variant in VARIANTS]
        rows = [
            (f"{row[0]} {variant}", *row[1:])
            for row, variant in pairs
            if variant != "faster" or row[0] not in SCALE_FREE
        ]
    table = Table(*COLUMNS)
    measured = []
    console = Console(width=150)
    for name, tol, seconds in rows:
        found = measure(name, tol, 10 * seconds)
        measured.append((name, f"{tol:g}", *found[:5], f"{seconds:g}", found[5]))
        table.add_row(*measured[-1])
        console.print(f"{name} {tol:g}: {' '.join(found)}", highlight=False)
    console.print(table)
    if chosen.variants and not chosen.names:
        text = "\n".join(f"| {' | '.join(row)} |" for row in (COLUMNS, ["---"] * len(COLUMNS), *measured))
        RECORD.write_text(
            f"`python benchmarks/targets.py --variants`, {date.today().isoformat()}\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
