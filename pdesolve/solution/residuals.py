"""The residual of the equation beside its own terms, which have the same units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Points at which terms are compared: their mean squares are known to 1/√20,000 = 0.7 % then.
POINTS = 20_000


def relative_residual(solution: Any, points: Tensor, weights: Tensor) -> float | None:
    """The residual over the largest term of the equation, both as root mean squares; of several equations the worst.

    The terms of F are ∂F/∂u_β u_β, and what is left of F without them: its source.

    Args:
        solution: of one function of the unknowns; of modes None is returned.
        points: (n, d) of a rule on the domain.
        weights: (n,) of it.
    """
    if solution.spectrum:
        return None
    if len(points) > POINTS:
        chosen = torch.linspace(0, len(points) - 1, POINTS).long()
        points = points[chosen]
        weights = weights[chosen]
    operator = solution.equation
    wanted = tuple(dict.fromkeys(index for _, index in operator.slots))
    jets = solution.jet(points, wanted)
    slots = torch.stack([jets[:, u, wanted.index(index)] for u, index in operator.slots], 1).to(points)
    parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in solution.parameters.items()}
    r, dF = operator.linearise(points, slots, None, parameters)
    parts = dF * slots[:, None]
    terms = torch.cat([parts, (r - parts.sum(2))[..., None]], 2)  # (n, m, s + 1)
    weight = (weights / weights.sum())[:, None]
    left = (r**2 * weight).sum(0).sqrt()
    largest = (terms**2 * weight[..., None]).sum(0).sqrt().amax(1)
    share = float((left / largest.clamp_min(1e-300)).max())
    if not torch.tensor(share).isfinite():
        return None
    return share
