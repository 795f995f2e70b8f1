import itertools
import math

import pytest
import torch

from pdesolve.least_squares.dense.gauss_newton import GaussNewtonSettings, gauss_newton
from pdesolve.runs.monitor import Monitor

f64 = torch.float64


def intersection(θ):
    """A circle meets a hyperbola: zero residual, nonlinear."""
    x, y = θ
    return torch.stack([x**2 + y**2 - 4, x * y - 1, (x**2 + y**2 - 4) * x])


def rosenbrock(θ):
    return torch.stack([10 * (θ[1] - θ[0] ** 2), 1 - θ[0]])


def jacobian_of(residual):
    return torch.func.jacrev(residual)


def test_converges_quadratically_to_a_zero_residual():
    root = gauss_newton(intersection, jacobian_of(intersection), torch.tensor([2.0, 0.5], dtype=f64)).theta
    errors, θ = [], torch.tensor([2.3, 0.3], dtype=f64)
    for _ in range(5):
        θ = gauss_newton(
            intersection, jacobian_of(intersection), θ, settings=GaussNewtonSettings(iterations=1)
        ).theta
        errors.append(float(torch.linalg.vector_norm(θ - root)))
    large = [e for e in errors if e > 1e-8]
    orders = [math.log(b) / math.log(a) for a, b in itertools.pairwise(large)]
    assert len(large) >= 2
    assert min(orders[-1:]) > 1.8
    assert errors[-1] < 1e-14


def test_linear_problem_is_solved_in_one_step():
    A = torch.randn(9, 4, dtype=f64, generator=torch.Generator().manual_seed(0))
    b = torch.arange(9, dtype=f64)
    found = gauss_newton(lambda θ: A @ θ - b, lambda _: A, torch.zeros(4, dtype=f64))
    torch.testing.assert_close(found.theta, torch.linalg.lstsq(A, b[:, None]).solution[:, 0])
    assert found.converged
    assert found.iterations <= 2


def test_line_search_never_lets_the_loss_grow():
    monitor = Monitor()
    found = gauss_newton(rosenbrock, jacobian_of(rosenbrock), torch.tensor([-1.2, 1.0], dtype=f64), monitor)
    losses = [row["loss"] for row in monitor.history]
    assert all(b <= a for a, b in itertools.pairwise(losses))
    torch.testing.assert_close(found.theta, torch.ones(2, dtype=f64))


def test_arctangent_that_newton_overshoots_is_solved_by_shorter_steps():
    monitor = Monitor()
    found = gauss_newton(torch.atan, jacobian_of(torch.atan), torch.tensor([3.0], dtype=f64), monitor)
    assert monitor.history[0]["step_length"] < 1
    assert abs(float(found.theta[0])) < 1e-7


def test_foreign_solver_is_used_and_needs_only_products():
    class Operator:
        def __init__(self, matrix):
            self.matrix = matrix

        def __matmul__(self, vector):
            return self.matrix @ vector

    jacobian = jacobian_of(rosenbrock)
    found = gauss_newton(
        rosenbrock,
        lambda θ: Operator(jacobian(θ)),
        torch.tensor([-1.2, 1.0], dtype=f64),
        solve=lambda J, b: torch.linalg.solve(J.matrix, b),
    )
    torch.testing.assert_close(found.theta, torch.ones(2, dtype=f64))


def test_region_that_is_not_finite_is_backed_away_from():
    def residual(θ):
        return torch.log(θ)  # a full step from 4 leads to a negative argument

    found = gauss_newton(residual, jacobian_of(residual), torch.tensor([4.0], dtype=f64))
    torch.testing.assert_close(found.theta, torch.ones(1, dtype=f64))


def test_wrong_jacobian_ends_in_a_sentence_that_says_so():
    found = gauss_newton(
        rosenbrock, lambda θ: -jacobian_of(rosenbrock)(θ), torch.tensor([-1.2, 1.0], dtype=f64)
    )
    assert not found.converged
    assert "check that the Jacobian belongs to the residual" in found.status


def test_limits_end_the_iteration_with_their_remedy():
    start = torch.tensor([-1.2, 1.0], dtype=f64)
    few = gauss_newton(rosenbrock, jacobian_of(rosenbrock), start, settings=GaussNewtonSettings(iterations=1))
    assert "raise the number of iterations" in few.status
    late = gauss_newton(rosenbrock, jacobian_of(rosenbrock), start, Monitor(time_limit=-1.0))
    assert "raise the time limit" in late.status
    nan = gauss_newton(rosenbrock, jacobian_of(rosenbrock), start * math.nan)
    assert nan.status.startswith("failed at the start")


def test_resumed_run_ends_at_the_same_bits():
    start, saved = torch.tensor([-1.2, 1.0], dtype=f64), {}
    whole = gauss_newton(
        rosenbrock, jacobian_of(rosenbrock), start, settings=GaussNewtonSettings(iterations=4)
    )
    monitor = Monitor(on_checkpoint=saved.update, checkpoint_every=0.0)
    gauss_newton(rosenbrock, jacobian_of(rosenbrock), start, monitor, GaussNewtonSettings(iterations=2))
    rest = gauss_newton(
        rosenbrock,
        jacobian_of(rosenbrock),
        start,
        Monitor(resume_state=saved),
        GaussNewtonSettings(iterations=4),
    )
    assert torch.equal(rest.theta, whole.theta)
    assert (rest.iterations, rest.loss) == (whole.iterations, whole.loss)


@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_start_at_a_solution_returns_it(zero):
    found = gauss_newton(
        lambda θ: zero * (θ - 1), lambda _: torch.eye(2, dtype=f64), torch.ones(2, dtype=f64)
    )
    assert found.converged
    assert torch.equal(found.theta, torch.ones(2, dtype=f64))
