"""One battery for every optimiser, alone and in a sequence."""

import io
import itertools
import math

import pytest
import torch
from objectives import ALL, QUASI_NEWTON, ROSENBROCK_START, f64, quadratic, rosenbrock

from pdesolve.errors import UsageError
from pdesolve.runs.monitor import Monitor
from pdesolve.training import sequence
from pdesolve.training.registry import MINIMISERS, minimiser

every = pytest.mark.parametrize("name", sorted(ALL))
quasi_newton = pytest.mark.parametrize("name", sorted(QUASI_NEWTON))


def test_battery_covers_the_registry():
    assert set(ALL) == set(MINIMISERS)


@quasi_newton
def test_rosenbrock_is_solved(name):
    found = minimiser(name)(rosenbrock, ROSENBROCK_START, settings={"gradient_tolerance": 1e-10})
    torch.testing.assert_close(found.theta, torch.ones(5, dtype=f64), rtol=1e-6, atol=0)
    assert found.converged
    assert found.iterations < 150


@quasi_newton
def test_convergence_is_superlinear_near_the_minimum(name):
    monitor = Monitor()
    minimiser(name)(rosenbrock, ROSENBROCK_START, monitor, {"record_every": 1, "gradient_tolerance": 1e-11})
    gradients = [row["gradient"] for row in monitor.history]
    above = [sum(g > level for g in gradients) for level in (1e-3, 1e-6, 1e-9)]
    assert (
        above[2] - above[1] <= above[1] - above[0] + 2
    )  # the last three digits cost no more than those before
    assert above[2] - above[0] <= 15


@quasi_newton
def test_quadratic_is_solved_in_a_few_steps_per_dimension(name):
    function, _ = quadratic(p=12)
    found = minimiser(name)(function, torch.zeros(12, dtype=f64), settings={"gradient_tolerance": 1e-9})
    torch.testing.assert_close(found.theta, torch.ones(12, dtype=f64), rtol=1e-5, atol=0)
    assert found.iterations < 8 * 12


@quasi_newton
def test_loss_never_grows(name):
    monitor = Monitor()
    minimiser(name)(rosenbrock, ROSENBROCK_START, monitor, {"record_every": 1})
    losses = [row["loss"] for row in monitor.history]
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_adam_lowers_the_loss_and_returns_its_best_iterate():
    monitor = Monitor()
    found = minimiser("adam")(rosenbrock, ROSENBROCK_START, monitor, {**ALL["adam"], "record_every": 1})
    assert found.loss == min(row["loss"] for row in monitor.history)
    assert found.loss < 0.05 * float(rosenbrock(ROSENBROCK_START)[0])
    assert float(rosenbrock(found.theta)[0]) == found.loss


def through_a_file(state_holder):
    """A monitor whose checkpoints pass through torch.save, and a function that loads the last one."""
    file = io.BytesIO()

    def write(state):
        file.seek(0)
        file.truncate()
        torch.save(state, file)

    def load():
        file.seek(0)
        return torch.load(file, weights_only=True)

    return Monitor(on_checkpoint=write, checkpoint_every=state_holder), load


class KilledError(Exception):
    pass


def killed_after(evaluations, function):
    count = itertools.count(1)

    def evaluate(θ):
        if next(count) > evaluations:
            raise KilledError
        return function(θ)

    return evaluate


@every
@pytest.mark.parametrize("evaluations", [3, 11, 24])
def test_killed_and_resumed_run_ends_at_the_same_bits(name, evaluations):
    settings = {"iterations": 24, "record_every": 4}
    whole = Monitor()
    expected = minimiser(name)(rosenbrock, ROSENBROCK_START, whole, settings)
    monitor, load = through_a_file(0.0)
    with pytest.raises(KilledError):
        minimiser(name)(killed_after(evaluations, rosenbrock), ROSENBROCK_START, monitor, settings)
    state = load()
    resumed = Monitor(resume_state=state, history=list(state["history"]))
    found = minimiser(name)(rosenbrock, ROSENBROCK_START, resumed, settings)
    assert torch.equal(found.theta, expected.theta)
    assert (found.loss, found.iterations, found.status) == (
        expected.loss,
        expected.iterations,
        expected.status,
    )
    for row, other in zip(resumed.history, whole.history, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("evaluations", [5, 20, 33, 45])
def test_killed_and_resumed_sequence_ends_at_the_same_bits(evaluations):
    stages = [("adam", {"iterations": 20}), ("ssbroyden", {"iterations": 15}), ("lbfgs", {"iterations": 10})]
    expected = sequence.minimise(rosenbrock, ROSENBROCK_START, settings=stages)
    monitor, load = through_a_file(0.0)
    with pytest.raises(KilledError):
        sequence.minimise(killed_after(evaluations, rosenbrock), ROSENBROCK_START, monitor, stages)
    found = sequence.minimise(rosenbrock, ROSENBROCK_START, Monitor(resume_state=load()), stages)
    assert torch.equal(found.theta, expected.theta)
    assert (found.loss, found.iterations, found.status) == (
        expected.loss,
        expected.iterations,
        expected.status,
    )
    assert found.iterations == 45


@every
def test_loss_that_turns_nan_keeps_the_last_good_iterate_and_says_so(name):
    count = itertools.count(1)

    def poisoned(θ):
        loss, gradient = rosenbrock(θ)
        return (loss, gradient) if next(count) <= 20 else (loss * math.nan, gradient * math.nan)

    found = minimiser(name)(poisoned, ROSENBROCK_START, settings={"iterations": 200})
    assert torch.isfinite(found.theta).all()
    assert found.loss == float(rosenbrock(found.theta)[0]) < float(rosenbrock(ROSENBROCK_START)[0])
    assert "not finite" in found.status
    assert "last good iterate" in found.status
    assert not found.converged


@quasi_newton
def test_region_that_is_not_finite_is_searched_around(name):
    def logarithm(θ):
        return (θ - torch.log(θ)).sum(), 1 - 1 / θ  # minimum at 1, not a number for θ < 0

    found = minimiser(name)(logarithm, torch.tensor([9.0, 0.05, 30.0], dtype=f64))
    torch.testing.assert_close(found.theta, torch.ones(3, dtype=f64), rtol=1e-6, atol=0)


@every
def test_start_that_is_not_finite_fails_with_a_sentence(name):
    found = minimiser(name)(rosenbrock, ROSENBROCK_START * math.nan)
    assert found.status.startswith("failed at the start")


@every
def test_limits_end_the_run_with_their_remedy(name):
    few = minimiser(name)(rosenbrock, ROSENBROCK_START, settings={"iterations": 3})
    assert few.iterations == 3
    assert "raise the number of iterations" in few.status
    late = minimiser(name)(rosenbrock, ROSENBROCK_START, Monitor(time_limit=-1.0))
    assert "raise the time limit" in late.status
    met = minimiser(name)(rosenbrock, ROSENBROCK_START, settings={"loss_tolerance": 1e9})
    assert met.converged


@every
def test_stagnation_ends_the_run(name):
    settings = {"stagnation_window": 5, "stagnation": 0.999999, "iterations": 400}
    found = minimiser(name)(rosenbrock, ROSENBROCK_START, settings=settings)
    assert "stalled" in found.status
    assert found.iterations < 400


def test_time_share_leaves_time_for_the_next_stage():
    monitor = Monitor(time_limit=1e3)
    monitor.started -= 500.0
    stages = [("adam", {"iterations": 50, "time_share": 0.4}), ("lbfgs", {"iterations": 7})]
    assert sequence.minimise(rosenbrock, ROSENBROCK_START, monitor, stages).iterations == 7


@quasi_newton
def test_gradient_of_the_wrong_sign_ends_with_a_sentence(name):
    def wrong(θ):
        loss, gradient = rosenbrock(θ)
        return loss, -gradient

    found = minimiser(name)(wrong, ROSENBROCK_START)
    assert "does not belong to the loss" in found.status


def moving(resample_every):
    """A function whose minimum moves with the iteration, and the callback that moves it."""
    target = torch.zeros(3, dtype=f64)
    last = [0]

    def on_iteration(iteration):
        sample = iteration // resample_every
        changed, last[0] = sample != last[0], sample
        target.fill_(float(sample))
        return changed

    def quartic(θ):
        δ, a = θ - target, torch.tensor([1.0, 5.0, 25.0], dtype=f64)
        return (a * δ**2 + δ**4).sum(), 2 * a * δ + 4 * δ**3

    return quartic, on_iteration


@every
def test_resampled_loss_is_evaluated_again_and_resumes_to_the_same_bits(name):
    start = torch.full((3,), -2.0, dtype=f64)
    function, callback = moving(4)
    expected = minimiser(name)(function, start, settings={"iterations": 14, "on_iteration": callback})
    assert float(function(expected.theta)[0]) == expected.loss
    monitor, load = through_a_file(0.0)
    function, callback = moving(4)
    settings = {"iterations": 14, "on_iteration": callback}
    with pytest.raises(KilledError):
        minimiser(name)(killed_after(9, function), start, monitor, settings)
    function, callback = moving(4)
    settings = {"iterations": 14, "on_iteration": callback}
    found = minimiser(name)(function, start, Monitor(resume_state=load()), settings)
    assert torch.equal(found.theta, expected.theta)


@every
def test_unknown_setting_is_refused_and_the_known_ones_are_listed(name):
    with pytest.raises(UsageError, match=r"unknown setting 'speed'.*known are iterations"):
        minimiser(name)(rosenbrock, ROSENBROCK_START, settings={"speed": 1})


def test_unknown_optimiser_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(UsageError, match="unknown optimiser 'sgd': known are adam, bfgs, lbfgs"):
        minimiser("sgd")


def test_history_counts_iterations_through_the_stages():
    monitor = Monitor()
    stages = [("adam", {"iterations": 40}), ("lbfgs", {"iterations": 20})]
    sequence.minimise(rosenbrock, ROSENBROCK_START, monitor, stages)
    assert [row["iteration"] for row in monitor.history] == [20, 40, 60]
    assert [row["optimiser"] for row in monitor.history] == ["adam", "adam", "lbfgs"]
