"""The finite elements beside pdesolve converge with their orders, on curved domains too."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: F401  before NGSolve, with which it crashes when loaded after it

pytest.importorskip("ngsolve", reason="needs the extra bench")
pytest.importorskip("skfem", reason="needs the extra bench")
pytest.importorskip("gmsh", reason="needs the extra bench")
pytest.importorskip("pypardiso", reason="needs the extra bench")
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks.against_fem import ngsolve_fem, ours, scikit_fem  # noqa: E402
from benchmarks.against_fem.cases import CASES  # noqa: E402


def errors(solve, name, order, sizes):
    problem = ours.problem_of(CASES[name])
    points, exact = ours.sobol_points(problem, 1024)
    found = [solve(CASES[name], order, size)(points) - exact for size in sizes]
    return [np.linalg.norm(e) / np.linalg.norm(exact) for e in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poisson_2d", "helmholtz_2d", "poisson_four_holes"])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_lagrange_elements_converge_with_their_order(name, order):
    coarse, fine = errors(scikit_fem.solve, name, order, (4, 6))
    assert np.log2(coarse / fine) > order + 0.4
    assert np.log2(coarse / fine) < order + 2.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "order", "sizes"),
    [("poisson_2d", 4, (4, 6)), ("helmholtz_2d", 6, (4, 6)), ("poisson_four_holes", 4, (5, 7))],
)
def test_high_order_elements_converge_with_their_order(name, order, sizes):
    coarse, fine = errors(ngsolve_fem.solve, name, order, sizes)
    assert np.log2(coarse / fine) > order + 0.4


@pytest.mark.slow
def test_graded_meshes_overcome_the_corner():
    assert errors(scikit_fem.solve, "poisson_lshape", 4, (4,))[0] < 1e-6
    assert errors(ngsolve_fem.solve, "poisson_lshape", 8, (7,))[0] < 1e-7


@pytest.mark.slow
def test_every_way_reaches_the_sum_of_four_scales():
    name = "poisson_multiscale_2d"
    assert errors(scikit_fem.solve, name, 4, (4,))[0] < 1e-3
    assert errors(ngsolve_fem.solve, name, 8, (2,))[0] < 1e-5


def test_superlu_and_pardiso_solve_the_same_system():
    case = CASES["poisson_four_holes"]
    one, other = (scikit_fem.solve(case, 2, 4, pardiso=choice).values for choice in (True, False))
    np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize(("order", "digits"), [(2, 5), (4, 8)])
def test_curved_triangles_have_the_area_of_the_domain(order, digits):
    case = CASES["poisson_four_holes"]
    mesh = scikit_fem.make_mesh(case, order, 5)
    area = scikit_fem.skfem.Basis(mesh, scikit_fem.ELEMENTS[order](), intorder=2 * order).dx.sum()
    assert area == pytest.approx(1 - 4 * np.pi * 0.1**2, abs=10.0**-digits)


def test_points_are_found_in_curved_triangles():
    case = CASES["poisson_four_holes"]
    solution = scikit_fem.solve(case, 4, 2)
    points, _ = ours.sobol_points(ours.problem_of(case), 1024)
    linear = scikit_fem.Solution(solution.basis, solution.basis.doflocs[0] - 2 * solution.basis.doflocs[1])
    np.testing.assert_allclose(linear(points), points @ (1, -2), atol=1e-12)


def test_fixed_cells_solve_the_problem_of_the_file():
    problem = ours.problem_of(CASES["poisson_2d"])
    points, exact = ours.sobol_points(problem, 256)
    np.testing.assert_allclose(ours.solve_fixed(problem, 12, 0, cells=2)(points), exact, atol=1e-7)
