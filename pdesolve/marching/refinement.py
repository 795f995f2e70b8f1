"""Where patches do not resolve a solution, and other patches that do; what is known is carried over.

The parts of one total degree of the solution on a patch have norms a_0, …, a_{q-1}. With e the larger of the last two
and f the larger of the two that are four degrees lower, the first neglected part is predicted as  e (e/f)^{1/4}.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.space import Space
from pdesolve.marching.step import relative_to
from pdesolve.patches.cover import Patches
from pdesolve.patches.partition import Partition

SLOWEST_DECAY = 0.95  # from one degree to the next: what decays less is not resolved at all
ALONG = 0.5  # of the strongest direction: others are halved, too
MERGED = 0.3  # of the limit that the predicted part of a merged patch may have


def tails(space: Space, c: Tensor, scale: Tensor) -> Tensor:
    """Predicted truncation (e,), relative to the sizes (u,) of the unknowns; the largest of functions (S, e, u, k)."""
    shells = torch.zeros(space.q, space.functions, dtype=torch.float64)
    shells[space.shells, torch.arange(space.functions)] = 1.0
    parts = (c**2 @ shells.T).amax(0).sqrt()  # (e, u, degree)
    last = parts[..., -2:].amax(-1)
    gap = min(4, space.q - 2)
    earlier = parts[..., -2 - gap : space.q - gap].amax(-1)
    decay = (last / earlier.clamp_min(1e-300)) ** (1 / gap)
    predicted = last * decay.clamp_max(SLOWEST_DECAY) * space.volume[:, None].sqrt()
    return relative_to(predicted, scale).amax(1)


def directions(space: Space, c: Tensor, scale: Tensor) -> np.ndarray:
    """Along which axes (e, d) the highest degrees are."""
    high = space.shells >= space.q - 4
    energy = (c[..., high] ** 2 / (scale**2).clamp_min(1e-300)[:, None]).amax(0).sum(1)
    share = energy @ space.exponents[high]
    return np.asarray((share >= ALONG * share.amax(1, keepdim=True)).numpy())


def split(space: Space, marked: Tensor, along: np.ndarray) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Halve marked patches (e,) along some axes (e, d); None where they are as small as they can be.

    Returns:
        The new space, and (old patch, new patch) of all pairs that share a part of the domain.
    """
    axes = marked.numpy()[:, None] & along
    partition, parent = space.patches.partition.split(axes)
    if len(partition) == len(space):
        return None
    patches, kept = Patches.over(space.patches.frame, partition)
    pairs = torch.from_numpy(parent[kept]), torch.arange(len(patches))
    return Space(space.evolution, patches, space.q), pairs


def join(space: Space, marked: Tensor) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Merge halves of which both are marked (e,), along one axis each; None where there are none."""
    partition, number = space.patches.partition, np.arange(len(space))
    free = marked.numpy() & ~space.patches.cut
    for axis in range(space.d):
        joined, new = partition.join(axis, free)
        held = np.bincount(new)[new] > 1
        both = np.zeros(len(joined), dtype=bool)
        both[new[~held]] = free[~held]
        partition, number, free = joined, new[number], both
    if len(partition) == len(space) or _too_few(partition):
        return None
    patches, kept = Patches.over(space.patches.frame, partition)
    place = np.full(len(partition), -1)
    place[kept] = np.arange(len(kept))
    target = torch.from_numpy(place[number])
    return Space(space.evolution, patches, space.q), (torch.arange(len(space)), target)


def _too_few(partition: Partition) -> bool:
    """Whether a periodic axis has one patch only, which would be its own neighbour."""
    lower, upper = partition.bounds
    return any(
        periodic and bool((upper[:, i] - lower[:, i] > 0.75 * (breaks[-1] - breaks[0])).any())
        for i, (periodic, breaks) in enumerate(zip(partition.periodic, partition.breaks, strict=True))
    )


def mergeable(space: Space, tail: Tensor, limit: float) -> Tensor:
    """Patches (e,) that would still be resolved at twice the size: their predicted part grows by 2^{q-1} at most."""
    return tail * 2.0 ** (space.q - 1) * MERGED < limit
