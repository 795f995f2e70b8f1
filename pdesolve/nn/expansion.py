"""The expansion of a density in fixed Gaussians: its weights come in one pass over the data."""

from __future__ import annotations

from math import log, pi

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.nn.checks import require_features


class GaussianExpansion(torch.nn.Module):
    """p(x) = Σ_k π_k N(x; μ_k, σ² I) with fixed μ and σ; π_k is the mean over the data of N_k(x) / Σ_j N_j(x).

    That is the first step of expectation maximisation from even weights, so the likelihood is never below theirs.
    `fit` may be called again to go on: then each call is a further step. Means that lie evenly, with σ of one
    spacing, expand like a series: no start is drawn and nothing is iterated.

    Args:
        means: (K, d), or (K,) of one variable.
        width: σ.

    Raises:
        UsageError: the width is not positive, the means are no matrix, or data do not fit.
    """

    means: Tensor
    weights: Tensor

    def __init__(self, means: Tensor, width: float):
        super().__init__()
        if means.dim() == 1:
            means = means[:, None]
        if means.dim() != 2 or not torch.isfinite(means).all():
            message = f"GaussianExpansion received means {tuple(means.shape)}; expected finite ones, (K, d)"
            raise UsageError(message)
        if not 0 < width < float("inf"):
            message = f"GaussianExpansion received width={width}; expected a positive number"
            raise UsageError(message)
        self.width = float(width)
        self.register_buffer("means", means.clone())
        self.register_buffer("weights", torch.full_like(means[:, 0], 1 / len(means)))

    def _logarithms(self, x: Tensor) -> Tensor:
        """Log π_k N(x; μ_k, σ² I), (n, K)."""
        require_features("GaussianExpansion", x, self.means.shape[1])
        distances = (x[..., None, :] - self.means).square().sum(-1)
        constant = self.means.shape[1] * (log(self.width) + 0.5 * log(2 * pi))
        return self.weights.log() - 0.5 * distances / self.width**2 - constant

    @torch.no_grad()
    def fit(self, x: Tensor) -> GaussianExpansion:
        """Take the weights from data (n, d): one pass."""
        if not x.numel() or not torch.isfinite(x).all():
            message = f"GaussianExpansion.fit received {tuple(x.shape)}; expected finite data, at least one"
            raise UsageError(message)
        self.weights.copy_(self._logarithms(x).softmax(-1).flatten(0, -2).mean(0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Log p(x), (…, d) → (…)."""
        return torch.logsumexp(self._logarithms(x), -1)

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Points (count, d) drawn from p with torch's generator."""
        chosen = torch.multinomial(self.weights, count, replacement=True)
        centres = self.means[chosen]
        return centres + self.width * torch.randn_like(centres)

    def extra_repr(self) -> str:
        """What torch prints of it."""
        return f"components={len(self.means)}, features={self.means.shape[1]}, width={self.width}"
