"""Approximators with jets by nested autodiff: the contract, and what each is by definition."""

import math

import pytest
import torch
from contract import ApproximatorContract, assert_close

from pdesolve.approximators import GaborNet, GaussianNetwork, GMLayer

X = 2 * torch.rand(6, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64) - 1


@pytest.mark.parametrize("kind", [GaborNet, GaussianNetwork, GMLayer])
class TestNestedNetwork(ApproximatorContract):
    indices = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))  # higher ones are slow by nested autodiff

    @pytest.fixture(autouse=True)
    def _kind(self, kind):
        self.kind = kind

    def make(self, seed=0, dtype="float64"):
        return self.kind(2, 2, width=3, lower=(-1.5, -1), upper=(1, 2), seed=seed, dtype=dtype)


def test_the_gaussian_mixture_layer_is_the_mean_of_rectified_random_weights():
    layer = GMLayer(2, 1, width=2)
    draws = torch.randn(400_000, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = layer.means + layer.log_widths.exp()[:, None] * draws
    extended = torch.cat([X, torch.ones(6, 1, dtype=torch.float64)], 1)
    sampled = torch.einsum("skd,nd->nsk", weights.detach(), extended).clamp_min(0).mean(1)
    torch.testing.assert_close(layer.features(X).detach(), sampled, rtol=0, atol=0.02)


def test_the_gaussian_mixture_layer_tends_to_rectifiers_as_its_widths_vanish():
    layer = GMLayer(2, 1, width=4)
    with torch.no_grad():
        layer.log_widths.fill_(-30.0)
    extended = torch.cat([X, torch.ones(6, 1, dtype=torch.float64)], 1)
    assert_close(layer.features(X), (extended @ layer.means.T).clamp_min(0), digits_lost=7)


@torch.no_grad()
def test_a_gabor_network_is_a_product_of_gaussians_and_sines():
    network = GaborNet(2, 1, width=1)
    precision, point = network.log_precisions.exp(), X[0]

    def filtered(layer):
        gap = float((point - network.centres[layer, 0]).square().sum())
        angle = float(point @ network.frequencies[layer, 0] + network.phases[layer, 0])
        return math.exp(-0.5 * float(precision[layer, 0]) * gap) * math.sin(angle)

    inner = float(network.weights[0, 0, 0]) * filtered(0) + float(network.biases[0, 0])
    assert float(network.features(X[:1])) == pytest.approx(inner * filtered(1), rel=1e-12)


def test_a_gaussian_network_with_wide_gaussians_is_a_perceptron():
    network = GaussianNetwork(2, 1, width=3)
    with torch.no_grad():
        network.log_widths.fill_(30.0)
        network.inner_log_widths.fill_(30.0)
    ones = torch.ones(6, 3, dtype=torch.float64)
    hidden = torch.tanh(torch.cat([ones, X], 1) @ network.inner_weight.T + network.inner_bias)
    assert_close(network.features(X), torch.cat([ones, hidden], 1))
