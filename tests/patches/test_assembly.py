"""Assembled rows: exact where the solution is in the basis, consistent with their derivatives, right continuity."""

from pathlib import Path

import numpy as np
import pytest
import torch
from discretised import assemble, error_of, patches_over, polynomial_problem, solve_on
from torch import pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, Rectangle, TimeInterval, laplace
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import difference
from pdesolve.errors import SolveError
from pdesolve.geometry import Ball, Box, Disk, Point, Polygon
from pdesolve.least_squares.sparse.row_blocks import squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.compiled import Statement
from pdesolve.patches.discretise import discretise
from pdesolve.patches.frame import Frame
from pdesolve.patches.newton import project
from pdesolve.patches.rows.terms import TermRows
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.loading import load_problem

PROBLEMS = Path(__file__).parents[2] / "problems"
SQUARE = Rectangle((0, 0), (1, 1))
DOMAINS = {
    "interval": Interval(-1, 2),
    "square": SQUARE,
    "rotated rectangle": Polygon([(0, 0), (1, 0.5), (0.6, 1.3), (-0.4, 0.8)]),
    "disc": Disk((0.1, 0.2), 0.7),
    "l-shape": Rectangle((-1, -1), (1, 1)) - Rectangle((0, -1), (1, 0)),
    "annulus": Disk((0, 0), 1) - Disk((0, 0), 0.4),
    "box": Box((0, 0, 0), (1, 1.2, 0.8)),
}


@pytest.fixture
def flat(monkeypatch):
    """Bases without envelope, which hold polynomials exactly."""
    monkeypatch.setattr(
        "pdesolve.patches.space.default_sigma", lambda extent: torch.full((len(extent),), 1e9).double()
    )


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize("hanging", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", DOMAINS)
def test_polynomials_below_the_order_are_reproduced_to_rounding(name, seed, hanging):
    domain = DOMAINS[name]
    q = 4 if domain.dimension == 3 else 6
    problem = polynomial_problem(domain, q - 1, seed)
    discrete = solve_on(problem, patches_over(problem, 2, hanging), q)
    assert discrete.residual < 1e-11
    assert error_of(discrete) < 1e-12


@pytest.mark.slow
@pytest.mark.usefixtures("flat")
def test_polynomials_are_reproduced_in_a_ball():
    problem = polynomial_problem(Ball((0, 0.1, 0), 0.9), 3)
    assert error_of(solve_on(problem, patches_over(problem, 2), 4)) < 1e-12


@pytest.mark.usefixtures("flat")
def test_orders_may_differ_from_patch_to_patch():
    problem = polynomial_problem(SQUARE, 4)
    patches = patches_over(problem, 3, hanging=True)
    q = np.random.default_rng(0).integers(5, 9, len(patches))
    assert error_of(solve_on(problem, patches, q)) < 1e-12


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize("q", [5, 8])
def test_no_polynomial_hides_between_the_points_of_a_first_order_equation(q):
    """∫P_{q-2} is in the basis, and its gradient would vanish at q - 2 Gauss points per axis."""
    box = Box((0, 0, 0), (1, 1, 1))

    def gradient(p, x, y, z):
        return p.x - torch.cos(x) * y, p.y - torch.sin(x), p.z - z

    def exact(x, y, z):
        return torch.sin(x) * y + z**2 / 2

    corner = Dirichlet(0, on=Point((0, 0, 0)))
    problem = Problem(box, gradient, [corner], exact=exact)
    discrete = solve_on(problem, patches_over(problem, 1), q)
    assert error_of(discrete) < 10 * discrete.residual + 1e-13


# ---------------------------------------------------------------- linearisation


def nonlinear_system(domain) -> Problem:
    def equation(u, v, x, y):
        return laplace(u) + u * v.x - x * torch.sin(v), u.y * v.y + v * v - (1 + u**2) * v.xy - y

    conditions = [
        Dirichlet(lambda x, y: x + y, on=domain.boundary, unknown="u"),
        Dirichlet(1.0, on=domain.boundary, unknown="v"),
    ]
    return Problem(domain, equation, conditions)


@pytest.mark.parametrize("name", ["square", "rotated rectangle", "disc"])
def test_the_jacobian_is_the_derivative_of_the_residuals(name):
    problem = nonlinear_system(DOMAINS[name])
    assembly = assemble(problem, patches_over(problem, 2, hanging=True), 4)
    generator = torch.Generator().manual_seed(0)
    c, direction = (
        torch.randn(assembly.layout.total, generator=generator, dtype=torch.float64) for _ in "cd"
    )
    rows, residuals, scales = assembly.linearise(c)
    again = assembly.residuals(c, scales)
    step = 1e-5
    ahead, back = (assembly.residuals(c + s * direction, scales) for s in (step, -step))
    for block, r, same, after, before in zip(rows, residuals, again, ahead, back, strict=True):
        assert torch.allclose(r, same, rtol=1e-12, atol=1e-12)
        difference = (after - before) / (2 * step)
        scale = float(difference.abs().max()) + 1e-12
        assert torch.allclose(block.apply(direction), difference, rtol=1e-6, atol=1e-7 * scale)


def test_a_linear_problem_has_one_jacobian():
    problem = polynomial_problem(SQUARE, 3)
    assembly = assemble(problem, patches_over(problem, 2), 5)
    zero = torch.zeros(assembly.layout.total, dtype=torch.float64)
    rows, constant, scales = assembly.linearise(zero)
    c = torch.randn(assembly.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert assembly.linear
    for block, r, b in zip(rows, assembly.residuals(c, scales), constant, strict=True):
        assert torch.allclose(r, block.apply(c) + b, rtol=1e-10, atol=1e-10)


def test_residuals_of_patches_add_up_to_the_residual_with_faces_counted_twice():
    problem = polynomial_problem(SQUARE, 7)
    discrete = solve_on(problem, patches_over(problem, 3), 5)
    assembly = discrete.assembly
    _, residuals, _ = assembly.linearise(discrete.coefficients)
    faces = squared_norm(residuals[len(assembly.source(TermRows).points) :])
    whole = squared_norm(residuals)
    assert (discrete.residual_of_patch**2).sum() == pytest.approx(whole + faces, rel=1e-8)


# ---------------------------------------------------------------- units


def manufactured(scale: float = 1.0, factor: float = 1.0, size: float = 1.0) -> Problem:
    """-Δu = f on a square of side `size`, multiplied by `factor`; u is `scale` times sin·exp."""
    domain = Rectangle((0, 0), (size, size))

    def exact(x, y):
        return scale * torch.sin(3 * x / size) * torch.exp(y / size)

    def equation(u, x, y):
        return factor * (-laplace(u) - 8 * exact(x, y) / size**2)

    return Problem(domain, equation, [Dirichlet(exact, on=domain.boundary)], exact=exact)


@pytest.mark.parametrize(
    "change", [{"scale": 1e8}, {"factor": 1e-7}, {"size": 1e4}, {"scale": 1e-9, "size": 1e-3}]
)
def test_the_error_does_not_depend_on_units(change):
    plain, other = manufactured(), manufactured(**change)
    expected = error_of(solve_on(plain, patches_over(plain, 3), 6))
    found = error_of(solve_on(other, patches_over(other, 3), 6))
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_residual_that_is_not_finite_is_an_error_with_a_place_in_it():
    def equation(u, x):
        return laplace(u) - torch.log(x - 0.5)

    domain = Interval(0, 1)
    problem = Problem(domain, equation, [Dirichlet(0, on=domain.boundary)])
    assembly = assemble(problem, patches_over(problem, 3), 5)
    with pytest.raises(SolveError, match=r"equation 'equation' is not finite at .* first at \(0\."):
        assembly.linearise(torch.zeros(assembly.layout.total, dtype=torch.float64))


# ---------------------------------------------------------------- continuity


def orders_of(problem: Problem) -> list[list[int]]:
    return Statement.of(problem, Frame.of(problem.domain).rotation).orders.tolist()


def test_orders_of_kovasznay_flow_are_two_two_one():
    assert orders_of(load_problem(PROBLEMS / "kovasznay.py")) == [[2, 2], [2, 2], [1, 1]]


def test_orders_are_found_along_every_axis():
    line = Interval(0, 1) * TimeInterval(0, 1)
    ends = Dirichlet(0, on=Interval(0, 1).boundary)
    heat = Problem(line, lambda u: u.t - u.xx, [ends, Initial(0)])
    wave = Problem(line, lambda u: u.tt - u.xx, [ends, Initial(0), Initial(0, order=1)])
    transport = Problem(line, lambda u: u.t + 2 * u.x, [Initial(0)])
    beam = Problem(line, lambda u: u.tt + u.xxxx, [ends, Initial(0), Initial(0, order=1)])
    assert orders_of(heat) == [[2, 1]]
    assert orders_of(wave) == [[2, 2]]
    assert orders_of(transport) == [[1, 1]]
    assert orders_of(beam) == [[4, 2]]
    mixed = Problem(
        SQUARE, lambda u: u.xy + u, [Dirichlet(0, on=SQUARE.left), Dirichlet(0, on=SQUARE.bottom)]
    )
    assert orders_of(mixed) == [[1, 1]]


@pytest.mark.parametrize("square", [SQUARE, SQUARE.rotated(0.3)], ids=["straight", "turned"])
@pytest.mark.parametrize("width", [1e-3, 1e-6, 1e-8])
def test_a_derivative_that_makes_a_layer_counts_however_small_its_coefficient(square, width):
    layer = Problem(square, lambda u: -(width**2) * laplace(u) + u - 1, [Dirichlet(0, on=square.boundary)])
    assert orders_of(layer) == [[2, 2]]


def test_orders_are_found_in_the_frame_of_the_domain():
    """Transport along an edge of a rotated square needs no continuity across it."""
    tilted = Polygon([(0, 0), (2, 1), (1, 3), (-1, 2)])
    along = Problem(tilted, lambda u: 2 * u.x + u.y, [Dirichlet(0, on=tilted.edges[3])])
    assert sorted(orders_of(along)[0]) == [0, 1]


def test_a_wrong_rule_of_continuity_gives_a_wrong_answer_that_the_estimate_notices():
    problem = manufactured()
    patches = patches_over(problem, 3)
    right = solve_on(problem, patches, 8)
    values_only = np.array([[1, 1]])
    wrong, finer = (solve_on(problem, patches, q, values_only) for q in (8, 10))
    assert error_of(right) < 1e-6
    assert error_of(wrong) > 1e-3
    assert wrong.residual < 1e-2 * error_of(wrong)  # the residual does not see it
    assert difference(wrong, finer).max() > 1e-4


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_projection_is_exact_for_what_the_patches_can_hold(dimension):
    """Not so at n Gauss points per axis for a function of order n + 1, which vanishes at all of them."""
    boxes = {1: Interval(0, 1), 2: Rectangle((0, 0), (1, 1)), 3: Box((0, 0, 0), (1, 1, 1))}
    box = boxes[dimension]
    problem = Problem(box, lambda u: u.xx + u, [Dirichlet(0, on=box.boundary)])
    solver = Discretisation(problem, 1e-6, Monitor(), "cpu", {})
    patches, q = solver.start()
    assembly = discretise(solver.statement, patches, q)
    random = torch.randn(
        assembly.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = project(assembly, assembly.mixture(random), problem)
    torch.testing.assert_close(found, random, rtol=0, atol=1e-9)


def test_a_small_coefficient_that_varies_from_cell_to_cell_is_not_that_of_the_first():
    """In metres over a million km: 1e-19 u beside u_xx matters, and varies a hundredfold."""
    sea = Interval(0, 1e9)
    problem = Problem(
        sea,
        lambda u, x: u.xx - 1e-19 * (1 + 100 * (x / 1e9) ** 2) * u,
        [Dirichlet(0, on=sea.boundary)],
    )
    assembly = assemble(problem, patches_over(problem, 3), 6)
    c = torch.rand(assembly.layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows, _, scales = assembly.linearise(0 * c)
    for block, r in zip(rows, assembly.residuals(c, scales), strict=True):
        assert float((block.apply(c) - r).norm()) <= 1e-10 * float(r.norm())


def test_a_term_that_is_taken_for_linear_and_is_not_is_solved_all_the_same(monkeypatch):
    line = Interval(0, 1)
    problem = Problem(
        line,
        lambda u, x: -u.xx + 20 * u**3 - pi**2 * sin(pi * x) - 20 * sin(pi * x) ** 3,
        [Dirichlet(0, on=line.boundary)],
        exact=lambda x: sin(pi * x),
    )
    monkeypatch.setattr(Assembly, "linear", True)
    found = solve_on(problem, patches_over(problem, 3), 14)
    assert found.converged
    assert error_of(found) < 1e-8
