"""Whether anything happens between the stages: the equation and its conditions at times that the slab has not seen.

Collocation in time sees data at its stages only; a source or a boundary value that acts for a thousandth of the
interval may lie between two of them. Between the stages the residual of a resolved slab is small: that of the equation,
over the size of ∂ʲ_t u on the slab, ‖u‖/Δʲ, is of the size of the error in time, and so is that of a condition on
values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.radau import differentiation, lagrange
from pdesolve.marching.rows import TermRows
from pdesolve.marching.space import Cells, Space
from pdesolve.marching.step import Slab
from pdesolve.patches.compiled import GridTerm
from pdesolve.statement.residual import sample_points

TIMES = 4096  # in the whole interval: three in a pulse of a thousandth of it
LEAST_TIMES = 16  # in a slab
POINTS = 8  # in space
ALLOWED = 30.0  # times the tolerance: between stages a residual is larger than the error, by s² or so
OF_SPACE = 10.0  # times the residual at the stages: less is what patches do not resolve, and no event in time


@dataclass(eq=False)
class UnseenTimes:
    """Some points in space of every term, and many times.

    Attributes:
        space: the patches.
    """

    space: Space

    @cached_property
    def rows(self) -> list[tuple[Tensor, TermRows]]:
        """Of every term: the patches (b,) of its points, and its rows there."""
        evolution, found = self.space.evolution, []
        x = evolution.problem.domain.space.sample(POINTS, sampler="sobol", seed=5)
        found.append(self._rows(evolution.statement.terms[0], x, None))
        for number in evolution.places:
            term = evolution.statement.terms[number]
            points, normals = sample_points(evolution.problem, term.operator.term, POINTS)
            found.append(self._rows(term, points[:, :-1], normals))
        return [(cells, rows) for cells, rows in found if len(cells)]

    def _rows(self, term: GridTerm, x: Tensor, normals: Tensor | None) -> tuple[Tensor, TermRows]:
        space = self.space
        y = x @ space.rotation
        middle = torch.from_numpy((space.patches.frame.lower + space.patches.frame.upper) / 2)
        inside = (y + 1e-7 * (middle - y)).numpy()
        cells = torch.from_numpy(space.patches.partition.locate(inside))
        known = cells >= 0
        cells, y, x = cells[known], y[known], x[known]
        local = ((y - space.centre[cells]) / space.half[cells])[:, None]
        weight = torch.ones(len(cells), 1, dtype=torch.float64)
        normals = None if normals is None else normals[known][:, None]
        points = Cells(torch.arange(len(cells)), x[:, None], local, weight, space.half[cells], normals)
        rows = TermRows(space, term, points, normals is not None)
        rows.all = True  # it is given the functions on these patches only
        return cells, rows

    def error(self, slab: Slab, scale: Tensor, interval: float) -> float:
        """Largest residual of a term between the stages, in units of the sizes (u,) of the unknowns, over ALLOWED."""
        count = int(np.clip(TIMES * slab.length / interval, LEAST_TIMES, TIMES))
        fractions = (np.arange(count) + 0.5) / count
        times = slab.begin + torch.from_numpy(fractions) * slab.length
        largest = 0.0
        for number, (cells, rows) in enumerate(self.rows):
            derivatives = self._derivatives(slab, cells, fractions)
            r = rows.residual(derivatives, times)
            if self._as_at_stages(slab, cells, rows, r):
                continue
            chosen = [d[count // 2 : count // 2 + 1] for d in derivatives]
            dF = rows.linearise(chosen, times[count // 2 : count // 2 + 1])[0]
            size = self._sizes(rows, dF, scale, slab.length if number == 0 else None)  # (b, c)
            units = torch.where(size > 0, r[:, :, 0] / size, 0.0)
            if number == 0:
                found = units.abs().mean(0).max()
            else:
                found = units.square().mean(0).max().sqrt()
            largest = max(largest, float(found))
        return largest / ALLOWED

    def _as_at_stages(self, slab: Slab, cells: Tensor, rows: TermRows, r: Tensor) -> bool:
        """Whether residuals (S, b, 1, c) are no larger than at the stages, where space alone makes them."""
        fractions = slab.method.nodes[1:]
        times = slab.begin + torch.from_numpy(fractions) * slab.length
        seen = rows.residual(self._derivatives(slab, cells, fractions), times)
        level = seen.square().mean(0).sqrt()
        return bool((r.square().mean(0).sqrt() <= OF_SPACE * level).all())

    @staticmethod
    def _sizes(rows: TermRows, dF: Tensor, scale: Tensor, length: float | None) -> Tensor:
        """Inside, max |∂F/∂(∂ʲ_t u)| ‖u‖ Δ^{-j} over j ≥ 1; on boundaries, that of all that stands in a condition."""
        size = dF.new_zeros(dF.shape[0], dF.shape[2])
        for part, (_, reach) in zip(rows.parts, rows.tables, strict=True):
            if length is None or part.order > 0:
                strength = dF[:, 0][..., part.slots].abs() * reach[:, None, :]
                unit = scale[part.unknown] * (length or 1.0) ** -part.order
                size = torch.maximum(size, strength.amax(2) * unit)
        return size

    @staticmethod
    def _derivatives(slab: Slab, cells: Tensor, fractions: np.ndarray) -> list[Tensor]:
        """Functions on some patches, and their derivatives in time, at fractions of a slab: (S, b, u, k) each."""
        nodes, d = slab.nodes[:, cells], differentiation(slab.method.nodes)
        algebraic = torch.from_numpy(slab.space.evolution.time_orders == 0)
        values = lagrange(slab.method.nodes, fractions)
        found = []
        for order in range(slab.space.evolution.depth + 1):
            weights = torch.from_numpy(values @ np.linalg.matrix_power(d, order) / slab.length**order)
            found.append(torch.tensordot(weights, nodes, 1))
        if bool(algebraic.any()):
            alone = torch.from_numpy(lagrange(slab.method.nodes[1:], fractions))
            found[0][:, :, algebraic] = torch.tensordot(alone, nodes[1:, :, algebraic], 1)
        return found
