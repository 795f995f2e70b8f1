"""The Gaussian mixture layer of mean-field theory: rectifiers whose weights are random."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.nn.checks import require_counts, require_features

STARTS = ("even", "paper")
# Learning rates of the paper: of the widths, and of everything else.
RATE_OF_WIDTHS = 1.0
RATE = 0.1


def rectified_mean(mean: Tensor, width: Tensor) -> Tensor:
    """E max(0, t) of t ~ N(μ, σ²): σ φ(μ/σ) + μ Φ(μ/σ), φ and Φ density and distribution of N(0, 1)."""
    z = mean / width
    density = torch.exp(-0.5 * z * z) / sqrt(2 * pi)
    return width * density + mean * 0.5 * torch.erfc(-z / sqrt(2))


def mixture_features(x: Tensor, means: Tensor, log_widths: Tensor) -> Tensor:
    """E max(0, w·x̃) of w ~ N(m_k, s_k² I), x̃ = (x, 1): (…, d) → (…, K)."""
    extended = torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)
    width = extended.square().sum(-1, keepdim=True).sqrt() * log_widths.exp()
    return rectified_mean(extended @ means.T, width)


class GMLayer(torch.nn.Module):
    """y(x) = Σ_k v_k E[max(0, w·x̃)] / K^γ + b, w ~ N(m_k, s_k² I), x̃ = (x, 1).

    Both starts draw m ~ N(0, 1/(d+1)), with s² = 1/(d+1). Start ``"even"``: γ = 0, v ~ N(0, 1/K). Start ``"paper"``:
    γ = ½, v ~ N(0, 1), and `groups` with the paper's learning rates, 1 for s and 0.1 otherwise. The paper
    follows the Wasserstein gradient flow of (m, s); here s is kept as its logarithm and follows any optimiser. That γ
    divides the sum is how its statement is read here; its code was not at hand.

    Args:
        in_features: d.
        out_features: the last axis of the output.
        components: K; the paper has 5, 10 and 20.
        start: ``"even"`` or ``"paper"``.

    Raises:
        UsageError: there is no such start, or a size does not fit.

    Source: Chewi, Rigollet & Yan 2025, "Gaussian mixture layers for neural networks", arXiv:2508.04883.
    """

    def __init__(self, in_features: int, out_features: int, components: int = 10, start: str = "even"):
        super().__init__()
        require_counts("GMLayer", in_features=in_features, out_features=out_features, components=components)
        if start not in STARTS:
            message = f"GMLayer received start={start!r}; expected {' or '.join(STARTS)}"
            raise UsageError(message)
        self.in_features = in_features
        self.out_features = out_features
        self.components = components
        self.start = start
        self.means = torch.nn.Parameter(torch.empty(components, in_features + 1))
        self.log_widths = torch.nn.Parameter(torch.empty(components))
        self.weight = torch.nn.Parameter(torch.empty(out_features, components))
        self.bias = torch.nn.Parameter(torch.empty(out_features))
        self.reset_parameters()

    @property
    def power(self) -> float:
        """γ."""
        if self.start == "paper":
            return 0.5
        return 0.0

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the start anew, from torch's generator."""
        extended = self.in_features + 1
        torch.nn.init.normal_(self.means, std=extended**-0.5)
        torch.nn.init.constant_(self.log_widths, -0.5 * log(extended))
        # The sum over K components begins with variance of order one, with either power.
        torch.nn.init.normal_(self.weight, std=self.components ** (self.power - 0.5))
        torch.nn.init.zeros_(self.bias)

    def groups(self) -> list[dict[str, Any]]:
        """Parameters with the paper's learning rates, as an optimiser of torch takes them."""
        others = [self.means, self.weight, self.bias]
        return [{"params": [self.log_widths], "lr": RATE_OF_WIDTHS}, {"params": others, "lr": RATE}]

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        require_features("GMLayer", x, self.in_features)
        features = mixture_features(x, self.means, self.log_widths) / self.components**self.power
        return torch.nn.functional.linear(features, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What torch prints of it."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"components={self.components}, start={self.start!r}"
        )
