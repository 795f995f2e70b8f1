"""Layers at the ends of a line that the coefficients foretell: patches are halved toward them before the first solve.

Where -ε u'' + b u' = f flows out of an end at which u is given, u changes within ε/b of it. On patches that are much
wider, least squares does not see the layer, and spreads what it leaves over the whole line: with ε = 1e-8 all patches
were halved again and again, to 273,000 unknowns, and 40 per cent of error.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import Statement
from pdesolve.patches.partition import MAX_LEVEL
from pdesolve.statement.residual import ResidualOperator

# Half width of a patch, in widths of a layer, that polynomials of the first degree hold: e^-s on [0, 8] to 1e-4.
HELD = 4.0
# Of the domain: where coefficients are asked for, since at the end itself they may be singular.
INWARDS = 1e-9
# Of the ratio of coefficients: what is left of it eight widths away. Of x² u'' + x u', which has powers of x and no
# layer, an eighth is left.
STEADY = 0.5


def halve_toward_layers(patches: Patches, q: np.ndarray, statement: Statement) -> tuple[Patches, np.ndarray]:
    """Patches and degrees (e,), halved toward ends of a line with a layer in the only unknown of a linear equation."""
    if patches.dimension > 1 or len(statement.states) > 1 or not statement.linear or statement.problem.data:
        return patches, q
    for end, width in _layers(statement, float(patches.frame.extent[0])):
        for _ in range(MAX_LEVEL):
            last = np.abs(patches.centre[:, 0] - end).argmin()
            if patches.half[last, 0] <= HELD * width:
                break
            axes = np.zeros((len(patches), 1), dtype=bool)
            axes[last] = True
            partition, parent = patches.partition.split(axes)
            if len(partition) == len(patches):
                break
            patches, kept = Patches.over(patches.frame, partition)
            q = q[parent[kept]]
    return patches, q


def _layers(statement: Statement, extent: float) -> list[tuple[float, float]]:
    """Ends in grid coordinates at which a value is given and the flow goes out, and the widths of their layers."""
    found = []
    for term in statement.terms[1:]:
        place = term.operator.term.place
        if place is not None and not any(sum(beta) for _, beta in term.slots):
            for piece in place.pieces_on(statement.problem.domain):
                x, normals, _ = piece.rule(1)
                rate = _outflow(statement.terms[0].operator, x, normals, extent)
                if rate > 0:
                    found.append((float(x[0, 0]), 1 / rate))
    return found


def _outflow(equation: ResidualOperator, x: Tensor, normals: Tensor, extent: float) -> float:
    """b/ε out of the end x (1, 1), zero where there is no layer."""
    second = [i for i, (_, beta) in enumerate(equation.slots) if beta == (2,)]
    first = [i for i, (_, beta) in enumerate(equation.slots) if beta == (1,)]
    if max(sum(beta) for _, beta in equation.slots) != 2 or not (first and second):
        return 0.0

    def outwards(depth: float) -> float:
        jets = torch.zeros(len(x), len(equation.slots), dtype=torch.float64)
        dF = equation.linearise(x - depth * normals, jets)[1][0, 0]
        return float(-dF[first].sum() / dF[second].sum() * normals[0, 0])

    rate = outwards(INWARDS * extent)
    if rate * extent > 1 and math.isfinite(rate) and outwards(2 * HELD / rate) > STEADY * rate:
        return rate
    return 0.0
