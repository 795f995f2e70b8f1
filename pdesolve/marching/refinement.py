"""Where patches do not resolve a solution, and other patches that do; what is known is carried over.

The parts of one total degree of the solution on a patch have norms a_0, …, a_{q-1}. With e the larger of the last two
and f the larger of the two that are four degrees lower, the first neglected part is predicted as  e (e/f)^{1/4}.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.space import Space, gauss_table, moved, points_in, reference_table, values_at
from pdesolve.marching.step import relative_to
from pdesolve.patches.cover import Patches
from pdesolve.patches.merging import merge, neighbours
from pdesolve.patches.partition import Partition

# Without a bound, parts that grow with the degree would be extrapolated to ever larger ones.
SLOWEST_DECAY = 0.95  # from one degree to the next: what decays less is not resolved at all
ALONG = 0.5  # of the strongest direction: others are halved, too
LAYER = 0.8  # of the energy of the gradient within an eighth or a quarter of a patch: it is a layer there
LAYERS = (2, 6, 1, 7)  # eighths of a patch after which it is cut beside a layer, the closest last
MERGED = 0.3  # of the limit that the predicted part of a merged patch may have


def tails(space: Space, c: Tensor, scale: Tensor, weights: Tensor | None = None) -> Tensor:
    """Predicted truncation (e,), relative to the sizes (u,) of the unknowns, of functions (S, e, u, k).

    The largest of all, or that of their mean square where they have weights (S,).
    """
    shells = torch.zeros(space.q, space.functions, dtype=torch.float64)
    shells[space.shells, torch.arange(space.functions)] = 1.0
    squares = space.inside(c) ** 2 @ shells.T  # (S, e, u, degree)
    if weights is None:
        parts = squares.amax(0).sqrt()
    else:
        parts = torch.tensordot(weights, squares, 1).sqrt()
    # Two degrees together: of an even or odd function every second part vanishes.
    last = parts[..., -2:].amax(-1)
    gap = min(4, space.q - 2)
    earlier = parts[..., -2 - gap : space.q - gap].amax(-1)
    decay = (last / earlier.clamp_min(1e-300)) ** (1 / gap)
    predicted = last * decay.clamp_max(SLOWEST_DECAY) * space.volume[:, None].sqrt()
    return relative_to(predicted, scale).amax(1)


def worst(tail: Tensor, budget: float) -> Tensor:
    """Which patches (e,) must be cut: none where √Σ tail² is within the budget, else all but those that use up half.

    Half is left to what the parts of the patches that are cut will still miss.
    """
    squares, order = torch.sort(tail**2)
    below = squares.cumsum(0)
    marked = torch.zeros(len(tail), dtype=torch.bool)
    if float(below[-1]) > budget**2:
        marked[order[below > (budget / 2) ** 2]] = True
    return marked


def directions(space: Space, c: Tensor, scale: Tensor) -> np.ndarray:
    """Along which axes (e, d) the highest degrees are."""
    # A few of the highest degrees: one alone may vanish by symmetry.
    high = space.shells >= space.q - 4
    energy = (space.inside(c)[..., high] ** 2 / (scale**2).clamp_min(1e-300)[:, None]).amax(0).sum(1)
    share = energy @ space.exponents[high]
    return np.asarray((share >= ALONG * share.amax(1, keepdim=True)).numpy())


def cuts(space: Space, c: Tensor) -> np.ndarray:
    """Where patches are best cut along each axis, in eighths (e, d): in the middle, or close to a layer at an end.

    A layer is where nearly all of the gradient along the axis is within an eighth of the patch, or within a quarter.
    Halving would need three tries, or two, to come as close, and leave two more patches on the way, or one: in three
    dimensions, where all axes are cut, eight times as many.
    """
    found = np.full((len(space), space.d), 4)
    energies = c.transpose(0, 1).flatten(1, 2)  # (e, S u, k)
    for axis in range(space.d):
        whole, *parts = (
            torch.einsum("ejk,kl,ejl->e", energies, gram, energies)
            for gram in _slopes(space.d, space.q, axis)
        )
        for eighth, part in zip(LAYERS, parts, strict=True):
            found[(part > LAYER * whole).numpy(), axis] = eighth
    # Corners of cut patches beyond the domain would count as layers.
    found[space.patches.cut] = 4
    return found


@lru_cache(maxsize=32)
def _slopes(d: int, q: int, axis: int) -> tuple[Tensor, ...]:
    """∫ ∂_k ∂_l along an axis (k, k) over the reference patch, and over its ends up to LAYERS of the axis."""
    local, weights, _ = gauss_table(d, q, q)
    beta = (tuple(int(i == axis) for i in range(d)),)
    grams = []
    ends = [(-1.0, e / 4 - 1) if e < 4 else (e / 4 - 1, 1.0) for e in LAYERS]
    for begin, end in ((-1.0, 1.0), *ends):
        points = local.clone()
        points[:, axis] = begin + (local[:, axis] + 1) * (end - begin) / 2
        table = reference_table(points[None], q, beta)[0, 0]
        grams.append((end - begin) / 2 * table.T @ (weights[:, None] * table))
    return tuple(grams)


def split(
    space: Space, marked: Tensor, along: np.ndarray, eighths: np.ndarray | None = None
) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Cut marked patches (e,) along some axes (e, d); None where they are as small as they can be.

    Returns:
        The new space, and (old patch, new patch) of all pairs that share a part of the domain.
    """
    axes = marked.numpy()[:, None] & along
    partition, parent = space.patches.partition.split(axes, eighths)
    if len(partition) == len(space):
        return None
    patches, kept = Patches.over(space.patches.frame, partition)
    pairs = torch.from_numpy(parent[kept]), torch.arange(len(patches))
    return Space(space.evolution, patches, space.q), pairs


def coarsened(
    space: Space, c: Tensor, scale: Tensor, limit: float
) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    """Merge neighbours wherever one patch resolves functions (S, e, u, k) as well; None where there are none.

    Each pair is tried: the functions are projected to the merged patch, and what is lost and what is predicted to be
    missing there must stay below MERGED times the limit.
    """
    current = space
    number = torch.arange(len(space))
    for axis in range(space.d):
        merged = _merged_along(axis, current, c, scale, MERGED * limit)
        if merged is not None:
            new, pairs = merged
            c = moved(current, new, pairs, c)
            number = pairs[1][number]
            current = new
    if current is space:
        return None
    return current, (torch.arange(len(space)), number)


def _merged_along(
    axis: int, space: Space, c: Tensor, scale: Tensor, limit: float
) -> tuple[Space, tuple[Tensor, Tensor]] | None:
    pairs = neighbours(space.patches.partition, axis, np.ones(len(space), dtype=bool))
    for _ in range(2):  # first all pairs, then those that may be merged
        if not len(pairs):
            return None
        trial = _merged(space, axis, pairs)
        if trial is None:
            return None
        new, number = trial
        place = number[torch.from_numpy(pairs[:, 0])]
        projected = moved(space, new, (torch.arange(len(space)), number), c)
        fits = tails(new, projected, scale)[place] < limit
        fits &= _lost(space, c, pairs, new, projected, place, scale) < limit
        if bool(fits.all()):
            return new, (torch.arange(len(space)), number)
        pairs = pairs[fits.numpy()]
    return None


def _merged(space: Space, axis: int, pairs: np.ndarray) -> tuple[Space, Tensor] | None:
    """The space with merged pairs, and of each old patch the number of the new one."""
    partition, number = merge(space.patches.partition, axis, pairs)
    if _too_few(partition):
        return None
    patches, kept = Patches.over(space.patches.frame, partition)
    place = np.full(len(partition), -1)
    place[kept] = np.arange(len(kept))
    return Space(space.evolution, patches, space.q), torch.from_numpy(place[number])


def _lost(
    space: Space, c: Tensor, pairs: np.ndarray, new: Space, projected: Tensor, place: Tensor, scale: Tensor
) -> Tensor:
    """Relative L2 norm (j,) of what the projection of each pair loses."""
    before = sum((c[:, i] ** 2).sum(-1) * space.volume[i][:, None] for i in map(torch.from_numpy, pairs.T))
    after = (projected[:, place] ** 2).sum(-1) * new.volume[place][:, None]
    lost = (before - after).clamp_min(0).sqrt()  # (S, j, u)
    cut = torch.zeros(len(new), dtype=torch.bool)
    cut[place] = torch.from_numpy(new.patches.cut)[place]
    number = torch.zeros(len(new), dtype=torch.long)
    number[place] = torch.arange(len(place))
    for points, here in points_in(new, cut):
        # Beyond the domain a polynomial may be large: only what is lost at points within counts.
        table = points.tables(new.q, ((0,) * new.d,))[0][here]
        cells = points.cells[here]
        off = values_at(space, c, points.x[here]) - torch.einsum("bmk,sbuk->sbmu", table, projected[:, cells])
        squares = torch.einsum("sbmu,bm->sbu", off**2, points.weight[here] ** 2) * new.volume[cells][:, None]
        lost[:, number[cells]] = squares.sqrt()
    return relative_to(lost, scale).amax((0, 2))


def _too_few(partition: Partition) -> bool:
    """Whether a periodic axis has one patch only, which would be its own neighbour."""
    lower, upper = partition.bounds
    return any(
        periodic and bool((upper[:, i] - lower[:, i] > 0.75 * (breaks[-1] - breaks[0])).any())
        for i, (periodic, breaks) in enumerate(zip(partition.periodic, partition.breaks, strict=True))
    )
