"""Tensor rules on the reference cell [-1, 1]^d."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pdesolve.quadrature import gauss_legendre, sobol


@lru_cache
def gauss_grid(dimension: int, n: int) -> tuple[Tensor, Tensor]:
    """Tensor Gauss–Legendre points (n^d, d) on [-1, 1]^d and weights (n^d,)."""
    if dimension == 0:
        return torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    x, w = gauss_legendre(n)
    points = torch.cartesian_prod(*[x] * dimension).reshape(-1, dimension)
    weights = torch.cartesian_prod(*[w] * dimension).reshape(-1, dimension).prod(1)
    return points, weights


@lru_cache(maxsize=32)
def sobol_grid(dimension: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """As many Sobol points (n^d, d) in [-1, 1]^d, each of weight 1."""
    points = 2 * sobol(n**dimension, dimension, seed) - 1
    return points, torch.ones(len(points), dtype=torch.float64)
