"""Neurons that are log-densities of mixtures of one variable, with a component for each input."""

from math import log, pi

import torch
from torch import Tensor

from pdesolve.nn.checks import require_counts, require_features


class UnivariateMixtureNeurons(torch.nn.Module):
    """y_j = log Σ_i π_ji N(x_i; μ_ji, σ_ji²): log-sum-exp over the inputs, π_j a softmax.

    Start: μ ~ N(0, 1), σ = 1, π even.

    Args:
        in_features: the last axis of the input.
        out_features: neurons.

    Raises:
        UsageError: a size is no positive number, or the last axis does not fit.

    Source: Ali 2025, "uGMM-NN: univariate Gaussian mixture model neural network", arXiv:2509.07569.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        require_counts("UnivariateMixtureNeurons", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.means = torch.nn.Parameter(torch.empty(out_features, in_features))
        self.log_widths = torch.nn.Parameter(torch.empty(out_features, in_features))
        self.logits = torch.nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the start anew, from torch's generator."""
        torch.nn.init.normal_(self.means)
        torch.nn.init.zeros_(self.log_widths)
        torch.nn.init.zeros_(self.logits)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        require_features("UnivariateMixtureNeurons", x, self.in_features)
        z = (x[..., None, :] - self.means) * torch.exp(-self.log_widths)
        density = -0.5 * z.square() - self.log_widths - 0.5 * log(2 * pi)
        return torch.logsumexp(density + self.logits.log_softmax(-1), -1)

    def extra_repr(self) -> str:
        """What torch prints of it."""
        return f"in_features={self.in_features}, out_features={self.out_features}"
