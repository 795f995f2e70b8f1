"""Singular functions at corners: exponents, derivatives, where they are taken, and what they are worth."""

import math

import numpy as np
import pytest
import torch

from pdesolve import (
    Condition,
    Dirichlet,
    Disk,
    Interface,
    Neumann,
    Piecewise,
    Polygon,
    Problem,
    Rectangle,
    Solution,
    div,
    grad,
    laplace,
    solve,
)
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.least_squares.sparse.beside import BesideEquations
from pdesolve.least_squares.sparse.normal_equations import NormalEquations
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.patches.corners.find import corner_functions
from pdesolve.patches.corners.functions import CornerFunctions
from pdesolve.patches.corners.sectors import exponents_of_sectors, sector_functions
from pdesolve.patches.corners.wedge import Edge, Power, exponents, powers, powers_of_modes
from pdesolve.runs.monitor import Monitor

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
SQUARE = Rectangle((0, 0), (1, 1))
HALF = Rectangle((-1, 0), (1, 1))


def found_in(problem):
    space = Discretisation(problem, 1e-6, Monitor(), "cpu", {})
    return corner_functions(space.statement, space.frame)


def kinks(x, y):
    """r^⅔ sin ⅔θ about the corner of the L-shaped domain."""
    theta = 3 * math.pi / 4 - torch.atan2(x + y, y - x)
    return (x**2 + y**2) ** (1 / 3) * torch.sin(2 / 3 * theta)


@pytest.mark.parametrize(
    ("angle", "begin", "end", "expected"),
    [
        (3 * math.pi / 2, True, True, [2 / 3, 4 / 3, 2]),
        (math.pi, True, False, [0.5, 1.5, 2.5]),
        (math.pi, False, True, [0.5, 1.5, 2.5]),
        (2 * math.pi, False, False, [0.5, 1, 1.5]),
        (math.pi / 2, False, False, [2, 4, 6]),
    ],
)
def test_exponents_of_wedges_are_the_known_ones(angle, begin, end, expected):
    phases = {True: 0.0, False: math.pi / 2}
    edges = Edge(-angle / 2, phases[begin], begin), Edge(angle / 2, phases[end], end)
    assert np.allclose(exponents(*edges, 6.5)[:3], expected)


def test_functions_of_a_wedge_meet_its_conditions_and_laplace():
    edges = Edge(-2.0, 0.0, True), Edge(2.0, math.pi / 2, False)
    corner = CornerFunctions(
        torch.tensor([0.3, -0.2], dtype=torch.float64),
        torch.tensor([1, 1j], dtype=torch.complex128),
        tuple(power for power in powers(*edges, 4) if not power.log),
        math.inf,
    )
    directions = [torch.tensor([math.cos(a), math.sin(a)], dtype=torch.float64) for a in (-2.0, 2.0, 0.7)]
    y = torch.stack([corner.place + 0.4 * d for d in directions])
    table = corner.table(y, [(0, beta) for beta in ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2))])
    assert len(corner) > 2
    assert table[0, 0].abs().max() < 1e-14
    normal = torch.tensor([-math.sin(2.0), math.cos(2.0)], dtype=torch.float64)
    assert (normal @ table[1:3, 1]).abs().max() < 1e-13
    assert (table[3] + table[4]).abs().max() < 1e-12


def test_functions_of_modes_are_the_terms_of_a_bessel_function():
    """Δ r^(ν+2k) sin νθ = 4k (ν + k) r^(ν+2k-2) sin νθ, on which the series of J_ν rests."""
    edges = Edge(-2.0, 0.0, True), Edge(2.0, 0.0, True)
    found = tuple(powers_of_modes(*edges, 6))
    place = torch.tensor([0.3, -0.2], dtype=torch.float64)
    corner = CornerFunctions(place, torch.tensor([0.5, 0.5j], dtype=torch.complex128), found, math.inf)
    y = place + torch.tensor([[0.3, 0.1], [0.2, -0.4], [0.0, 0.7]], dtype=torch.float64)
    table = corner.table(y, [(0, (0, 0)), (0, (2, 0)), (0, (0, 2))])
    laplacian = (table[1] + table[2]) / 0.25
    assert max(power.rounds for power in found) == 2
    for number, power in enumerate(found):
        expected = torch.zeros(3, dtype=torch.float64)
        if power.rounds:
            expected = 4 * power.rounds * (power.exponent + power.rounds) * table[0, :, number - 1]
        assert torch.allclose(laplacian[:, number], expected, atol=1e-12)


def test_derivatives_are_those_of_the_values():
    corner = CornerFunctions(
        torch.zeros(2, dtype=torch.float64),
        torch.tensor([0.8 + 0.1j, -0.2 + 0.9j], dtype=torch.complex128),
        (Power(0.5, 1 + 2j), Power(2.0, 1j, log=True), Power(0.0, -1j, log=True)),
        math.inf,
    )
    y = torch.tensor([[0.3, 0.4]], dtype=torch.float64)
    step = 1e-5
    for axis in range(2):
        for index in ((0, 0), (1, 0), (1, 1), (0, 2)):
            up, down = (y + sign * step * torch.eye(2, dtype=torch.float64)[axis] for sign in (1, -1))
            raised = tuple(k + (i == axis) for i, k in enumerate(index))
            slope = (corner.table(up, [(0, index)]) - corner.table(down, [(0, index)])) / (2 * step)
            assert torch.allclose(slope, corner.table(y, [(0, raised)]), rtol=1e-7, atol=1e-8)


def test_columns_beside_sparse_ones_give_the_dense_least_squares_solution():
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    layout = Columns(torch.tensor([3, 3]))
    groups = torch.tensor([0, 1]), torch.tensor([1, 0])
    matrices = draw(2, 9, 3), draw(2, 9, 3)
    beside = draw(2, 9, 2)
    rows = RowBlocks.make(layout, groups, matrices, beside=beside)
    b = draw(2, 9)
    equations = BesideEquations(NormalEquations(layout, np.array([[0.0], [1.0]]), [rows.alone()]), [rows])
    dense = torch.stack([rows.apply(e).flatten() for e in torch.eye(8, dtype=torch.float64)], dim=1)
    expected = torch.linalg.lstsq(dense, b.flatten()[:, None]).solution[:, 0]
    assert torch.allclose(equations.solve([b]).x, expected, rtol=1e-10)


def test_what_is_singular_is_found_to_rounding():
    problem = Problem(L, lambda u: -laplace(u), [Dirichlet(kinks, on=L.boundary)], exact=kinks)
    solution = solve(problem, tol=1e-9)
    assert solution.converged
    assert solution.relative_l2_error() < 1e-12


def test_a_singular_solution_is_saved_and_read_with_its_functions(tmp_path):
    problem = Problem(L, lambda u: -laplace(u), [Dirichlet(kinks, on=L.boundary)])
    solution = solve(problem, tol=1e-6)
    solution.save(tmp_path)
    x = torch.tensor([[0.3, 0.4], [1e-3, 1e-3], [-0.2, -0.7]], dtype=torch.float64)
    read = Solution.load(tmp_path, problem)
    assert torch.equal(read.approximator(x), solution.approximator(x))
    assert torch.allclose(read.approximator(x)[:, 0], kinks(*x.T), rtol=1e-10)


def test_integrals_resolve_what_is_singular():
    """∫ r^-⅓ over a square at the corner, 2 ∫_0^{π/4} ∫_0^{1/cos θ} r^⅔ dr dθ: the rule is graded toward the corner."""
    problem = Problem(L, lambda u: -laplace(u), [Dirichlet(kinks, on=L.boundary)])
    result = solve_adaptively(problem, 1e-6)
    points, weights = result.expansion.quadrature(problem)
    quarter = (points[:, 0] > 0) & (points[:, 1] > 0)
    r = points[quarter].norm(dim=1)
    t = torch.from_numpy(np.polynomial.legendre.leggauss(40)[0]) * math.pi / 8 + math.pi / 8
    w = torch.from_numpy(np.polynomial.legendre.leggauss(40)[1]) * math.pi / 8
    expected = 2 * float((w * torch.cos(t) ** (-5 / 3)).sum()) / (5 / 3)
    assert float((weights[quarter] * r ** (-1 / 3)).sum()) == pytest.approx(expected, rel=1e-8)


def test_coefficients_of_motz_are_the_published_ones():
    """401.1624537 and 87.6559202: Lu, Hu & Li, Numer. Methods PDE 20 (2004)."""
    conditions = [
        Dirichlet(500, on=HALF.right),
        Dirichlet(0, on=HALF.bottom.where(lambda x: x < 0)),
        Neumann(0, on=HALF.bottom.where(lambda x: x > 0) | HALF.left | HALF.top),
    ]
    mixture = solve_adaptively(Problem(HALF, lambda u: -laplace(u), conditions), 1e-9).expansion
    (corner,) = mixture.enrichment.corners
    length = 1 / abs(complex(corner.gradient[0]))
    found = mixture.coefficients[-len(corner) :].abs() / length ** torch.tensor(
        [p.exponent for p in corner.powers]
    )
    assert found[0] == pytest.approx(401.1624537, rel=1e-7)
    assert found[1] == pytest.approx(87.6559202, rel=3e-5)


def test_values_that_jump_are_an_angle_and_something_smooth():
    cold = Dirichlet(0, on=SQUARE.left | SQUARE.right | SQUARE.bottom)
    problem = Problem(SQUARE, lambda u: -laplace(u), [Dirichlet(1, on=SQUARE.top), cold])
    mixture = solve_adaptively(problem, 1e-8).expansion
    assert len(mixture.coefficients) < 1000
    assert float(mixture(torch.tensor([[0.5, 0.5]], dtype=torch.float64))[0, 0]) == pytest.approx(
        0.25, abs=1e-9
    )
    # Along the lid the value is one right up to the corner: nothing oscillates.
    near = torch.stack(
        [torch.logspace(-9, -1, 9, dtype=torch.float64), torch.ones(9, dtype=torch.float64)], dim=1
    )
    assert (mixture(near)[:, 0] - 1).abs().max() < 1e-7


@pytest.mark.parametrize(
    "problem",
    [
        Problem(SQUARE, lambda u: -laplace(u), [Dirichlet(lambda x, y: x * y, on=SQUARE.boundary)]),
        Problem(Disk((0, 0), 1), lambda u: -laplace(u) - 1, [Dirichlet(0, on=Disk((0, 0), 1).boundary)]),
        Problem(L, lambda u: -div((1 + u**2) * grad(u)), [Dirichlet(1, on=L.boundary)]),
        Problem(
            SQUARE,
            lambda u: -laplace(u),
            [
                Dirichlet(1, on=SQUARE.bottom.where(lambda x: x < 0.3)),
                Condition(lambda u: u.y + 0.3 * u.x, on=SQUARE.bottom.where(lambda x: x > 0.3)),
                Dirichlet(1, on=SQUARE.left | SQUARE.right | SQUARE.top),
            ],
        ),
    ],
    ids=["right angles", "no corner", "leading coefficients of the unknown", "oblique"],
)
def test_no_functions_where_none_are_known_or_worth_it(problem):
    assert found_in(problem) == ()


def test_a_source_at_a_right_angle_asks_for_a_logarithm():
    """-Δu = 1 between u = 0 on both sides: ±(1/π) Im z² log z, a polynomial, and what is smoother."""
    problem = Problem(SQUARE, lambda u: -laplace(u) - 1, [Dirichlet(0, on=SQUARE.boundary)])
    result = solve_adaptively(problem, 1e-9)
    assert len(result.expansion.coefficients) < 1000
    corners = result.expansion.enrichment.corners
    assert len(corners) == 4
    assert [(p.exponent, p.log) for p in corners[0].powers[:1]] == [(2.0, True)]
    # Lengths are in units of the diagonal, √2.
    assert abs(float(result.expansion.coefficients[-len(corners[0])])) == pytest.approx(2 / math.pi, rel=1e-5)


def test_the_cut_of_a_hole_ends_where_the_domain_begins_again():
    """From the corner (-0.4, -0.4) of a hole, the diagonal through it meets the domain again at (0.4, 0.4)."""
    domain = Rectangle((-1, -1), (1, 1)) - Rectangle((-0.4, -0.4), (0.4, 0.4))
    found = found_in(Problem(domain, lambda u: -laplace(u), [Dirichlet(0, on=domain.boundary)]))
    assert len(found) == 4
    for corner in found:
        assert corner.radius == pytest.approx(0.8 * 2**0.5, rel=1e-4)


@pytest.mark.slow
def test_functions_turn_with_the_domain_and_with_the_conductivity():
    def solved(domain, equation):
        return solve_adaptively(Problem(domain, equation, [Dirichlet(0, on=domain.boundary)]), 1e-5).expansion

    x = torch.tensor([[-0.3, 0.4], [0.01, 0.02]], dtype=torch.float64)
    c, s = math.cos(0.4), math.sin(0.4)
    turn = torch.tensor([[c, s], [-s, c]], dtype=torch.float64)
    straight = solved(L, lambda u: -3 * u.xx - u.xy - u.yy - 1)
    # In coordinates turned by 0.4 the same equation, with Rᵀ A R.
    A = turn.T @ torch.tensor([[3, 0.5], [0.5, 1]], dtype=torch.float64) @ turn
    a, b, d = float(A[0, 0]), float(A[0, 1]), float(A[1, 1])
    turned = solved(L.rotated(0.4), lambda u: -a * u.xx - 2 * b * u.xy - d * u.yy - 1)
    assert straight.enrichment is not None
    assert turned.enrichment is not None
    assert torch.allclose(straight(x), turned(x @ turn), rtol=1e-4)


# ---------------------------------------------------------------- where interfaces meet

QUARTERS = [math.pi / 2] * 4


def test_exponents_of_a_checkerboard_are_those_of_kellogg():
    """tan²(λπ/4) = 1/k for the smallest; 2 - λ and 2 + λ are the next ones that are no integers."""
    found = [x for x in exponents_of_sectors(QUARTERS, [100, 1, 100, 1], 3) if abs(x - round(x)) > 1e-6]
    first = 4 / math.pi * math.atan(0.1)
    assert np.allclose(found, [first, 2 - first, 2 + first], atol=1e-10)


def test_what_conducts_alike_everywhere_has_no_singular_functions():
    place = torch.zeros(2, dtype=torch.float64)
    assert np.allclose(exponents_of_sectors(QUARTERS, [3, 3, 3, 3], 4.5), [1, 2, 3, 4], atol=1e-6)
    assert sector_functions(place, [0, 1.5, 3, 4], [3, 3, 3, 3], 1.0, 1.0, 4) is None


def test_values_and_fluxes_of_sectors_agree_on_their_rays():
    k = [2.0, 30.0, 0.5]
    rays = [-2.0, -0.3, 1.1]
    place = torch.tensor([0.1, 0.2], dtype=torch.float64)
    found = sector_functions(place, rays, k, 1.0, 1.0, 4)
    assert len(found) > 3
    for j, angle in enumerate(rays):
        along = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
        across = torch.tensor([-math.sin(angle), math.cos(angle)], dtype=torch.float64)
        y = place + 0.7 * along
        before, behind = (
            found.table(y, [(0, (0, 0)), (0, (1, 0)), (0, (0, 1))], y + s * 1e-6 * across) for s in (-1, 1)
        )
        assert torch.allclose(before[0], behind[0], atol=1e-8)
        assert torch.allclose(k[j - 1] * across @ before[1:], k[j] * across @ behind[1:], atol=1e-7)
    laplacian = found.table(place + torch.rand(9, 2, dtype=torch.float64), [(0, (2, 0)), (0, (0, 2))]).sum(0)
    assert laplacian.abs().max() < 1e-9


def test_corners_of_an_inclusion_have_functions_whatever_it_conducts():
    """0.05 is no binary fraction: an isotropic conductivity must be seen as one."""
    inner = Polygon([(0.3, 0.3), (0.7, 0.35), (0.5, 0.8)])
    k = Piecewise({inner: 0.05}, otherwise=1.0)
    conditions = [Dirichlet(0, on=SQUARE.boundary), Interface(k, on=inner.boundary)]
    found = found_in(Problem(SQUARE, lambda u, x, y: -div(k(x, y) * grad(u)), conditions))
    assert len(found) == 3
    assert all(0.5 < min(corner.exponents) < 1 for corner in found)


@pytest.mark.slow
def test_a_checkerboard_is_solved_and_read_again(tmp_path):
    """u ~ r^0.13 in the middle, of which graded patches would need a hundred halvings."""
    whole = Rectangle((-1, -1), (1, 1))
    good = Rectangle((0, 0), (1, 1)) | Rectangle((-1, -1), (0, 0))
    k = Piecewise({good: 100.0}, otherwise=1.0)
    gamma = 4 / math.pi * math.atan(0.1)

    def exact(x, y):
        theta = torch.remainder(torch.atan2(y, x), 2 * math.pi)
        number = (theta / (math.pi / 2)).floor().clamp(0, 3)
        away = gamma * (theta - math.pi / 4 - number * math.pi / 2)
        sign = torch.where(number >= 2, -1.0, 1.0)
        return (
            (x**2 + y**2) ** (gamma / 2) * sign * torch.where(number % 2 == 0, away.cos(), -10 * away.sin())
        )

    conditions = [Dirichlet(exact, on=whole.boundary), Interface(k, on=good.boundary)]
    problem = Problem(whole, lambda u, x, y: -div(k(x, y) * grad(u)), conditions, exact=exact)
    solution = solve(problem, tol=1e-4)
    assert solution.converged
    assert solution.relative_l2_error() < 3 * solution.estimated_error
    solution.save(tmp_path)
    x = torch.tensor([[0.3, 0.4], [-1e-3, 1e-3], [-0.2, -0.7]], dtype=torch.float64)
    assert torch.equal(Solution.load(tmp_path, problem).approximator(x), solution.approximator(x))
