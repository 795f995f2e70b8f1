"""The coalesced Gaussian mixture on one patch: a Gaussian envelope times orthonormal Legendre polynomials.

Gaussians much wider than a patch are accurate and ill-conditioned. As they coalesce, their span tends to that of a
Gaussian and its derivatives (Fasshauer & McCourt, SIAM J. Sci. Comput. 34, 2012), which

    φ_j(t) = Π_i exp(-t_i² / 2 s_i²) P_{j_i}(t_i),    |j| < q,    t = (y - X)/H in [-1, 1]^d,  s = σ/H

spans with a condition number of order one. P_j is the Legendre polynomial normalised on [-1, 1].
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache
def degrees(dimension: int, q: int) -> tuple[tuple[int, ...], ...]:
    """All multi-degrees of total degree < q, lowest total first: the basis of order q begins that of q + 1.

    >>> degrees(2, 2)
    ((0, 0), (1, 0), (0, 1))
    """
    found = (j for j in itertools.product(range(q), repeat=dimension) if sum(j) < q)
    return tuple(sorted(found, key=lambda j: (sum(j), j[::-1])))


def basis_size(dimension: int, q: int) -> int:
    """Number of basis functions of total degree < q in d variables, C(q - 1 + d, d)."""
    return math.comb(q - 1 + dimension, dimension)


def legendre_table(t: Tensor, q: int, order: int) -> Tensor:
    """Orthonormal Legendre polynomials and their derivatives at t (...): (order + 1, ..., q).

    Recurrences  (j+1) P_{j+1} = (2j+1) t P_j - j P_{j-1}  and  P⁽ᵏ⁾_{j+1} = P⁽ᵏ⁾_{j-1} + (2j+1) P⁽ᵏ⁻¹⁾_j.
    """
    table = t.new_zeros(order + 1, q, *t.shape)
    table[0, 0] = 1.0
    if q > 1:
        table[0, 1] = t
        if order:
            table[1, 1] = 1.0
    for j in range(1, q - 1):
        table[0, j + 1] = ((2 * j + 1) * t * table[0, j] - j * table[0, j - 1]) / (j + 1)
        if order:
            table[1:, j + 1] = table[1:, j - 1] + (2 * j + 1) * table[:-1, j]
    norms = torch.sqrt(torch.arange(q, dtype=t.dtype, device=t.device) + 0.5)
    return table.movedim(1, -1) * norms


def envelope_table(t: Tensor, s: Tensor, order: int) -> Tensor:
    """g(t) = exp(-t²/2s²) and its derivatives: (order + 1, ...), by g⁽ᵏ⁺¹⁾ = -(t g⁽ᵏ⁾ + k g⁽ᵏ⁻¹⁾)/s²."""
    rate = 1 / s**2
    rows = [torch.exp(-0.5 * t**2 * rate)]
    if order:
        rows.append(-t * rate * rows[0])
    for k in range(1, order):
        rows.append(-rate * (t * rows[k] + k * rows[k - 1]))
    return torch.stack(rows)


def factor_table(t: Tensor, s: Tensor, q: int, order: int) -> Tensor:
    """One axis: derivatives 0 … order of g(t) P_j(t), (order + 1, ..., q), by Leibniz' rule."""
    p = legendre_table(t, q, order)
    g = envelope_table(t, s, order)[..., None]
    rows = []
    for k in range(order + 1):
        row = g[0] * p[k]
        for i in range(1, k + 1):
            row = row + math.comb(k, i) * g[i] * p[k - i]
        rows.append(row)
    return torch.stack(rows)


def basis_table(
    t: Tensor, half: Tensor, sigma: Tensor, q: int, indices: tuple[tuple[int, ...], ...]
) -> Tensor:
    """Derivatives D^β of all basis functions with respect to y.

    Args:
        t: (b, n, d) patch coordinates.
        half: (b, d) half widths H of the patches.
        sigma: (d,) width of the Gaussian envelope, in the units of y.
        q: order; degrees are below q.
        indices: the derivatives β, a of them.

    Returns:
        (a, b, n, k) with k = C(q - 1 + d, d) basis functions.
    """
    d = t.shape[-1]
    table = torch.tensor(degrees(d, q), device=t.device)
    factors = []
    for i in range(d):
        order = max(index[i] for index in indices)
        ratio = (sigma[i] / half[:, i])[:, None]
        scale = half[:, i][:, None, None]
        axis = factor_table(t[..., i], ratio, q, order)
        used = {index[i] for index in indices}
        factors.append({k: torch.index_select(axis[k] / scale**k, -1, table[:, i]) for k in used})
    result = t.new_empty(len(indices), *t.shape[:-1], len(table))
    for row, index in zip(result, indices, strict=True):
        if d == 1:
            row.copy_(factors[0][index[0]])
        else:
            torch.mul(factors[0][index[0]], factors[1][index[1]], out=row)
        for i in range(2, d):
            row.mul_(factors[i][index[i]])
    return result
