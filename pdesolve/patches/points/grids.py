"""Tensor rules on the reference cell [-1, 1]^d."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from pdesolve.quadrature import gauss_legendre, sobol

PANEL = 64  # Gauss points together on a panel of a line or a square, beyond which rules take long to make


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
def panel_grid(dimension: int, n: int) -> tuple[Tensor, Tensor]:
    """At least n^d Gauss points on [-1, 1]^d and weights, d ≤ 2: panel by panel, of PANEL points each."""
    own = round(PANEL ** (1 / max(dimension, 1)))
    count = math.ceil(n / own)
    t, w = gauss_grid(dimension, own)
    first = torch.cartesian_prod(*[torch.arange(count, dtype=t.dtype)] * dimension).reshape(-1, 1, dimension)
    points = (2 * first + 1 + t) / count - 1
    return points.flatten(0, 1), (w / count**dimension).repeat(len(first))


@lru_cache(maxsize=32)
def sobol_grid(dimension: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """As many Sobol points (n^d, d) in [-1, 1]^d, each of weight 1."""
    points = 2 * sobol(n**dimension, dimension, seed) - 1
    return points, torch.ones(len(points), dtype=torch.float64)
