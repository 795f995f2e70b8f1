"""The method of lines in the plane solves the problems of the problem files."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks.against_mol.lines import GRIDS, TooLong  # noqa: E402
from benchmarks.against_mol.planes import PLANES, Lines, solve  # noqa: E402
from pdesolve import load_problem  # noqa: E402


def error(name, space, integrator, points, tol):
    """Relative, at Sobol points, of the worst unknown."""
    problem = load_problem(ROOT / "problems" / f"{name}.py")
    x = problem.domain.sample(256, sampler="sobol", seed=1)
    exact = problem.values(problem.exact, x).numpy()
    found = solve(PLANES[name], space, integrator, points, tol, limit=60.0)(x.numpy())
    return (np.linalg.norm(found - exact, axis=0) / np.linalg.norm(exact, axis=0)).max()


@pytest.mark.parametrize(
    ("name", "space", "integrator", "points", "reached"),
    [
        ("heat_2d", "Chebyshev", "Radau", 17, 1e-6),
        ("heat_2d", "4th-order differences", "BDF", 32, 1e-3),
        ("klein_gordon_2d", "Chebyshev", "DOP853", 5, 1e-6),
        ("taylor_green_2d", "Fourier", "DOP853", 8, 1e-7),
        ("taylor_green_2d", "4th-order differences", "DOP853", 32, 1e-3),
    ],
)
def test_the_lines_reach_the_exact_solution(name, space, integrator, points, reached):
    assert error(name, space, integrator, points, 1e-8) < reached


@pytest.mark.slow
def test_mixing_converges_with_the_order_of_the_differences():
    coarse, fine = (error("flow_mixing_2d", "4th-order differences", "DOP853", n, 1e-8) for n in (64, 128))
    assert 3 < np.log2(coarse / fine) < 5


@pytest.mark.slow
def test_differences_confirm_the_reference_of_the_nonlinear_diffusion():
    """Of a kind apart from its Chebyshev points; second order at best where the initial values jump at the walls."""
    problem = load_problem(ROOT / "problems" / "nonlinear_diffusion_2d.py")
    x = problem.domain.sample(1024, sampler="sobol", seed=1)
    reference = problem.values(problem.reference, x).numpy()
    errors = []
    for n in (32, 64):
        found = solve(PLANES[problem.source_path.stem], "4th-order differences", "DOP853", n, 1e-8, 60.0)(
            x.numpy()
        )
        errors.append(np.linalg.norm(found - reference) / np.linalg.norm(reference))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 1e-2


@pytest.mark.parametrize("space", ["4th-order differences", "Chebyshev"])
def test_the_jacobian_is_the_derivative_of_the_rate(space):
    plane = PLANES["heat_2d"]
    lines = Lines(plane, GRIDS[space](*plane.interval, 12, (2,), False))
    direction = np.random.default_rng(0).normal(size=lines.start().size)
    change = lines.rate(0.0, lines.start() + direction) - lines.rate(0.0, lines.start())
    np.testing.assert_allclose(lines.jacobian() @ direction, change, rtol=1e-9, atol=1e-9)


def test_a_solve_that_takes_too_long_says_so():
    with pytest.raises(TooLong):
        solve(PLANES["heat_2d"], "Chebyshev", "DOP853", 33, 1e-8, limit=1e-3)
