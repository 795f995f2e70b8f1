"""Points that stand for many neighbours, at which data are evaluated: one like the others, and the one unlike them.

Data cost little at a point and a fit costs much. Among neighbours a smooth function is nearly linear, and what is
narrower than the distance of the points left over is seen by the one that lies in it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.cells import Patches
from pdesolve.patches.points.interior import Points

BLOCK = 64  # neighbours: on a line of 2^18 points, 2^13 are left, and blocks are 2e-4 long
SINGULAR = 1e-10  # of the moments of a block: neighbours on a line in the plane have none across it


def neighbours(patches: Patches, chosen: np.ndarray, blocks: int, seed: int, batch: int) -> list[Points]:
    """Random points in cells, BLOCK in each of about `blocks` equal boxes of each; those outside have no weight.

    Args:
        patches: the patches.
        chosen: cells that have any.
        blocks: of each cell.
        seed: of the random numbers.
        batch: at most so many cells in a batch.
    """
    d = patches.dimension
    per_axis = max(1, round(blocks ** (1 / d)))
    box = torch.cartesian_prod(*[torch.arange(per_axis, dtype=torch.float64)] * d).reshape(-1, 1, d)
    generator = torch.Generator().manual_seed(seed)
    within = torch.rand(len(box), BLOCK, d, generator=generator, dtype=torch.float64)
    t = (2 * (box + within) / per_axis - 1).flatten(0, 1)
    found = []
    for part in np.split(chosen, range(batch, len(chosen), batch)):
        centre, half = (torch.from_numpy(a[part])[:, None] for a in (patches.centre, patches.half))
        y = centre + half * t
        inside = torch.ones(y.shape[:2], dtype=torch.bool)
        cut = patches.cut[part]
        if cut.any():
            own = patches.partition.part[part][cut]
            inside[torch.from_numpy(cut)] = torch.from_numpy(patches.frame.inside(y[cut].numpy(), own))
            # A cell may have less of the domain than lies between the points.
            some = inside.any(1)
            part, y, inside = part[some.numpy()], y[some], inside[some]
            # Functions of the problem may not be defined outside: a point inside of the same cell stands there.
            first = inside.to(torch.uint8).argmax(1)
            y = torch.where(inside[..., None], y, y[torch.arange(len(y)), first][:, None])
        if len(part):
            found.append(Points(part, y, inside.to(y.dtype)))
    return found


def thinned(x: Tensor, values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Two of each BLOCK of neighbours, with weights for all of them.

    In each block, values are compared with their best linear function of the place. The point that is farthest from it
    stands for as many as are together as far, and one in the middle stands for the others.

    Args:
        x: (n, d) points, of which each BLOCK are neighbours; the last n mod BLOCK are left out.
        values: (n, c) of data there.
        weight: (n,) quadrature weights, zero of points that are none.

    Returns:
        Numbers (2 n / BLOCK,) of the points that stay, and their weights.
    """
    blocks = len(x) // BLOCK
    weight = weight[: blocks * BLOCK].reshape(blocks, BLOCK)
    points, f = (part[: blocks * BLOCK].reshape(blocks, BLOCK, part.shape[1]) for part in (x, values))
    known = weight > 0
    away = _from_linear(points.mT, f.mT, known)
    total = weight.sum(1)
    far = away.argmax(1)
    middle = _in_the_middle(away, known)
    # One that stands out moves the fit, and with it all others alike.
    common, largest = (away.gather(1, one[:, None]) for one in (middle, far))
    more = (away - common).clamp_min(0.0) / (largest - common).clamp_min(torch.finfo(f.dtype).tiny)
    alike = torch.minimum((weight * more).sum(1), total / 2)
    chosen = torch.stack([middle, far], 1) + BLOCK * torch.arange(blocks)[:, None]
    return chosen.flatten(), torch.stack([total - alike, alike], 1).flatten()


def _in_the_middle(away: Tensor, known: Tensor) -> Tensor:
    """Numbers (b,) of the points of blocks that have their median of away (b, m), among those that are known (b, m)."""
    if bool(known.all()):
        return away.median(1).indices  # without sorting all of them
    order = torch.where(known, away, torch.inf).argsort(1)
    count = known.sum(1, keepdim=True)
    return order.gather(1, (count - 1).clamp_min(0) // 2)[:, 0]


def _from_linear(y: Tensor, f: Tensor, known: Tensor) -> Tensor:
    """How far values (b, c, m) are from their best linear function of y (b, d, m), in units of the largest: (b, m)."""
    one = known.to(y.dtype)[:, None]
    count = one.sum(-1, keepdim=True).clamp_min(1.0)
    if bool(known.all()):
        centred = y - y.mean(-1, keepdim=True)
        f = f - f.mean(-1, keepdim=True)
    else:
        centred = (y - (one * y).sum(-1, keepdim=True) / count) * one
        f = (f - (one * f).sum(-1, keepdim=True) / count) * one
    reach = centred.abs().amax((1, 2), keepdim=True).clamp_min(torch.finfo(y.dtype).tiny)
    t = (centred / reach).contiguous()  # sums over the points are over what lies side by side
    moments = t @ t.mT + SINGULAR * count * torch.eye(t.shape[1], dtype=y.dtype)
    left = (f - torch.linalg.solve(moments, t @ f.mT).mT @ t).abs()
    largest = left.amax((0, 2)).clamp_min(torch.finfo(f.dtype).tiny)
    return (left / largest[:, None] * one).amax(1)
