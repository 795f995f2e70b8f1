"""Interfaces: the unknown has a kink where the coefficient jumps, and is found to the tolerance on both sides."""

import math

import pytest
import torch

from pdesolve import (
    Ball,
    Box,
    Dirichlet,
    Disk,
    Initial,
    Interface,
    Interval,
    Piecewise,
    Problem,
    Rectangle,
    TimeInterval,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.errors import ProblemError
from pdesolve.solution.solution import Solution

LINE, SQUARE = Interval(0, 1), Rectangle((-1, -1), (1, 1))


def radial(domain, ball, centre, radius, inside, outside):
    """-∇·(k∇u) = f with u = r⁴/k + const: the flux 4r³ is continuous."""
    k = Piecewise({ball: inside}, otherwise=outside)
    n = len(centre)

    def r2(*x):
        return sum((a - c) ** 2 for a, c in zip(x, centre, strict=True))

    def u(*x):
        jump = radius**4 * (1 / inside - 1 / outside)
        return torch.where(r2(*x) < radius**2, r2(*x) ** 2 / inside, r2(*x) ** 2 / outside + jump)

    names = "xyz"[:n]
    scope = {"k": k, "r2": r2, "u": u, "div": div, "grad": grad, "n": n}
    args = ", ".join(names)
    exact = eval(f"lambda {args}: u({args})", scope)  # functions take coordinates by name
    equation = eval(f"lambda u, {args}: -div(k({args}) * grad(u)) + 4 * (n + 2) * r2({args})", scope)
    conditions = [Dirichlet(exact, on=domain.boundary), Interface(k, on=ball.boundary)]
    return Problem(domain, equation, conditions, exact=exact)


def check(problem, tol, time_limit=60):
    solution = solve(problem, tol=tol, time_limit=time_limit)
    assert solution.converged, solution.status
    assert solution.relative_l2_error() <= 3 * tol
    return solution


@pytest.mark.parametrize(("inside", "outside"), [(1e3, 1.0), (1.0, 1e3), (1.0, 1.0)])
def test_a_disk_that_conducts_better_or_worse(inside, outside):
    problem = radial(SQUARE, Disk((0.1, 0.05), 0.5), (0.1, 0.05), 0.5, inside, outside)
    check(problem, 1e-7)


def test_an_interval_of_another_material():
    """(k u')' = 0 from 0 to 1: u is piecewise linear with slopes ∝ 1/k."""
    part = Interval(0.3, 0.6)
    k = Piecewise({part: 10.0}, otherwise=1.0)
    flux = 1 / (0.7 + 0.03)

    def exact(x):
        return flux * (x.clamp(max=0.3) + (x.clamp(0.3, 0.6) - 0.3) / 10 + (x - 0.6).clamp(min=0))

    conditions = [
        Dirichlet(0, on=LINE.left),
        Dirichlet(1, on=LINE.right),
        Interface(k, on=part.boundary),
    ]
    check(Problem(LINE, lambda u, x: div(k(x) * grad(u)), conditions, exact=exact), 1e-10)


def test_a_half_whose_other_edges_are_those_of_the_domain():
    """Edges of the sub-domain that lie on the boundary of the domain are boundary, not interface."""
    right = Rectangle((0.25, -1), (1, 1))
    k = Piecewise({right: 5.0}, otherwise=1.0)

    def exact(x, y):
        return torch.sin(y) * torch.where(x < 0.25, 5.0, 1.0) * torch.sinh(x - 0.25) + torch.cos(
            y
        ) * torch.cosh(x - 0.25)

    conditions = [Dirichlet(exact, on=SQUARE.boundary), Interface(k, on=right.boundary)]
    problem = Problem(SQUARE, lambda u, x, y: div(k(x, y) * grad(u)), conditions, exact=exact)
    check(problem, 1e-9)


def test_two_materials_in_one_domain():
    """Each material has its own coefficient; with k = 1 everywhere the solution is the smooth one."""
    a, b = Disk((-0.4, 0.0), 0.3), Disk((0.4, 0.1), 0.25)
    k = Piecewise({a: 1.0, b: 1.0}, otherwise=1.0)
    exact = lambda x, y: torch.exp(x) * torch.sin(y)  # noqa: E731
    conditions = [
        Dirichlet(exact, on=SQUARE.boundary),
        Interface(k, on=a.boundary),
        Interface(k, on=b.boundary),
    ]
    check(Problem(SQUARE, lambda u: laplace(u), conditions, exact=exact), 1e-8)


@pytest.mark.slow
def test_a_ball_in_a_cube():
    cube, ball = Box((-1, -1, -1), (1, 1, 1)), Ball((0.0, 0.1, 0.0), 0.5)
    check(radial(cube, ball, (0.0, 0.1, 0.0), 0.5, 20.0, 1.0), 1e-3)


@pytest.mark.slow
def test_conduction_in_time_through_two_materials():
    """c u_t = (k u_x)_x with eigenfunctions that match at x = 0: k₁ = 4, k₂ = 1, u = e^{-t} sin(a x)-like."""
    part = Interval(-1, 0)
    k = Piecewise({part: 4.0}, otherwise=1.0)

    def exact(x, t):
        left = 0.5 * torch.sin(x / 2) + torch.cos(x / 2)
        right = torch.sin(x) + torch.cos(x)
        return torch.exp(-t) * torch.where(x < 0, left, right)

    domain = Interval(-1, 1) * TimeInterval(0, 1)
    conditions = [
        Initial(lambda x: exact(x, torch.zeros_like(x))),
        Dirichlet(exact, on=Interval(-1, 1).boundary),
        Interface(k, on=part.boundary),
    ]
    equation = lambda u, x, t: u.t - div(k(x, t) * grad(u))  # noqa: E731
    check(Problem(domain, equation, conditions, exact=exact), 1e-7)


def test_a_saved_solution_keeps_both_sides(tmp_path):
    problem = radial(SQUARE, Disk((0.0, 0.0), 0.5), (0.0, 0.0), 0.5, 10.0, 1.0)
    solution = solve(problem, tol=1e-4)
    solution.save(tmp_path)
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    loaded = Solution.load(tmp_path, problem)
    assert torch.equal(torch.as_tensor(loaded(x, 0 * x)), torch.as_tensor(solution(x, 0 * x)))


def test_an_interface_elsewhere_than_the_jump_of_k_is_refused():
    disk, other = Disk((0, 0), 0.5), Disk((0, 0), 0.25)
    k = Piecewise({disk: 2.0}, otherwise=1.0)
    conditions = [Dirichlet(0, on=SQUARE.boundary), Interface(k, on=other.boundary)]
    problem = Problem(SQUARE, lambda u, x, y: div(k(x, y) * grad(u)) + 1, conditions)
    with pytest.raises(ProblemError, match="does not jump there"):
        solve(problem, tol=1e-4)


def test_the_flux_is_continuous_and_the_slope_is_not():
    disk = Disk((0, 0), 0.5)
    problem = radial(SQUARE, disk, (0.0, 0.0), 0.5, 100.0, 1.0)
    solution = solve(problem, tol=1e-8)
    angle = torch.linspace(0, 2 * math.pi, 9, dtype=torch.float64)
    n = torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    slopes = []
    for radius in (0.5 - 1e-9, 0.5 + 1e-9):
        jet = solution.approximator.jet(radius * n, ((1, 0), (0, 1)))[:, 0]
        slopes.append((jet * n).sum(1))
    assert torch.allclose(100 * slopes[0], slopes[1], rtol=1e-6)
