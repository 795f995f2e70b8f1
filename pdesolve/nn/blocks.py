"""Parts of architectures with a Gaussian mixture inside: head, feed-forward block, gate."""

import torch
from torch import Tensor

from pdesolve.nn.checks import require_features
from pdesolve.nn.gmnm import GMNM


class GMNMHead(torch.nn.Module):
    """y = W z + b + Σ_k c_k exp(-½ |A_k (z - μ_k)|²), z the normalised input: in place of a last linear map.

    It begins as the mixture alone, W = 0; what `torch.nn.Linear` can do, it can.

    Args:
        in_features: of what comes before.
        out_features: classes, or values.
        components: Gaussians K.
        rank: of their projections.
    """

    def __init__(self, in_features: int, out_features: int, components: int, rank: int | None = None):
        super().__init__()
        self.norm = torch.nn.LayerNorm(in_features, elementwise_affine=False)
        self.mixture = GMNM(in_features, out_features, components, rank, skip=True)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        require_features("GMNMHead", x, self.mixture.in_features)
        return self.mixture(self.norm(x))


class GMNMFeedForward(torch.nn.Module):
    """y = x + GMNM(normalised x): in place of the feed-forward block of a transformer or a residual network.

    Args:
        features: of input and output.
        components: Gaussians K, in place of hidden units.
        rank: of their projections.
    """

    def __init__(self, features: int, components: int, rank: int | None = None):
        super().__init__()
        self.norm = torch.nn.LayerNorm(features)
        self.mixture = GMNM(features, features, components, rank)

    def forward(self, x: Tensor) -> Tensor:
        """(…, features) → (…, features)."""
        require_features("GMNMFeedForward", x, self.mixture.in_features)
        return x + self.mixture(self.norm(x))


class GMNMGate(torch.nn.Module):
    """y = (W x + b) ⊙ GMNM(x): in place of a gated linear unit, whose gate is σ(V x + c).

    Args:
        in_features: of the input.
        out_features: of the output.
        components: Gaussians K of the gate.
        rank: of their projections.

    Source of gated linear units: Dauphin, Fan, Auli & Grangier 2017, arXiv:1612.08083.
    """

    def __init__(self, in_features: int, out_features: int, components: int, rank: int | None = None):
        super().__init__()
        self.value = torch.nn.Linear(in_features, out_features)
        self.gate = GMNM(in_features, out_features, components, rank)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        require_features("GMNMGate", x, self.gate.in_features)
        return self.value(x) * self.gate(x)
