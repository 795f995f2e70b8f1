"""A trainable activation: a mixture of Gaussians of one variable."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pdesolve.nn.checks import require_counts, require_features

Function = Callable[[Tensor], Tensor]
# Where a start resembles what it replaces: three standard deviations of a normalised input.
REACH = 3.0
# Of a Gaussian, in spacings of the centres: wide enough that a smooth function is fitted without ripples.
SPACINGS = 1.5


class GMNMActivation(torch.nn.Module):
    """y_i = a_i x_i + Σ_k c_ik exp(-½ (p_k (x_i - μ_k))²): each feature by itself, all with the same Gaussians.

    Start: even centres on [-3, 3], widths of 1.5 spacings, a and c by least squares on a function (GELU), so that
    it begins as the activation it replaces. Far from the centres it is linear.

    Args:
        features: of the last axis.
        components: Gaussians K.
        like: the function it begins as.

    Raises:
        UsageError: a size is no positive number, or the last axis does not fit.
    """

    def __init__(self, features: int, components: int = 8, like: Function = torch.nn.functional.gelu):
        super().__init__()
        require_counts("GMNMActivation", features=features, components=components)
        self.features = features
        self.components = components
        self.like = like
        self.centres = torch.nn.Parameter(torch.empty(components))
        self.scales = torch.nn.Parameter(torch.empty(components))
        self.slopes = torch.nn.Parameter(torch.empty(features))
        self.weight = torch.nn.Parameter(torch.empty(features, components))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Fit the function again."""
        # On the processor wherever the parameters lie: the device "meta" has no least squares.
        exactly: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
        centres = torch.linspace(-REACH, REACH, self.components, **exactly)
        scale = max(self.components - 1, 1) / (2 * REACH * SPACINGS)
        points = torch.linspace(-REACH, REACH, 200, **exactly)
        columns = torch.exp(-0.5 * ((points[:, None] - centres) * scale).square())
        system = torch.cat([points[:, None], columns], 1)
        fitted = torch.linalg.lstsq(system, self.like(points)[:, None]).solution.squeeze(1)
        self.centres.copy_(centres)
        self.scales.fill_(scale)
        self.slopes.copy_(fitted[0].expand(self.features))
        self.weight.copy_(fitted[1:].expand(self.features, -1))

    def forward(self, x: Tensor) -> Tensor:
        """(…, features) → (…, features)."""
        require_features("GMNMActivation", x, self.features)
        gaussians = torch.exp(-0.5 * ((x[..., None] - self.centres) * self.scales).square())
        return x * self.slopes + (gaussians * self.weight).sum(-1)

    def extra_repr(self) -> str:
        """What torch prints of it."""
        return f"features={self.features}, components={self.components}"
