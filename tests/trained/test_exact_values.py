"""With `lifting=distance` a trained method meets prescribed values exactly, and sees them on the boundary only."""

import pytest
import torch
from torch import exp, sin

from pdesolve import (
    Annulus,
    Dirichlet,
    Disk,
    Ellipse,
    Initial,
    Neumann,
    Polygon,
    Problem,
    Rectangle,
    Solution,
    TimeInterval,
    laplace,
    load_problem,
    solve,
)
from pdesolve.approximators import MLP, AutodiffJet
from pdesolve.errors import UsageError
from pdesolve.trained.exact_values import ExactValues
from pdesolve.trained.sampling import Sampling, compile_statement, raw_groups

SQUARE, TIME = Rectangle((0, 0), (1, 1)), TimeInterval(0, 1)
ELL = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
RING, HOLED = Annulus((0, 0), 0.5, 1), SQUARE - Disk((0.5, 0.5), 0.2)


def values(x, y):
    return 1 + sin(2 * x) * exp(y)


def state(domain, conditions, equation=lambda u: -laplace(u)):
    return Problem(domain, equation, conditions)


CASES = {
    "square": (state(SQUARE, [Dirichlet(values, on=SQUARE.boundary)]), SQUARE.boundary),
    "two sides": (
        state(
            SQUARE,
            [Dirichlet(values, on=SQUARE.left | SQUARE.top), Neumann(0, on=SQUARE.right | SQUARE.bottom)],
        ),
        SQUARE.left | SQUARE.top,
    ),
    "half an edge": (
        state(SQUARE, [Dirichlet(values, on=(half := SQUARE.top.where(lambda x: x < 0.5)))]),
        half,
    ),
    "L-shape": (state(ELL, [Dirichlet(values, on=ELL.boundary)]), ELL.boundary),
    "disk": (
        state(Disk((0, 0), 1), [Dirichlet(values, on=Disk((0, 0), 1).boundary)]),
        Disk((0, 0), 1).boundary,
    ),
    "ring": (state(RING, [Dirichlet(values, on=RING.inner), Dirichlet(0, on=RING.outer)]), RING.inner),
    "holed": (
        state(
            HOLED, [Dirichlet(values, on=SQUARE.boundary), Dirichlet(2, on=Disk((0.5, 0.5), 0.2).boundary)]
        ),
        SQUARE.boundary,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_distance_vanishes_and_the_extension_agrees_where_values_are_prescribed(name):
    problem, place = CASES[name]
    found = ExactValues.of(problem)
    x = place.rule(problem.domain, 9).points
    assert float(found.distance(x).abs().max()) < 1e-14
    assert torch.allclose(found.extension(x)[:, 0], values(*x.T), atol=1e-13)
    inside = problem.domain.sample(500, seed=3)
    assert float(found.distance(inside).min()) > 0


@pytest.mark.parametrize("name", ["square", "disk", "holed"])
def test_values_inside_the_domain_are_never_seen(name):
    problem, _ = CASES[name]
    level, extent = problem.domain.level, ExactValues.of(problem)

    def bumped(x, y):
        inside = (level(torch.stack([x, y], 1)) < -1e-9).double()
        return values(x, y) + 1e3 * inside

    conditions = [Dirichlet(bumped, on=c.on) if callable(c.value) else c for c in problem.conditions]
    other = ExactValues.of(state(problem.domain, conditions))
    x = problem.domain.sample(200, seed=5)
    assert torch.equal(other.extension(x), extent.extension(x))


@pytest.mark.parametrize("method", ["gmnm-trained", "pinn", "network"])
def test_a_solution_meets_its_values_to_the_bit_and_is_read_again(method, tmp_path):
    square = load_problem("problems/poisson_2d.py")
    solution = solve(
        square, method=method, lifting="distance", parameters=100, iterations=20, tol=1e-6, time_limit=20
    )
    edge = square.domain.boundary.rule(square.domain, 5).points
    assert float(solution.evaluate(edge).abs().max()) == 0
    assert float(solution.relative_l2_error()) < 0.1
    solution.save(tmp_path)
    x = square.domain.sample(50)
    assert torch.equal(Solution.load(tmp_path).evaluate(x), solution.evaluate(x))


def test_a_linear_problem_needs_fewer_rows_and_ends_nearer():
    heat = load_problem("problems/heat_1d.py")
    solution = solve(heat, method="gmnm-trained", lifting="distance", tol=1e-6, time_limit=40)
    assert solution.relative_l2_error() < 1e-6


def test_unknowns_without_values_are_left_alone():
    conditions = [
        Dirichlet(0, on=SQUARE.boundary, unknown="u"),
        Initial(0, unknown="u"),
        Initial(1, unknown="v"),
    ]
    problem = Problem(SQUARE * TIME, lambda u, v: (u.t - laplace(u), v.t - u), conditions)
    found = ExactValues.of(problem)
    x = problem.domain.sample(20)
    x[:, 2] = 0
    assert found.distance(x)[:, 1].tolist() == [0.0] * 20
    assert found.extension(x)[:, 1].tolist() == [1.0] * 20
    stokes = Problem(
        SQUARE, lambda u, p: (laplace(u) + p, u.x), [Dirichlet(0, on=SQUARE.boundary, unknown="u")]
    )
    assert ExactValues.of(stokes).distance(x[:, :2])[:, 1].tolist() == [1.0] * 20


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("needs a Dirichlet condition", state(SQUARE, [Neumann(0, on=SQUARE.boundary)])),
        (
            "knows no smooth distance from",
            state(oval := Ellipse((0, 0), (2, 1)), [Dirichlet(0, on=oval.boundary)]),
        ),
        (
            "knows no smooth distance from",
            state(
                disk := Disk((0, 0), 1),
                [
                    Dirichlet(0, on=disk.boundary.where(lambda x: x < 0)),
                    Neumann(0, on=disk.boundary.where(lambda x: x >= 0)),
                ],
            ),
        ),
    ],
)
def test_what_cannot_be_lifted_is_refused_in_a_sentence(message, problem):
    with pytest.raises(UsageError, match=message):
        solve(problem, method="pinn", lifting="distance", iterations=1)


def test_only_trained_methods_lift_and_only_in_one_way():
    problem = CASES["square"][0]
    with pytest.raises(UsageError, match="method gmnm has no setting 'lifting'"):
        solve(problem, lifting="distance")
    with pytest.raises(UsageError, match="lifting='yes'; expected distance"):
        solve(problem, method="pinn", lifting="yes")


def test_a_module_without_a_name_says_how_it_could_be_saved():
    with pytest.raises(UsageError, match="ForeignNetwork"):
        AutodiffJet(MLP(2), 2).config()


def test_values_whose_derivatives_are_infinite_are_refused():
    conditions = [Dirichlet(lambda x, y: (x**2 + y**2) ** (1 / 3), on=ELL.boundary), Initial(0)]
    problem = Problem(ELL * TIME, lambda u: u.t - laplace(u), conditions)
    found = ExactValues.of(problem)
    statement = compile_statement(problem, torch.float64, torch.device("cpu"))
    group = raw_groups(problem, statement.operators, Sampling(9), 0, torch.float64, torch.device("cpu"))[0]
    group.points[0] = torch.tensor([0.5, 0.0, 0.5])
    with pytest.raises(UsageError, match="derivatives are not finite"):
        found.of_group(group)
