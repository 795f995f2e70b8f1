"""The method of lines beside pdesolve solves the problems of the problem files, with the orders it claims."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks.against_mol.evolutions import EVOLUTIONS  # noqa: E402
from benchmarks.against_mol.grids import chebyshev_points, fourier, fourth_order  # noqa: E402
from benchmarks.against_mol.lines import Failed, Lines, TooLong, solve  # noqa: E402
from pdesolve import load_problem  # noqa: E402
from pdesolve.statement.conditions import Initial  # noqa: E402
from pdesolve.statement.residual import compile_problem  # noqa: E402

RANDOM = np.random.default_rng(0)
POINTS = 20


def problem_of(name):
    return load_problem(ROOT / "problems" / f"{name}.py")


def random_jet(evolution):
    components = len(evolution.start(np.zeros(1)))
    return {(j, k): RANDOM.normal(size=POINTS) for j in range(components) for k in {0, *evolution.orders}}


@pytest.mark.parametrize("evolution", EVOLUTIONS.values(), ids=EVOLUTIONS)
def test_rates_annihilate_the_equation_of_the_problem_file(evolution):
    jet = random_jet(evolution)
    rate = evolution.rate(jet)
    operator = compile_problem(problem_of(evolution.name))[0]
    columns = []
    for unknown, (k, order) in operator.slots:  # derivatives in x, in t
        known = {0: jet.get((unknown, k)), 1: rate[unknown], 2: rate[-1]}
        assert order == 0 or k == 0
        columns.append(torch.from_numpy(known[order]))
    points = torch.rand(POINTS, 2, dtype=torch.float64)
    residual, _ = operator.linearise(points, torch.stack(columns, dim=1))
    assert residual.abs().max() < 1e-11


@pytest.mark.parametrize("evolution", EVOLUTIONS.values(), ids=EVOLUTIONS)
def test_evolutions_start_from_the_initial_values_of_the_problem_file(evolution):
    problem = problem_of(evolution.name)
    x = torch.linspace(*problem.domain.space.bounds[:, 0].tolist(), 9, dtype=torch.float64)
    assert evolution.interval == pytest.approx((float(x[0]), float(x[-1])))
    assert evolution.end == pytest.approx(problem.domain.time.length)
    start = evolution.start(x.numpy())
    initial = [c for c in problem.conditions if isinstance(c, Initial)]
    for condition in initial:
        component = problem.unknowns.index(condition.unknown or problem.unknowns[0]) + condition.order
        value = condition.value(x) if callable(condition.value) else condition.value
        np.testing.assert_allclose(start[component], np.broadcast_to(value, 9), atol=1e-14)
    assert len(initial) == len(start)


@pytest.mark.parametrize("evolution", EVOLUTIONS.values(), ids=EVOLUTIONS)
def test_slopes_are_derivatives_of_the_rates(evolution):
    jet, eps = random_jet(evolution), 1e-6
    slopes = evolution.slopes(jet)
    for key in jet:
        up, down = ({**jet, key: jet[key] + sign * eps} for sign in (1, -1))
        for i, (a, b) in enumerate(zip(evolution.rate(up), evolution.rate(down), strict=True)):
            np.testing.assert_allclose(slopes.get((i, *key), 0.0), (a - b) / (2 * eps), atol=1e-7)


@pytest.mark.parametrize("space", ["4th-order differences", "spectral"])
@pytest.mark.parametrize("name", ["sine_gordon_1d", "schroedinger_soliton_1d", "kdv_1d"])
def test_jacobians_are_derivatives_on_the_lines(name, space):
    evolution = EVOLUTIONS[name]
    periodic = evolution.boundary is None
    make = fourth_order if space != "spectral" else fourier if periodic else chebyshev_points
    lines = Lines(evolution, make(*evolution.interval, 12, evolution.orders, periodic))
    w, direction = lines.start(), RANDOM.normal(size=lines.start().size)
    eps = 1e-6
    change = (lines.rate(0.1, w + eps * direction) - lines.rate(0.1, w - eps * direction)) / (2 * eps)
    np.testing.assert_allclose(lines.jacobian(0.1, w) @ direction, change, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_differences_are_exact_for_polynomials_up_to_the_boundary(order):
    grid = fourth_order(-1.0, 2.0, 15, (order,), periodic=False)
    for degree in range(order + 4):
        polynomial = np.polynomial.Polynomial(np.ones(degree + 1))
        derivative = polynomial.deriv(order)(grid.x)
        np.testing.assert_allclose(grid.derivatives[order] @ polynomial(grid.x), derivative, atol=1e-9)
    x = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(grid.interpolate(x) @ grid.x**7, x**7, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_periodic_differences_converge_with_the_fourth_order(order):
    errors = []
    for n in (32, 64):
        grid = fourth_order(0.0, 2 * np.pi, n, (order,), periodic=True)
        exact = np.sin(grid.x + order * np.pi / 2)
        errors.append(np.abs(grid.derivatives[order] @ np.sin(grid.x) - exact).max())
    assert 3.8 < np.log2(errors[0] / errors[1]) < 4.2


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_spectral_derivatives_are_exact_for_what_the_grid_resolves(order):
    grid = fourier(-1.0, 1.0, 16, (order,), periodic=True)
    w, x = 3 * np.pi, np.linspace(-1, 1, 7)
    exact = w**order * np.sin(w * grid.x + order * np.pi / 2)
    np.testing.assert_allclose(grid.derivatives[order] @ np.sin(w * grid.x), exact, atol=1e-10 * w**order)
    np.testing.assert_allclose(grid.interpolate(x) @ np.sin(w * grid.x), np.sin(w * x), atol=1e-13)
    grid = chebyshev_points(-1.0, 2.0, 10, (order,), periodic=False)
    polynomial = np.polynomial.Polynomial(np.ones(9))
    derivative = polynomial.deriv(order)(grid.x)
    np.testing.assert_allclose(
        grid.derivatives[order] @ polynomial(grid.x), derivative, atol=1e-9 * 10.0**order
    )


@pytest.mark.parametrize(
    ("name", "space", "integrator", "points"),
    [
        ("heat_1d", "Chebyshev", "Radau", 17),
        ("fisher_kpp_1d", "4th-order differences", "BDF", 128),
        ("advection_1d", "Fourier", "DOP853", 16),
        ("sine_gordon_1d", "4th-order differences", "DOP853", 256),
    ],
)
def test_the_lines_reach_the_exact_solution(name, space, integrator, points):
    problem = problem_of(name)
    x = problem.domain.sample(256, sampler="sobol", seed=1)
    exact = problem.values(problem.exact, x).numpy()
    error = np.abs(solve(EVOLUTIONS[name], space, integrator, points, 1e-7, limit=20.0)(x.numpy()) - exact)
    assert error.max() < 1e-5


def test_a_solve_that_takes_too_long_says_so():
    with pytest.raises(TooLong):
        solve(EVOLUTIONS["burgers_1d"], "4th-order differences", "Radau", 512, 1e-10, limit=1e-3)


def test_too_few_points_are_a_failure_and_no_solution():
    with pytest.raises(Failed):
        solve(EVOLUTIONS["burgers_1d"], "4th-order differences", "BDF", 64, 1e-8, limit=60.0)
