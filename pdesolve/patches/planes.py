"""Grid planes across which data jump or bend: patches end there.

Points of a solve see a jump within a patch only where there is one on either side of it, so that refinement ends as
soon as the jump lies between a face and the point next to it: both solutions of a verification then agree on a
source that is moved by as much. On a line, and for what jumps with one coordinate, patches that end at the jump are
right from the first.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import Statement
from pdesolve.patches.frame import Frame
from pdesolve.statement.breaks import breaks_along, lines_along

# Lines along each axis, and points on each.
LINES = {1: (1, 4096), 2: (16, 768), 3: (24, 256)}
# Of the lines that cross a plane: in the plane and in space, places that so many have in common are no chance.
AGREEING = 3
# Of the extent, within which places agree.
ALIKE = 1e-9
# Of an axis; a table between whose values is interpolated bends everywhere, which adaptivity resolves as it needs.
MOST_PLANES = 24
# Of the tolerance: relative changes of the data that are looked for.
MATTERS = 0.1
# Below it, it is rounding of what is computed.
LEAST = 1e-10


def planes_of_data(frame: Frame, statement: Statement, tol: float) -> list[list[float]]:
    """For every grid axis, values at which the equation's own functions jump or bend."""
    d = len(frame.lower)
    problem = statement.problem
    values = statement.terms[0].operator.at_one_jet
    # An evolution is looked at over all of its time; the planes hold for ever.
    evolves = problem.domain.dimension > d
    lower = torch.from_numpy(frame.lower)
    upper = torch.from_numpy(frame.upper)
    if evolves:
        lower = torch.cat([lower, problem.domain.bounds[0, -1:]])
        upper = torch.cat([upper, problem.domain.bounds[1, -1:]])

    def at(y: Tensor) -> Tensor:
        return values(torch.cat([y[:, :d] @ frame.rotation.T, y[:, d:]], 1), None)

    def label(y: Tensor) -> Tensor:
        y = y[:, :d].contiguous()
        inside = frame.domain.level(y @ frame.rotation.T) < 0
        return torch.where(inside, torch.from_numpy(frame.part_of(y)), -1)

    lines, count = LINES[min(len(lower), 3)]
    found = []
    for axis in range(d):
        points = lines_along(lower, upper, axis, lines, count)
        windows = breaks_along(at, points, axis, label, max(MATTERS * tol, LEAST)).bends
        middle = windows.start[:, axis] + windows.width / 2
        close = np.maximum(ALIKE * frame.extent[axis], windows.width.numpy())
        found.append(_shared(middle.numpy(), close, AGREEING if len(lower) > 1 else 1))
    return [planes if len(planes) <= MOST_PLANES else [] for planes in found]


def _shared(places: np.ndarray, close: np.ndarray, least: int) -> list[float]:
    """Places that at least so many lines have in common, each once: where it is known best."""
    order = np.argsort(close, kind="stable")
    kept: list[float] = []
    for i in order:
        same = np.abs(places - places[i]) <= np.maximum(close, close[i])
        if same.sum() >= least and all(abs(place - places[i]) > close[i] for place in kept):
            kept.append(float(places[i]))
    return sorted(kept)
