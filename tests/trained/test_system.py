import pytest
import torch
from statements import EVERY, f64, mean_value, network, poisson, system, system_in_time

from pdesolve.approximators import GaussianMixture
from pdesolve.trained.train_network import fold_sizes

every = pytest.mark.parametrize("name", sorted(EVERY))


def direction(θ):
    return torch.randn(len(θ), dtype=f64, generator=torch.Generator().manual_seed(3))


@every
def test_jacobian_equals_differences_of_the_residual(name):
    rows = system(EVERY[name]())
    θ = rows.theta
    v, h = direction(θ), 1e-6
    difference = (rows.residual(θ + h * v) - rows.residual(θ - h * v)) / (2 * h)
    torch.testing.assert_close(rows.jacobian(θ) @ v, difference, rtol=1e-6, atol=1e-7)


@every
def test_loss_is_half_the_squared_residual_and_its_gradient_is_the_transposed_jacobian(name):
    rows = system(EVERY[name]())
    θ = rows.theta + 0.1 * direction(rows.theta)
    loss, gradient = rows.loss_and_gradient(θ)
    r = rows.residual(θ)
    assert float(loss) == pytest.approx(0.5 * float(r @ r), rel=1e-12)
    torch.testing.assert_close(gradient, rows.jacobian(θ).T @ r, rtol=1e-9, atol=1e-11)


@every
def test_gradient_does_not_depend_on_the_chunks(name):
    problem = EVERY[name]()
    chunked = network(problem)
    chunked.points_per_chunk = 7
    whole, parts = system(problem), system(problem, chunked)
    for a, b in zip(whole.loss_and_gradient(whole.theta), parts.loss_and_gradient(parts.theta), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("length", "size"), [(1e3, 1.0), (1.0, 1e6), (1e-3, 1e-6), (50.0, 1e4)])
def test_rows_of_a_rescaled_problem_are_those_of_its_unit_twin(length, size):
    unit, twin = system(poisson()), system(poisson(length, size))
    θ = unit.theta
    torch.testing.assert_close(twin.residual(θ), unit.residual(θ), rtol=1e-8, atol=1e-10)


def test_boundary_in_four_pieces_weighs_as_much_as_in_one():
    whole, pieces = system(poisson(), points=2000), system(poisson(pieces=True), points=2000)
    a, b = whole.loss_and_gradient(whole.theta)[0], pieces.loss_and_gradient(pieces.theta)[0]
    assert float(a) == pytest.approx(float(b), rel=1e-3)


def test_periodic_rows_vanish_for_a_periodic_function_and_only_for_one():
    rows = system(system_in_time())
    periodic = [g for batch in rows.batches for g in batch.groups if g.kind == "periodic"]
    (group,) = periodic
    x, t = group.points.unbind(1)
    columns = [torch.sin(x) * t if unknown == 0 else torch.cos(2 * x) for unknown, _ in group.slots]
    assert group.residual(torch.stack(columns, 1), {}).abs().max() < 1e-12
    assert group.residual(torch.stack([x for _ in group.slots], 1), {}).abs().max() > 0.1


def test_integral_row_vanishes_for_the_right_mean():
    rows = system(mean_value())
    (group,) = [g for batch in rows.batches for g in batch.groups if g.kind == "integral"]
    right = torch.cos(torch.pi * group.points) + 3
    assert group.residual(right, {}).abs().max() < 1e-12
    assert group.residual(right + 1, {}).abs().max() > 1e-2


def test_folding_the_sizes_turns_the_normalised_network_into_the_solution():
    problem = system_in_time()
    net, sizes = network(problem), torch.tensor([3.0, 1e5], dtype=f64)
    x = problem.domain.sample(20)
    expected = net(x) * sizes
    fold_sizes(net, sizes)
    torch.testing.assert_close(net(x), expected, rtol=1e-12, atol=0)


def test_mixture_and_network_meet_the_same_rows():
    problem = poisson()
    rows = system(problem, GaussianMixture(2, components=6, lower=(0, 0), upper=(1, 1)))
    θ = rows.theta
    v, h = direction(θ), 1e-6
    difference = (rows.residual(θ + h * v) - rows.residual(θ - h * v)) / (2 * h)
    torch.testing.assert_close(rows.jacobian(θ) @ v, difference, rtol=1e-5, atol=1e-7)
