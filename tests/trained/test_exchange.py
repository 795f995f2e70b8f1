import pytest
import torch
from statements import CPU, f64, poisson
from test_mixture import KINDS, coupled

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.dense.stopping import half_square
from pdesolve.trained.exchange import exchange, vary
from pdesolve.trained.mixture import SeparableMixture
from pdesolve.trained.sampling import Sampling, compile_statement


def separable(problem, kind, rank, components=12, skip=False):
    statement = compile_statement(problem, f64, CPU)
    groups = statement.sample(Sampling(interior=60), 0)
    mixture = GaussianMixture(
        2, len(problem.unknowns), components, kind, rank, skip=skip, lower=(0, 0), upper=(1, 1), seed=2
    )
    return SeparableMixture(mixture, groups, statement.sizes)


@pytest.mark.parametrize("make", [poisson, coupled])
@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_an_exchange_lowers_the_loss(kind, rank, make):
    parts = separable(make(), kind, rank)
    problem = parts.problem(1e-9)
    α = parts.alpha
    found = exchange(parts, problem, α, seed=1)
    assert found is not None  # nothing has been trained: there is always something better
    assert half_square(problem.residual(found)) < half_square(problem.residual(α))
    changed = (found.reshape(12, -1) != α.reshape(12, -1)).any(1)
    assert 1 <= int(changed.sum()) < 12


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_removal_costs_what_the_loss_grows_by_without_a_component(kind, rank, skip):
    parts = separable(poisson(), kind, rank, components=4, skip=skip)
    problem = parts.problem(0.0)
    α = parts.alpha
    costs, loss = problem.removal_costs(α), half_square(problem.residual(α))
    Φ = torch.cat([problem.fixed, problem.basis(α).flatten(1)], dim=1)
    for k in range(4):
        rest = torch.cat([Φ[:, : Φ.shape[1] - 4 + k], Φ[:, Φ.shape[1] - 3 + k :]], dim=1)
        without = problem.target - rest @ torch.linalg.lstsq(rest, problem.target[:, None]).solution[:, 0]
        assert float(costs[k]) == pytest.approx(2 * (half_square(without) - loss), rel=1e-6, abs=1e-9)


def test_a_narrow_component_that_meets_no_point_is_the_first_to_go():
    parts = separable(poisson(), "isotropic", None)
    problem, table = parts.problem(1e-9), parts.alpha.reshape(12, 3)
    table[5] = torch.tensor([0.5, 0.5, -12.0])
    found = exchange(parts, problem, table.reshape(-1), seed=1)
    assert (found.reshape(12, 3)[5] != table[5]).all()


@pytest.mark.parametrize(("kind", "rank"), KINDS)
def test_varied_components_lie_where_they_are_put(kind, rank):
    mixture = GaussianMixture(2, 1, 5, kind, rank, lower=(0, 0), upper=(1, 1), seed=3)
    places = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=f64)
    shapes = vary(mixture, torch.arange(7) % 5, places, torch.Generator().manual_seed(2))
    other = GaussianMixture(2, 1, 7, kind, rank)
    with torch.no_grad():
        for parameter, shape in zip(other.parameters(), shapes, strict=False):
            parameter.copy_(shape)
    peaks = other.basis_jet(places, ((0, 0),))[:, :, 0].detach().diagonal()
    torch.testing.assert_close(peaks, torch.ones(7, dtype=f64), rtol=1e-12, atol=0)
