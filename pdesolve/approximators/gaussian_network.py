"""Gaussian mixtures as layers of a perceptron."""

from math import sqrt

import torch
from torch import Tensor

from pdesolve.approximators.nested import NestedNetwork, uniform

# Of a Gaussian, in spacings of as many centres on a grid
WIDTH = 1.5


class GaussianNetwork(NestedNetwork):
    """Gaussians of the coordinates, a tanh layer of them and x, Gaussians of that, a linear map.

        y = φ(x),  h = tanh(W (y, x) + b),  u = V (φ'(h), h) + c,   φ_k(y) = exp(-½ Σ_i ((y_i - μ_ki)/s_ki)²)

    GMNM layers inside a perceptron with skips around them. Start: centres uniform on [-1, 1]^d, widths 1.5 spacings
    (in the hidden layer √width, where no grid is), W by Glorot & Bengio (2010).
    """

    def initialise(self, generator: torch.Generator) -> None:
        """Centres and widths of both Gaussian layers, and the map between them."""
        k = self.width
        d = self.inputs
        parameter = torch.nn.Parameter
        self.centres = parameter(uniform(generator, k, d))
        spacing = 2 * WIDTH * k ** (-1 / d)
        self.log_widths = parameter(torch.full((k, d), spacing, dtype=torch.float64).log())
        bound = sqrt(6 / (2 * k + d))
        self.inner_weight = parameter(bound * uniform(generator, k, k + d))
        self.inner_bias = parameter(torch.zeros(k, dtype=torch.float64))
        self.inner_centres = parameter(uniform(generator, k, k))
        self.inner_log_widths = parameter(torch.full((k, k), sqrt(k), dtype=torch.float64).log())

    def features(self, x: Tensor) -> Tensor:
        """The second layer of Gaussians and its arguments, (n, 2k)."""
        y = torch.cat([_gaussians(x, self.centres, self.log_widths), x], dim=1)
        h = torch.tanh(torch.nn.functional.linear(y, self.inner_weight, self.inner_bias))
        return torch.cat([_gaussians(h, self.inner_centres, self.inner_log_widths), h], dim=1)

    def size(self) -> int:
        """2k."""
        return 2 * self.width


def _gaussians(x: Tensor, centres: Tensor, log_widths: Tensor) -> Tensor:
    return torch.exp(-0.5 * ((x[:, None, :] - centres) * torch.exp(-log_widths)).square().sum(-1))
