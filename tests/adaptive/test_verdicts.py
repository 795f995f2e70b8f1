"""Kinds of problems that were wrong and called verified: each is right, or refused, at every tolerance."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import pi, sin

from pdesolve import Condition, Dirichlet, Integral, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.adaptive.solve import solve_adaptively
from pdesolve.runs.monitor import Monitor

line = Interval(0, 1)
TOLERANCES = (1e-1, 1e-2, 1e-3)


def answer(problem: Problem, tol: float, seconds: float = 20.0):
    return solve_adaptively(problem, tol, Monitor(time_limit=seconds))


def error(result, exact, unknown: int = 0) -> float:
    """Relative L2 error of one unknown on (0, 1), exact(x) for x (n,)."""
    x = torch.linspace(0, 1, 4001, dtype=torch.float64)
    expected = torch.as_tensor(exact(x))
    return float((result.expansion(x[:, None])[:, unknown] - expected).norm() / expected.norm())


REACTIONS = {
    "where": lambda u: torch.where(u > 0.01, u, u**3),
    "abs": lambda u: torch.abs(u - 0.5),
    "relu": lambda u: 5 * torch.relu(u - 0.3),
    "clamp": lambda u: 3 * torch.clamp(u, 0.0, 0.4),
    "maximum": lambda u: torch.maximum(u, 2 * u - 0.2),
}


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("name", REACTIONS)
def test_an_equation_that_is_linear_in_pieces_is_no_linear_equation(name, tol):
    reaction = REACTIONS[name]
    problem = Problem(
        line,
        lambda u, x: -u.xx + reaction(u) - pi**2 * sin(pi * x) - reaction(sin(pi * x)),
        [Dirichlet(0, on=line.boundary)],
    )
    result = answer(problem, tol)
    assert result.converged
    assert error(result, lambda x: sin(pi * x)) < 3 * tol


@pytest.mark.parametrize("tol", TOLERANCES)
def test_unknowns_of_very_different_size_are_each_measured_against_their_own(tol):
    problem = Problem(
        line,
        lambda phi, u, x: (
            -phi.xx - 1e4 * pi**2 * sin(pi * x),
            -u.xx - 1e-9 * (30 * pi) ** 2 * sin(30 * pi * x),
        ),
        [Dirichlet(0, on=line.boundary, unknown=name) for name in ("phi", "u")],
    )
    result = answer(problem, tol)
    assert result.converged
    assert error(result, lambda x: 1e4 * sin(pi * x), 0) < 3 * tol
    assert error(result, lambda x: 1e-9 * sin(30 * pi * x), 1) < 3 * tol


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("width", [0.002, 0.01])
def test_a_narrow_source_beside_a_smooth_one_is_seen_where_it_matters(width, tol):
    def narrow(x):
        return 2 * torch.exp(-(((x - 0.5) / width) ** 2) / 2)

    def response(x):
        """Second antiderivative of the narrow source, without its value at the ends."""
        z, root = (x - 0.5) / width, 2**0.5

        def antiderivative(z):
            return width**2 * ((pi / 2) ** 0.5 * z * torch.erf(z / root) + torch.exp(-(z**2) / 2))

        end = antiderivative(torch.tensor(0.5 / width, dtype=torch.float64))
        return 2 * (antiderivative(z) - end)

    problem = Problem(
        line, lambda u, x: -u.xx - pi**2 * sin(pi * x) - narrow(x), [Dirichlet(0, on=line.boundary)]
    )
    result = answer(problem, tol)
    assert result.converged
    assert error(result, lambda x: sin(pi * x) - response(x)) < 3 * tol


@pytest.mark.parametrize("tol", TOLERANCES)
def test_a_minimum_of_the_residual_that_is_no_solution_is_refused(tol):
    """An epidemic over 60 days, stated on an interval: least squares stops where nothing happens."""
    span = Interval(0, 60)

    def epidemic(S, I, R, x):  # noqa: E741
        del x
        return S.x + 0.8 * S * I, I.x - 0.8 * S * I + I / 4, R.x - I / 4

    start = {"S": 0.995, "I": 0.005, "R": 0.0}
    conditions = [Dirichlet(value, on=span.left, unknown=name) for name, value in start.items()]
    result = answer(Problem(span, epidemic, conditions), tol)
    if result.converged:
        t = np.linspace(0, 60, 601)
        right = solve_ivp(
            lambda _, q: [-0.8 * q[0] * q[1], 0.8 * q[0] * q[1] - q[1] / 4, q[1] / 4],
            (0, 60),
            list(start.values()),
            t_eval=t,
            rtol=1e-10,
            atol=1e-12,
        ).y.T
        found = result.expansion(torch.from_numpy(t)[:, None]).numpy()
        assert (np.linalg.norm(found - right, axis=0) < 3 * tol * np.linalg.norm(right, axis=0)).all()
    else:
        words = ("no refinement lowers", "limit", "not determined")
        assert any(word in result.status for word in words)


# ---------------------------------------------------------------- in the plane

square = Rectangle((0, 0), (1, 1))


def value_at(result, *x: float) -> float:
    return float(result.expansion(torch.tensor([x], dtype=torch.float64))[0, 0])


@pytest.mark.parametrize("tol", TOLERANCES)
def test_half_an_insulated_edge_is_right(tol):
    """T ~ r^½; values from sixty terms Σ d_k r^{k+½} cos (k+½)θ fitted to the other sides."""
    hot, insulated = square.bottom.where(lambda x: x < 0.5), square.bottom.where(lambda x: x > 0.5)
    cold = insulated | square.left | square.right
    conditions = [Dirichlet(100, on=hot), Neumann(0, on=cold), Dirichlet(20, on=square.top)]
    result = answer(Problem(square, lambda T: -laplace(T), conditions), tol)
    assert result.converged
    for place, expected in (((0.5, 0.5), 53.0137328), ((0.75, 0.25), 62.2244128), ((0.25, 0.25), 75.9667895)):
        assert abs(value_at(result, *place) - expected) < 3 * tol * 70


@pytest.mark.parametrize("tol", TOLERANCES)
def test_a_jump_of_boundary_values_is_right(tol):
    cold = Dirichlet(0, on=square.left | square.right | square.bottom)
    result = answer(Problem(square, lambda T: -laplace(T), [Dirichlet(1, on=square.top), cold]), tol)
    assert result.converged
    assert abs(value_at(result, 0.5, 0.5) - 0.25) < 3 * tol * 0.4


@pytest.mark.slow
@pytest.mark.parametrize("tol", TOLERANCES)
def test_a_clamped_beam_bends_down_by_the_right_amount(tol):
    """Plane strain, λ = μ = 1, under its own weight; the tip from finite elements, graded at both corners."""
    beam = Rectangle((0, 0), (5, 1))

    def stress(u, v):
        return 3 * u.x + v.y, u.y + v.x, u.x + 3 * v.y

    def equilibrium(u, v):
        xx, xy, yy = stress(u, v)
        return xx.x + xy.y, xy.x + yy.y - 1e-3

    def along(u, v, n):
        xx, xy, _ = stress(u, v)
        return xx * n.x + xy * n.y

    def across(u, v, n):
        _, xy, yy = stress(u, v)
        return xy * n.x + yy * n.y

    free = beam.right | beam.bottom | beam.top
    held = [Dirichlet(0, on=beam.left, unknown=name) for name in "uv"]
    problem = Problem(beam, equilibrium, [*held, Condition(along, on=free), Condition(across, on=free)])
    result = answer(problem, tol)
    assert result.converged
    tip = result.expansion(torch.tensor([[5.0, 1.0]], dtype=torch.float64))[0]
    expected = torch.tensor([0.046739, -0.36455], dtype=torch.float64)
    assert float(((tip - expected) / expected).abs().max()) < 3 * tol


# ---------------------------------------------------------------- words


def test_where_an_equation_contradicts_its_conditions_the_sentence_says_so_and_where():
    contradictory = Problem(square, lambda u: -laplace(u) - 1, [Neumann(0, on=square.boundary), Integral(0)])
    result = answer(contradictory, 1e-3)
    assert not result.converged
    assert "cannot all be met" in result.status
    assert "rounding" not in result.status


def test_no_estimate_is_given_where_there_is_no_verdict():
    contradictory = Problem(square, lambda u: -laplace(u) - 1, [Neumann(0, on=square.boundary), Integral(0)])
    assert np.isnan(answer(contradictory, 1e-3).estimates).all()
