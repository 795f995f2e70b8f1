"""Derivatives in polar coordinates of functions r^μ F(θ), with r^λ F as a polynomial in λ and D = d/dθ.

    ∂^α r^{λ+τ} F(θ) = r^{λ+τ-|α|} Σ_m e^{imθ} Σ_jk c_m[j, k] λ^j D^k F(θ)

follows from ∂_x = ∂_z + ∂_z̄ and ∂_y = i(∂_z - ∂_z̄), as 2 ∂_z = e^{-iθ}(∂_r - i/r ∂_θ), 2 ∂_z̄ = e^{iθ}(∂_r + i/r ∂_θ).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from pdesolve.statement.calculus import MultiIndex


@lru_cache(maxsize=256)
def polar_derivative(alpha: MultiIndex, tau: int) -> dict[int, np.ndarray]:
    """c_m by m: complex arrays [j, k], powers of λ and of D."""
    order = sum(alpha)
    one = np.zeros((order + 1, order + 1), dtype=complex)
    one[0, 0] = 1.0
    found = {0: one}
    for number, axis in enumerate(np.repeat([0, 1], alpha)):
        # What ∂_z and ∂_z̄ count for in the derivative along the axis.
        parts = ((-1, (1.0, 1j)[axis]), (1, (1.0, -1j)[axis]))
        after: dict[int, np.ndarray] = {}
        for m, c in found.items():
            for sign, share in parts:
                # ½ (μ - sign m + sign i D) with μ = λ + τ - number.
                new = (tau - number - sign * m) * c
                new[1:] += c[:-1]
                new[:, 1:] += sign * 1j * c[:, :-1]
                after[m + sign] = after.get(m + sign, 0) + 0.5 * share * new
        found = after
    return found


def tables(theta: np.ndarray, half: float, count: int, order: int) -> list[np.ndarray]:
    """D^k T_n(θ/half), n < count: (points, count) for each k up to the order."""
    found = []
    for k in range(order + 1):
        derivative: np.ndarray = np.eye(count)
        if k:
            derivative = chebyshev.chebder(derivative, k, scl=1 / half)
        found.append(chebyshev.chebvander(theta / half, max(count - 1 - k, 0)) @ derivative)
    return found
