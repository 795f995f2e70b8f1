"""Derivatives in the coordinates of a problem by those in the coordinates of a grid, which is turned."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from pdesolve.statement.calculus import MultiIndex, multi_indices

Key = tuple[tuple[float, ...], ...]


def rotation_key(rotation: Tensor) -> Key:
    """A hashable form of a rotation."""
    return tuple(map(tuple, rotation.tolist()))


@lru_cache
def rotate_indices(
    indices: tuple[MultiIndex, ...], rotation: Key
) -> tuple[tuple[MultiIndex, ...], Tensor | None]:
    """Express derivatives in x by those in y = R'x.

    With ∂/∂x_i = Σ_j R_ij ∂/∂y_j, D_x^α is a combination of the D_y^β with |β| = |α|.

    Returns:
        The β that occur, and the matrix (a, b) with D_x = matrix @ D_y; None where R is the identity.
    """
    d = len(rotation)
    if rotation == rotation_key(torch.eye(d, dtype=torch.float64)):
        return indices, None
    rows = [_expanded(alpha, rotation) for alpha in indices]
    highest = max(sum(alpha) for alpha in indices)
    # Derivatives that no row needs are left out: each costs a table of the whole basis.
    used = tuple(beta for beta in multi_indices(d, highest) if any(beta in row for row in rows))
    matrix = torch.tensor([[row.get(beta, 0.0) for beta in used] for row in rows], dtype=torch.float64)
    return used, matrix


def _expanded(alpha: MultiIndex, rotation: Key) -> dict[MultiIndex, float]:
    """Weights of the D_y^β in D_x^α: the product of Σ_j R_ij ∂/∂y_j, expanded."""
    row: dict[MultiIndex, float] = {(0,) * len(rotation): 1.0}
    for i, power in enumerate(alpha):
        for _ in range(power):
            row = _differentiated(row, rotation[i])
    return row


def _differentiated(row: dict[MultiIndex, float], weights: tuple[float, ...]) -> dict[MultiIndex, float]:
    """Weights of one derivative more, Σ_j w_j ∂/∂y_j."""
    grown: dict[MultiIndex, float] = {}
    for beta, value in row.items():
        for j, weight in enumerate(weights):
            if weight != 0.0:
                key = tuple(b + (k == j) for k, b in enumerate(beta))
                grown[key] = grown.get(key, 0.0) + value * weight
    return grown
