"""Runs of pdesolve and of the method of lines on one problem, their errors measured at the same points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.against_mol import lines, planes
from benchmarks.against_mol.evolutions import EVOLUTIONS, Evolution
from benchmarks.against_mol.lines import Failed, TooLong
from benchmarks.against_mol.planes import PLANES, Plane
from benchmarks.limits import Clock
from benchmarks.work_precision import OURS, Entry
from pdesolve import Problem, load_problem, solve

ROOT = Path(__file__).resolve().parents[2]
POINTS = 2048
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
GRID_POINTS = {
    "4th-order differences": (64, 128, 256, 512, 1024, 2048, 4096, 8192),
    "Fourier": (16, 32, 64, 128, 256, 512, 1024, 2048),
    "Chebyshev": (17, 33, 65, 129, 257, 513, 1025),
}
PLANE_POINTS = {  # along each axis
    "4th-order differences": (32, 64, 128, 192),
    "Fourier": (8, 16, 32, 64),
    "Chebyshev": (9, 13, 17, 25, 33, 49, 65, 97, 129, 161, 193, 257),
}
LEAST_GAIN = 0.7  # of the error, by more points
PATIENCE = 1  # how often in a row more points may not help
UNRESOLVED = 0.1  # error above which more points may help though they have not so far
Error = Callable[[Any], float]
Stated = Evolution | Plane


def stated(name: str) -> Stated:
    """The problem as the method of lines has it."""
    return EVOLUTIONS[name] if name in EVOLUTIONS else PLANES[name]


def problem_and_error(name: str) -> tuple[Problem, Error]:
    """A problem, and the error of its solutions at Sobol points in space and time, of the worst unknown."""
    problem = load_problem(ROOT / "problems" / f"{name}.py")
    points = problem.domain.sample(POINTS, sampler="sobol", seed=2026)
    exact = problem.values(problem.exact or problem.reference, points, "exact").numpy()
    return problem, partial(relative_error, points=points.numpy(), exact=exact)


def relative_error(solution: Any, points: np.ndarray, exact: np.ndarray) -> float:
    """‖u - u*‖/‖u*‖ over points, of the worst unknown."""
    return float((np.linalg.norm(solution(points) - exact, axis=0) / np.linalg.norm(exact, axis=0)).max())


class Ours:
    """A solution of pdesolve as the harness wants it."""

    def __init__(self, solution: Any):
        self.solution, self.met = solution, solution.converged
        self.unknowns = solution.degrees_of_freedom

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n, u) at points (n, 2)."""
        return self.solution.evaluate(torch.from_numpy(points)).numpy()


def ours(problem: Problem, error: Error, tolerances: Sequence[float], limit: float) -> Iterator[Entry]:
    """To all tolerances, certified, until one is not met in time."""

    def run(tol: float) -> Ours:
        return Ours(solve(problem, tol=tol, monitor=Clock(time_limit=limit)))

    run(1e-2)  # what is set up once for all
    for size, tol in enumerate(tolerances):
        entry = Entry(OURS, size, partial(run, tol))
        solution = entry.run()
        entry.unknowns, entry.met, entry.error = solution.unknowns, solution.met, error(solution)
        yield entry
        if not entry.met:
            return


def by_lines(
    problem: Stated,
    space: str,
    integrator: str,
    limit: float,
    error: Error,
    tolerances: Sequence[float],
    target: float = 0.0,
) -> Iterator[Entry]:
    """For each tolerance ever more points, from two sizes less than the last tolerance needed; until the target."""
    first = 0
    plane = isinstance(problem, Plane)
    march, sizes = (planes.solve, PLANE_POINTS) if plane else (lines.solve, GRID_POINTS)
    for tol in tolerances:
        before, idle = float("inf"), 0
        for i, n in enumerate(sizes[space][first:], start=first):
            entry = Entry(
                f"{space}, {integrator}", n, partial(march, problem, space, integrator, n, tol, limit=limit)
            )
            try:
                solution = entry.run()
            except Failed:
                continue
            except TooLong:
                break
            entry.unknowns, entry.error = solution.unknowns, error(solution)
            entry.solve = partial(entry.solve, limit=float("inf"))  # a repeat is not broken off
            yield entry
            if entry.error <= target:
                return
            helps = entry.error > UNRESOLVED or entry.error < LEAST_GAIN * before
            idle = 0 if helps else idle + 1
            slow = entry.seconds[0] > limit / 2 if target else entry.takes_more_than(limit / 2)
            if slow or idle > PATIENCE:
                first = max(i - 2 - idle, 0)
                break
            before = min(before, entry.error)
