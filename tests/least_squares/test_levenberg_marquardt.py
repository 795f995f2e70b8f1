import io
import itertools
import math

import pytest
import torch

from pdesolve.least_squares.dense.damped import decompose
from pdesolve.least_squares.dense.levenberg_marquardt import (
    LevenbergMarquardtSettings,
    levenberg_marquardt,
    update_damping,
)
from pdesolve.least_squares.dense.linear import column_norms, solve_rank_revealing
from pdesolve.runs.monitor import Monitor

f64 = torch.float64
Settings = LevenbergMarquardtSettings
START = torch.tensor([-1.2, 1.0], dtype=f64)


def rosenbrock(θ):
    return torch.stack([10 * (θ[1] - θ[0] ** 2), 1 - θ[0]])


def exponentials(θ):
    """Osborne-like fit with a residual that does not vanish."""
    t = torch.linspace(0, 3, 25, dtype=f64)
    data = 2 * torch.exp(-t) + 0.5 * torch.exp(-0.2 * t) + 0.05 * torch.sin(9 * t)
    return θ[0] * torch.exp(-θ[1] * t) + θ[2] * torch.exp(-θ[3] * t) - data


EXPONENTIALS_START = torch.tensor([1.0, 3.0, 1.0, 0.0], dtype=f64)


def linearised(m=20, p=5):
    generator = torch.Generator().manual_seed(1)
    J = torch.randn(m, p, dtype=f64, generator=generator) * 10.0 ** torch.arange(p, dtype=f64)
    return J, torch.randn(m, dtype=f64, generator=generator)


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
@pytest.mark.parametrize("m", [20, 5, 3])
def test_step_solves_the_damped_normal_equations(factorisation, m):
    J, r = linearised(m)
    D = column_norms(J)
    problem = decompose(J, r, D, factorisation)
    for damping in (1e-3, 1.0, 1e3):
        left = (J.T @ J + damping * torch.diag(D**2)) @ problem.step(damping)
        torch.testing.assert_close(left / D, -(J.T @ r) / D, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
def test_step_tends_to_gauss_newton_as_damping_vanishes(factorisation):
    J, r = linearised()
    newton = solve_rank_revealing(J, -r).solution
    problem = decompose(J, r, column_norms(J), factorisation)
    distances = [float(((problem.step(λ) - newton) / newton).abs().max()) for λ in (1e-2, 1e-4, 1e-6)]
    assert distances[1] / distances[0] == pytest.approx(1e-2, rel=0.1)  # linear in λ
    assert distances[2] < 1e-4


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
def test_step_tends_to_scaled_steepest_descent_as_damping_grows(factorisation):
    J, r = linearised()
    D = column_norms(J)
    problem = decompose(J, r, D, factorisation)
    descent = -(J.T @ r) / D**2
    torch.testing.assert_close(1e8 * problem.step(1e8), descent, rtol=1e-6, atol=0)


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
def test_predicted_decrease_is_that_of_the_linear_model(factorisation):
    J, r = linearised()
    problem = decompose(J, r, column_norms(J), factorisation)
    for damping in (0.0, 1e-3, 10.0):
        model = r + J @ problem.step(damping)
        assert problem.predicted_decrease(damping) == pytest.approx(
            0.5 * float(r @ r - model @ model), rel=1e-10
        )


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
def test_step_length_falls_as_damping_grows(factorisation):
    J, r = linearised()
    D = column_norms(J)
    problem = decompose(J, r, D, factorisation)
    lengths = [float(torch.linalg.vector_norm(D * problem.step(10.0**k))) for k in range(-8, 8)]
    assert lengths == sorted(lengths, reverse=True)


def test_damping_falls_for_a_trusted_model_and_stays_for_a_doubtful_one():
    assert update_damping(1.0, 1.0) == pytest.approx(1 / 9)
    assert update_damping(1.0, 0.5) == 1.0
    assert update_damping(1.0, 0.1) > 1.0


@pytest.mark.parametrize("factorisation", ["svd", "eigh", "cholesky"])
@pytest.mark.parametrize("acceleration", [0.0, 0.75])
def test_rosenbrock_is_solved(factorisation, acceleration):
    settings = Settings(factorisation=factorisation, acceleration=acceleration)
    found = levenberg_marquardt(rosenbrock, torch.func.jacrev(rosenbrock), START, settings=settings)
    torch.testing.assert_close(found.theta, torch.ones(2, dtype=f64), rtol=1e-10, atol=1e-10)
    assert found.converged
    assert found.iterations < 40


def test_minimum_with_a_residual_left_is_stationary():
    found = levenberg_marquardt(exponentials, torch.func.jacrev(exponentials), EXPONENTIALS_START)
    gradient = torch.func.jacrev(exponentials)(found.theta).T @ exponentials(found.theta)
    assert found.converged
    assert found.loss > 1e-3
    assert gradient.abs().max() < 1e-6


def test_iterates_do_not_depend_on_the_units_of_the_parameters():
    units = torch.tensor([1e-6, 1e3, 1e2, 1e-4], dtype=f64)
    settings = Settings(iterations=5)
    plain = levenberg_marquardt(
        exponentials, torch.func.jacrev(exponentials), EXPONENTIALS_START, settings=settings
    )

    def scaled(θ):
        return exponentials(θ * units)

    other = levenberg_marquardt(
        scaled, torch.func.jacrev(scaled), EXPONENTIALS_START / units, settings=settings
    )
    torch.testing.assert_close(other.theta * units, plain.theta, rtol=1e-7, atol=1e-9)


def test_renewed_parameters_are_gone_on_from():
    seen = []

    def renew(iteration, θ):
        seen.append(iteration)
        assert rosenbrock(θ).isfinite().all()
        return torch.ones(2, dtype=f64) if iteration == 2 else None

    found = levenberg_marquardt(
        rosenbrock, torch.func.jacrev(rosenbrock), START, settings=Settings(renew=renew, iterations=5)
    )
    assert found.loss == 0.0
    assert seen == [1, 2]


def test_loss_never_grows_and_history_says_so():
    monitor = Monitor()
    levenberg_marquardt(rosenbrock, torch.func.jacrev(rosenbrock), START, monitor)
    losses = [row["loss"] for row in monitor.history]
    assert len(losses) > 3
    assert all(b < a for a, b in itertools.pairwise(losses))
    assert {"seconds", "iteration", "gradient", "damping"} <= set(monitor.history[0])


def test_region_that_is_not_finite_keeps_the_last_good_iterate_and_says_so():
    def residual(θ):
        return torch.where(θ < 2.0, torch.full_like(θ, math.nan), θ)

    found = levenberg_marquardt(residual, lambda _: torch.eye(1, dtype=f64), torch.tensor([9.0], dtype=f64))
    assert float(found.theta[0]) >= 2.0
    assert math.isfinite(found.loss)
    assert "last good iterate" in found.status
    assert not found.converged


def test_jacobian_that_turns_nan_keeps_the_last_good_iterate():
    calls = []

    def jacobian(θ):
        calls.append(1)
        return torch.func.jacrev(rosenbrock)(θ) * (math.nan if len(calls) > 3 else 1.0)

    found = levenberg_marquardt(rosenbrock, jacobian, START)
    three = levenberg_marquardt(
        rosenbrock, torch.func.jacrev(rosenbrock), START, settings=Settings(iterations=3)
    )
    assert torch.equal(found.theta, three.theta)
    assert "Jacobian is not finite" in found.status


def test_wrong_jacobian_ends_in_a_sentence_that_says_so():
    found = levenberg_marquardt(rosenbrock, lambda θ: -torch.func.jacrev(rosenbrock)(θ), START)
    assert not found.converged
    assert "does not belong to it" in found.status


def test_limits_end_the_iteration_with_their_remedy():
    few = levenberg_marquardt(
        rosenbrock, torch.func.jacrev(rosenbrock), START, settings=Settings(iterations=1)
    )
    assert "raise the number of iterations" in few.status
    late = levenberg_marquardt(rosenbrock, torch.func.jacrev(rosenbrock), START, Monitor(time_limit=-1.0))
    assert "raise the time limit" in late.status
    nan = levenberg_marquardt(rosenbrock, torch.func.jacrev(rosenbrock), START * math.nan)
    assert nan.status.startswith("failed at the start")


def test_stagnation_stops_a_run_that_hardly_moves():
    def crawling(θ):  # the residual tends to zero like 1 / log: no tolerance is ever met
        return 1 / torch.log(2 + θ**2)

    settings = Settings(iterations=1000, stagnation_window=10, stagnation=0.9)
    found = levenberg_marquardt(
        crawling, torch.func.jacrev(crawling), torch.ones(1, dtype=f64), settings=settings
    )
    assert "stalled" in found.status
    assert found.iterations < 1000


@pytest.mark.parametrize("stop", [1, 4])
def test_resumed_run_ends_at_the_same_bits(stop):
    jacobian = torch.func.jacrev(exponentials)
    whole = levenberg_marquardt(exponentials, jacobian, EXPONENTIALS_START, settings=Settings(iterations=9))
    saved = io.BytesIO()
    monitor = Monitor(on_checkpoint=lambda state: (saved.seek(0), torch.save(state, saved)))
    levenberg_marquardt(exponentials, jacobian, EXPONENTIALS_START, monitor, Settings(iterations=stop))
    saved.seek(0)
    again = Monitor(resume_state=torch.load(saved, weights_only=True))
    rest = levenberg_marquardt(exponentials, jacobian, EXPONENTIALS_START, again, Settings(iterations=9))
    assert torch.equal(rest.theta, whole.theta)
    assert (rest.iterations, rest.loss, rest.status) == (whole.iterations, whole.loss, whole.status)


def test_resampled_residual_is_evaluated_again():
    shift = torch.zeros(1, dtype=f64)

    def resample(iteration):
        shift.fill_(float(iteration))
        return True

    settings = Settings(iterations=4, on_iteration=resample)
    found = levenberg_marquardt(
        lambda θ: θ - shift - 0.1,
        lambda _: torch.eye(1, dtype=f64),
        torch.ones(1, dtype=f64),
        settings=settings,
    )
    assert float(found.theta[0]) == pytest.approx(3.1, abs=1e-2)
