"""The Gaussian mixture layer: a two-layer network of infinite width whose weights follow a Gaussian mixture."""

from math import log

import torch
from torch import Tensor

from pdesolve.approximators.nested import NestedNetwork, normal
from pdesolve.nn.gm_layer import mixture_features


class GMLayer(NestedNetwork):
    """u(x) = Σ_k v_k E[max(0, w·x̃)], w ~ N(m_k, s_k² I), x̃ = (x, 1): one mean-field layer.

    With μ = m_k·x̃ and σ = s_k |x̃| ≥ s_k the expectation is σ φ(μ/σ) + μ Φ(μ/σ), φ and Φ the density and
    distribution function of N(0, 1): smooth, although the rectifier is not. s is kept as its logarithm.

    Start: m ~ N(0, 1), s = 1/√(d + 1), v ~ N(0, 1/k).

    Source: Chewi, Rigollet & Yan 2025, "Gaussian mixture layers for neural networks", arXiv:2508.04883; the
    expectation is the rectified Gaussian's. They train it by Wasserstein gradient flow, here it is trained like
    any other.
    """

    def initialise(self, generator: torch.Generator) -> None:
        """Means and widths of the weights' mixture."""
        k = self.width
        d = self.inputs
        self.means = torch.nn.Parameter(normal(generator, k, d + 1))
        self.log_widths = torch.nn.Parameter(torch.full((k,), -0.5 * log(d + 1), dtype=torch.float64))

    def features(self, x: Tensor) -> Tensor:
        """E[max(0, w·x̃)] for every component, (n, k)."""
        return mixture_features(x, self.means, self.log_widths)
