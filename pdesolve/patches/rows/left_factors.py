"""The left factors of rows on a space: which of them weigh low moments, and by the size of which patch."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.points.faces import FacePoints
from pdesolve.patches.points.interfaces import InterfacePoints
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows import conservation
from pdesolve.patches.rows.conservation import LeftFactor
from pdesolve.patches.space import Space


class LeftFactors:
    """Left factors of blocks of rows; see `conservation`."""

    def __init__(self, space: Space):
        self.space = space
        self.size = torch.from_numpy(conservation.size_factors(space.patches.partition.half)).to(space.device)

    def of_term(self, term: GridTerm, points: Points) -> LeftFactor:
        """Of the rows of a term at a batch of points."""
        size = self.size[torch.from_numpy(points.cells).to(self.space.device)]
        if points.normals is not None and not any(any(beta) for _, beta in term.slots):
            return conservation.of_values(size)
        return conservation.left_factor(size, self.space.local(points.cells, points.y)[0], points.weight)

    def of_values(self, f: FacePoints | InterfacePoints) -> LeftFactor:
        """Of rows of values between two patches."""
        return conservation.of_values(self._smaller(f))

    def of_fluxes(self, f: FacePoints | InterfacePoints) -> LeftFactor:
        """Of rows of normal derivatives between two patches."""
        size = self._smaller(f)
        modes = getattr(f, "modes", None)
        if modes is not None:
            return conservation.left_factor_of_modes(size, modes, self.space.dimension)
        t, _ = self.space.local(f.minus, f.y.to(self.space.device))
        return conservation.left_factor(size, t, f.weight.to(self.space.device))

    def _smaller(self, f: FacePoints | InterfacePoints) -> Tensor:
        """Size factors (b,) of the smaller of two patches, which rules."""
        minus, plus = (torch.from_numpy(cells).to(self.space.device) for cells in (f.minus, f.plus))
        return torch.minimum(self.size[minus], self.size[plus])
