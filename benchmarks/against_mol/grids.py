"""Grids in one space dimension with the matrices of their derivatives: finite differences, Fourier, Chebyshev.

L. N. Trefethen, Spectral Methods in MATLAB (SIAM, 2000); B. Fornberg, Math. Comp. 51 (1988) 699–706.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.sparse import csr_matrix, diags

ACCURACY = 4  # order of the finite differences
NEAREST = 8  # points from which values between the points of a uniform grid are interpolated


@dataclass(frozen=True)
class Grid:
    """Points (n,), both ends among them unless the interval is periodic.

    Attributes:
        x: the points.
        derivatives: order ↦ matrix (n, n), dense or sparse.
        interpolate: places (m,) ↦ matrix (m, n) of the values there.
    """

    x: np.ndarray
    derivatives: dict[int, Any]
    interpolate: Callable[[np.ndarray], Any]


def fourth_order(a: float, b: float, n: int, orders: tuple[int, ...], periodic: bool) -> Grid:
    """Uniform points; central differences of the fourth order, one-sided ones beside the ends."""
    cells = n if periodic else n - 1
    h = (b - a) / cells

    def weights(position: np.ndarray, k: int, size: int) -> csr_matrix:
        first = np.floor(position - size / 2 + 1 + 1e-9).astype(int)
        first = first if periodic else first.clip(0, n - size)
        s = (first - position)[:, None] + np.arange(size)
        values = finite_difference(s, k) / h**k
        columns = (first[:, None] + np.arange(size)) % n
        rows = np.broadcast_to(np.arange(len(position))[:, None], columns.shape)
        return csr_matrix((values.ravel(), (rows.ravel(), columns.ravel())), (len(position), n))

    def matrix(k: int) -> csr_matrix:
        here, central = np.arange(n, dtype=float), k + ACCURACY - 1 + k % 2
        if periodic or k % 2:
            return weights(here, k, central)
        inside = (central // 2 <= here) & (here < n - central // 2)
        # Without symmetry, an even order needs one point more for the same accuracy.
        return csr_matrix(
            diags(inside * 1.0) @ weights(here, k, central)
            + diags(~inside * 1.0) @ weights(here, k, central + 1)
        )

    return Grid(
        a + h * np.arange(n),
        {k: matrix(k) for k in orders if k},
        lambda x: weights((x - a) / h, 0, NEAREST),
    )


def finite_difference(s: np.ndarray, k: int) -> np.ndarray:
    """Weights (m, p) of the k-th derivative at 0 from values at s (m, p): Σ w s^j = k! for j = k, else 0."""
    powers = s[:, None, :] ** np.arange(s.shape[1])[:, None]
    right = np.zeros((s.shape[1], 1))
    right[k] = factorial(k)
    return np.linalg.solve(powers, right[None])[..., 0]


def fourier(a: float, b: float, n: int, orders: tuple[int, ...], periodic: bool) -> Grid:
    """Trigonometric interpolation on a periodic interval; n even."""
    assert periodic
    wave = 2j * np.pi * np.fft.fftfreq(n, (b - a) / n)
    odd = wave.copy()
    odd[n // 2] = 0
    unit = np.fft.fft(np.eye(n), axis=0)
    matrices = {
        k: np.fft.ifft((odd if k % 2 else wave)[:, None] ** k * unit, axis=0).real for k in orders if k
    }

    def interpolate(x: np.ndarray) -> np.ndarray:
        phase = np.exp(np.outer(x - a, wave))
        phase[:, n // 2] = phase[:, n // 2].real
        return (phase @ unit).real / n

    return Grid(a + (b - a) * np.arange(n) / n, matrices, interpolate)


def chebyshev_points(a: float, b: float, n: int, orders: tuple[int, ...], periodic: bool) -> Grid:
    """Polynomial interpolation in Chebyshev points, ends included."""
    assert not periodic
    angle = np.pi * np.arange(n) / (n - 1)
    s = -np.cos(angle)
    c = np.where((np.arange(n) == 0) | (np.arange(n) == n - 1), 2.0, 1.0) * (-1.0) ** np.arange(n)
    # s_i - s_j without cancellation.
    gap = 2 * np.sin((angle[:, None] + angle) / 2) * np.sin((angle[:, None] - angle) / 2) + np.eye(n)
    first = np.outer(c, 1 / c) / gap
    first -= np.diag(first.sum(axis=1))
    first *= 2 / (b - a)
    matrices, power = {}, np.eye(n)
    for k in range(1, max(orders) + 1):
        power = first @ power
        power -= np.diag(power.sum(axis=1))  # constants have no derivative
        matrices[k] = power.copy()
    to_coefficients = np.linalg.inv(chebyshev.chebvander(s, n - 1))
    return Grid(
        a + (b - a) * (s + 1) / 2,
        matrices,
        lambda x: chebyshev.chebvander(2 * (x - a) / (b - a) - 1, n - 1) @ to_coefficients,
    )
