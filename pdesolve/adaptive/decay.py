"""Truncation of the local expansions, from how fast their coefficients decay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.estimation import reference
from pdesolve.patches.newton import Discrete, coefficients_of, value_table, volume_weights

ROUNDING = 2e-12  # relative size of the highest coefficients of a patch below which slow decay is rounding
SLOW_DECAY = 0.4  # per two degrees: slower than this, raising orders does not help
# Algebraic decay n^-s has a gain (1 - 4/n²)^-s, that is seen at low orders.
SINGULAR_GAIN, SINGULAR_RATE = 1.25, 0.15
DIRECTION_SHARE = 0.1  # of the strongest axis: below it, an axis is not split


@dataclass(frozen=True)
class Decay:
    """Truncation of the local expansions.

    Attributes:
        error: (e,) predicted L2 error of each patch, relative to the norm of the unknown, the largest over unknowns.
        rate: (e,) decay ρ of the coefficients per two degrees.
        gain: (e,) factor γ ≤ 1 by which the rate itself falls per two degrees (entire functions: γ < 1).
        slow: (e,) whether raising the order does not help: decay slower than 0.4, or a rate that grows with the
            degree as that of a singular function does.
        directions: (e, d) axes along which the highest degrees matter, those a split should halve.
        strongest: (e,) the axis along which they matter most.
        share: (e, d) part of the squares of the highest degrees that each axis has.
    """

    error: np.ndarray
    rate: np.ndarray
    gain: np.ndarray
    slow: np.ndarray
    directions: np.ndarray
    strongest: np.ndarray
    share: np.ndarray

    @property
    def total(self) -> float:
        """Predicted error of all patches together."""
        return float(np.sqrt((self.error**2).sum()))


def predict(discrete: Discrete, size: np.ndarray | None = None) -> Decay:
    """Truncation error and decay rate of every patch, from the three highest pairs of degrees.

    With T₀, T₁, T₂ the L2 norms on the patch of the parts of degrees {q-1, q-2}, {q-3, q-4}, {q-5, q-6} and the rate
    ρ = max(T₀/T₁, √(T₀/T₂)), the first neglected pair is predicted as ρ T₀. The functions are orthonormal but for
    their envelope, which is nearly one. On a cut cell they are made so: what is nearly dependent inside the domain has
    large coefficients that cancel.

    Args:
        discrete: a solution.
        size: (u,) root mean squares that errors are relative to where the unknowns have less.
    """
    assembly = discrete.assembly
    e, u = len(assembly.patches), assembly.unknowns
    parts, extent = discrete.coefficients.new_zeros(e, u, 4), 0.0
    shares = discrete.coefficients.new_zeros(e, u, assembly.dimension)
    for points in assembly.interior:
        q = int(assembly.q[points.cells[0]])
        degree = assembly.space.basis.tail(q).to(assembly.device)
        total = degree.sum(1)
        pair = ((q - 1 - total) // 2).clamp_max(3)
        c = coefficients_of(discrete, points.cells)
        volume = volume_weights(assembly, points)
        extent += float(volume.sum())
        place = torch.from_numpy(points.cells).to(parts.device)
        if bool(assembly.patches.cut[points.cells[0]]):
            c = _orthonormal(value_table(assembly, points), c, volume)
        else:
            c = c * assembly.half[place].prod(1).sqrt()[:, None, None]
        high = (pair <= 1) * degree.T / total.clamp_min(1)  # (d, k): each axis' part in the highest degrees
        shares[place] = torch.einsum("buk,dk->bud", c**2, high.to(c))
        parts[place] = torch.stack([c[..., pair == k].norm(dim=2) for k in range(4)], dim=2)
    squares = parts.square()
    norm = squares.sum((0, 2)).sqrt()
    if size is not None:
        norm = norm.maximum(torch.from_numpy(size).to(norm) * extent**0.5)
    known = torch.from_numpy(reference(discrete, norm.cpu().numpy())).to(norm)
    norm = torch.where(known > 0, known, norm.max().clamp_min(1e-300))
    t = (parts / norm[None, :, None]).cpu().numpy()
    tiny = 1e-17
    rate = np.maximum(t[..., 0] / (t[..., 1] + tiny), np.sqrt(t[..., 0] / (t[..., 2] + tiny)))
    rate = np.clip(rate, 0.0, 1.0)
    error = t[..., 0] * np.maximum(rate, 0.02)
    worst = error.argmax(axis=1)
    share = (shares / norm[None, :, None] ** 2).sum(1).cpu().numpy()
    directions = share >= DIRECTION_SHARE**2 * share.max(axis=1, keepdims=True)
    # What no longer decays this far down is rounding, and no refinement removes it.
    error[(t[..., 0] < ROUNDING) & (rate > SLOW_DECAY)] = 0.0
    gain = t[..., 0] * t[..., 2] / (t[..., 1] ** 2 + tiny**2)
    each = np.arange(e), worst
    singular = (gain[each] > SINGULAR_GAIN) & (rate[each] > SINGULAR_RATE)
    return Decay(
        error.max(axis=1),
        np.maximum(rate[each], 1e-3),
        np.clip(gain[each], 0.5, 1.0),
        (rate[each] > SLOW_DECAY) | singular,
        directions,
        share.argmax(axis=1),
        share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300),
    )


def _orthonormal(table: Tensor, c: Tensor, volume: Tensor) -> Tensor:
    """Coefficients (b, u, k) of Σ c_j φ_j in functions that are orthonormal on what the points (b, m) stand for.

    Gram and Schmidt begin with the lowest degree: the part beyond a degree is the distance from all functions up to
    it. Two points for each of the k functions are enough of those of a cut cell, which come in random order.
    """
    rows, k = min(table.shape[1], 2 * table.shape[2]), table.shape[2]
    weight = volume[:, :rows] * (volume.sum(1) / volume[:, :rows].sum(1))[:, None]
    triangle = torch.linalg.qr(weight.sqrt()[..., None] * table[:, :rows], mode="r")[1]
    return torch.nn.functional.pad(torch.einsum("bjk,buk->buj", triangle, c), (0, k - triangle.shape[1]))


def sufficient_orders(discrete: Discrete, target: float) -> np.ndarray:
    """Per patch (e,) the lowest order, by steps of two, beyond which all coefficients together are below a target.

    Args:
        discrete: a solution.
        target: L2 norm on a patch, relative to the norm of the unknown.
    """
    assembly = discrete.assembly
    tails = []  # (cells, (b, u, pairs)) squared norms of the highest pairs of degrees, and all above them
    norms = discrete.coefficients.new_zeros(assembly.unknowns)
    for points in assembly.interior:
        q = int(assembly.q[points.cells[0]])
        degree = assembly.space.basis.tail(q).to(assembly.device).sum(1)
        c = coefficients_of(discrete, points.cells)
        squares = (
            c.square() * assembly.half[torch.from_numpy(points.cells).to(c.device)].prod(1)[:, None, None]
        )
        norms += squares.sum((0, 2))
        pair = ((q - 1 - degree) // 2).expand_as(c)
        parts = c.new_zeros(*c.shape[:2], (q + 1) // 2).scatter_add_(2, pair, squares)
        tails.append((points.cells, parts.cumsum(2)))
    size = torch.where(norms > 1e-24 * norms.max(), norms, norms.max()).clamp_min(1e-300)
    found = assembly.q.copy()
    for cells, parts in tails:
        small = (parts / size[None, :, None] <= target**2).all(1)
        found[cells] -= 2 * small.sum(1).cpu().numpy()
    return found
