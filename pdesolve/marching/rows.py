"""Rows of a march in space: residuals of the equation and of conditions at stages, and their derivatives.

The jets of a term at a stage are derivatives in space of U and of its time derivatives U', U'', which collocation
in time makes of all stages; so M(u) u_t, mixed derivatives and conditions with u_t are rows like any other. Linearised,

    δF = Σ_j M_j ∂ʲ_t δU,       M_j = Σ_s ∂F/∂(D^β ∂ʲ_t u) D^β,

and a stage system of the diagonalised method has μʲ in place of ∂ʲ_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.marching.space import Cells, Space
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.calculus import MultiIndex

LARGEST_BATCH = 24_000_000  # numbers in the matrices of one batch of boundary rows: 192 MB


@dataclass(frozen=True)
class _Part:
    """Slots of one unknown and one time derivative: their numbers, and their derivatives in space."""

    order: int
    unknown: int
    slots: list[int]
    betas: tuple[MultiIndex, ...]


@dataclass(eq=False)
class TermRows:
    """One term at points in some of the patches."""

    space: Space
    term: GridTerm
    points: Cells
    boundary: bool

    def __post_init__(self) -> None:
        found: dict[tuple[int, int], list[int]] = {}
        for number, (unknown, index) in enumerate(self.term.slots):
            found.setdefault((index[-1], unknown), []).append(number)
        self.parts = [
            _Part(order, unknown, slots, tuple(self.term.slots[i][1][:-1] for i in slots))
            for (order, unknown), slots in sorted(found.items())
        ]
        self.all = len(self.points.cells) == len(self.space)  # then cells are 0, 1, 2, …

    @cached_property
    def tables(self) -> list[tuple[Tensor, Tensor]]:
        """Of each part: the basis in τ, (a, 1 or b, m, k), and H^{-β} (b, a)."""
        q = self.space.q
        return [(self.points.tables(q, part.betas), self.points.reach(part.betas)) for part in self.parts]

    @property
    def components(self) -> int:
        """Residuals at a point."""
        return self.term.operator.components

    def jets(self, derivatives: Sequence[Tensor]) -> Tensor:
        """Jets along grid axes (S, b, m, s) of functions whose time derivatives are (S, e, u, k) each."""
        check_deadline()
        b, m = self.points.weight.shape
        s = len(derivatives[0])
        jets = derivatives[0].new_empty(len(self.term.slots), s, b, m)
        for part, (table, reach) in zip(self.parts, self.tables, strict=True):
            c = derivatives[part.order][:, :, part.unknown]
            if not self.all:
                c = c[:, self.points.cells]
            for i, slot in enumerate(part.slots):
                if len(table[i]) == 1:
                    torch.matmul(c, table[i, 0].T, out=jets[slot])
                else:
                    jets[slot] = torch.einsum("sbk,bmk->sbm", c, table[i])
                if any(part.betas[i]):
                    jets[slot] *= reach[:, i, None]
        return jets.permute(1, 2, 3, 0)

    def arguments(self, jets: Tensor, times: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Jets (S b m, s) along the axes of the problem, places and times (S b m, d + 1), and normals."""
        s, b, m, _ = jets.shape
        flat = jets.reshape(s * b * m, -1)
        if self.term.transform is not None:
            flat = flat @ self.term.transform.T
        if (s, float(times[0]), float(times[-1])) != getattr(self, "_at", None):
            x = self.points.x.reshape(1, b * m, -1).expand(s, -1, -1)
            t = times[:, None, None].expand(-1, b * m, 1)
            self._x = torch.cat([x, t], dim=2).reshape(s * b * m, -1)
            normals = self.points.normals
            if normals is not None:
                normals = normals.reshape(b * m, -1).repeat(s, 1)
            self._normals = normals
            self._at = (s, float(times[0]), float(times[-1]))
        return flat, self._x, self._normals

    def residual(self, derivatives: Sequence[Tensor], times: Tensor) -> Tensor:
        """F at S stages with their times (S,): (S, b, m, c)."""
        jets = self.jets(derivatives)
        flat, x, normals = self.arguments(jets, times)
        operator = self.term.operator
        with torch.set_grad_enabled(operator.depth != 0):
            r = operator.residual(x, flat, normals, self.space.evolution.parameters).detach()
        return r.view(*jets.shape[:3], -1)

    def linearise(self, derivatives: Sequence[Tensor], times: Tensor) -> Tensor:
        """∂F/∂jets along grid axes at S stages: (S, b, m, c, s).

        Raises:
            SolveError: it is not finite.
        """
        jets = self.jets(derivatives)
        flat, x, normals = self.arguments(jets, times)
        _, dF = self.term.operator.linearise(x, flat, normals, self.space.evolution.parameters)
        if self.term.transform is not None:
            dF = dF @ self.term.transform
        dF = dF.view(*jets.shape[:3], *dF.shape[1:])
        # Padding of a batch may lie where the equation is not finite, and counts for nothing.
        used = self.points.weight > 0
        dF = torch.where(used[:, :, None, None], dF, 0.0)
        if not bool(dF.isfinite().all()):
            bad = ~dF.isfinite().all(4).all(3)
            where = ", ".join(f"{v:.4g}" for v in x.view(*jets.shape[:3], -1)[bad][0].tolist())
            message = (
                f"{self.term.operator.term.name} is not finite at {int(bad.sum())} of {bad.numel()} points, first at "
                f"({where}); look for a division by zero, a root or logarithm of a negative number"
            )
            raise SolveError(message)
        return dF

    def sizes(self, dF: Tensor, order: int | None) -> Tensor:
        """Largest |∂F/∂u_β| H^{-β} over points and slots (b, u, c), of one time derivative, or of all (None)."""
        b, _, components, _ = dF.shape
        size = dF.new_zeros(b, self.space.unknowns, components)
        for part, (_, reach) in zip(self.parts, self.tables, strict=True):
            scalar = part.unknown in self.space.evolution.scalars  # of another unit
            if not scalar and (order is None or part.order == order):
                strength = dF[..., part.slots].abs() * reach[:, None, None, :]
                mine = size[:, part.unknown]
                size[:, part.unknown] = torch.maximum(mine, strength.amax((1, 3)))
        return size

    def matrices(self, dF: Tensor, depth: int) -> list[Tensor | None]:
        """M_j as matrices (b, m, c, u, k) for j = 0 … depth; None where there is none."""
        b, m, components, _ = dF.shape
        found: list[Tensor | None] = [None] * (depth + 1)
        for part, (table, reach) in zip(self.parts, self.tables, strict=True):
            if found[part.order] is None:
                found[part.order] = dF.new_zeros(b, m, components, self.space.unknowns, table.shape[-1])
            target = found[part.order]
            for i, slot in enumerate(part.slots):
                check_deadline()  # in a box, of high degree, each takes a good part of a second
                weight = dF[..., slot] * reach[:, None, None, i]
                target[:, :, :, part.unknown].addcmul_(weight[..., None], table[i][:, :, None, :])  # type: ignore[index]
        return found


def interior_rows(space: Space) -> list[TermRows]:
    """Rows of the equation."""
    term = space.evolution.statement.terms[0]
    return [TermRows(space, term, points, False) for points in space.interior]


def boundary_rows(space: Space) -> list[TermRows]:
    """Rows of the conditions on the boundary and at points."""
    evolution = space.evolution
    rows = []
    most = max(1, LARGEST_BATCH // (space.width * (space.q + 1) ** space.d))
    for number, place in evolution.places.items():
        term = evolution.statement.terms[number]
        for batch in boundary_points(space.patches, place, space.degrees, most):  # type: ignore[arg-type]
            normals = batch.normals
            if normals is not None:
                normals = torch.cat([normals, torch.zeros_like(normals[..., :1])], dim=-1)
            rows.append(TermRows(space, term, space.cells(batch.cells, batch.y, batch.weight, normals), True))
    return rows
