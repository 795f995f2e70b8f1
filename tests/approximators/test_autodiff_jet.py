import math

import pytest
import torch
from contract import ApproximatorContract, assert_close

from pdesolve.approximators import AutodiffJet
from pdesolve.errors import UsageError


def network(seed=0, dtype="float64"):
    generator = torch.Generator().manual_seed(seed)
    module = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Sigmoid(), torch.nn.Linear(5, 2))
    module = module.to(getattr(torch, dtype))
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
    return module


class TestAutodiffJet(ApproximatorContract):
    def make(self, seed=0, dtype="float64"):
        return AutodiffJet(network(seed, dtype), inputs=2, outputs=2)

    def test_configuration_and_state_restore_it_to_the_bit(
        self, approximator
    ):  # an arbitrary module has none
        with pytest.raises(UsageError, match="arbitrary module"):
            approximator.config()


class Wave(torch.nn.Module):
    """A sin(x + 2y), whose derivatives are known by hand."""

    def __init__(self):
        super().__init__()
        self.amplitude = torch.nn.Parameter(torch.tensor(1.5, dtype=torch.float64))

    def forward(self, x):
        return self.amplitude * torch.sin(x[:, :1] + 2 * x[:, 1:])


def test_derivatives_of_a_wave_are_those_on_paper():
    x = torch.rand(6, 2, dtype=torch.float64)
    phase = x[:, 0] + 2 * x[:, 1]
    indices = [(2, 1), (0, 4), (1, 1)]
    expected = torch.stack([-2 * torch.cos(phase), 16 * torch.sin(phase), -2 * torch.sin(phase)], -1)
    wave = AutodiffJet(Wave(), inputs=2)
    assert_close(wave.jet(x, indices)[:, 0], 1.5 * expected)
    assert_close(wave.jet_jacobian(x, indices)[:, 0, :, 0], expected)


def test_a_polynomial_runs_out_of_derivatives():
    class Parabola(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(math.pi, dtype=torch.float64))

        def forward(self, x):
            return self.scale * x[:, :1] ** 2

    x = torch.rand(3, 2, dtype=torch.float64)
    jet = AutodiffJet(Parabola(), inputs=2).jet(x, [(2, 0), (3, 0), (0, 1), (1, 2), (4, 0)])
    expected = torch.tensor([2 * math.pi, 0, 0, 0, 0], dtype=torch.float64).expand(3, 5)
    assert_close(jet[:, 0].detach(), expected)


def test_a_frozen_parameter_has_no_gradient_but_keeps_its_place():
    module = network()
    module[0].weight.requires_grad_(False)
    approximator = AutodiffJet(module, 2, 2)
    x = torch.rand(4, 2, dtype=torch.float64)
    gradient = approximator.jet_and_pullback(x, [(1, 0)])[1](torch.ones(4, 2, 1, dtype=torch.float64))
    assert gradient.shape == (sum(p.numel() for p in module.parameters()),)
    assert not gradient[:10].any()
    assert gradient[10:].any()
