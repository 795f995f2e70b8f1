"""Singular functions of systems: roots of wedges, what the functions satisfy, and solutions made of them."""

import cmath
import math

import numpy as np
import pytest
import torch

from pdesolve import (
    Condition,
    Dirichlet,
    Point,
    Polygon,
    Problem,
    Rectangle,
    Solution,
    Vector,
    div,
    laplace,
    solve,
)
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.mechanics import stress
from pdesolve.patches.corners.find import corner_functions
from pdesolve.patches.corners.polar_functions import PolarFunctions
from pdesolve.patches.corners.systems import Pencil, clusters, conditions_wanted, principal_part
from pdesolve.runs.monitor import Monitor

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
SQUARE = Rectangle((0, 0), (1, 1))
ELASTIC_WEIGHTS = (2, 2)
STOKES = [
    *((0, 0, beta, -1.0) for beta in ((2, 0), (0, 2))),
    *((1, 1, beta, -1.0) for beta in ((2, 0), (0, 2))),
    *((0, 2, (1, 0), 1.0), (1, 2, (0, 1), 1.0), (2, 0, (1, 0), 1.0), (2, 1, (0, 1), 1.0)),
]


def found_in(problem):
    space = Discretisation(problem, 1e-6, Monitor(), "cpu", {})
    return corner_functions(space.statement, space.frame)


def elastic(kappa):
    """Navier's equations with μ = 1 in plane strain, κ = 3 - 4ν."""
    nu = (3 - kappa) / 4
    lame = 2 * nu / (1 - 2 * nu)
    entries = [(0, 0, (2, 0), lame + 2), (0, 0, (0, 2), 1.0), (0, 1, (1, 1), lame + 1)]
    entries += [(1, 1, (0, 2), lame + 2), (1, 1, (2, 0), 1.0), (1, 0, (1, 1), lame + 1)]
    return principal_part(entries, ELASTIC_WEIGHTS), lame


def traction(angle, lame):
    """σ n along a ray of this direction."""
    a, b = -math.sin(angle), math.cos(angle)
    entries = [(0, 0, (1, 0), (lame + 2) * a), (0, 1, (0, 1), lame * a), (0, 0, (0, 1), b), (0, 1, (1, 0), b)]
    entries += [
        (1, 0, (1, 0), lame * b),
        (1, 1, (0, 1), (lame + 2) * b),
        (1, 0, (0, 1), a),
        (1, 1, (1, 0), a),
    ]
    return principal_part(entries, ELASTIC_WEIGHTS)


def fixed(weights):
    return principal_part([(c, c, (0, 0), 1.0) for c in range(2)], weights)


def roots(parts, weights, opening, most):
    return [root for root, _ in clusters(Pencil(parts, weights, 0.0, opening, opening / 2, 44).roots(most))]


@pytest.mark.parametrize("opening", [math.pi / 2, 2.0, 3 * math.pi / 2, 5.5])
def test_roots_of_elastic_wedges_are_those_of_williams(opening):
    """Free: sin² λω = λ² sin² ω; clamped: with 1/κ² more; one of each: (κ+1)²/4κ - λ² sin² ω/κ."""
    kappa = 2.0
    equations, lame = elastic(kappa)
    free = [traction(sign * opening / 2, lame) for sign in (-1, 1)]
    clamped = fixed(ELASTIC_WEIGHTS)
    sides = {
        "free": (free, lambda x: (x * math.sin(opening)) ** 2),
        "clamped": ([clamped, clamped], lambda x: (x * math.sin(opening) / kappa) ** 2),
        "mixed": (
            [clamped, free[1]],
            lambda x: (kappa + 1) ** 2 / (4 * kappa) - (x * math.sin(opening)) ** 2 / kappa,
        ),
    }
    for name, (conditions, right) in sides.items():
        found = roots([equations, *conditions], ELASTIC_WEIGHTS, opening, 3.0)
        assert found, name
        for root in found:
            assert abs(cmath.sin(root * opening) ** 2 - right(root)) < 1e-8 * (1 + abs(right(root))), name


def test_roots_of_known_corners():
    """Free with 270°: 0.5445 and 0.9085 (Williams); eddies in a right angle: λ = 2.7396 + 1.1190 i (Moffatt)."""
    equations, lame = elastic(2.0)
    opening = 1.5 * math.pi
    free = [traction(sign * opening / 2, lame) for sign in (-1, 1)]
    assert np.allclose(
        roots([equations, *free], ELASTIC_WEIGHTS, opening, 0.95), [0.5444837368, 0.9085291898]
    )
    weights = (2, 2, 1)
    stokes = principal_part(STOKES, weights)
    assert conditions_wanted(stokes, weights) == 2
    walls = [fixed(weights), fixed(weights)]
    found = [x for x in roots([stokes, *walls], weights, math.pi / 2, 4.0) if x.imag]
    assert np.allclose(found, [2.7395933563 + 1.1190245343j])


def test_a_system_that_is_not_elliptic_wants_no_conditions():
    assert conditions_wanted(principal_part([(0, 0, (2, 0), 1.0), (0, 0, (0, 2), -1.0)], (2,)), (2,)) is None


def cavity(reynolds):
    def flow(u, v, p):
        return (
            reynolds * (u * u.x + v * u.y) + p.x - laplace(u),
            reynolds * (u * v.x + v * v.y) + p.y - laplace(v),
            u.x + v.y,
        )

    conditions = [
        Dirichlet(1, on=SQUARE.top, unknown="u"),
        Dirichlet(0, on=SQUARE.left | SQUARE.right | SQUARE.bottom, unknown="u"),
        Dirichlet(0, on=SQUARE.boundary, unknown="v"),
        Dirichlet(0, on=Point((0.5, 0.5)), unknown="p"),
    ]
    return Problem(SQUARE, flow, conditions)


def test_functions_of_a_lid_and_of_inertia_satisfy_the_equations():
    """U of r^0 is Stokes' flow with the jump of the lid; V of r^1 has -ΔV + ∇q = -U·∇U, both zero on the walls."""
    found = [one for one in found_in(cavity(1.0)) if float(one.place[0]) < 0.5]
    assert [len(found), found[0].exponents[:3]] == [1, (0.0, 1.0, 1.0)]
    angle = torch.linspace(-1.5, -0.1, 6, dtype=torch.float64)
    # Several times farther than where the inertia was found: it has the power that it should have.
    y = found[0].place + 0.3 * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    betas = [(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)]
    table = found[0].table(y, [(i, beta) for i in range(3) for beta in betas]).unflatten(0, (3, 5))
    first = table[..., 0]
    momentum = torch.stack([first[2, 1 + i] - first[i, 3] - first[i, 4] for i in range(2)])
    assert momentum.abs().max() < 1e-9
    assert (first[0, 1] + first[1, 2]).abs().max() < 1e-10
    second = table[..., 1]
    inertia = torch.stack([first[0, 0] * first[i, 1] + first[1, 0] * first[i, 2] for i in range(2)])
    momentum = torch.stack([second[2, 1 + i] - second[i, 3] - second[i, 4] for i in range(2)])
    assert (momentum + inertia).abs().max() < 1e-6 * inertia.abs().max()
    ends = found[0].place + torch.tensor([[0.2, 0.0], [0.0, -0.4]], dtype=torch.float64)
    on_walls = found[0].table(ends, [(0, (0, 0)), (1, (0, 0))])
    assert torch.allclose(on_walls[..., 0], torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double(), atol=1e-10)
    assert on_walls[..., 1].abs().max() < 1e-8


@pytest.mark.slow
def test_stokes_flow_under_a_plain_lid(tmp_path):
    """u(½, ½) = -0.2051917 of finer solutions: symmetric, so that p is zero there; saved, it is read the same."""
    problem = cavity(0.0)
    solution = solve(problem, tol=1e-4)
    assert solution.converged
    assert float(solution(0.5, 0.5)["u"]) == pytest.approx(-0.2051917, abs=3e-6)
    solution.save(tmp_path)
    x = torch.tensor([[0.3, 0.4], [1e-3, 0.999]], dtype=torch.float64)
    assert torch.equal(Solution.load(tmp_path, problem).approximator(x), solution.approximator(x))


def equilibrium(u: Vector):
    return div(stress(u, 1.0, 1.0))


def of_free_corner():
    """The functions of a re-entrant corner with free sides, and the parts of the boundary of the L-shaped domain."""
    free = L.boundary.where(lambda x, y: ((abs(y) < 1e-9) & (x > 0)) | ((abs(x) < 1e-9) & (y < 0)))
    held = L.boundary.where(lambda x, y: ((abs(y) > 1e-9) | (x < 0)) & ((abs(x) > 1e-9) | (y > 0)))

    def problem(values):
        conditions = [
            Condition(lambda u, n: stress(u, 1.0, 1.0) @ n, on=free),
            Dirichlet(values, on=held, unknown="u"),
        ]
        return Problem(L, equilibrium, conditions)

    corner = [one for one in found_in(problem(0)) if float(one.place.norm()) < 1e-9]
    assert len(corner) == 1
    assert isinstance(corner[0], PolarFunctions)
    return corner[0], problem


@pytest.mark.slow
def test_what_is_singular_in_an_elastic_body_is_found_to_rounding():
    corner, problem = of_free_corner()
    assert corner.exponents[0] == pytest.approx(0.5444837368)

    def exact(x, y):
        values = corner.table(torch.stack([x, y], dim=-1), [(0, (0, 0)), (1, (0, 0))])
        return values[0, ..., 0] + values[0, ..., 1], values[1, ..., 0] + values[1, ..., 1]

    stated = problem(lambda x, y: exact(x, y))
    solution = solve(stated, tol=1e-8)
    assert solution.converged
    points = L.sample(200, sampler="sobol", seed=1)
    found = solution(*points.T)
    wanted = exact(*points.T)
    for name, values in zip(("u_x", "u_y"), wanted, strict=True):
        assert float((torch.as_tensor(found[name]) - values).norm() / values.norm()) < 1e-8


def test_a_semilinear_equation_has_the_functions_of_its_principal_part():
    problem = Problem(L, lambda u: -laplace(u) + u**3 - 1, [Dirichlet(0, on=L.boundary)])
    (corner,) = found_in(problem)
    singular = [x for x in corner.exponents if abs(x - round(x)) > 1e-9]
    assert np.allclose(singular, [2 * k / 3 for k in (1, 2, 4, 5, 7)])
