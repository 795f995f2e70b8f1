"""The hp decision: halve a patch or raise its degree, whichever is less work for the error wanted."""

from __future__ import annotations

import numpy as np

from pdesolve.adaptive.decay import Decay
from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.basis import basis_size

# Cost of what misses the target, above that of any patch: what cannot be reached is at least approached.
OUT_OF_REACH = 1e12
MOST_HALVINGS = 4  # choices of 0 … 3 that are compared; one is made, and the next level decides anew
LEAST_DEGREE = 4  # three pairs of degrees make a decay


def cheapest(
    decay: Decay, q: np.ndarray, target: float, dimension: int, highest: int, tuning: Tuning = TUNING
) -> tuple[np.ndarray, np.ndarray]:
    """Halve or raise the degree of each patch: the least work whose predicted error meets the target.

    Raising the degree by 2j multiplies the first neglected pair by ρ^j γ^{j(j+1)/2}. Halving a patch m times divides a
    coefficient of degree k by 2^{mk}, hence the first neglected pair by 2^{mq} and the rate ρ by 4^m. The work is
    taken as k^2.2 for the k functions of a degree, toward k³ for many of them, and (2^m)^{1.3} for each direction
    halved: between tables (k², 1) and the factorisation in the plane (k³, 3/2). Degrees are not raised where nothing
    decays yet.

    Returns:
        (e,) whether to halve now, and the degree to take.
    """
    best = np.full(len(q), np.inf)
    split = np.zeros(len(q), dtype=bool)
    wanted = q.copy()
    for halvings in range(MOST_HALVINGS):
        for raised in range(0, highest - 5, 2):
            degree = np.clip(q + raised - (2 if halvings else 0), LEAST_DEGREE, highest)
            cost = _cost(decay, q, degree, halvings, target, dimension, tuning)
            if raised:
                cost = np.where(decay.slow, np.inf, cost)
            better = cost < best
            best = np.where(better, cost, best)
            split = np.where(better, halvings > 0, split)
            wanted = np.where(better, np.where(halvings > 1, q, degree), wanted)
    wanted = np.where(decay.slow, q, wanted)
    # A marked patch must change: where nothing is cheaper, its degree is raised as long as it may be.
    nothing = ~split & (wanted <= q)
    return split | (nothing & (q >= highest)), np.where(nothing & (q < highest), q + 2, wanted)


def _cost(
    decay: Decay,
    q: np.ndarray,
    degree: np.ndarray,
    halvings: int,
    target: float,
    dimension: int,
    tuning: Tuning,
) -> np.ndarray:
    """Work (e,) of patches halved so many times at other degrees (e,); out of reach where they miss the target."""
    pairs = (degree - q) / 2
    faster = decay.gain ** (np.maximum(pairs, 0) * (pairs + 1) / 2)
    error = decay.error * 2.0 ** (-halvings * q) * (decay.rate / 4.0**halvings) ** pairs * faster
    directions = decay.directions.sum(axis=1)
    cost = _work(_sizes(dimension, degree), tuning) * 2.0 ** (tuning.halving_power * halvings * directions)
    missing = np.log10(np.maximum(error / target, 1))
    return np.where(error <= target, cost, OUT_OF_REACH * (1 + missing) + cost)


def _sizes(dimension: int, q: np.ndarray) -> np.ndarray:
    """Functions (e,) of patches of degrees q (e,)."""
    return np.array([basis_size(dimension, int(k)) for k in q])


def _work(size: np.ndarray, tuning: Tuning = TUNING) -> np.ndarray:
    """Of patches with that many functions each (e,): ~ k^2.2, from a few hundred on ~ k³."""
    return size**tuning.work_power * (1 + (size / tuning.dense_from) ** 2) ** 0.4


def work(dimension: int, q: np.ndarray) -> float:
    """Of a solve on patches of degrees q (e,), in the units of `cheapest`."""
    return float(_work(_sizes(dimension, q)).sum())
