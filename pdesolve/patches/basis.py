"""The coalesced Gaussian mixture on one patch: a Gaussian envelope times orthonormal Legendre polynomials.

Gaussians much wider than a patch are accurate and ill-conditioned. As they coalesce, their span tends to that of a
Gaussian and its derivatives (Fasshauer & McCourt, SIAM J. Sci. Comput. 34, 2012), which

    φ_j(t) = Π_i exp(-t_i² / 2 s_i²) P_{j_i}(t_i),    |j| < q,    t = (y - X)/H in [-1, 1]^d,  s = σ/H

spans with a condition number of order one. P_j is the Legendre polynomial normalised on [-1, 1].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.calculus import MultiIndex

# Numbers of a table along one axis, up to which gathering them costs less than the calls for one degree after another
FEW = 2**13


class Basis(Protocol):
    """Functions φ_j(t) on the reference cell [-1, 1]^d, for every degree q; those of q - 1 are the first of those of q.

    Another basis is a class with `size`, `table` and `tail`; derived from this one, it has `values` as well.
    """

    def size(self, q: int) -> int:
        """Number k of functions of degree < q."""

    def table(self, t: Tensor, half: Tensor, q: int, indices: tuple[MultiIndex, ...]) -> Tensor:
        """Derivatives β of all functions with respect to y = X + H t.

        Args:
            t: (b, n, d) reference coordinates.
            half: (b, d) half widths H of the patches.
            q: degrees are below q.
            indices: the derivatives β, a of them.

        Returns:
            (a, b, n, k).
        """

    def tail(self, q: int) -> Tensor:
        """Degrees (k, d) of the functions along each axis: the tail of an expansion is what has the highest totals."""

    def values(self, t: Tensor, half: Tensor, q: int, indices: tuple[MultiIndex, ...], c: Tensor) -> Tensor:
        """Derivatives β of Σ_j c_j φ_j at points t (b, n, d) for coefficients c (b, u, k): (b, n, u, a)."""
        return torch.einsum("abnk,buk->bnua", self.table(t, half, q, indices), c)


@dataclass(frozen=True, eq=False)
class GaussianLegendre(Basis):
    """A Gaussian envelope times orthonormal Legendre polynomials of total degree < q.

    Attributes:
        sigma: (d,) width of the envelope, in the units of y.
    """

    sigma: Tensor

    def size(self, q: int) -> int:
        """C(q - 1 + d, d)."""
        return basis_size(len(self.sigma), q)

    def table(self, t: Tensor, half: Tensor, q: int, indices: tuple[MultiIndex, ...]) -> Tensor:
        """See `basis_table`."""
        return basis_table(t, half, self.sigma, q, indices)

    def tail(self, q: int) -> Tensor:
        """See `degrees`."""
        return torch.tensor(degrees(len(self.sigma), q))

    def values(self, t: Tensor, half: Tensor, q: int, indices: tuple[MultiIndex, ...], c: Tensor) -> Tensor:
        """See `Basis`.

        The sum over degrees along the last axis comes first, one product of matrices for all points,

            Σ_j c_j Π_i f_{j_i}(y_i) = Σ_l T_l(y_1, …, y_{d-1}) W_l,    W_l = Σ_i c_{il} f_i(y_d),

        so that the table T of every point is one of d - 1 variables.
        """
        factors = axis_factors(t, half, self.sigma, q, max(map(max, indices)))  # (order + 1, d, b, n, q)
        b, n, d = t.shape
        place = _places(d, q, c.shape[1]).to(c.device)
        by_last = c.new_zeros(b, q * c.shape[1] * basis_size(d - 1, q))
        by_last = by_last.index_copy_(1, place, c.flatten(1)).view(b, q, -1)  # (b, q, u l)
        values = t.new_empty(b, n, c.shape[1], len(indices))
        # Derivatives that agree along the last axis share its factor, so that each order costs one product of matrices.
        for k in sorted({index[-1] for index in indices}):
            rows = [a for a, index in enumerate(indices) if index[-1] == k]
            w = torch.bmm(factors[k, -1], by_last).view(b, n, c.shape[1], -1)
            table = product_table(factors[:, :-1], q, tuple(indices[a][:-1] for a in rows))  # (a, b, n, l)
            values[..., rows] = torch.einsum("abml,bmul->bmua", table, w)
        return values


@lru_cache
def degrees(dimension: int, q: int) -> tuple[tuple[int, ...], ...]:
    """All multi-degrees of total degree < q, lowest total first: the basis of order q begins that of q + 1.

    >>> degrees(2, 2)
    ((0, 0), (1, 0), (0, 1))
    """
    # Lowest total first, so that bases are nested: raising the degree keeps coefficients where they are.
    found = (j for j in itertools.product(range(q), repeat=dimension) if sum(j) < q)
    return tuple(sorted(found, key=lambda j: (sum(j), j[::-1])))


@lru_cache
def _axes(q: int) -> tuple[Tensor, Tensor]:
    """Degrees (k,) along either axis of the functions of two variables."""
    first, second = zip(*degrees(2, q), strict=True)
    return torch.tensor(first), torch.tensor(second)


def basis_size(dimension: int, q: int) -> int:
    """Number of basis functions of total degree < q in d variables, C(q - 1 + d, d)."""
    return math.comb(q - 1 + dimension, dimension)


@lru_cache
def _places(dimension: int, q: int, outputs: int) -> Tensor:
    """Places of the coefficients (u k) of one patch in an array (q, u, l): by degree along the last axis first."""
    lower = {j: i for i, j in enumerate(degrees(dimension - 1, q))}
    place = torch.tensor([j[-1] * outputs * len(lower) + lower[j[:-1]] for j in degrees(dimension, q)])
    return (place + len(lower) * torch.arange(outputs)[:, None]).flatten()


def legendre_table(t: Tensor, q: int, order: int) -> Tensor:
    """Orthonormal Legendre polynomials and their derivatives at t (...): (order + 1, ..., q).

    Recurrence  (j+1) P_{j+1} = (2j+1) t P_j - j P_{j-1}  for the values, normalised by √(j + ½); derivatives are
    combinations of polynomials of lower degree.
    """
    table = t.new_empty(q, *t.shape)
    rows = table.unbind()  # once: taking a row costs as much as the sum for it
    rows[0].fill_(math.sqrt(0.5))
    if q > 1:
        torch.mul(t, math.sqrt(1.5), out=rows[1])
    for j in range(1, q - 1):
        ahead, back = _recurrence(j)
        torch.mul(rows[j - 1], back, out=rows[j + 1]).addcmul_(t, rows[j], value=ahead)
    values = table.movedim(0, -1)
    if order == 0:
        return values[None]
    table = t.new_empty(order + 1, *t.shape, q)
    table[0] = values
    for k, matrix in enumerate(_derivatives(q, order)):
        torch.matmul(table[0], matrix.to(t), out=table[k + 1])
    return table


@lru_cache
def _recurrence(j: int) -> tuple[float, float]:
    """(a, b) with p_{j+1} = a t p_j + b p_{j-1} for the normalised polynomials."""
    following = math.sqrt(2 * j + 3) / (j + 1)
    return following * math.sqrt(2 * j + 1), -following * j / math.sqrt(2 * j - 1)


@lru_cache
def _derivatives(q: int, order: int) -> tuple[Tensor, ...]:
    """Matrices (q, q) with p⁽ᵏ⁾_j = Σ_i p_i D_ij, k = 1 … order, from P'_j = Σ (2i + 1) P_i over i = j-1, j-3, …."""
    j = torch.arange(q, dtype=torch.float64)
    i = j[:, None]
    # P'_j has the parity of j - 1, so that every other polynomial below j is absent from it.
    below = (i < j) & ((j - i) % 2 == 1)
    first = below * torch.sqrt((2 * i + 1) * (2 * j + 1))
    found = [first]
    while len(found) < order:
        found.append(found[-1] @ first)
    return tuple(found)


def envelope_table(t: Tensor, s: Tensor, order: int) -> Tensor:
    """g(t) = exp(-t²/2s²) and its derivatives: (order + 1, ...), by g⁽ᵏ⁺¹⁾ = -(t g⁽ᵏ⁾ + k g⁽ᵏ⁻¹⁾)/s²."""
    # A recurrence in the derivatives needs one exponential for all orders.
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
    table = t.new_empty(p.shape)
    for k in range(order + 1):
        torch.mul(g[0], p[k], out=table[k])
        for i in range(1, k + 1):
            table[k].addcmul_(g[i], p[k - i], value=math.comb(k, i))
    return table


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
    order = max(max(index) for index in indices)
    return product_table(axis_factors(t, half, sigma, q, order), q, indices)


def axis_factors(t: Tensor, half: Tensor, sigma: Tensor, q: int, order: int) -> Tensor:
    """Derivatives 0 … order of g P_j along each axis with respect to y, (order + 1, d, b, n, q); arguments as above."""
    factors = factor_table(t.movedim(-1, 0), (sigma / half).T[:, :, None], q, order)
    for k in range(1, order + 1):
        # Tables are made in reference coordinates t; by the chain rule each derivative in y costs one 1/H.
        factors[k] /= half.T[:, :, None, None] ** k
    return factors


def product_table(factors: Tensor, q: int, indices: tuple[tuple[int, ...], ...]) -> Tensor:
    """Derivatives β (a of them) of all basis functions from those along each axis, `axis_factors`: (a, b, n, k)."""
    d = factors.shape[1]
    if d == 2 and factors[0, 0].numel() <= FEW:
        first, second = (axis.to(factors.device) for axis in _axes(q))
        rows, columns = (torch.tensor(orders) for orders in zip(*indices, strict=True))
        return factors[rows, 0].index_select(-1, first) * factors[columns, 1].index_select(-1, second)
    result = factors.new_empty(len(indices), *factors.shape[2:-1], basis_size(d, q))
    for row, index in zip(result, indices, strict=True):
        _multiply([factors[k, i] for i, k in enumerate(index)], q, row)
    return result


def _multiply(factors: Sequence[Tensor], q: int, out: Tensor) -> None:
    """Products Π_i factors[i][..., j_i] over all multi-degrees |j| < q, in the order of `degrees`, into out (..., k).

    The functions of one total degree are products of slices, which spares gathering the factors.
    """
    if not factors:
        out.fill_(1.0)
        return
    *rest, last = factors
    if not rest:
        out.copy_(last)
    elif len(rest) == 1:
        # Along an antidiagonal of total degree one index falls as the other rises: reversed, both are slices.
        reverse = rest[0].flip(-1)
        start = 0
        for total in range(q):
            part = slice(start, start := start + total + 1)
            torch.mul(reverse[..., q - 1 - total :], last[..., : total + 1], out=out[..., part])
    else:
        d = len(rest)
        lower = out.new_empty(*out.shape[:-1], basis_size(d, q))
        start = 0
        _multiply(rest, q, lower)
        for total in range(q):
            check_deadline()  # in three dimensions, of many points, this takes seconds
            for j in range(total + 1):
                of_rest = slice(basis_size(d, total - j), basis_size(d, total - j + 1))
                part = slice(start, start := start + of_rest.stop - of_rest.start)
                torch.mul(lower[..., of_rest], last[..., j, None], out=out[..., part])
