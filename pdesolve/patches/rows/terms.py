"""Rows of terms: the equation, and boundary, initial and other conditions.

Each row is divided by max |∂F/∂u_β| H^{-β} over the cell (H: half widths of the patch, β: derivatives in grid axes),
times the root of the reference quadrature weight; on a boundary, times 10 where only values enter. So all rows scale
with the unknown, never with the size of a cell or the units of the equation. Left factors weigh their low moments, see
`conservation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.least_squares.sparse.row_blocks import RowBlocks
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.evaluation import Evaluation, Givens, StartingValues
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.conservation import LeftFactor
from pdesolve.patches.rows.equal import all_equal, equal_by_slot
from pdesolve.patches.rows.left_factors import LeftFactors
from pdesolve.patches.rows.source import Linearised, Rows
from pdesolve.patches.space import Space
from pdesolve.runs.deadline import check_deadline

ROUNDING = 1e-9  # part of the largest residual of a term below which a component of it is met
DISTINCT = 0.5  # of all cells: with more kinds of them than that, tables are not shared
SAME_PLACE = 1e9  # resolution at which places in cells are compared


class TermRows:
    """Rows of all terms of a statement.

    Args:
        space: where the unknowns live.
        statement: the compiled problem.
        givens: scalars and fields that terms depend on; by default as the problem begins.
    """

    def __init__(self, space: Space, statement: Statement, givens: Givens | None = None):
        self.space = space
        self.statement = statement
        self.at = Evaluation(space, givens or StartingValues(statement, space))
        self._left = LeftFactors(space)
        self._tables: dict[int, Tensor] = {}
        self._left_factors: dict[int, LeftFactor] = {}

    def given(self, givens: Givens) -> TermRows:
        """The same rows at other values of scalars and fields; points and tables are shared."""
        _ = self.points
        other = copy(self)
        other.at = Evaluation(self.space, givens)
        return other

    def restated(self, statement: Statement) -> TermRows:
        """The rows of the same terms with other constants; points and tables are shared."""
        number = {id(term): i for i, term in enumerate(self.statement.terms)}
        other = copy(self)
        other.points = [(statement.terms[number[id(term)]], points) for term, points in self.points]
        other.statement = statement
        other.at = Evaluation(self.space, StartingValues(statement, self.space))
        return other

    @property
    def linear(self) -> bool:
        """Whether every term is affine in the unknowns."""
        return self.statement.linear

    @cached_property
    def points(self) -> list[tuple[GridTerm, Points]]:
        """Collocation points of all terms, in batches; each has one block of rows."""
        space = self.space
        result = []
        for term in self.statement.terms:
            place = term.operator.term.place
            if place is None:
                found = space.interior
            else:
                on_place = boundary_points(space.patches, place, space.q, space.batch)
                found = [part for p in on_place for part in self._congruent(p)]
            result += [(term, space.to_device(p)) for p in found]
        return result

    def _congruent(self, points: Points) -> list[Points]:
        """Points on a boundary divided by where they lie in their cells, if many cells have them in equal places."""
        index = torch.from_numpy(points.cells)
        half = self.space.half.cpu()[index]
        t = (points.y - self.space.centre.cpu()[index][:, None]) / half[:, None]
        # Irregular marks give different places different sums, so that one number stands for all points of a cell.
        marks = torch.cos(torch.arange(t[0].numel(), dtype=t.dtype))
        places = torch.cat([(t.flatten(1) @ marks)[:, None], half], dim=1)
        _, kind = np.unique(
            (places / places.abs().amax(0) * SAME_PLACE).round().numpy(), axis=0, return_inverse=True
        )
        kind = kind.ravel()
        if kind.max() + 1 > DISTINCT * len(kind):
            return [points]
        result = []
        for k in range(kind.max() + 1):
            mine = kind == k
            normals = None
            if points.normals is not None:
                normals = points.normals[mine]
            equal = all_equal(t[mine]) and all_equal(half[mine])
            result.append(Points(points.cells[mine], points.y[mine], points.weight[mine], equal, normals))
        return result

    def touched(self) -> list[tuple[Tensor, ...]]:
        """The patches of each block."""
        return [(torch.from_numpy(points.cells),) for _, points in self.points]

    def linearise(self, c: Tensor) -> Linearised:
        """Rows of all terms at coefficients c; the scales are those of the rows.

        Raises:
            SolveError: a residual is not finite, or does not vanish and depends on nothing.
        """
        rows: list[Rows] = []
        residuals: list[Tensor] = []
        scales: list[Tensor] = []
        largest: dict[int, list[Tensor]] = {}  # of each term: residuals and scales of its components, (2, c)
        for number, (term, points, table, jets) in enumerate(self._batches(c)):
            r, dF = self.at.linearise(term, points, jets)
            self._require_finite(term, points, r, dF)
            scale = self.at.row_scale(term, points, dF)
            largest.setdefault(id(term), []).append(torch.stack([r.abs().amax((0, 1)), scale.amax((0, 1))]))
            weight = points.weight[:, :, None] * scale
            left = self.left_factor(number)
            rows.append(self._jacobian(term, points, table, dF * weight[..., None], left))
            residuals.append(left(r * weight).flatten(1))
            scales.append(scale)
        self._require_sensitive(largest)
        return Linearised(rows, residuals, scales)

    def residual(self, c: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """Weighted residuals (b, m c) of each block, with the scales of a linearisation."""
        found = []
        for number, (term, points, _, jets) in enumerate(self._batches(c)):
            r = self.at.residual(term, points, jets)
            found.append(self.left_factor(number)(r * points.weight[:, :, None] * scales[number]).flatten(1))
        return found

    def slope(self, name: str, scales: Sequence[Tensor]) -> list[RowBlocks | None]:
        """Rows ∂A/∂κ of all blocks by a scalar κ, with the scales of a linearisation; None where κ does not enter."""
        found: list[RowBlocks | None] = []
        for number, (term, points) in enumerate(self.points):
            check_deadline()
            slopes = self.at.slopes(term, points, name)
            if not bool(slopes.any()):
                found.append(None)
                continue
            weight = points.weight[:, :, None] * scales[number]
            table = self._table(number, term, points)
            left = self.left_factor(number)
            found.append(self._jacobian(term, points, table, slopes * weight[..., None], left))
        return found

    def left_factor(self, number: int) -> LeftFactor:
        """Of the rows at the batch of points with this number."""
        if number not in self._left_factors:
            self._left_factors[number] = self._left.of_term(*self.points[number])
        return self._left_factors[number]

    def _batches(self, c: Tensor) -> Iterator[tuple[GridTerm, Points, Tensor, Tensor]]:
        """Every batch of points with the table of the basis, and the jets of c there."""
        for number, (term, points) in enumerate(self.points):
            check_deadline()
            table = self._table(number, term, points)
            yield term, points, table, self.at.jets(term, points, table, c)

    def _table(self, number: int, term: GridTerm, points: Points) -> Tensor:
        """The table of the batch with this number; kept where all cells share one, or where it is needed again."""
        if number in self._tables:
            return self._tables[number]
        table = self.at.table(term, points)
        # A linear problem asks for its tables too seldom to keep one for every batch in memory.
        if points.congruent or not self.linear:
            self._tables[number] = table
        return table

    def _jacobian(
        self, term: GridTerm, points: Points, table: Tensor, dF: Tensor, left: LeftFactor
    ) -> RowBlocks:
        """Rows (b, m c, u k) from weighted sensitivities dF (b, m, c, s); one matrix where all cells have the same."""
        cells = len(dF)
        if points.congruent and equal_by_slot(dF):
            dF = dF[:1]
        b, m, components, _ = dF.shape
        k = table.shape[-1]
        matrix = dF.new_zeros(b, m, components, self.space.unknowns, k)
        for u in range(self.space.unknowns):
            mine = [i for i, (v, _) in enumerate(term.slots) if v == u]
            for i in mine:
                part = table[i, 0] if points.congruent else table[i]
                matrix[:, :, :, u].addcmul_(
                    dF[..., i, None], part[..., :, None, :].expand(b, m, components, k)
                )
        groups = (torch.from_numpy(points.cells),)
        matrix = left(matrix).flatten(3).flatten(1, 2).expand(cells, -1, -1)
        beside = None
        singular = self.at.singular(term, points)
        if singular is not None:
            beside = left(torch.einsum("bmcs,sbmn->bmcn", dF.expand(cells, -1, -1, -1), singular)).flatten(
                1, 2
            )
        return RowBlocks.make(self.space.layout, groups, (matrix,), beside=beside)

    def _require_finite(self, term: GridTerm, points: Points, r: Tensor, dF: Tensor) -> None:
        """Raise SolveError where a residual (b, m, c) or its sensitivities (b, m, c, s) are not."""
        bad = ~(torch.isfinite(r).all(2) & torch.isfinite(dF).all(3).all(2))
        if bool(bad.any()):
            where = ", ".join(f"{v:.4g}" for v in (points.y[bad][0] @ self.space.rotation.T).tolist())
            message = (
                f"{term.operator.term.name} is not finite at {int(bad.sum())} of {bad.numel()} points, first at "
                f"({where}); look for a division by zero, a root or logarithm of a negative number, or start "
                "nearer with guess="
            )
            raise SolveError(message)

    def _require_sensitive(self, largest: Mapping[int, Sequence[Tensor]]) -> None:
        """Raise SolveError where a component is not met and nothing changes it: Gauss–Newton would not see it."""
        for term in {id(term): term for term, _ in self.points}.values():
            residual, scale = torch.stack(list(largest[id(term)])).amax(0)
            # A residual that no unknown changes would drop out of the least squares without a word.
            unseen = (residual > ROUNDING * residual.max()) & (scale == 0)
            if bool(unseen.any()):
                message = (
                    f"{term.operator.term.name} is not met, off by {float(residual[unseen].max()):.3g}, and at the "
                    "start no change of the unknowns changes it to first order, as of u² = 1 about u = 0; start "
                    "elsewhere with guess="
                )
                raise SolveError(message)
