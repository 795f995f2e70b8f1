import io
import math
from dataclasses import replace

import pytest
import torch
from statements import inverse, mean_value, mixed, poisson

from pdesolve import (
    Box,
    Dirichlet,
    Interface,
    Interval,
    Periodic,
    Piecewise,
    Problem,
    Rectangle,
    div,
    grad,
    laplace,
)
from pdesolve.errors import UsageError
from pdesolve.runs.monitor import Monitor
from pdesolve.trained.mixture_start import best_start
from pdesolve.trained.sampling import compile_statement
from pdesolve.trained.solve import METHODS, solve_trained

every = pytest.mark.parametrize("method", METHODS)
SMALL = {
    "gmnm-trained": {"parameters": 40, "points": 80},
    "pinn": {"parameters": 60, "points": 60, "adam_iterations": 40},
    "kan": {"parameters": 60, "points": 40, "adam_iterations": 40},
    "network": {"parameters": 60, "points": 60, "approximator": "mlp-tanh", "optimiser": "lm"},
}


def relative_error(problem, approximator, n=2000):
    x = problem.domain.sample(n, sampler="uniform", seed=123)
    exact = problem.values(problem.exact, x)
    with torch.no_grad():
        return float(torch.linalg.vector_norm(approximator(x) - exact) / torch.linalg.vector_norm(exact))


def theta(approximator):
    return torch.nn.utils.parameters_to_vector(approximator.parameters()).detach()


class KilledError(Exception):
    pass


def interrupted(problem, method, settings, rows):
    """The last checkpoint of a run that is killed after so many history rows."""
    file, seen = io.BytesIO(), []

    def write(state):
        file.seek(0)
        file.truncate()
        torch.save(state, file)

    def count(row):
        seen.append(row)
        if len(seen) == rows:
            raise KilledError

    monitor = Monitor(on_checkpoint=write, checkpoint_every=0.0, on_record=count)
    with pytest.raises(KilledError):
        solve_trained(problem, method, settings, monitor, tol=1e-12)
    file.seek(0)
    return torch.load(file, weights_only=True)


KINDS_OF_RUN = [(m, p) for m in METHODS for p in (poisson, inverse)] + [
    ("gmnm-trained", mixed),
    ("pinn", mixed),
]


@pytest.mark.parametrize(("method", "make"), KINDS_OF_RUN)
def test_killed_and_resumed_training_ends_at_the_same_bits(method, make):
    settings = {**SMALL[method], "iterations": 6 if method == "gmnm-trained" else 60}
    expected = solve_trained(make(), method, settings, tol=1e-12)
    # Networks record every 20 iterations: the kill falls into Adam, which ends at 40, and after it.
    for rows in (2,) if method == "gmnm-trained" else (2, 4):
        state = interrupted(make(), method, settings, rows)
        found = solve_trained(make(), method, settings, Monitor(resume_state=state), tol=1e-12)
        assert torch.equal(theta(found.expansion), theta(expected.expansion))
        assert replace(found, expansion=None) == replace(expected, expansion=None)


def test_killed_run_is_resumed_to_the_same_bits_across_an_exchange_at_fresh_points():
    settings = {"parameters": 40, "points": 80, "iterations": 34}
    expected = solve_trained(poisson(), "gmnm-trained", settings, tol=1e-12)
    for rows in (30, 32):  # the exchange is the first thing after 30 iterations
        state = interrupted(poisson(), "gmnm-trained", settings, rows)
        found = solve_trained(poisson(), "gmnm-trained", settings, Monitor(resume_state=state), tol=1e-12)
        assert torch.equal(theta(found.expansion), theta(expected.expansion))


@every
def test_training_never_looks_at_the_exact_solution(method):
    problem, blind = poisson(), poisson()
    blind.exact = {"u": math.nan}
    settings = {**SMALL[method], "iterations": 5}
    a, b = (solve_trained(p, method, settings) for p in (problem, blind))
    assert torch.equal(theta(a.expansion), theta(b.expansion))


@every
def test_seed_makes_a_run_repeatable(method):
    settings = {**SMALL[method], "iterations": 5}
    a, b = (solve_trained(poisson(), method, settings, seed=4) for _ in range(2))
    assert torch.equal(theta(a.expansion), theta(b.expansion))


@pytest.mark.slow
@every
def test_rescaled_twin_is_solved_as_well(method):
    settings = {**SMALL[method], "iterations": 30}
    problems = poisson(), poisson(1e3, 1e6)
    errors = [relative_error(p, solve_trained(p, method, settings).expansion) for p in problems]
    assert errors[1] == pytest.approx(errors[0], rel=0.05)


@pytest.mark.parametrize("method", ["gmnm-trained", "pinn"])
def test_constant_is_identified_from_data(method):
    settings = {"iterations": 300, "parameters": 60, "adam_iterations": 100}
    found = solve_trained(inverse(), method, settings, tol=1e-4)
    assert found.findings.parameters["kappa"] == pytest.approx(2.5, rel=1e-3)


@pytest.mark.parametrize("method", ["gmnm-trained", "pinn"])
def test_mean_value_makes_a_neumann_problem_unique(method):
    problem = mean_value()
    found = solve_trained(
        problem, method, {"iterations": 300, "parameters": 60, "adam_iterations": 100}, tol=1e-4
    )
    assert relative_error(problem, found.expansion) < 1e-3


def test_periodic_problem_is_solved():
    line = Interval(0, 2)

    def exact(x):
        return torch.exp(torch.sin(torch.pi * x))

    def equation(u, x):
        s, c = torch.sin(torch.pi * x), torch.cos(torch.pi * x)
        return -u.xx + u - exact(x) * (1 - torch.pi**2 * (c**2 - s))

    problem = Problem(line, equation, [Periodic("x")], exact=exact)
    found = solve_trained(problem, "gmnm-trained", tol=1e-6)
    assert relative_error(problem, found.expansion) < 1e-5


@every
def test_float32_trains_too(method):
    problem = poisson()
    found = solve_trained(problem, method, {**SMALL[method], "iterations": 20}, dtype=torch.float32)
    assert next(iter(found.expansion.parameters())).dtype == torch.float32
    assert relative_error(problem, found.expansion) < 0.5


@every
def test_time_limit_ends_training_with_a_finite_solution(method):
    found = solve_trained(mixed(), method, SMALL[method], Monitor(time_limit=0.0))
    assert "time limit" in found.status
    assert torch.isfinite(theta(found.expansion)).all()


@every
def test_own_tolerance_ends_training(method):
    found = solve_trained(poisson(), method, SMALL[method], tol=0.5)
    assert found.converged
    assert "met its tolerance" in found.status


@every
def test_wrong_settings_are_refused_with_the_known_ones(method):
    with pytest.raises(UsageError, match="no setting 'width'; its settings are iterations, points"):
        solve_trained(poisson(), method, {"width": 3})
    with pytest.raises(UsageError, match="points=-3; expected a positive whole number"):
        solve_trained(poisson(), method, {"points": -3})
    with pytest.raises(UsageError, match="no trained method 'mlp'; they are gmnm-trained, pinn, kan"):
        solve_trained(poisson(), "mlp")


def test_unknown_optimiser_is_refused_before_training():
    with pytest.raises(UsageError, match="unknown optimiser 'sgd'"):
        solve_trained(poisson(), "pinn", {"optimiser": "sgd"})


def test_unknown_start_is_refused():
    with pytest.raises(UsageError, match="start='circle'; expected grid or random"):
        solve_trained(poisson(), "gmnm-trained", {"start": "circle"})


def test_search_for_a_start_ends_with_the_time_limit():
    statement = compile_statement(poisson(), torch.float64, torch.device("cpu"))
    asked = []

    def out_of_time():
        asked.append(True)
        return len(asked) == 3

    best_start(statement, 40, 1e-11, 0, out_of_time=out_of_time)
    assert len(asked) == 3  # and no candidate after that


def test_interface_is_refused_with_a_way_out():
    outer, inner = Rectangle((0, 0), (1, 1)), Rectangle((0.25, 0.25), (0.75, 0.75))
    k = Piecewise({inner: 10.0}, otherwise=1.0)
    problem = Problem(
        outer,
        lambda u, x, y: -div(k(x, y) * grad(u)) - 1,
        [Dirichlet(0, on=outer.boundary), Interface(k, on=inner.boundary)],
    )
    with pytest.raises(UsageError, match="use method='gmnm'"):
        solve_trained(problem, "pinn")


@pytest.mark.slow
@pytest.mark.parametrize(("method", "goal"), [("pinn", 1e-3), ("kan", 1e-2)])
def test_poisson_is_solved_by_networks(method, goal):
    problem = poisson()
    settings = {"parameters": 150, "points": 200, "iterations": 250, "adam_iterations": 100}
    found = solve_trained(problem, method, settings)
    assert relative_error(problem, found.expansion) < goal


@pytest.mark.slow
@pytest.mark.parametrize("start", ["grid", "random"])
def test_poisson_is_solved_to_1e_7_by_a_mixture_with_256_parameters(start):
    problem = poisson()
    settings = {"iterations": 100, "start": start}
    found = solve_trained(problem, "gmnm-trained", settings, Monitor(time_limit=60), tol=1e-9)
    assert sum(p.numel() for p in found.expansion.parameters()) <= 257
    assert relative_error(problem, found.expansion) < 1e-7


@pytest.mark.slow
def test_quadratic_in_ten_dimensions_is_solved_by_ridges():
    box = Box((0,) * 10, (1,) * 10)

    def exact(x):
        return (x[:, 0::2] * x[:, 1::2]).sum(1)

    problem = Problem(box, lambda u: -laplace(u), [Dirichlet(exact, on=box.boundary)], exact=exact)
    settings = {"parameters": 960, "iterations": 5}
    found = solve_trained(problem, "gmnm-trained", settings, Monitor(time_limit=60), tol=1e-9)
    assert relative_error(problem, found.expansion) < 1e-4
