"""Products of Gaussians and sines: multiplicative filter networks with Gabor filters."""

from math import pi, sqrt

import torch
from torch import Tensor

from pdesolve.approximators.nested import NestedNetwork, uniform

# Filters; one alone is a mixture of Gaussians times sines
LAYERS = 2
# Shape of the distribution of the precisions, as in the authors' code
ALPHA = 6.0
# Of the first sines; the authors' 256 is for images of many pixels
FREQUENCY = 2.0


class GaborNet(NestedNetwork):
    """Gabor filters multiplied: z_1 = g_1(x), z_{l+1} = (W_l z_l + b_l) ∘ g_{l+1}(x), u = W z_L + b.

        g_k(x) = exp(-½ γ_k |x - μ_k|²) sin(ω_k·x + φ_k).

    Start: μ uniform on the box, γ ~ Gamma(α/L, 1), ω ~ frequency · √(γ/L) · U(±1/√d), φ uniform on [-π, π],
    W_l uniform on ±1/√width. γ is kept as its logarithm, so that it stays positive.

    Source: Fathony, Sahu, Willmott & Kolter 2021, "Multiplicative filter networks", ICLR, eqs. 4, 11 and §3.3.
    """

    def initialise(self, generator: torch.Generator) -> None:
        """Filters and the linear maps between them."""
        k = self.width
        d = self.inputs
        parameter = torch.nn.Parameter
        self.centres = parameter(uniform(generator, LAYERS, k, d))
        shape = torch.full((LAYERS, k), ALPHA / LAYERS, dtype=torch.float64)
        # A precision near zero, which the gamma distribution allows, is an envelope without end.
        precision = torch._standard_gamma(shape, generator=generator).clamp_min(1e-2)
        self.log_precisions = parameter(precision.log())
        slopes = uniform(generator, LAYERS, k, d) / sqrt(d)
        self.frequencies = parameter(FREQUENCY * slopes * (precision / LAYERS).sqrt()[..., None])
        self.phases = parameter(pi * uniform(generator, LAYERS, k))
        self.weights = parameter(uniform(generator, LAYERS - 1, k, k) / sqrt(k))
        self.biases = parameter(uniform(generator, LAYERS - 1, k) / sqrt(k))

    def features(self, x: Tensor) -> Tensor:
        """z_L, (n, k)."""
        # A product of filters is a sum of filters, as the paper shows: depth without a nonlinearity between.
        z = self._filter(x, 0)
        for layer in range(1, LAYERS):
            z = torch.nn.functional.linear(z, self.weights[layer - 1], self.biases[layer - 1])
            z = z * self._filter(x, layer)
        return z

    def _filter(self, x: Tensor, layer: int) -> Tensor:
        square = (x[:, None, :] - self.centres[layer]).square().sum(-1)
        wave = torch.sin(torch.nn.functional.linear(x, self.frequencies[layer], self.phases[layer]))
        return torch.exp(-0.5 * self.log_precisions[layer].exp() * square) * wave
