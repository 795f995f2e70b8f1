"""Discrete solutions on chosen patches, without adaptivity; polynomial problems with variable coefficients."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from pdesolve import Dirichlet, Problem
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import Statement
from pdesolve.patches.discretise import discretise
from pdesolve.patches.frame import Frame
from pdesolve.patches.newton import Discrete, gauss_newton, project
from pdesolve.patches.partition import Partition
from pdesolve.runs.monitor import Monitor
from pdesolve.solution.measures import error_rule, relative_l2


def patches_over(problem: Problem, cells: int, hanging: bool = False) -> Patches:
    """Uniform cells; the first and every third one split where faces shall hang."""
    frame = Frame.of(problem.domain)
    d = problem.domain.dimension
    periodic = [i in problem.periodic_axes for i in range(d)]
    partition = Partition.grid(frame.breaks(cells, problem.periodic_axes), periodic)
    if hanging:
        mark = np.zeros((len(partition), d), dtype=bool)
        mark[::3] = True
        mark[1::3, 0] = True
        partition, _ = partition.split(mark)
    return Patches.over(frame, partition)[0]


def assemble(
    problem: Problem, patches: Patches, q: int | np.ndarray, orders: np.ndarray | None = None
) -> Assembly:
    """Rows of a problem; `orders` (u, d) replaces the rule of continuity."""
    statement = Statement.of(problem, patches.frame.rotation)
    if orders is not None:
        statement = replace(statement, orders=orders)
    return discretise(statement, patches, np.broadcast_to(q, len(patches)).copy())


def solve_on(
    problem: Problem, patches: Patches, q: int | np.ndarray, orders: np.ndarray | None = None
) -> Discrete:
    """The discrete solution on these patches."""
    assembly = assemble(problem, patches, q, orders)
    return gauss_newton(assembly, project(assembly, None, problem), 1e-13, Monitor())


def error_of(discrete: Discrete, unknown: int | None = None) -> float:
    """Relative L2 error against the exact solution, of one unknown or the largest."""
    problem = discrete.assembly.statement.problem
    points, weights = error_rule(problem, discrete.mixture)
    exact = problem.values(problem.exact, points, "exact")
    errors = relative_l2(discrete.mixture(points) - exact, exact, weights)
    return max(errors) if unknown is None else errors[unknown]


@dataclass(frozen=True)
class Polynomial:
    """Σ c_α x^α with random coefficients, |α| ≤ degree, and its derivatives."""

    dimension: int
    degree: int
    seed: int = 0

    def derivative(self, coordinates: tuple[Tensor, ...], index: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        total = torch.zeros_like(coordinates[0])
        for alpha in product(range(self.degree + 1), repeat=self.dimension):
            c = float(torch.rand(1, generator=generator)) * 2 - 1
            if sum(alpha) > self.degree or any(a < i for a, i in zip(alpha, index, strict=True)):
                continue
            part = c
            for x, a, i in zip(coordinates, alpha, index, strict=True):
                factor = float(np.prod([a - k for k in range(i)])) if i else 1.0
                part = part * factor * x ** (a - i)
            total = total + part
        return total

    def __call__(self, *coordinates: Tensor) -> Tensor:
        return self.derivative(coordinates, (0,) * self.dimension)


def polynomial_problem(domain, degree: int, seed: int = 0) -> Problem:
    """A u_xx + … = f, elliptic with variable coefficients, whose solution is a random polynomial."""
    d, p = domain.dimension, Polynomial(domain.dimension, degree, seed)
    shift = [0.3 + 0.2 * i + 0.1 * seed for i in range(d)]

    def coefficients(columns):
        second = {i: 1.5 + torch.sin(columns[i] + s) for i, s in enumerate(shift)}
        first = {i: torch.cos(columns[0] + 2 * s) for i, s in enumerate(shift)}
        return second, first, 1 + columns[-1] ** 2

    def residual(u, *columns):
        second, first, zeroth = coefficients(columns)
        unit = np.eye(d, dtype=int)
        names = domain.coordinates
        mixed = tuple(int(v) for v in unit[0] + unit[1]) if d > 1 else None
        found = zeroth * (u - p(*columns))
        for i in range(d):
            one, two = tuple(int(v) for v in unit[i]), tuple(int(v) for v in 2 * unit[i])
            found = found - second[i] * (u.derivative(names[i], names[i]) - p.derivative(columns, two))
            found = found + first[i] * (u.derivative(names[i]) - p.derivative(columns, one))
        if mixed:
            found = found - 0.4 * (u.derivative(names[0], names[1]) - p.derivative(columns, mixed))
        return found

    equation = {
        1: lambda u, x: residual(u, x),
        2: lambda u, x, y: residual(u, x, y),
        3: lambda u, x, y, z: residual(u, x, y, z),
    }[d]
    exact = {1: lambda x: p(x), 2: lambda x, y: p(x, y), 3: lambda x, y, z: p(x, y, z)}[d]
    return Problem(domain, equation, [Dirichlet(exact, on=domain.boundary)], exact=exact)
