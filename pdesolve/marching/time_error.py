"""The error of a slab in time, as its own polynomial predicts it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.radau import legendre_transform
from pdesolve.marching.step import Slab, relative_to


def predicted_in_time(slab: Slab, scale: Tensor) -> float:
    """Predicted size of the first Legendre coefficient in time that a slab lacks, relative to the solution.

    Args:
        slab: with its stages.
        scale: (u,) sizes of the unknowns.
    """
    sizes = sizes_in_time(slab)
    # The last coefficient times its decay predicts the first one that the polynomial lacks.
    ratio = (sizes[-1] / sizes[-2].clamp_min(1e-300)).clamp(1e-3, 1.0)
    return float(relative_to(sizes[-1] * ratio, scale).max())


def sizes_in_time(slab: Slab) -> Tensor:
    """Norms (degree, u) of the Legendre coefficients in time, lowest first."""
    transform = torch.from_numpy(legendre_transform(slab.method.stages))
    sizes = slab.space.norms(torch.tensordot(transform, slab.nodes, 1))  # (degree, u)
    algebraic = torch.from_numpy(slab.space.evolution.time_orders == 0)
    if bool(algebraic.any()):
        # Algebraic unknowns have no start: a value there that does not match would spoil their coefficients.
        c = slab.method.nodes[1:]
        alone = torch.from_numpy(np.linalg.inv(np.polynomial.legendre.legvander(2 * c - 1, len(c) - 1)))
        sizes[1:, algebraic] = slab.space.norms(torch.tensordot(alone, slab.stages, 1))[:, algebraic]
    return sizes
