"""Residuals of compiled terms at points of a space, and what they depend on there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.weights import VALUE_WEIGHT
from pdesolve.patches.space import Space


class Givens(Protocol):
    """What terms depend on beside the unknowns of the patches: scalars, and coefficient fields."""

    def scalars(self) -> dict[str, Tensor]:
        """Their present values by name."""

    def jets(self, term: GridTerm, points: Points) -> Tensor:
        """Jets (n, s) of the slots `term.fields` at a batch of n points."""


@dataclass(frozen=True)
class StartingValues:
    """Scalars to be identified at the values that the problem begins with; no fields."""

    statement: Statement
    space: Space

    def scalars(self) -> dict[str, Tensor]:
        """The scalars by name."""
        found = self.statement.problem.parameters
        dtype = self.space.half.dtype
        device = self.space.device
        return {k: torch.tensor(v, dtype=dtype, device=device) for k, v in found.items()}

    def jets(self, term: GridTerm, points: Points) -> Tensor:
        """There are no fields."""
        return self.space.half.new_zeros(points.weight.numel(), len(term.fields))


@dataclass(frozen=True)
class Evaluation:
    """Evaluates terms for functions of a space.

    Attributes:
        space: the space.
        givens: scalars and fields.
    """

    space: Space
    givens: Givens

    def table(self, term: GridTerm, points: Points) -> Tensor:
        """Derivatives of the basis that a term asks for at a batch of points: (s, b, m, k), or b = 1 for all cells."""
        betas = tuple(dict.fromkeys(beta for _, beta in term.slots))
        table = self.space.table(points, betas)
        place = [betas.index(beta) for _, beta in term.slots]
        if len(place) == len(betas):
            return table
        return table[place]

    def jets(self, term: GridTerm, points: Points, table: Tensor, coefficients: Tensor) -> Tensor:
        """Jets along grid axes (b, m, s)."""
        # Linear problems start from zero coefficients, whose jets need no product.
        if not bool(coefficients.any()):
            return coefficients.new_zeros(*points.weight.shape, len(term.slots))
        c = coefficients[self.space.columns(points.cells)].view(len(points.cells), self.space.unknowns, -1)
        per_slot = c[:, [u for u, _ in term.slots]]  # (b, s, k)
        # One table serves all congruent cells, and the product over their coefficients is dense.
        if points.congruent:
            jets = torch.einsum("smk,bsk->bms", table[:, 0], per_slot)
        else:
            jets = torch.einsum("sbmk,bsk->bms", table, per_slot)
        singular = self.singular(term, points)
        if singular is None:
            return jets
        return jets + (singular @ coefficients[self.space.layout.total :]).movedim(0, -1)

    def singular(self, term: GridTerm, points: Points) -> Tensor | None:
        """Derivatives (s, b, m, n) of singular functions that a term asks for; None without any."""
        return self.space.singular_table(points.cells, points.y, term.slots)

    def residual(self, term: GridTerm, points: Points, jets: Tensor) -> Tensor:
        """F (b, m, c) at jets (b, m, s) along grid axes."""
        b, m, _ = jets.shape
        full, x, normals = self.arguments(term, points, jets)
        # Only terms with derivatives of expressions need a graph; for the others it would cost memory alone.
        with torch.no_grad() if term.operator.depth == 0 else torch.enable_grad():
            r = term.operator.residual(x, full, normals, self.givens.scalars()).detach()
        return r.view(b, m, -1)

    def linearise(self, term: GridTerm, points: Points, jets: Tensor) -> tuple[Tensor, Tensor]:
        """F (b, m, c) and dF along grid axes (b, m, c, s), zero where points have no weight."""
        b, m, _ = jets.shape
        full, x, normals = self.arguments(term, points, jets)
        r, dF = term.operator.linearise(x, full, normals, self.givens.scalars())
        dF = along_grid(term, dF)
        if term.places:
            dF = dF[..., list(term.places[: len(term.slots)])]
        # Padded points may lie where a coefficient is not finite; a weight of zero times NaN would still be NaN.
        used = points.weight.reshape(-1) > 0
        r = torch.where(used[:, None], r, 0.0)
        dF = torch.where(used[:, None, None], dF, 0.0)
        return r.view(b, m, -1), dF.view(b, m, r.shape[1], -1)

    def slopes(self, term: GridTerm, points: Points, name: str) -> Tensor:
        """∂²F/∂κ∂u_β along grid axes (b, m, c, s) for a scalar κ, zero where points have no weight."""
        b, m = points.weight.shape
        zero = self.space.half.new_zeros(b, m, len(term.slots))
        full, x, normals = self.arguments(term, points, zero)
        found = term.operator.parameter_slope(x, full, normals, self.givens.scalars(), name)
        found = along_grid(term, found)
        # The same holds here: zero weight does not remove what is not finite.
        found = torch.where((points.weight.reshape(-1) > 0)[:, None, None], found, 0.0)
        return found.view(b, m, found.shape[1], -1)

    def arguments(self, term: GridTerm, points: Points, jets: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Jets (n, s) of a term along the coordinates, fields included, points (n, d) and normals, n = b m."""
        b, m, _ = jets.shape
        jets = jets.reshape(b * m, -1)
        if term.fields:
            jets = torch.cat([jets, self.givens.jets(term, points)], dim=1)[:, np.argsort(term.places)]
        if term.transform is not None:
            jets = jets @ term.transform.to(jets).T
        normals = None
        if points.normals is not None:
            normals = points.normals.reshape(b * m, -1)
        return jets, self.space.coordinates(points), normals

    def row_scale(self, term: GridTerm, points: Points, dF: Tensor) -> Tensor:
        """(b, 1, c): the reciprocal of max |∂F/∂u_β| H^{-β} over the cell, times 10 for values on a boundary."""
        half = self.space.half[torch.from_numpy(points.cells).to(self.space.device)]  # (b, d)
        beta = torch.tensor([list(b) for _, b in term.slots], dtype=half.dtype, device=half.device)
        # H^{-β} is the size of a derivative of a function of size one on the cell: rows scale with the unknown.
        reach = torch.exp(-(half.log() @ beta.T))  # (b, s)
        size = (dF.abs() * reach[:, None, None, :]).amax((1, 3))
        # A component that depends on nothing has no scale: zero leaves its row out, and `TermRows` says so.
        floor = torch.finfo(size.dtype).tiny
        scale = torch.where(size > floor, 1 / size.clamp_min(floor), 0.0)
        # The trace of a value controls the solution, so that values weigh more than fluxes: see `rows.weights`.
        if points.normals is not None and not bool(beta.any()):
            scale = scale * VALUE_WEIGHT
        return scale[:, None]


def along_grid(term: GridTerm, dF: Tensor) -> Tensor:
    """Sensitivities (n, c, s) to jets along the coordinates as those to jets along the grid axes."""
    if term.transform is None:
        return dF
    return dF @ term.transform.to(dF)
