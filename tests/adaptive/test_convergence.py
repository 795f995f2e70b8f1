"""Observed orders: spectral in q, algebraic in h, on uniform patches and without adaptivity."""

from pathlib import Path

import numpy as np
import pytest
import torch
from discretised import error_of, patches_over, solve_on

from pdesolve import Dirichlet, Problem, Rectangle, laplace
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"


def errors_in_h(name: str, q: int, cells: tuple[int, ...]) -> np.ndarray:
    problem = load_problem(PROBLEMS / f"{name}.py")
    return np.array([error_of(solve_on(problem, patches_over(problem, n), q)) for n in cells])


def observed_orders(errors: np.ndarray, cells: tuple[int, ...]) -> np.ndarray:
    return np.log(errors[:-1] / errors[1:]) / np.log(np.array(cells[1:]) / np.array(cells[:-1]))


@pytest.mark.parametrize("q", [4, 5, 6, 7])
def test_the_order_in_one_dimension_is_at_least_q_minus_one(q):
    cells = (4, 8, 16)
    assert observed_orders(errors_in_h("poisson_1d", q, cells), cells)[-1] > q - 1.3


@pytest.mark.parametrize("q", [4, 5, 6])
@pytest.mark.parametrize("name", ["poisson_2d", "poisson_disk"])
def test_the_order_in_the_plane_is_at_least_q_minus_one(name, q):
    cells = (4, 8) if name == "poisson_2d" else (5, 10)
    assert observed_orders(errors_in_h(name, q, cells), cells)[-1] > q - 1.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cells"),
    [("annulus_robin", (4, 8)), ("heat_1d", (4, 8)), ("wave_1d", (8, 16)), ("nonlinear_poisson_2d", (4, 8))],
)
def test_the_order_of_other_equations_is_at_least_q_minus_one(name, cells):
    assert observed_orders(errors_in_h(name, 6, cells), cells)[-1] > 6 - 1.3


@pytest.mark.slow
def test_the_order_in_space_is_at_least_q_minus_one():
    q, cells = 5, (2, 4)
    assert observed_orders(errors_in_h("poisson_3d", q, cells), cells)[-1] > q - 1.3


@pytest.mark.parametrize("name", ["poisson_1d", "poisson_2d", "heat_1d", "poisson_disk"])
def test_convergence_in_the_order_is_spectral(name):
    """The error falls by a constant factor, or a growing one, for every two orders until rounding."""
    problem = load_problem(PROBLEMS / f"{name}.py")
    patches = patches_over(problem, 3)
    errors = np.array([error_of(solve_on(problem, patches, q)) for q in (6, 8, 10, 12)])
    above_rounding = errors[:-1] > 1e-12
    assert (errors[:-1] / errors[1:])[above_rounding].min() > 6
    assert errors[-1] < 1e-4 * errors[0]


@pytest.mark.slow
def test_convergence_of_a_nonlinear_system_is_spectral_in_every_unknown():
    problem = load_problem(PROBLEMS / "kovasznay.py")
    patches = patches_over(problem, 4)
    errors = []
    for q in (8, 10, 12):
        discrete = solve_on(problem, patches, q)
        errors.append([error_of(discrete, i) for i in range(3)])
    errors = np.array(errors)
    assert (errors[:-1] / errors[1:]).min() > 10
    assert errors[-1].max() < 1e-6


@pytest.mark.slow
def test_machine_precision_with_five_thousand_unknowns():
    """sin 2πx sin 2πy on 8 × 8 patches of order 12: 4,992 unknowns, the figure of the prototype is 4.3e-14."""
    square = Rectangle((0, 0), (1, 1))

    def exact(x, y):
        return torch.sin(2 * torch.pi * x) * torch.sin(2 * torch.pi * y)

    def equation(u, x, y):
        return -laplace(u) - 8 * torch.pi**2 * exact(x, y)

    problem = Problem(square, equation, [Dirichlet(0, on=square.boundary)], exact=exact)
    discrete = solve_on(problem, patches_over(problem, 8), 12)
    assert len(discrete.coefficients) == 4992
    assert error_of(discrete) < 2e-13


def test_a_width_that_shrinks_with_the_patches_saturates_and_a_fixed_one_does_not(monkeypatch):
    """The envelope must be fixed in absolute terms, so that s = σ/H grows under refinement."""
    cells = (4, 16)
    fixed = errors_in_h("poisson_1d", 6, cells)
    shrinking = []
    for n in cells:
        monkeypatch.setattr(
            "pdesolve.patches.space.default_sigma",
            lambda extent, n=n: torch.from_numpy(extent) / (2 * n),
        )
        shrinking.append(errors_in_h("poisson_1d", 6, (n,))[0])
    assert observed_orders(fixed, cells)[0] > 4.7
    assert observed_orders(np.array(shrinking), cells)[0] < observed_orders(fixed, cells)[0] - 1
