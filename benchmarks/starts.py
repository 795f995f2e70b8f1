"""Transients as they are in engineering: starts that do not match, three space coordinates, reactions on a square.

    python benchmarks/starts.py [NAME …]

Every line is `solve(problem, tol)` with no other setting, and a limit of ten times the seconds of the target. Errors
are relative L2 errors at 8,192 points in space and time, denser towards the start and the sides, against the exact
solution, as a sum of images to rounding or as a series with so many terms that it is good to a hundredth of the
tolerance there; where there is none (the Brusselator), the estimate stands alone. Seconds are those of the clock, and
those of the process.
"""

import argparse
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import brentq
from scipy.special import erfc
from scipy.stats import qmc

from pdesolve import (
    Ball,
    Box,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Problem,
    Rectangle,
    TimeInterval,
    laplace,
    solve,
)
from pdesolve.errors import PdesolveError
from pdesolve.runs.memory import keep_freed_memory

POINTS = 2**13
LATE = 10  # times the seconds of the target: the limit
rod = Interval(0, 1)
square = Rectangle((0, 0), (1, 1))
cube = Box((0, 0, 0), (1, 1, 1))


def cooled(x, t):
    """A rod at one, put on ice: 1 - Σ_k (-1)ᵏ (erfc((k + x)/√(4t)) + erfc((k + 1 - x)/√(4t))): images, to rounding."""
    width = np.sqrt(4 * np.maximum(t, 1e-300))
    return 1 - sum((-1) ** k * (erfc((k + x) / width) + erfc((k + 1 - x) / width)) for k in range(12))


def cooling_rod():
    """A rod at 100 degrees, put on ice at both ends."""
    conditions = [Initial(100), Dirichlet(0, on=rod.boundary)]
    problem = Problem(rod * TimeInterval(0, 0.2), lambda T: T.t - T.xx, conditions)
    return problem, lambda x, t: 100 * cooled(x, t)


def cooling_square():
    """A square at 100 degrees, put on ice on all sides."""
    conditions = [Initial(100), Dirichlet(0, on=square.boundary)]
    problem = Problem(square * TimeInterval(0, 0.1), lambda T: T.t - laplace(T), conditions)
    return problem, lambda x, y, t: 100 * cooled(x, t) * cooled(y, t)


def heated_square():
    """A cold square with a source from t = 0 on, its sides at zero."""
    conditions = [Initial(0), Dirichlet(0, on=square.boundary)]
    problem = Problem(square * TimeInterval(0, 0.5), lambda T: T.t - laplace(T) - 1, conditions)
    return problem, heated


def heated(x, y, t):
    """Σ 16/(π⁴ m n (m² + n²)) (1 - e^{-(m² + n²)π²t}) sin mπx sin nπy over odd m and n."""
    odd = np.arange(1, 600, 2)
    m, n = np.meshgrid(odd, odd, indexing="ij")
    k = m**2 + n**2
    total = []
    for a, b, c in zip(x, y, t, strict=True):
        sines = np.sin(np.pi * a * odd)[:, None] * np.sin(np.pi * b * odd)
        total.append((16 / (np.pi**4 * m * n * k) * (1 - np.exp(-k * np.pi**2 * c)) * sines).sum())
    return np.array(total)


def sphere_particle():
    """Diffusion into a sphere with a flux from t = 0 on, by its radius."""
    conditions = [Initial(0.0), Neumann(0, on=rod.left), Neumann(1, on=rod.right)]
    problem = Problem(rod * TimeInterval(0, 0.5), lambda c, x: c.t - c.xx - 2 * c.x / x, conditions)
    return problem, charged


def charged(x, t):
    """3t + x²/2 - 3/10 - (2/x) Σ sin(λx) e^{-λ²t} / (λ² sin λ) over tan λ = λ."""
    ends = [(k * np.pi + 1e-9, (k + 0.5) * np.pi) for k in range(1, 1500)]
    roots = np.array([brentq(lambda s: np.sin(s) - s * np.cos(s), *end) for end in ends])
    terms = roots * np.sinc(x[:, None] * roots / np.pi) * np.exp(-(roots**2) * t[:, None])
    return 3 * t + x**2 / 2 - 0.3 - 2 * terms @ (1 / (roots**2 * np.sin(roots)))


def step_heating():
    """A cold rod whose left end is at one from t = 0 on."""
    conditions = [Initial(0.0), Dirichlet(1, on=rod.left), Dirichlet(0, on=rod.right)]
    problem = Problem(rod * TimeInterval(0, 0.2), lambda u: u.t - u.xx, conditions)
    return problem, stepped


def stepped(x, t):
    """Σ_k erfc((2k + x)/√(4t)) - erfc((2k + 2 - x)/√(4t)): images, exact to rounding for these times."""
    width = np.sqrt(4 * np.maximum(t, 1e-300))
    return sum(erfc((2 * k + x) / width) - erfc((2 * k + 2 - x) / width) for k in range(12))


def flux_step():
    """A cold rod into which a flux flows from t = 0 on."""
    conditions = [Initial(0.0), Neumann(0, on=rod.left), Neumann(1, on=rod.right)]
    problem = Problem(rod * TimeInterval(0, 0.2), lambda u: u.t - u.xx, conditions)
    return problem, flooded


def flooded(x, t):
    """√(4t) Σ_k ierfc((2k + 1 - x)/√(4t)) + ierfc((2k + 1 + x)/√(4t)): images, exact to rounding."""
    width = np.sqrt(4 * np.maximum(t, 1e-300))

    def ierfc(z):
        return np.exp(-(z**2)) / np.sqrt(np.pi) - z * erfc(z)

    return width * sum(ierfc((2 * k + 1 - x) / width) + ierfc((2 * k + 1 + x) / width) for k in range(12))


def warm(body, k=0.1):
    """Heat in a body with the exact values on its boundary, which depend on time on a hole."""

    def exact(x, y, z, t):
        return (
            torch.exp(-3 * torch.pi**2 * k * t)
            * torch.sin(torch.pi * x)
            * torch.sin(torch.pi * y)
            * torch.sin(torch.pi * z)
        )

    conditions = [Initial(lambda x, y, z: exact(x, y, z, 0 * x)), Dirichlet(exact, on=body.boundary)]
    problem = Problem(body * TimeInterval(0, 1), lambda u: u.t - k * laplace(u), conditions)
    return problem, lambda *a: exact(*map(torch.from_numpy, a)).numpy()


def heat_cube():
    """Heat in a cube."""
    return warm(cube)


def heat_cube_less_ball():
    """Heat in a cube less a ball, with values on the sphere that depend on time."""
    return warm(cube - Ball((0.5, 0.5, 0.5), 0.25))


def brusselator_2d():
    """The Brusselator on an insulated square; no exact solution."""

    def kinetics(u, v):
        return (
            u.t - 0.002 * laplace(u) - u**2 * v + 4.4 * u - 1,
            v.t - 0.002 * laplace(v) + u**2 * v - 3.4 * u,
        )

    conditions = [
        Initial(lambda y: 1 - 0.5 * torch.cos(torch.pi * y), unknown="u"),
        Initial(lambda x: 3.5 - 2.5 * torch.cos(torch.pi * x), unknown="v"),
        Neumann(0, on=square.boundary, unknown="u"),
        Neumann(0, on=square.boundary, unknown="v"),
    ]
    return Problem(square * TimeInterval(0, 2), kinetics, conditions), None


TARGETS = {  # tolerance, seconds
    cooling_rod: (1e-4, 2),
    heated_square: (1e-5, 10),
    cooling_square: (1e-4, 20),
    sphere_particle: (1e-5, 5),
    step_heating: (1e-5, 2),
    flux_step: (1e-7, 2),
    heat_cube: (1e-7, 20),
    heat_cube_less_ball: (1e-5, 120),
    brusselator_2d: (1e-4, 60),
}
COLUMNS = ("problem", "tol", "error", "estimate", "s", "CPU s", "target s", "how it ended")


def graded(domain, n):
    """Points (n, d + 1) of space × time, denser towards the start and the ends of every axis, and their weights.

    After a start that does not match, the first millionth of the time may hold the error, within a layer √t wide at
    the sides: evenly spread points miss both, and one of a few that hit them counts for too much. With a Sobol point y,
    t = T y⁴, and x = L 8 y⁴ from the nearer end of an axis.
    """
    lower, upper = domain.bounds
    y = qmc.Sobol(len(lower), seed=1).random(n)
    near = np.minimum(y, 1 - y)
    part = np.where(y < 0.5, 8 * near**4, 1 - 8 * near**4)
    weights = 32 * near**3
    part[:, -1], weights[:, -1] = y[:, -1] ** 4, 4 * y[:, -1] ** 3
    points = lower + (upper - lower) * torch.from_numpy(part)
    inside = domain.space.contains(points[:, :-1])
    return points[inside], weights.prod(axis=1)[inside.numpy()]


def true_error(solution, problem, exact):
    """Relative L2 over space and time."""
    points, weights = graded(problem.domain, POINTS)
    found = solution(*points.T)
    found = np.asarray(found[0] if isinstance(found, tuple) else found)
    parts = np.array_split(points.numpy(), max(1, len(points) // 1024))
    stated = np.concatenate([exact(*part.T) for part in parts])
    return float(np.sqrt((weights * (found - stated) ** 2).sum() / (weights * stated**2).sum()))


def row(make, tol, seconds):
    """One line of the table."""
    problem, exact = make()
    begin = time.perf_counter()
    busy = time.process_time()
    try:
        solution = solve(problem, tol=tol, time_limit=LATE * seconds)
    except PdesolveError as error:
        spent = f"{time.perf_counter() - begin:.1f}", f"{time.process_time() - busy:.1f}"
        return make.__name__, f"{tol:.0e}", "", "", *spent, f"{seconds}", str(error)[:80]
    spent = f"{time.perf_counter() - begin:.1f}", f"{time.process_time() - busy:.1f}"
    error = ""
    if exact is not None and solution.converged:
        error = f"{true_error(solution, problem, exact):.1e}"
    estimate = f"{solution.estimated_error:.1e}"
    return make.__name__, f"{tol:.0e}", error, estimate, *spent, f"{seconds}", solution.status[:60]


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [make.__name__ for make in TARGETS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    chosen = parser.parse_args().names or names
    keep_freed_memory()
    table = Table(*COLUMNS)
    for make, (tol, seconds) in TARGETS.items():
        if make.__name__ in chosen:
            table.add_row(*row(make, tol, seconds))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
