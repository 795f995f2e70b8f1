"""Variants: the solution is that of the base, moved with the domain or followed onto a larger one."""

import math
from pathlib import Path

import pytest
import torch

from pdesolve import Integral, Problem, Rectangle, laplace
from pdesolve.benchmarking.variants import ANGLE, FACTOR, SHIFT, VARIANTS, faster
from pdesolve.checks.check import check
from pdesolve.errors import UsageError
from pdesolve.statement.loading import load_problem

FOLDER = Path(__file__).resolve().parents[2] / "problems"
NAMES = "poisson_2d annulus_robin kovasznay cavity_2d cube_less_ball".split()
ROTATION = torch.tensor(
    [[math.cos(ANGLE), -math.sin(ANGLE)], [math.sin(ANGLE), math.cos(ANGLE)]], dtype=torch.float64
)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_variant_passes_the_check_of_its_exact_solution(name, variant):
    report = check(VARIANTS[variant](load_problem(FOLDER / f"{name}.py")))
    assert report.ok, report


@pytest.mark.parametrize("name", ["poisson_2d", "annulus_robin", "kovasznay"])
def test_shifted_and_rotated_problems_have_the_solution_of_the_base_moved(name):
    base = load_problem(FOLDER / f"{name}.py")
    x = base.domain.sample(100)
    expected = base.values(base.exact, x)
    for variant, there in (("shifted", x + x.new_tensor(SHIFT[:2])), ("rotated", x @ ROTATION.T)):
        moved = VARIANTS[variant](base)
        assert bool(moved.domain.contains(there).all())
        assert torch.allclose(moved.values(moved.exact, there), expected, atol=1e-12)


def test_a_faster_problem_has_the_same_solution_on_a_larger_domain():
    base = load_problem(FOLDER / "poisson_2d.py")
    larger = faster(base)
    assert larger.domain.measure == pytest.approx(FACTOR**2 * base.domain.measure)
    assert larger.exact == base.exact


def test_without_an_exact_solution_boundary_values_grow_with_the_domain():
    base = load_problem(FOLDER / "cavity_2d.py")
    lid = faster(base).conditions[0]
    x = torch.linspace(0, 1, 9, dtype=torch.float64)
    value = lid.value(x=0.5 + FACTOR * (x - 0.5), y=torch.ones(9, dtype=torch.float64))
    assert torch.allclose(value, base.conditions[0].value(x))


def test_a_condition_that_does_not_follow_from_the_exact_solution_is_refused():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: laplace(u), [Integral(0)], exact=lambda x, y: x * y)
    with pytest.raises(UsageError, match="Integral"):
        faster(problem)
