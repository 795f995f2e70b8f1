"""Radau IIA collocation: nodes, the matrix of derivatives, its diagonal form, and polynomials in time.

On a slab [t₀, t₀ + Δ] a function is the polynomial of degree s through its values at t₀ and at the stages t₀ + c_i Δ,
0 < c₁ < … < c_s = 1, the roots of P_s - P_{s-1} moved to [0, 1]. Its derivative at the stages is

    U'_i = (Σ_j Â_ij U_j + d₀_i u₀) / Δ,      Â = D[1:, 1:],   d₀ = D[1:, 0] = -Â 1,

with the differentiation matrix D on the s + 1 nodes: Â is the inverse of the Runge–Kutta matrix, to full accuracy.
Source: Hairer & Wanner, Solving Ordinary Differential Equations II, sections IV.5 and IV.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Radau:
    """Radau IIA of s stages, its derivative matrix diagonalised, Â = T Λ T⁻¹.

    Attributes:
        nodes: (s + 1,) 0 and the stages c.
        matrix: Â (s, s).
        start: d₀ (s,).
        eigenvalues: (k,) those λ of Â with Im λ ≥ 0, k = ⌈s/2⌉.
        vectors: columns of T (s, k) of these.
        dual: rows of T⁻¹ (k, s) of these.
        multiplicity: (k,) 1 for a real, 2 for a complex λ: U = Re Σ_k multiplicity_k T_k W_k.
    """

    nodes: Array
    matrix: Array
    start: Array
    eigenvalues: NDArray[np.complex128]
    vectors: NDArray[np.complex128]
    dual: NDArray[np.complex128]
    multiplicity: Array

    @property
    def stages(self) -> int:
        """Number of stages s."""
        return len(self.start)

    @cached_property
    def integration(self) -> Array:
        """A = Â⁻¹ (s, s): derivatives at the stages ↦ values there, beyond that at the start, in units of the step."""
        return np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)

    @property
    def middle(self) -> int:
        """The stage nearest to the middle of the slab."""
        return int(np.abs(self.nodes[1:] - 0.5).argmin())


@lru_cache
def radau(stages: int) -> Radau:
    """The method of a number of stages s ≥ 1."""
    nodes = np.concatenate([[0.0], stage_nodes(stages)])
    derivative = differentiation(nodes)[1:]
    matrix = derivative[:, 1:]
    eigenvalues, vectors = np.linalg.eig(matrix)  # of a real matrix: exact pairs
    dual = np.linalg.inv(vectors)
    # Conjugate pairs give conjugate solutions: one of each halves the factors.
    kept = eigenvalues.imag >= 0
    eigenvalues = eigenvalues[kept]
    alone = eigenvalues.imag == 0
    return Radau(
        nodes,
        matrix,
        derivative[:, 0],
        eigenvalues.astype(complex),
        vectors[:, kept].astype(complex),
        dual[kept].astype(complex),
        np.where(alone, 1.0, 2.0),
    )


def stage_nodes(stages: int) -> Array:
    """Roots of P_s - P_{s-1} on [0, 1], increasing, the last of them 1."""
    series = np.zeros(stages + 1)
    series[stages] = 1.0
    series[stages - 1] -= 1.0
    x = np.sort(legendre.legroots(series).real)
    slope = legendre.legder(series)
    for _ in range(3):  # Newton: roots of the companion matrix are good to half of the digits at the ends
        x = x - legendre.legval(x, series) / legendre.legval(x, slope)
    # The last stage is the end of the slab, exactly: what is handed over needs no extrapolation.
    x[-1] = 1.0
    return (x + 1) / 2


def barycentric(nodes: Array) -> Array:
    """Weights w_j = Π_{k≠j} 1 / (4 (x_j - x_k)); 4 is the inverse capacity of [0, 1], against overflow."""
    gaps = 4 * (nodes[:, None] - nodes)
    np.fill_diagonal(gaps, 1.0)
    return 1 / gaps.prod(axis=1)


def differentiation(nodes: Array) -> Array:
    """D with p'(x_i) = Σ_j D_ij p(x_j) for all polynomials through as many values."""
    weights = barycentric(nodes)
    gaps = nodes[:, None] - nodes
    np.fill_diagonal(gaps, 1.0)
    matrix = weights / weights[:, None] / gaps
    np.fill_diagonal(matrix, 0.0)
    # Constants have the derivative zero, to the last bit: the diagonal from its row loses fewer digits.
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


def lagrange(nodes: Array, t: Array) -> Array:
    """Values (n, j) of the Lagrange polynomials of the nodes (j,) at t (n,)."""
    gaps = t[:, None] - nodes
    hit = np.abs(gaps) < 1e-15
    terms = barycentric(nodes) / np.where(hit, 1.0, gaps)
    struck = hit.any(axis=1)
    values = terms / np.where(struck, 1.0, terms.sum(axis=1))[:, None]
    values[struck] = hit[struck]
    return np.asarray(values)


@lru_cache
def legendre_transform(stages: int) -> Array:
    """(s + 1, s + 1) from values at 0 and the stages to coefficients of P_j(2t - 1), lowest first."""
    nodes = radau(stages).nodes
    return np.asarray(np.linalg.inv(legendre.legvander(2 * nodes - 1, stages)), dtype=np.float64)
