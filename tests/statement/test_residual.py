"""From jets to residuals: which derivatives, how deep, linear or not, and the linearisation."""

import copy
from pathlib import Path

import pytest
import torch

from pdesolve import (
    Condition,
    Dirichlet,
    Initial,
    Interval,
    Neumann,
    Problem,
    Rectangle,
    Robin,
    TimeInterval,
    div,
    grad,
    laplace,
)
from pdesolve.checks.check import check
from pdesolve.errors import ProblemError
from pdesolve.statement.loading import load_problem
from pdesolve.statement.residual import compile_problem, compile_term, sample_points

FOLDER = Path(__file__).resolve().parents[2] / "problems"
FILES = sorted(FOLDER.glob("*.py"))
SQUARE, LINE = Rectangle((0, 0), (1, 1)), Interval(0, 1)


def compiled(equation, domain=SQUARE, **rest):
    return compile_problem(Problem(domain, equation, **rest))[0]


def random_jets(operator, n, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, len(operator.slots), generator=generator, dtype=torch.float64).to(dtype) + 0.5


# ---------------------------------------------------------------- which derivatives, how deep


def nothing_at_zero(u, kappa):
    return u.x - kappa * u.xx


def branches(u, x):
    return torch.where(x > 2, u.xx, u.y)


@pytest.mark.parametrize(
    ("equation", "orders", "depth", "linear"),
    [
        (lambda u: -laplace(u), {(2, 0), (0, 2)}, 0, True),
        (lambda u: laplace(laplace(u)), {(4, 0), (2, 2), (0, 4)}, 0, True),
        (lambda u, x, y: div((1 + x * y) * grad(u)), {(1, 0), (0, 1), (2, 0), (0, 2)}, 1, True),
        (lambda u: div((1 + u**2) * grad(u)), {(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)}, 1, False),
        (lambda u, x: (x**2 * (x * u.x).x).x, {(1, 0), (2, 0), (3, 0)}, 2, True),
        (lambda u: u * u.x - u.yy, {(0, 0), (1, 0), (0, 2)}, 0, False),
        (lambda u: grad(u).norm() - 1, {(1, 0), (0, 1)}, 0, False),
        (lambda u: abs(u.x).x, {(1, 0), (2, 0)}, 1, False),
        (branches, {(2, 0), (0, 1)}, 0, True),
        (lambda u: torch.sin(u) - u.x, {(0, 0), (1, 0)}, 0, False),
        (lambda u: 2 * u.x - 3, {(1, 0)}, 0, True),
        (lambda u, x: torch.where(u > x, u.xx, 2 * u.xx), {(0, 0), (2, 0)}, 0, False),
    ],
)
def test_an_equation_asks_for_exactly_the_derivatives_it_mentions(equation, orders, depth, linear):
    operator = compiled(equation)
    assert {index for _, index in operator.slots} == orders
    assert operator.depth == depth
    assert linear is None or operator.linear == linear


def test_a_term_that_vanishes_at_this_constant_is_kept():
    operator = compiled(nothing_at_zero, constants={"kappa": 0.0})
    assert (0, (2, 0)) in operator.slots
    _, dF = operator.linearise(SQUARE.sample(10), random_jets(operator, len(SQUARE.sample(10))))
    assert float(dF[:, 0, operator.slots.index((0, (2, 0)))].abs().max()) == 0.0


def test_a_term_that_vanishes_at_this_parameter_is_kept():
    operator = compiled(nothing_at_zero, parameters={"kappa": 0.0})
    assert (0, (2, 0)) in operator.slots


def test_a_coefficient_that_differs_from_zero_in_a_small_part_is_seen():
    operator = compiled(lambda u, x: (torch.relu(x - 0.99) * u.x).x, domain=LINE)
    assert (0, (2,)) in operator.slots


def test_slots_of_a_system_carry_their_unknown():
    operator = compiled(lambda u, v: (u.x + v, v.yy - u))
    assert set(operator.slots) == {(0, (0, 0)), (0, (1, 0)), (1, (0, 0)), (1, (0, 2))}
    assert operator.components == 2


def test_conditions_are_compiled_with_their_normals():
    problem = Problem(
        LINE * TimeInterval(0, 1),
        lambda u: u.t - u.xx,
        [
            Initial(0),
            Initial(0, order=1),
            Dirichlet(0, on=LINE.left),
            Robin(2, 0, on=LINE.right),
            Neumann(1, on=LINE.right),
            Condition(lambda u, x, n: n.x * u.x + u**2 - x, on=LINE.left),
        ],
    )
    slots = [{index for _, index in operator.slots} for operator in compile_problem(problem)[1:]]
    value, slope, speed = (0, 0), (1, 0), (0, 1)
    assert slots == [{value}, {speed}, {value}, {value, slope}, {slope}, {value, slope}]
    linear = [operator.linear for operator in compile_problem(problem)]
    assert linear == [True] * 6 + [False]


@pytest.mark.parametrize("size", [1e-8, 1e-3, 1e3, 1e7])
def test_a_nonlinear_term_is_seen_in_any_units(size):
    assert not compiled(lambda u: -laplace(u) + (u / size) ** 2).linear
    assert compiled(lambda u: -laplace(u) / size + size * u).linear


# ---------------------------------------------------------------- values and sensitivities


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sensitivities_are_the_differences_of_residuals(path):
    """∂F/∂jet by central differences in a random direction, for the equation and every condition."""
    problem = load_problem(path)
    for term, operator in zip(problem.terms, compile_problem(problem), strict=True):
        points, normals = sample_points(problem, term, 16)
        jets, direction = random_jets(operator, len(points)), random_jets(operator, len(points), 1) - 1
        _, dF = operator.linearise(points, jets, normals)
        h = 1e-5

        def at(s, operator=operator, points=points, normals=normals, jets=jets, direction=direction):
            return operator.residual(points, jets + s * direction, normals).detach()

        expected = (at(h) - at(-h)) / (2 * h)
        found = torch.einsum("nms,ns->nm", dF, direction)
        scale = max(1.0, float(at(0.0).abs().max()), float(dF.abs().max()))
        assert float((found - expected).abs().max()) < 1e-8 * scale, term.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_half_of_the_points_give_half_of_the_residual(path):
    problem = load_problem(path)
    for term, operator in zip(problem.terms, compile_problem(problem), strict=True):
        points, normals = sample_points(problem, term, 16)
        jets, half = random_jets(operator, len(points)), slice(0, None, 2)
        r, dF = operator.linearise(points, jets, normals)
        normals = None if normals is None else normals[half]
        part, part_dF = operator.linearise(points[half], jets[half], normals)
        rounding = 1e-14 * max(1.0, float(r.abs().max()), float(dF.abs().max()))
        assert float((part - r[half]).abs().max()) <= rounding, term.name
        assert float((part_dF - dF[half]).abs().max()) <= rounding, term.name


def test_the_residual_can_be_differentiated_towards_the_jets():
    operator = compiled(lambda u, x: div((x + u**2) * grad(u)))
    points = SQUARE.sample(8)
    jets = random_jets(operator, len(points)).requires_grad_()
    operator.residual(points, jets).square().sum().mul(0.5).backward()
    r, dF = operator.linearise(points, jets)
    assert torch.allclose(jets.grad, torch.einsum("nm,nms->ns", r, dF), rtol=1e-13, atol=0)


def test_parameter_sensitivity_is_the_difference_of_residuals():
    def equation(u, v, x, kappa, lam):
        return (kappa**2 * u.x).x - lam * v, v.y + kappa * x

    problem = Problem(SQUARE, equation, parameters={"kappa": 0.7, "lam": 2.0})
    operator = compile_problem(problem)[0]
    points = SQUARE.sample(8)
    jets, h = random_jets(operator, len(points)), 1e-6

    def at(kappa, lam):
        found = {"kappa": points.new_tensor(kappa), "lam": points.new_tensor(lam)}
        return operator.residual(points, jets, None, found).detach()

    κ = {k: torch.tensor(v, dtype=torch.float64) for k, v in problem.parameters.items()}
    found = operator.parameter_sensitivity(points, jets, None, κ)
    assert found.shape == (len(points), 2, 2)
    towards_kappa = (at(0.7 + h, 2.0) - at(0.7 - h, 2.0)) / (2 * h)
    towards_lam = (at(0.7, 2.0 + h) - at(0.7, 2.0 - h)) / (2 * h)
    assert float((found[..., 0] - towards_kappa).abs().max()) < 1e-6
    assert float((found[..., 1] - towards_lam).abs().max()) < 1e-6


# ---------------------------------------------------------------- dtype


SOURCE = torch.linspace(0, 1, 3, dtype=torch.float64)  # as a problem file makes it


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_residual_has_the_dtype_of_the_jets(dtype):
    def equation(u, x, y):
        bumps = torch.exp(-((x[:, None] - SOURCE) ** 2)).sum(1) + torch.tensor([0.1])
        return div((2 + x) * grad(u)) - bumps * y

    operator = compiled(equation)
    points = SQUARE.sample(8).to(dtype)
    r, dF = operator.linearise(points, random_jets(operator, len(points), dtype=dtype))
    assert r.dtype == dF.dtype == dtype


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_single_precision_gives_the_same_residual_to_seven_digits(path):
    problem = load_problem(path)
    for term, operator in zip(problem.terms, compile_problem(problem), strict=True):
        points, normals = sample_points(problem, term, 16)
        points = points.float().double()  # the same points in both
        jets = random_jets(operator, len(points))
        r, dF = operator.linearise(points, jets, normals)
        low = None if normals is None else normals.float()
        single, _ = operator.linearise(points.float(), jets.float(), low)
        assert single.dtype == torch.float32
        terms = torch.einsum("nms,ns->nms", dF, jets).abs().amax()
        scale = max(1.0, float(r.abs().max()), float(terms))
        assert float((single - r).abs().max()) < 3e-5 * scale, term.name


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("equation", "sentence"),
    [
        (lambda u, v: u.x + v.x, "returned 1 residual for the 2 unknowns u, v"),
        (lambda u, v: (u.x, (u, v)[0].y), "does not depend on its unknown v"),
        (lambda u: u.x.sum(), r"returned shape \(\), expected"),
        (lambda u: u.x[:, None] - u, "returned shape"),
        (lambda u: grad(u), "returned a vector"),
        (lambda u: 3.0 + 0 * len(u), "returned a float"),
        (lambda u: (u,)[:0], "returned nothing"),
        (lambda u: u.x / (1 / 0), "ZeroDivisionError"),
        (lambda u, k: u.x + k, "unknown"),
    ],
)
def test_equations_that_cannot_be_are_refused(equation, sentence):
    with pytest.raises(ProblemError, match=sentence):
        compiled(equation)


def test_a_failure_names_the_line_of_the_users_file():
    with pytest.raises(ProblemError, match=r"line \d+ of test_residual.py"):
        compiled(lambda u: u.x + undefined_name)  # noqa: F821


@pytest.mark.parametrize(
    "equation",
    [lambda u: u.xx - u / u.abs().max(), lambda u: u.xx - u.mean(), lambda u: u.xx - u.flip(0)],
    ids=["maximum", "mean", "neighbour"],
)
def test_a_residual_that_is_not_pointwise_is_caught(equation):
    report = check(Problem(SQUARE, equation, [Dirichlet(1, on=SQUARE.boundary)]))
    assert any("not pointwise" in error for error in report.errors), report


def test_a_condition_that_meets_no_point_is_refused():
    nowhere = SQUARE.boundary.where(lambda x, y: x + y > 5)
    problem = Problem(SQUARE, lambda u: laplace(u), [Dirichlet(0, on=nowhere)])
    with pytest.raises(ProblemError, match="meets no boundary point"):
        compile_problem(problem)


def test_compiling_twice_gives_the_same_operator():
    problem = load_problem(FOLDER / "annulus_robin.py")
    first = compile_term(problem, problem.terms[0], *sample_points(problem, problem.terms[0], 64))
    second = compile_term(problem, problem.terms[0], *sample_points(problem, problem.terms[0], 640))
    assert (first.slots, first.depth, first.linear) == (second.slots, second.depth, second.linear)


def test_terms_are_compiled_once_and_a_copy_of_a_problem_has_its_own():
    square = Rectangle((0, 0), (1, 1))
    problem = Problem(square, lambda u: laplace(u) - 1, [Dirichlet(0, on=square.boundary)])
    first = compile_problem(problem)
    assert all(a is b for a, b in zip(first, compile_problem(problem), strict=True))
    twin = copy.copy(problem)
    assert all(operator.problem is twin for operator in compile_problem(twin))
    changed = problem.with_guess(0.0)
    assert all(operator.problem is changed for operator in compile_problem(changed))
