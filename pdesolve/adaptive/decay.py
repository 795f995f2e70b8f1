"""Truncation of the local expansions, from how fast their coefficients decay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.estimation import reference, shared
from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.newton import Discrete, coefficients_of, value_table, volume_weights

# Added to norms of parts that may vanish: below the rounding of any that does not.
TINY = 1e-17
# Powers of rates and gains are predicted; one pair that happens to vanish is no reason to expect it of all.
LEAST_RATE = 1e-3
LEAST_GAIN = 0.5


@dataclass(frozen=True)
class Decay:
    """Truncation of the local expansions.

    Attributes:
        error: (e,) predicted L2 error of each patch, relative to the norm of the unknown, the largest over unknowns.
        rate: (e,) decay ρ of the coefficients per two degrees.
        gain: (e,) factor γ ≤ 1 by which the rate itself falls per two degrees (entire functions: γ < 1).
        slow: (e,) whether raising the degree does not help: decay slower than 0.4, or a rate that grows with the
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


def predict(discrete: Discrete, size: np.ndarray | None = None, tuning: Tuning = TUNING) -> Decay:
    """Truncation error and decay rate of every patch, from the three highest pairs of degrees.

    With T₀, T₁, T₂ the L2 norms on the patch of the parts of degrees {q-1, q-2}, {q-3, q-4}, {q-5, q-6} and the rate
    ρ = max(T₀/T₁, √(T₀/T₂)), the first neglected pair is predicted as ρ T₀. The functions are orthonormal but for
    their envelope, which is nearly one. On a cut cell they are made so: what is nearly dependent inside the domain has
    large coefficients that cancel.

    Args:
        discrete: a solution.
        size: (u,) root mean squares that errors are relative to where the unknowns have less.
        tuning: numbers that decide.
    """
    parts, shares = _highest_parts(discrete)
    norm = _norms(discrete, parts, size, tuning)
    t = (parts / norm[None, :, None]).cpu().numpy()
    rate = np.maximum(t[..., 0] / (t[..., 1] + TINY), np.sqrt(t[..., 0] / (t[..., 2] + TINY)))
    rate = np.clip(rate, 0.0, 1.0)
    error = t[..., 0] * np.maximum(rate, tuning.least_rate)
    worst = np.arange(len(error)), error.argmax(axis=1)
    # What no longer decays this far down is rounding, and no refinement removes it.
    error[(t[..., 0] < tuning.rounding) & (rate > tuning.slow_decay)] = 0.0
    gain = t[..., 0] * t[..., 2] / (t[..., 1] ** 2 + TINY**2)
    singular = (gain[worst] > tuning.singular_gain) & (rate[worst] > tuning.singular_rate)
    share = (shares / norm[None, :, None] ** 2).sum(1).cpu().numpy()
    return Decay(
        error=error.max(axis=1),
        rate=np.maximum(rate[worst], LEAST_RATE),
        gain=np.clip(gain[worst], LEAST_GAIN, 1.0),
        slow=(rate[worst] > tuning.slow_decay) | singular,
        directions=share >= tuning.direction_share**2 * share.max(axis=1, keepdims=True),
        strongest=share.argmax(axis=1),
        share=share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300),
    )


def _highest_parts(discrete: Discrete) -> tuple[Tensor, Tensor]:
    """Norms (e, u, 4) of the three highest pairs of degrees and of all the rest, and shares of the axes (e, u, d).

    A share is the part that an axis has in the squares of the two highest pairs.
    """
    assembly = discrete.assembly
    parts = discrete.coefficients.new_zeros(len(assembly.patches), assembly.unknowns, 4)
    shares = discrete.coefficients.new_zeros(len(assembly.patches), assembly.unknowns, assembly.dimension)
    for points in assembly.interior:
        q = int(assembly.q[points.cells[0]])
        degree = assembly.space.basis.tail(q).to(assembly.device)
        total = degree.sum(1)
        pair = ((q - 1 - total) // 2).clamp_max(3)
        place = torch.from_numpy(points.cells).to(parts.device)
        c = coefficients_of(discrete, points.cells)
        if bool(assembly.patches.cut[points.cells[0]]):
            c = _orthonormal(value_table(assembly, points), c, volume_weights(assembly, points))
        else:
            c = c * assembly.half[place].prod(1).sqrt()[:, None, None]
        high = (pair <= 1) * degree.T / total.clamp_min(1)  # (d, k): each axis' part in the highest degrees
        shares[place] = torch.einsum("buk,dk->bud", c**2, high.to(c))
        parts[place] = torch.stack([c[..., pair == k].norm(dim=2) for k in range(4)], dim=2)
    return parts, shares


def fallen(before: Discrete, after: Discrete, tuning: Tuning = TUNING) -> float:
    """Part of the error of a solution that the next one still has: as the residual falls, or the truncation, if slower.

    Where a run is stopped, only the difference to the level before is known, which is the error of that. The next one
    has a hundredth of it, or a millionth where all is smooth: that was told of 1e-4 where the error was 1e-10.
    """
    truncation = predict(after, tuning=tuning).total / max(predict(before, tuning=tuning).total, 1e-300)
    if not math.isfinite(truncation):
        return 1.0
    return min(max(shared(before, after, tuning) ** 0.5, truncation), 1.0)


def _norms(discrete: Discrete, parts: Tensor, size: np.ndarray | None, tuning: Tuning) -> Tensor:
    """L2 norms (u,) that errors are relative to, none of which is zero."""
    norm = parts.square().sum((0, 2)).sqrt()
    # Beside singular functions, the patches hold only the rest.
    if discrete.assembly.space.beside:
        norm = discrete.assembly.space.norms(discrete.coefficients)
    if size is not None:
        assembly = discrete.assembly
        volume = sum(float(volume_weights(assembly, points).sum()) for points in assembly.interior)
        norm = norm.maximum(torch.from_numpy(size).to(norm) * volume**0.5)
    known = torch.from_numpy(reference(discrete, norm.cpu().numpy(), tuning)).to(norm)
    return torch.where(known > 0, known, norm.max().clamp_min(1e-300))


def _orthonormal(table: Tensor, c: Tensor, volume: Tensor) -> Tensor:
    """Coefficients (b, u, k) of Σ c_j φ_j in functions that are orthonormal on what the points (b, m) stand for.

    Gram and Schmidt begin with the lowest degree: the part beyond a degree is the distance from all functions up to
    it. Two points for each of the k functions are enough of those of a cut cell, which come in random order.
    """
    k = table.shape[2]
    rows = min(table.shape[1], 2 * k)
    weight = volume[:, :rows] * (volume.sum(1) / volume[:, :rows].sum(1))[:, None]
    triangle = torch.linalg.qr(weight.sqrt()[..., None] * table[:, :rows], mode="r")[1]
    return torch.nn.functional.pad(torch.einsum("bjk,buk->buj", triangle, c), (0, k - triangle.shape[1]))


def sufficient_orders(discrete: Discrete, target: float) -> np.ndarray:
    """Per patch (e,) the lowest degree, by steps of two, beyond which all coefficients together are below a target.

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
        half = assembly.half[torch.from_numpy(points.cells).to(c.device)]
        squares = c.square() * half.prod(1)[:, None, None]
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
