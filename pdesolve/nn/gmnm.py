"""The Gaussian mixture layer with free projections."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.nn.checks import require_counts, require_features


class GMNM(torch.nn.Module):
    """y(x) = Σ_k c_k exp(-½ |A_k (x - μ_k)|²) + W x + b: signed weights c_k, projections A_k (r, d).

    In place of `torch.nn.Linear` with the activation behind it, or of both linear maps of a perceptron with one
    hidden layer. Of μ_k only s_k = A_k μ_k enters, r numbers in place of d: these are the parameters ``shifts``;
    `centres` gives the μ_k of least norm. The cost is one product with (r K, d) and one with (out, K).

    Start: for inputs of mean zero and variance one, A_k x and s_k have variance 1/r in each direction, so that
    E|A_k x - s_k|² = 2 whatever d and r; c makes the outputs begin with E y² = 1, and W, b begin at zero.

    Args:
        in_features: d, the last axis of the input.
        out_features: the last axis of the output.
        components: Gaussians K.
        rank: r, rows of each A_k; as many as inputs where it is left out.
        bias: whether there is a b.
        skip: whether there is a W.
        device: as in torch.
        dtype: as in torch.

    Shapes:
        (…, in_features) → (…, out_features), leading axes of any number.

    Raises:
        UsageError: a size is no positive number, the rank is above d, or the last axis does not fit.

    Source: Lu, Yuan, Zhang & Li 2025, "Rethinking nonlinearity: trainable Gaussian mixture modules for modern neural
    architectures", arXiv:2510.06660.
    """

    bias: torch.nn.Parameter | None
    skip: torch.nn.Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        components: int,
        rank: int | None = None,
        bias: bool = True,
        skip: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if rank is None:
            rank = in_features
        require_counts(
            "GMNM", in_features=in_features, out_features=out_features, components=components, rank=rank
        )
        if rank > in_features:
            message = f"GMNM received rank={rank} of {in_features} inputs; expected at most {in_features}"
            raise UsageError(message)
        self.in_features = in_features
        self.out_features = out_features
        self.components = components
        self.rank = rank

        def parameter(*shape: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.empty(*shape, device=device, dtype=dtype))

        self.projections = parameter(components, rank, in_features)
        self.shifts = parameter(components, rank)
        self.weight = parameter(out_features, components)
        self.register_parameter("bias", None)
        self.register_parameter("skip", None)
        if bias:
            self.bias = parameter(out_features)
        if skip:
            self.skip = parameter(out_features, in_features)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the start anew, from torch's generator."""
        torch.nn.init.normal_(self.projections, std=1 / sqrt(self.rank * self.in_features))
        torch.nn.init.normal_(self.shifts, std=1 / sqrt(self.rank))
        # E exp(-|z|²) of z ~ N(0, 2/r) in r directions
        square = (1 + 4 / self.rank) ** (-self.rank / 2)
        torch.nn.init.normal_(self.weight, std=1 / sqrt(self.components * square))
        for zero in (self.bias, self.skip):
            if zero is not None:
                torch.nn.init.zeros_(zero)

    @property
    def centres(self) -> Tensor:
        """The μ_k of least norm with A_k μ_k = s_k, (K, d)."""
        return (torch.linalg.pinv(self.projections) @ self.shifts[..., None]).squeeze(-1)

    def features(self, x: Tensor) -> Tensor:
        """exp(-½ |A_k x - s_k|²), (…, K)."""
        require_features("GMNM", x, self.in_features)
        # All projections in one matrix: a product instead of a loop over components.
        stacked = torch.nn.functional.linear(x, self.projections.flatten(0, 1), -self.shifts.flatten())
        return torch.exp(-0.5 * stacked.unflatten(-1, (self.components, self.rank)).square().sum(-1))

    def forward(self, x: Tensor) -> Tensor:
        """y(x), (…, out_features)."""
        y = torch.nn.functional.linear(self.features(x), self.weight, self.bias)
        if self.skip is None:
            return y
        return y + torch.nn.functional.linear(x, self.skip)

    def extra_repr(self) -> str:
        """What torch prints of it."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, components={self.components}, "
            f"rank={self.rank}, bias={self.bias is not None}, skip={self.skip is not None}"
        )
