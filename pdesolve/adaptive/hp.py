"""Halve a patch or raise its degree: whichever is less work for the error wanted."""

from __future__ import annotations

import numpy as np

from pdesolve.adaptive.decay import Decay
from pdesolve.patches.basis import basis_size

MANY = 400  # functions of a patch from which dense products are most of the work


def cheapest(
    decay: Decay, q: np.ndarray, target: float, dimension: int, highest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split or raise the order of each patch: the least work whose predicted error meets the target.

    Raising the order by 2j multiplies the first neglected pair by ρ^j γ^{j(j+1)/2}. Halving a patch m times divides a
    coefficient of degree k by 2^{mk}, hence the first neglected pair by 2^{mq} and the rate ρ by 4^m. The work is
    taken as k^2.2 for the k functions of an order, toward k³ for many of them, and (2^m)^{1.3} for each direction
    split: between tables (k², 1) and the factorisation in the plane (k³, 3/2). Orders are not raised where nothing
    decays yet.

    Returns:
        (e,) whether to split now, and the order to take.
    """
    directions = decay.directions.sum(axis=1)
    best, split, wanted = np.full(len(q), np.inf), np.zeros(len(q), dtype=bool), q.copy()
    for halvings in range(4):
        for raised in range(0, highest - 5, 2):
            order = np.clip(q + raised - (2 if halvings else 0), 4, highest)
            pairs = (order - q) / 2
            faster = decay.gain ** (np.maximum(pairs, 0) * (pairs + 1) / 2)
            error = decay.error * 2.0 ** (-halvings * q) * (decay.rate / 4.0**halvings) ** pairs * faster
            size = np.array([basis_size(dimension, int(k)) for k in order])
            cost = _work(size) * 2.0 ** (1.3 * halvings * directions)
            # What cannot be reached is at least approached: splitting more beats splitting less.
            cost = np.where(
                error <= target, cost, 1e12 * (1 + np.log10(np.maximum(error / target, 1))) + cost
            )
            if raised:
                cost = np.where(decay.slow, np.inf, cost)
            better = cost < best
            best, split = np.where(better, cost, best), np.where(better, halvings > 0, split)
            wanted = np.where(better, np.where(halvings > 1, q, order), wanted)
    wanted = np.where(decay.slow, q, wanted)
    nothing = ~split & (wanted <= q)
    return split | (nothing & (q >= highest)), np.where(nothing & (q < highest), q + 2, wanted)


def _work(size: np.ndarray) -> np.ndarray:
    """Of patches with that many functions each (e,), as measured: ~ k^2.2, from a few hundred on ~ k³."""
    return size**2.2 * (1 + (size / MANY) ** 2) ** 0.4


def work(dimension: int, q: np.ndarray) -> float:
    """Of a solve on patches of orders q (e,), in the units of `cheapest`."""
    return float(_work(np.array([basis_size(dimension, int(k)) for k in q])).sum())


def joined_orders(decay: Decay, q: np.ndarray, axis: int, target: float, highest: int) -> np.ndarray:
    """Per patch (e,) the order at which one twice as wide meets the target with less work than two; 0 where none does.

    Doubling multiplies a coefficient of degree k along the axis by 2^k, hence the first neglected pair by 2^q and the
    rate ρ by 4, the reverse of halving in `cheapest`.
    """
    dimension = decay.share.shape[1]
    error = np.maximum(decay.error * np.sqrt(decay.share[:, axis]), 1e-17)
    found = np.zeros(len(q), dtype=int)
    for raised in (4, 2, 0):
        order = q + raised
        meets = error * 2.0**q * (4 * decay.rate) ** (raised / 2) <= target
        k, wide = (np.array([basis_size(dimension, int(n)) for n in orders]) for orders in (q, order))
        found = np.where(meets & (order <= highest) & (_work(wide) < 2**1.3 * _work(k)), order, found)
    return found
