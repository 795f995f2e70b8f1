"""The second march: the same patches and slabs, degrees raised by two, one stage more. The difference is the error."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.radau import Radau
from pdesolve.marching.space import RULE, Space, reference_table
from pdesolve.marching.step import Slab, relative_to
from pdesolve.quadrature import gauss_legendre

# Two degrees and one stage more give an error that is far smaller where the solution is
# smooth, so that the difference is that of the coarser march; a second stage more changed nothing.
MORE_DEGREES = 2
MORE_STAGES = 1


def squared_norms(u: Slab, v: Slab) -> np.ndarray:
    """∫∫ (v - u)² and ∫∫ v² (2, u) of every unknown over a slab, by Gauss in time and the points of v in space."""
    t, w = gauss_legendre(v.method.stages + 1, 0.0, 1.0)
    return torch.einsum("s,fsu->fu", w * u.length, squares(v.space, v.at(t), u.space, u.at(t))).numpy()


def handed_over(u: Slab, v: Slab, scale: Tensor) -> float:
    """Relative difference of the two marches at the end of a slab, of unknowns that are handed over."""
    # Within the domain: what a polynomial does beyond it, in a patch that the boundary cuts, is no error.
    difference = squares(v.space, v.following[:1], u.space, u.following[:1])[0, 0].sqrt()
    error = relative_to(difference, scale)
    # Algebraic unknowns are not handed over: the next slab finds them anew from its own rows.
    error[torch.from_numpy(u.space.evolution.time_orders == 0)] = 0.0
    return float(error.max())


def stages_near(u: Slab, start: Tensor, method: Radau) -> Tensor:
    """A guess of the stages of the finer march from its start (e, u, k): u, and the difference at the begin.

    Its own last slab would let expect them less exactly, and would not where lengths change much.
    """
    guess = torch.zeros(method.stages, *start.shape, dtype=start.dtype)
    off = start.clone()
    off[..., : u.space.functions] -= u.start[0]
    off[:, torch.from_numpy(u.space.evolution.time_orders == 0)] = 0.0  # they have no start
    guess[..., : u.space.functions] = u.at(torch.from_numpy(method.nodes[1:]))
    return guess + off


def squares(fine: Space, v: Tensor, coarse: Space, u: Tensor) -> Tensor:
    """‖v - u‖² and ‖v‖² in space (2, S, u) of functions (S, e, u, k) on the same patches with other degrees.

    Where the boundary cuts patches, only what lies inside counts.
    """
    c = v.clone()
    c[..., : coarse.functions] -= u
    both = torch.stack([c, v])
    cut = torch.from_numpy(fine.patches.cut)
    whole = torch.einsum("fseuk,e->fsu", both[:, :, ~cut] ** 2, fine.volume[~cut])
    if not bool(cut.any()):
        return whole
    zero = ((0,) * fine.d,)
    for points in fine.points(RULE[fine.d](fine.q)):
        if len(points.local) == 1 and not bool(cut[points.cells[0]]):
            continue
        table = reference_table(points.local, fine.q, zero)[0]
        values = torch.einsum("fsbuk,bmk->fsbum", both[:, :, points.cells], table)
        whole += torch.einsum("fsbum,bm,b->fsu", values**2, points.weight**2, fine.volume[points.cells])
    return whole
