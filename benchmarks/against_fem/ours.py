"""pdesolve in the same harness: adaptive to a tolerance as users run it, and on fixed cells as the elements are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.against_fem.cases import Case
from benchmarks.limits import Clock
from pdesolve import load_problem
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.runs.monitor import Monitor
from pdesolve.solver import solve as solve_problem
from pdesolve.statement.problem import Problem

PROBLEMS = Path(__file__).resolve().parents[2] / "problems"


@dataclass(frozen=True)
class Solution:
    """A partitioned mixture."""

    mixture: PartitionedMixture
    met: bool = True

    @property
    def unknowns(self) -> int:
        """Coefficients."""
        return self.mixture.coefficients.numel()

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, 2)."""
        with torch.no_grad():
            return self.mixture.jet(torch.from_numpy(points), ((0, 0),))[:, 0, 0].numpy()


def problem_of(case: Case) -> Problem:
    """The problem file of a case."""
    return load_problem(PROBLEMS / f"{case.name}.py")


def sobol_points(problem: Problem, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 2) in the domain and the exact or reference solution (count,) there."""
    points = problem.domain.sample(count, sampler="sobol", seed=2026)
    known = problem.exact or problem.reference
    return points.numpy(), problem.values(known, points, "exact")[:, 0].numpy()


def solve_adaptively(problem: Problem, size: int, limit: float) -> Solution:
    """To the tolerance 10^-(size + 2), certified."""
    solution = solve_problem(problem, tol=10.0 ** -(size + 2), monitor=Clock(time_limit=limit))
    return Solution(solution.approximator, solution.converged)


def solve_fixed(problem: Problem, order: int, size: int, cells: int) -> Solution:
    """On a grid of `cells` · 2^(size / 2) cells a side, all of one order: chosen by hand, no estimate."""
    settings = {"cells": round(cells * 2 ** (size / 2)), "degree": order}
    solver = Discretisation(problem, 1e-13, Monitor(), "cpu", settings)
    return Solution(solver.solve(*solver.start(), None).mixture)
