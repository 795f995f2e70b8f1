"""Eigenvalues beside those that are known: the largest relative error of each case, its estimate and the time it took.

    python benchmarks/eigenvalues.py [CASE …]

Seconds are those of the processor with one thread. Sources: zeros of Bessel functions by scipy; the L-shape by
Trefethen & Betcke (Contemp. Math. 412 (2006) 297); the drums by Driscoll (SIAM Review 39 (1997) 1), four times his
numbers, as his are twice as large; Mathieu's by scipy; plate, Stokes flow, Bloch waves and the quartic oscillator as
their problem files and tests say. The published network on harmonic oscillators is STNet's (5e-7 for the first
eigenvalue, 1e-3 for the second).
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy.special import jn_zeros, mathieu_a

from pdesolve import (
    Box,
    Dirichlet,
    Disk,
    Eigenvalues,
    Polygon,
    Problem,
    Rectangle,
    laplace,
    load_problem,
    solve,
)

PROBLEMS = Path(__file__).parents[1] / "problems"
DRUM = 4 * np.array(
    [
        2.53794399980,
        3.65550971352,
        5.17555935622,
        6.53755744376,
        7.24807786256,
        9.20929499840,
        10.5969856913,
        11.5413953956,
        12.3370055014,
        13.0536540557,
    ]
)
ONE = [(0, 0), (0, 1), (2, 3), (2, 2), (3, 2), (2, 1), (1, 1), (1, 0)]
OTHER = [(1, 0), (0, 1), (0, 2), (2, 2), (2, 3), (3, 2), (2, 1), (1, 1)]
CORNER = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]


def membrane(u, lam):
    """Vibrations of a membrane."""
    return -laplace(u) - lam * u


def plane(u, x, y, lam):
    """The harmonic oscillator in the plane."""
    return -laplace(u) + (x**2 + y**2) * u - lam * u


def space(u, x, y, z, lam):
    """The harmonic oscillator in space."""
    return -laplace(u) + (x**2 + y**2 + z**2) * u - lam * u


def fixed(domain, count, equation=membrane):
    """A problem with u = 0 on the boundary."""
    held = [Dirichlet(0, on=domain.boundary)]
    return Problem(domain, equation, held, eigenvalues=Eigenvalues("lam", count=count))


def shipped(name):
    """A problem of the folder problems."""
    return load_problem(PROBLEMS / f"{name}.py")


def of_square(count):
    """The lowest eigenvalues of a square."""
    n = np.arange(1, 2 * count)
    return np.sort(np.pi**2 * np.add.outer(n**2, n**2).ravel())[:count]


def of_disc(count):
    """The lowest eigenvalues of a disc."""
    zeros = [z**2 for n in range(count) for z in jn_zeros(n, count) for _ in range(1 + (n > 0))]
    return np.sort(zeros)[:count]


def of_oscillator(half, points=120):
    """The three lowest eigenvalues of -u'' + x² u with u = 0 at ±half, by collocation at Chebyshev's points."""
    k = np.arange(points + 1)
    x = np.cos(np.pi * k / points)
    c = np.r_[2.0, np.ones(points - 1), 2.0] * (-1.0) ** k
    matrix = np.outer(c, 1 / c) / (x[:, None] - x + np.eye(points + 1))
    matrix -= np.diag(matrix.sum(1))
    second = (matrix @ matrix)[1:-1, 1:-1] / half**2
    return np.sort(np.linalg.eigvals(np.diag((half * x[1:-1]) ** 2) - second).real)[:3]


def of_oscillator_in_a_cube(half):
    """Those of the first two levels in space: walls at ±4 move 3 by 3e-6 and 5 by 3e-5."""
    ground, first, _ = of_oscillator(half)
    return [3 * ground, 2 * ground + first]


# Name: problem, tolerance of the modes, known eigenvalues, error and seconds that are aimed at (None: not stated).
CASES = {
    "square": (lambda: fixed(Rectangle((0, 0), (1, 1)), 10), 1e-6, of_square(10), 1e-10, 3),
    "disc": (lambda: fixed(Disk((0, 0), 1), 10), 1e-7, of_disc(10), 1e-10, 3),
    "L-shape": (lambda: fixed(Polygon(CORNER), 1), 2e-9, [9.63972384402194], 1e-10, 10),
    "drum 1": (lambda: fixed(Polygon(ONE), 10), 1e-6, DRUM, 1e-8, None),
    "drum 2": (lambda: fixed(Polygon(OTHER), 10), 1e-6, DRUM, 1e-8, None),
    "Mathieu": (lambda: shipped("mathieu_1d"), 1e-8, [mathieu_a(k, 5) for k in range(3)], None, None),
    "anharmonic": (
        lambda: shipped("anharmonic_1d"),
        1e-8,
        [1.0603620904841829, 3.7996730298013941, 7.4556979379867384],
        None,
        None,
    ),
    "plate": (lambda: shipped("plate_modes"), 1e-4, [1294.9339796], None, None),
    "Stokes": (lambda: shipped("stokes_modes"), 1e-3, [52.3446911], None, None),
    "Maxwell": (lambda: shipped("maxwell_modes"), 1e-6, [1, 1, 2, 4, 4], None, None),
    "Bloch": (
        lambda: shipped("bloch_2d"),
        1e-5,
        [-1.3719055, 27.5366947, 33.5606548, 46.0162052],
        None,
        None,
    ),
    "oscillator 2-D": (lambda: fixed(Rectangle((-6, -6), (6, 6)), 3, plane), 1e-6, [2, 4, 4], 5e-7, None),
    "oscillator 3-D": (
        lambda: fixed(Box((-4, -4, -4), (4, 4, 4)), 2, space),
        1e-3,
        of_oscillator_in_a_cube(4),
        5e-7,
        None,
    ),
}


def measure(name):
    """One row of the table."""
    problem, tol, known, target, seconds = CASES[name]
    began = time.process_time()
    solution = solve(problem(), tol=tol)
    took = time.process_time() - began
    known = np.asarray(known, dtype=float)
    found = np.sort(solution.eigenvalues.real)[: len(known)]
    size = np.maximum(np.abs(known), 1e-300)
    error = float((np.abs(found - np.sort(known)) / size).max())
    estimates = solution.eigenvalue_errors
    estimate = np.nan if estimates is None else float((estimates[: len(known)] / size).max())
    shown = ["-" if v is None else f"{v:g}" for v in (target, seconds)]
    mark = "yes" if solution.converged else "no"
    return (
        f"| {name} | {tol:g} | {shown[0]} | {error:.1e} | {estimate:.1e} | {mark} | {shown[1]} | {took:.1f} |"
    )


def main():
    """Print one row of the table for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="CASE", help=", ".join(CASES))
    chosen = parser.parse_args().cases or list(CASES)
    torch.set_num_threads(1)
    print("| case | tol | target | error | estimate | met | target s | CPU s |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for name in chosen:
        print(measure(name), flush=True)


if __name__ == "__main__":
    main()
