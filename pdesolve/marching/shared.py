"""The error that both marches share, and their difference does not show.

Where a solution is smooth, the finer march is so much better that its own error does not matter. Where it is not, as
where a kink has sent out waves of every length, two degrees and one stage more gain a few per cent: both marches lack
the waves that neither resolves. What a march lacks of a slab, ε_u or ε_v, is predicted from the decay of its
coefficients in time and in space; with σ = ε_v/ε_u, parts that are orthogonal, as waves of different lengths are, give

    ‖u - u*‖² = ‖u - v‖² + ‖v - u*‖²,      ‖v - u*‖² = σ²/(1 - σ²) ‖u - v‖².

So of what a slab adds to the difference d that is handed over, σ²/(1 - σ²) is added to V². What is handed over and
dies out, as after a start that does not match, takes V with it: V² is multiplied by (d/d_before)², where that is below
one. It counts from the next slab on: in the slab itself the two polynomials differ as much as they err.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.refinement import tails
from pdesolve.marching.step import Slab, relative_to
from pdesolve.marching.time_error import sizes_in_time

ROUNDING = 3e-14  # of a coefficient at the end of a slab: it shows no decay
MOST = 0.9  # of σ: predictions are not so good that a decay by a tenth is told from none


@dataclass(frozen=True)
class Shared:
    """V² of the last slab end and ∫ V² dt up to it, both relative to the sizes of the unknowns."""

    square: float = 0.0
    integral: float = 0.0

    def after(self, length: float, before: float, handed: float, ratio: float) -> Shared:
        """With one more slab, at whose begin and end d was handed over, and whose σ is `ratio`."""
        square = self.square
        if before > 0:
            square *= min(handed / before, 1.0) ** 2
        integral = self.integral + length * square
        sigma = min(ratio, MOST) ** 2
        return Shared(square + max(handed**2 - before**2, 0.0) * sigma / (1 - sigma), integral)


def lacking(slab: Slab, scale: Tensor) -> float:
    """Predicted relative size of what the polynomials of a slab lack in time and in space; 0 at rounding."""
    sizes = sizes_in_time(slab)
    # Two degrees together: of an even or odd function of time every second coefficient vanishes.
    last, earlier = sizes[-2:].amax(0), sizes[-4:-2].amax(0)
    decay = (last / earlier.clamp_min(1e-300)).sqrt().clamp_max(1.0)
    in_time = float(relative_to(torch.maximum(sizes[-1], sizes[-2] * decay) * decay, scale).max())
    in_space = float(tails(slab.space, slab.stages[-1:], scale).square().sum().sqrt())
    return max(float(np.hypot(in_time, in_space)) - ROUNDING, 0.0)


def ratio_of(u: Slab, v: Slab, scale: Tensor) -> float:
    """σ of a slab; 0 where one of the marches lacks nothing but rounding."""
    lacked = lacking(u, scale)
    if lacked <= 0:
        return 0.0
    return lacking(v, scale) / lacked
