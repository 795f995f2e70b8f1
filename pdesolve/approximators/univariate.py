"""Functions of one variable with all their derivatives: the nonlinear steps of MLP and KAN.

Each maps (n, w) to (n, w), or to (n, w, b) where it is a basis of b functions (``expands``).
"""

from abc import ABC, abstractmethod
from math import comb

import torch
from torch import Tensor


class Univariate(torch.nn.Module, ABC):
    """f applied to every entry, with derivatives of any order."""

    expands = False

    @abstractmethod
    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """[f(h), f'(h), …, f^(order)(h)]."""

    def forward(self, h: Tensor) -> Tensor:
        """f(h); a basis is flattened to (n, w·b)."""
        value = self.derivatives(h, 0)[0]
        if self.expands:
            return value.flatten(-2)
        return value


class Tanh(Univariate):
    """f = tanh: f' = 1 - f², hence f^(k+1) = -Σ_j binomial(k, j) f^(j) f^(k-j) for k ≥ 1."""

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """[tanh(h), …] to the given order."""
        f = [torch.tanh(h)]
        if order:
            f.append(torch.addcmul(torch.ones((), dtype=h.dtype, device=h.device), f[0], f[0], value=-1))
        for k in range(1, order):
            f.append(_leibniz_square(f, k, scale=-1.0))
        return f


class Sine(Univariate):
    """f = sin: the derivatives repeat with period four."""

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """[sin(h), cos(h), -sin(h), …] to the given order."""
        f = [torch.sin(h)]
        if order:
            f.append(torch.cos(h))
        for k in range(2, order + 1):
            f.append(-f[k - 2])
        return f


class Gaussian(Univariate):
    """f = exp(-½h²): f' = -h f, hence f^(k+1) = -h f^(k) - k f^(k-1)."""

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """[exp(-½h²), …] to the given order."""
        f = [torch.exp(-0.5 * h * h)]
        for k in range(order):
            f.append(-h * f[k] - (k * f[k - 1] if k else 0))
        return f


def silu_derivatives(h: Tensor, order: int) -> list[Tensor]:
    """SiLU f = h σ(h), σ the logistic function: f^(k) = h σ^(k) + k σ^(k-1), and σ' = σ - σ²."""
    sigma = [torch.sigmoid(h)]
    for k in range(order):
        sigma.append(sigma[k] + _leibniz_square(sigma, k, scale=-1.0))
    return [h * sigma[0], *(h * sigma[k] + k * sigma[k - 1] for k in range(1, order + 1))]


def _leibniz_square(f: list[Tensor], k: int, scale: float) -> Tensor:
    """The term scale · (f²)^(k) = scale · Σ_j binomial(k, j) f^(j) f^(k-j), by symmetric pairs."""
    # Pairs (j, k - j) and (k - j, j) are equal: half the products.
    total = scale * (1 if k == 0 else 2) * f[0] * f[k]
    for j in range(1, k // 2 + 1):
        weight = scale * comb(k, j) * (1 if 2 * j == k else 2)
        total = torch.addcmul(total, f[j], f[k - j], value=weight)
    return total
