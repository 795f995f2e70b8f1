"""Derivatives of one Gaussian φ = exp(-½ ξᵀPξ), ξ = x - μ, and of these with respect to its parameters.

With v = Pξ, Leibniz on ∂_i φ = -v_i φ gives the recursion (Hermite's, for a diagonal P)

    D^{α+e_i} φ = -v_i D^α φ - Σ_j α_j P_ij D^{α-e_j} φ.

Every parameter derivative is a polynomial moment, since dφ = (v·dμ - ½ ξᵀ dP ξ) φ:

    ∂D^α φ/∂μ = P D^α(ξ φ),        ∂D^α φ/∂A = -A D^α(ξ ξᵀ φ)  for P = AᵀA,
    D^α(ξ_i φ)      = ξ_i D^α φ + α_i D^{α-e_i} φ,
    D^α(ξ_i ξ_j φ)  = ξ_j D^α(ξ_i φ) + α_j D^{α-e_j}(ξ_i φ).

Tensors are (n, k), points by components; derivatives are held in dicts by multi-index. Python loops run over
multi-indices and coordinates only.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pdesolve.approximators.multi_index import Index, Indices, lower_closure, lowered, value_index

Derivatives = dict[Index, Tensor]
# (i, j) ↦ P_ij as (k,), None where it is zero
Precision = Callable[[int, int], Tensor | None]


def gaussian_derivatives(g: Tensor, v: list[Tensor], precision: Precision, indices: Indices) -> Derivatives:
    """D^β φ (n, k) for all β in the lower closure of ``indices``.

    Args:
        g: φ itself, (n, k).
        v: Pξ, d tensors (n, k).
        precision: P.
        indices: The derivatives wanted.
    """
    negative = [-component for component in v]
    table: Derivatives = {value_index(len(v)): g}
    for beta in lower_closure(indices)[1:]:
        # Along any axis that β has; the lower closure is in rising order, so that α is there already.
        axis = next(i for i, order in enumerate(beta) if order)
        alpha = lowered(beta, axis)
        value = negative[axis] * table[alpha]
        for j, order in enumerate(alpha):
            if order:
                p = precision(axis, j)
            else:
                p = None
            if p is not None:
                value = torch.addcmul(value, p, table[lowered(alpha, j)], value=-order)
        table[beta] = value
    return table


class WeightedMoments:
    """The same moments summed over derivatives with weights, Σ_α w_α D^α(ξ_i φ) and Σ_α w_α D^α(ξ_i ξ_j φ).

    With S = Σ w_α D^α φ, T_i = Σ w_α α_i D^{α-e_i} φ, U_ij = Σ w_α α_i (α-e_i)_j D^{α-e_i-e_j} φ they are
    ξ_i S + T_i and ξ_i ξ_j S + ξ_i T_j + ξ_j T_i + U_ij: few operations whatever the number of derivatives.
    Point by point they are rows of a Jacobian, summed over the points they are gradients.

    Args:
        table: By ``gaussian_derivatives``.
        xi: ξ, d tensors (n, k).
        weights: w_α by derivative, (n, k) or (n, 1).
    """

    def __init__(self, table: Derivatives, xi: list[Tensor], weights: Derivatives):
        self.table = table
        self.xi = xi
        self.weights = weights
        self.s = weighted_sum([(1, weight, table[alpha]) for alpha, weight in weights.items()])
        self.t = [self._lowered_sum(i) for i in range(len(xi))]
        self.b = [_add(x * self.s, t) for x, t in zip(xi, self.t, strict=True)]

    def first(self, i: int) -> Tensor:
        """Σ_α w_α D^α(ξ_i φ), (n, k)."""
        return self.b[i]

    def second(self, i: int, j: int) -> Tensor:
        """Σ_α w_α D^α(ξ_i ξ_j φ), (n, k)."""
        total = self.xi[j] * self.b[i]
        t = self.t[j]
        if t is not None:
            total = torch.addcmul(total, self.xi[i], t)
        factors = {alpha: alpha[i] * (alpha[j] - (i == j)) for alpha in self.weights}
        return _add(total, self._sum(factors, lambda alpha: lowered(lowered(alpha, i), j)))

    def _lowered_sum(self, i: int) -> Tensor | None:
        return self._sum({alpha: alpha[i] for alpha in self.weights}, lambda alpha: lowered(alpha, i))

    def _sum(self, factors: dict[Index, int], source: Callable[[Index], Index]) -> Tensor | None:
        terms = [
            (factor, self.weights[alpha], self.table[source(alpha)])
            for alpha, factor in factors.items()
            if factor
        ]
        if terms:
            return weighted_sum(terms)
        return None


def weighted_sum(terms: list[tuple[int, Tensor, Tensor]]) -> Tensor:
    """Σ factor · weight · derivative."""
    factor, weight, derivative = terms[0]
    # Most factors are one, and a product with it would be one pass over the memory more.
    if factor == 1:
        total = weight * derivative
    else:
        total = (factor * weight) * derivative
    for factor, weight, derivative in terms[1:]:
        total = torch.addcmul(total, weight, derivative, value=factor)
    return total


def _add(a: Tensor, b: Tensor | None) -> Tensor:
    if b is None:
        return a
    return a + b
