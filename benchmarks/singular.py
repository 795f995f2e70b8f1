"""Steady problems whose solutions are singular: corners, changes of boundary condition, jumps, small holes, solids.

    python benchmarks/singular.py [NAME …]

Every line is `solve(problem, tol)` with no other setting, in a process of its own, with a limit of so many CPU seconds
(120, or ten times the target where that is less). The error is that against the right value: relative L2 at 4,096
Sobol points where the solution is known, else the largest relative error of known numbers, which the docstring of the
problem states with their source. "wrong" marks a verified answer whose L2 error is above three times its estimate and
its tolerance.
"""

import argparse
import json
import math
import subprocess
import sys
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from pdesolve import (
    Box,
    Condition,
    Dirichlet,
    Disk,
    Interface,
    Neumann,
    Piecewise,
    Point,
    Polygon,
    Problem,
    Rectangle,
    Vector,
    div,
    grad,
    laplace,
    solve,
    vector,
)
from pdesolve.errors import PdesolveError
from pdesolve.mechanics import stress
from pdesolve.runs.memory import keep_freed_memory
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.versions import peak_memory_mb

POINTS = 4096
MOST_SECONDS = 120.0
LATE = 10  # times the seconds of the target
WRONG = 3  # times the estimate
ORIGIN_THIRD = 3 * math.pi / 4  # middle of the L-shaped domain, seen from its corner
square = Rectangle((0, 0), (1, 1))
upper_half = Rectangle((-1, 0), (1, 1))


def polar(x, y, middle):
    """Distance r and angle θ in middle ± π."""
    turned = torch.atan2(
        y * math.cos(middle) - x * math.sin(middle), x * math.cos(middle) + y * math.sin(middle)
    )
    return torch.hypot(x, y), turned + middle


def l2(problem, exact):
    """The relative L2 error of a solution against a function of the coordinates, at Sobol points."""

    def error(solution):
        points = problem.domain.sample(POINTS, sampler="sobol", seed=2026)
        stated = exact(*points.T)
        found = torch.as_tensor(np.asarray(solution(*points.T)))
        return float((found - stated).norm() / stated.norm())

    error.comparable = True
    return error


def at_points(known, unknown=None):
    """The largest relative error at points, {(x, y): value}, of an unknown by name where there are several."""

    def error(solution):
        found = []
        for point, value in known.items():
            values = solution(*point)
            if unknown is not None:
                values = values[unknown]
            found.append(abs(float(values) - value) / abs(value))
        return max(found)

    return error


# ---------------------------------------------------------------- the problems: (problem, error of a solution)


def cantilever():
    """A beam clamped at one end, free elsewhere, under its own weight (plane strain, λ = μ = 1).

    v(5, ½) = -0.36453: finite elements of degree two, graded at both clamped corners.
    """
    beam = Rectangle((0, 0), (5, 1))

    def equilibrium(u: Vector):
        return div(stress(u, 1.0, 1.0)) - vector(0, 1e-3)

    free = Condition(lambda u, n: stress(u, 1.0, 1.0) @ n, on=beam.right | beam.bottom | beam.top)
    problem = Problem(beam, equilibrium, [Dirichlet(0, on=beam.left, unknown="u"), free])
    return problem, at_points({(5.0, 0.5): -0.36453}, "u_y")


def mixed_edge():
    """Half an edge held at 100, the other half insulated: T ~ r^½.

    T(½, ½) = 53.01373280298, T(¾, ¼) = 62.22441283840, T(¼, ¼) = 75.96678948378: sixty terms of
    100 + Σ d_k r^{k+½} cos (k+½)θ fitted to the other sides, where 3e-9 is left of them.
    """
    hot = square.bottom.where(lambda x: x < 0.5)
    insulated = square.bottom.where(lambda x: x > 0.5)
    conditions = [
        Dirichlet(100, on=hot),
        Neumann(0, on=insulated | square.left | square.right),
        Dirichlet(20, on=square.top),
    ]
    known = {(0.5, 0.5): 53.01373280298, (0.75, 0.25): 62.22441283840, (0.25, 0.25): 75.96678948378}
    return Problem(square, lambda T: -laplace(T), conditions), at_points(known)


def hot_lid():
    """Laplace's equation with 1 on the lid and 0 on the other sides: Σ 4/(nπ) sin nπx sinh nπy / sinh nπ, odd n."""
    conditions = [Dirichlet(1, on=square.top), Dirichlet(0, on=square.left | square.right | square.bottom)]
    problem = Problem(square, lambda T: -laplace(T), conditions)
    return problem, l2(problem, lid)


def lid(x, y):
    """The series of `hot_lid`, summed to rounding: terms fall by e^{-nπ(1 - y)}, and near the lid by angles."""
    # Im of the sum Σ 4/(nπ) e^{-nπ s} sin nπx = (2/π) atan(sin πx / sinh πs); 1/sinh nπ = 2 e^{-nπ} Σ_k e^{-2nπ k}.
    total = 0 * x
    for k in range(6):
        for sign, s in ((1, 1 - y + 2 * k), (-1, 1 + y + 2 * k)):
            total = total + sign * 2 / torch.pi * torch.atan(
                torch.sin(torch.pi * x) / torch.sinh(torch.pi * s)
            )
    return total


def heated_spot():
    """A round heater in a round plate: -Δu = 1 for r < 0.3, u = 0 at r = 1; no Interface is stated."""
    plate = Disk((0, 0), 1)
    source = Piecewise({Disk((0, 0), 0.3): 1.0}, otherwise=0.0)

    def exact(x, y):
        r2 = x * x + y * y
        within = 0.0225 * (1 - 2 * math.log(0.3)) - r2 / 4
        return torch.where(r2 < 0.09, within, -0.0225 * torch.log(r2.clamp_min(1e-3)))

    problem = Problem(plate, lambda u, x, y: -laplace(u) - source(x, y), [Dirichlet(0, on=plate.boundary)])
    return problem, l2(problem, exact)


def motz():
    """Motz's problem: u = 0 on half of the lower edge, insulated on the other; u = 500 on the right.

    u = Σ d_k r^{k+½} cos (k+½)θ with d = 401.1624537, 87.6559202, 17.2379151 (Lu, Hu & Li, Numer. Methods PDE 20,
    2004), measured by integrals over the half circle r = ½.
    """
    conditions = [
        Dirichlet(500, on=upper_half.right),
        Dirichlet(0, on=upper_half.bottom.where(lambda x: x < 0)),
        Neumann(0, on=upper_half.bottom.where(lambda x: x > 0)),
        Neumann(0, on=upper_half.left | upper_half.top),
    ]
    problem = Problem(upper_half, lambda u: -laplace(u), conditions)

    def error(solution):
        # √θ behaviour is absent: along the half circle the solution is smooth, and Gauss points resolve it.
        t, weight = np.polynomial.legendre.leggauss(60)
        theta = torch.from_numpy((t + 1) * math.pi / 2)
        u = torch.as_tensor(np.asarray(solution(0.5 * torch.cos(theta), 0.5 * torch.sin(theta))))
        found = []
        for k, known in enumerate((401.1624537452, 87.6559201951, 17.2379150794)):
            amount = (torch.from_numpy(weight) * u * torch.cos((k + 0.5) * theta)).sum()
            found.append(abs(float(amount) / 0.5 ** (k + 0.5) - known) / known)
        return max(found)

    return problem, error


def lshape():
    """Laplace's equation on the L-shaped domain, u = r^⅔ sin ⅔θ on its boundary."""
    domain = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])

    def exact(x, y):
        r, theta = polar(x, y, ORIGIN_THIRD)
        return r ** (2 / 3) * torch.sin(2 / 3 * theta)

    problem = Problem(domain, lambda u: -laplace(u), [Dirichlet(exact, on=domain.boundary)])
    return problem, l2(problem, exact)


def crack():
    """Half of a crack: u = r^½ cos ½θ, zero on the crack, insulated on the line of symmetry before its tip."""

    def exact(x, y):
        r, theta = polar(x, y, math.pi / 2)
        return r**0.5 * torch.cos(theta / 2)

    conditions = [
        Dirichlet(0, on=upper_half.bottom.where(lambda x: x < 0)),
        Neumann(0, on=upper_half.bottom.where(lambda x: x > 0)),
        Dirichlet(exact, on=upper_half.left | upper_half.top | upper_half.right),
    ]
    problem = Problem(upper_half, lambda u: -laplace(u), conditions)
    return problem, l2(problem, exact)


def checkerboard():
    """Conductivities 100 and 1 in quadrants: u = r^γ μ(θ), tan²(γπ/4) = 1/100 (Kellogg, Appl. Analysis 4, 1975)."""
    whole = Rectangle((-1, -1), (1, 1))
    good = Rectangle((0, 0), (1, 1)) | Rectangle((-1, -1), (0, 0))
    k = Piecewise({good: 100.0}, otherwise=1.0)
    gamma = 4 / math.pi * math.atan(0.1)

    def exact(x, y):
        r, theta = polar(x, y, math.pi)
        number = (theta / (math.pi / 2)).floor().clamp(0, 3)
        away = gamma * (theta - math.pi / 4 - number * math.pi / 2)
        even = torch.cos(away)
        odd = -10 * torch.sin(away)
        mu = torch.where(
            number == 0, even, torch.where(number == 1, odd, torch.where(number == 2, -even, -odd))
        )
        return r**gamma * mu

    conditions = [Dirichlet(exact, on=whole.boundary), Interface(k, on=good.boundary)]
    problem = Problem(whole, lambda u, x, y: -div(k(x, y) * grad(u)), conditions)
    return problem, l2(problem, exact)


def small_hole():
    """A hole of radius 1e-3 in a square: u = log(r/1e-3), zero on the hole."""
    outer = Rectangle((-1, -1), (1, 1))
    hole = Disk((0.1, 0.05), 1e-3)

    def exact(x, y):
        return torch.log(torch.hypot(x - 0.1, y - 0.05) / 1e-3)

    conditions = [Dirichlet(exact, on=outer.boundary), Dirichlet(0, on=hole.boundary)]
    problem = Problem(outer - hole, lambda u: -laplace(u), conditions)
    return problem, l2(problem, exact)


def lid_driven(reynolds=100, extrema=(-0.2140424, -0.2538030, 0.1795728)):
    """The lid-driven cavity with a plain lid, Re = 100: u jumps in both upper corners.

    On the centre lines min u = -0.2140424 and min v = -0.2538030, max v = 0.1795728 (Botella & Peyret, Computers &
    Fluids 27, 1998, Chebyshev polynomials).
    """
    walls = square.left | square.right | square.bottom

    def flow(u, v, p):
        return (
            u * u.x + v * u.y + p.x - laplace(u) / reynolds,
            u * v.x + v * v.y + p.y - laplace(v) / reynolds,
            u.x + v.y,
        )

    conditions = [
        Dirichlet(1, on=square.top, unknown="u"),
        Dirichlet(0, on=walls, unknown="u"),
        Dirichlet(0, on=square.boundary, unknown="v"),
        Dirichlet(0, on=Point((0.5, 0.5)), unknown="p"),
    ]

    def error(solution):
        s = torch.linspace(0.001, 0.999, 20001, dtype=torch.float64)
        half = torch.full_like(s, 0.5)
        u = solution(half, s)["u"]
        v = solution(s, half)["v"]
        pairs = zip((u.min(), v.min(), v.max()), extrema, strict=True)
        return max(abs(a - b) / abs(b) for a, b in pairs)

    return Problem(square, flow, conditions), error


def lid_driven_1000():
    """The same at Re = 1,000: min u = -0.3885698, min v = -0.5270771, max v = 0.3769447 (the same source)."""
    return lid_driven(1000, (-0.3885698, -0.5270771, 0.3769447))


def fichera():
    """-Δu = 1 on (-1, 1)³ less an octant, u = 0 on its boundary; no value is known: the estimate stands alone."""
    domain = Box((-1, -1, -1), (1, 1, 1)) - Box((0, 0, 0), (1, 1, 1))
    return Problem(domain, lambda u: -laplace(u) - 1, [Dirichlet(0, on=domain.boundary)]), None


def cantilever_3d():
    """A beam 5 × 1 × 1 clamped at one end under its own weight, λ = μ = 1; the estimate stands alone."""
    beam = Box((0, 0, 0), (5, 1, 1))
    clamped = beam.boundary.where(lambda x: x < 1e-9)
    free = beam.boundary.where(lambda x: x > 1e-9)

    def equilibrium(u: Vector):
        return div(stress(u, 1.0, 1.0)) - vector(0, 0, 1e-3)

    conditions = [
        Dirichlet(0, on=clamped, unknown="u"),
        Condition(lambda u, n: stress(u, 1.0, 1.0) @ n, on=free),
    ]
    return Problem(beam, equilibrium, conditions), None


ROWS = [  # problem, tolerance, seconds
    (cantilever, 1e-1, 5),
    (cantilever, 1e-2, 10),
    (cantilever, 1e-3, 15),
    (cantilever, 1e-5, 60),
    (mixed_edge, 1e-3, 2),
    (mixed_edge, 1e-6, 10),
    (hot_lid, 1e-3, 2),
    (hot_lid, 1e-6, 10),
    (heated_spot, 1e-5, 5),
    (motz, 1e-6, 10),
    (motz, 1e-9, 10),
    (lshape, 1e-6, 10),
    (lshape, 1e-9, 10),
    (crack, 1e-6, 10),
    (crack, 1e-9, 10),
    (checkerboard, 1e-4, 10),
    (small_hole, 1e-5, 10),
    (lid_driven, 1e-4, 60),
    (lid_driven, 1e-5, 60),
    (lid_driven_1000, 1e-5, 120),
    (fichera, 1e-3, 120),
    (cantilever_3d, 1e-3, 120),
]
COLUMNS = ("problem", "tol", "error", "estimate", "unknowns", "CPU s", "target s", "MB", "how it ended")


class Clock(Monitor):
    """A monitor whose time limit counts CPU seconds."""

    def __init__(self, limit):
        super().__init__(time_limit=limit)
        self.begin = time.process_time()

    @property
    def seconds(self):
        """CPU seconds of this process since the clock was made."""
        return time.process_time() - self.begin


def measure(make, tol, seconds):
    """One line of the table."""
    torch.set_num_threads(1)
    keep_freed_memory()
    problem, error_of = make()
    clock = Clock(min(MOST_SECONDS, LATE * seconds))
    start = make.__name__, f"{tol:.0e}"
    try:
        solution = solve(problem, tol=tol, monitor=clock)
    except PdesolveError as stop:
        return (
            *start,
            "",
            "",
            "",
            f"{clock.seconds:.1f}",
            f"{seconds}",
            f"{peak_memory_mb():.0f}",
            str(stop)[:70],
        )
    spent = f"{clock.seconds:.1f}"
    estimate = solution.estimated_error
    error = math.nan
    if error_of is not None:
        error = error_of(solution)
    ended = solution.status[:70]
    if solution.converged:
        ended = "verified"
        # Estimates are of relative L2 errors: what numbers at points, or coefficients, are off by may be more.
        if getattr(error_of, "comparable", False) and error > WRONG * max(estimate, tol):
            ended = "wrong"
    unknowns = f"{solution.degrees_of_freedom}"
    memory = f"{peak_memory_mb():.0f}"
    return *start, f"{error:.1e}", f"{estimate or math.nan:.1e}", unknowns, spent, f"{seconds}", memory, ended


def main():
    """Print the table, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = list(dict.fromkeys(make.__name__ for make, _, _ in ROWS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--row", type=int, help="measure this row only, and print it as JSON")
    chosen = parser.parse_args()
    if chosen.row is not None:
        print(json.dumps(measure(*ROWS[chosen.row])))
        return
    table = Table(*COLUMNS)
    console = Console(width=190)
    for number, (make, _, _) in enumerate(ROWS):
        if make.__name__ not in (chosen.names or names):
            continue
        command = [sys.executable, __file__, "--row", str(number)]
        done = subprocess.run(command, capture_output=True, text=True)
        # What ended without a word, as for want of memory, is a line of the table, too.
        row = [
            make.__name__,
            *[""] * 7,
            (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1],
        ]
        if done.returncode == 0:
            row = json.loads(done.stdout.strip().splitlines()[-1])
        table.add_row(*row)
        console.print(" ".join(row), highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
