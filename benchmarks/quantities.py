"""Quantities with known values: is the estimated error true within a factor of three?

    python benchmarks/quantities.py [--tol 1e-6] [NAME …]

Fluxes, drags, integrals, extrema and stresses of problems whose exact values are formulas. A row holds the quantity,
the value found, its error, the estimate, and the ratio of the estimate to the error; below 1/3 it understates it.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from torch import atan2, pi, sin

from pdesolve import (
    Annulus,
    Condition,
    Dirichlet,
    Disk,
    Flux,
    Initial,
    Integral,
    Interval,
    Maximum,
    Mean,
    Minimum,
    Polygon,
    Probe,
    Problem,
    Rectangle,
    TimeInterval,
    Vector,
    div,
    grad,
    identity,
    laplace,
    solve,
    vector,
)
from pdesolve.mechanics import stress

Known = dict[str, float]


def smooth() -> tuple[Problem, Known]:
    """-Δu = 2π² sin πx sin πy on a square."""
    square = Rectangle((0, 0), (1, 1))
    quantities = {
        "integral": Integral("u"),
        "flux": Flux(square.left),
        "maximum": Maximum("u"),
        "steepest": Minimum(lambda u: u.x),
        "energy": Integral(lambda u: grad(u) @ grad(u)),
        "mean of u² on a disk": Mean(lambda u: u**2, over=Disk((0.5, 0.5), 0.2)),
    }
    problem = Problem(
        square,
        lambda u, x, y: -laplace(u) - 2 * pi**2 * sin(pi * x) * sin(pi * y),
        [Dirichlet(0, on=square.boundary)],
        quantities=quantities,
    )
    node, weight = np.polynomial.legendre.leggauss(40)
    r = 0.1 * (node + 1)
    theta = 2 * np.pi * np.arange(64) / 64
    x = 0.5 + r[:, None] * np.cos(theta)
    y = 0.5 + r[:, None] * np.sin(theta)
    square_of_u = (np.sin(np.pi * x) * np.sin(np.pi * y)) ** 2
    mean = float((square_of_u.mean(1) * r * weight).sum() / (r * weight).sum())
    known = [4 / math.pi**2, -2.0, 1.0, -math.pi, math.pi**2 / 2, mean]
    return problem, dict(zip(quantities, known, strict=True))


def torsion() -> tuple[Problem, Known]:
    """Prandtl's function of a square bar, -Δu = 2: its stiffness and largest stress (Timoshenko and Goodier, § 109)."""
    bar = Rectangle((0, 0), (1, 1))
    quantities = {"stiffness": Integral("u"), "largest stress": Maximum(lambda u: -u.y, on=bar.top)}
    problem = Problem(bar, lambda u: -laplace(u) - 2, [Dirichlet(0, on=bar.boundary)], quantities=quantities)
    odd = np.arange(1, 400, 2)
    stiffness = 1 / 6 * (1 - 192 / math.pi**5 * (np.tanh(odd * math.pi / 2) / odd**5).sum())
    largest = 1 - 8 / math.pi**2 * (1 / (odd**2 * np.cosh(np.minimum(odd * math.pi / 2, 700)))).sum()
    return problem, {"stiffness": float(stiffness), "largest stress": float(largest)}


def ring() -> tuple[Problem, Known]:
    """Heat through a ring whose conductivity grows as r²."""
    domain = Annulus((0, 0), 1, 2)
    quantities = {"out": Flux(domain.outer), "in": Flux(domain.inner), "integral": Integral("u")}
    problem = Problem(
        domain,
        lambda u, x, y: -div((x**2 + y**2) * grad(u)),
        [Dirichlet(0, on=domain.inner), Dirichlet(1, on=domain.outer)],
        quantities=quantities,
    )
    through = 16 * math.pi / 3  # 2π r · r² u' with u = 4/3 (1 - 1/r²)
    return problem, {"out": through, "in": -through, "integral": 8 / 3 * math.pi * (1.5 - math.log(2))}


def corner() -> tuple[Problem, Known]:
    """Around the re-entrant corner of an L: u = r^(2/3) sin(2θ/3)."""
    ell = Polygon([(0, 0), (0, -1), (1, -1), (1, 1), (-1, 1), (-1, 0)])

    def exact(x, y):
        theta = atan2(y, x) + pi / 2
        theta = theta + (theta < 0) * 2 * pi
        return (x**2 + y**2) ** (1 / 3) * sin(2 / 3 * theta)

    quantities = {
        "flux at the corner": Flux(ell.edges[0]),
        "integral": Integral("u"),
        "flux": Flux(ell.edges[2]),
    }
    problem = Problem(ell, lambda u: -laplace(u), [Dirichlet(exact, on=ell.boundary)], quantities=quantities)
    # On θ = 0, ∂u/∂n = -2/3 r^(-1/3); the others by Gauss's rule on the sides, from u = Im z^(2/3) turned by π/2.
    node, weight = np.polynomial.legendre.leggauss(60)
    s = (node + 1) / 2
    flux = 0.0
    for a, b in ((-1.0, 0.0), (0.0, 1.0)):
        y = a + (b - a) * s
        z = (y * 0 + 1 + 1j * y) * 1j
        flux += float(((1j * 2 / 3 * z ** (-1 / 3)).imag * weight / 2).sum())
    radial = 0.0
    for a, b in ((0, math.pi / 4), (math.pi / 4, math.pi / 2), (math.pi / 2, 3 * math.pi / 4)):
        for shift in (0.0, 3 * math.pi / 4):
            theta = a + shift + (b - a) * s
            place = theta - math.pi / 2
            reach = 1 / np.maximum(abs(np.cos(place)), abs(np.sin(place)))
            radial += float((np.sin(2 / 3 * theta) * reach ** (8 / 3) * 3 / 8 * weight / 2 * (b - a)).sum())
    return problem, {"flux at the corner": -1.0, "integral": radial, "flux": flux}


def drag() -> tuple[Problem, Known]:
    """Stokes flow around a cylinder that moves through fluid in a wider one that rests.

    ψ = (A r³ + B r log r + C r + D/r) sin θ and u = (∂ψ/∂y, -∂ψ/∂x); the force on the moving one is -4π B.
    """
    domain = Annulus((0, 0), 1, 2)

    def flow(u: Vector, p):
        return div(grad(u) + grad(u).T - p * identity()), div(u)

    def pull(u: Vector, p, n):
        return (grad(u) + grad(u).T) @ n - p * n

    quantities = {"drag": Integral(lambda u, p, n: pull(u, p, n).x, on=domain.inner)}
    problem = Problem(
        domain,
        flow,
        [
            Dirichlet((1, 0), on=domain.inner, unknown="u"),
            Dirichlet(0, on=domain.outer, unknown="u"),
            Integral(0, unknown="p"),
        ],
        quantities=quantities,
    )
    rows = []
    for r in (1.0, 2.0):  # ψ / r and ψ' at both walls
        rows.append([r**2, math.log(r), 1, r**-2])
        rows.append([3 * r**2, math.log(r) + 1, 1, -(r**-2)])
    _, b, _, _ = np.linalg.solve(np.array(rows), [1.0, 1.0, 0.0, 0.0])
    return problem, {"drag": float(-4 * math.pi * b)}


def cooling() -> tuple[Problem, Known]:
    """Heat that leaves a rod, at t = 0.1."""
    rod = Interval(0, 1)
    quantities = {"out": Flux(rod.right), "heat": Integral("u"), "hottest": Maximum("u")}
    problem = Problem(
        rod * TimeInterval(0, 0.1),
        lambda u: u.t - 2 * u.xx,
        [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=rod.boundary)],
        quantities=quantities,
    )
    decay = math.exp(-0.2 * math.pi**2)
    return problem, {"out": -2 * math.pi * decay, "heat": 2 / math.pi * decay, "hottest": decay}


def beam() -> tuple[Problem, Known]:
    """An elastic beam under its own weight, clamped at singular corners: the wall bears what it weighs."""
    domain = Rectangle((0, 0), (5, 1))

    def equilibrium(u: Vector):
        return div(stress(u, 1.0, 1.0)) + vector(0, -1e-3)

    free = domain.right | domain.bottom | domain.top
    quantities = {
        "weight": Flux(domain.left, "u_y"),
        "tip (to 1e-5)": Probe((5, 0.5), "u_y"),
    }
    problem = Problem(
        domain,
        equilibrium,
        [
            Dirichlet(0, on=domain.left, unknown="u"),
            Condition(lambda u, n: stress(u, 1.0, 1.0) @ n, on=free),
        ],
        quantities=quantities,
    )
    return problem, {"weight": 5e-3, "tip (to 1e-5)": -0.36453}


CASES: dict[str, Callable[[], tuple[Problem, Known]]] = {
    one.__name__: one for one in (smooth, torsion, ring, corner, drag, cooling, beam)
}


def main() -> None:
    """Solve the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CASES, []], help="cases, all of them if none is given")
    parser.add_argument("--tol", type=float, default=1e-6)
    given = parser.parse_args()
    print(f"{'problem':<9}{'quantity':<22}{'value':>20}{'error':>10}{'estimate':>10}{'ratio':>8}{'CPU s':>7}")
    for name in given.names or CASES:
        problem, known = CASES[name]()
        begin = time.process_time()
        found = solve(problem, tol=given.tol).quantities()
        seconds = time.process_time() - begin
        for key, value in found.items():
            error = abs(value - known[key])
            ratio = value.estimated_error / error if error else math.inf
            print(
                f"{name:<9}{key:<22}{value:>20.12g}{error:>10.1e}{value.estimated_error:>10.1e}{ratio:>8.2f}{seconds:>7.1f}"
            )


if __name__ == "__main__":
    main()
