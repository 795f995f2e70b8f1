"""Rows of interfaces: [u] = 0 and [k ∂u/∂n] = 0 between sub-domains."""

from __future__ import annotations

from copy import copy
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import RowBlocks
from pdesolve.patches.points.interfaces import InterfacePoints, interface_points
from pdesolve.patches.rows.left_factors import LeftFactors
from pdesolve.patches.rows.source import FixedRows, Rows
from pdesolve.patches.rows.weights import FLUX_WEIGHTS
from pdesolve.patches.space import Space
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import interface_pieces

BESIDE = 1e-7  # of the extent of the domain: where k is asked for on either side


class InterfaceRows(FixedRows):
    """Continuity of values and fluxes across the interfaces of a problem.

    Args:
        space: with sub-domains.
        problem: with at least one Interface.
    """

    def __init__(self, space: Space, problem: Problem):
        self.space = space
        self.problem = problem
        self.measure = problem
        self.left = LeftFactors(space)

    def restated(self, problem: Problem) -> InterfaceRows:
        """The rows of the same interfaces with other coefficients, weighted by those of this problem still."""
        _ = self.points
        other = copy(self)
        other.problem = problem
        other.__dict__.pop("blocks", None)
        return other

    @cached_property
    def points(self) -> list[InterfacePoints]:
        """Points on the interfaces, in batches of pairs of patches that meet there."""
        pieces = interface_pieces(self.problem, self.space.patches.frame.subdomains)
        return interface_points(self.space.patches, pieces, self.space.q, self.space.batch)

    def make(self) -> list[Rows]:
        """A block of rows for every batch of pairs of patches that meet at an interface."""
        return [self._jump(f) for f in self.points]

    def contrasts(self) -> np.ndarray:
        """The largest ratio (u,) of the coefficients of each unknown on the two sides of an interface, at least one."""
        found = np.ones(self.space.unknowns)
        for f in self.points:
            minus, plus = self._coefficients(f, self.problem)
            for u in range(len(found)):
                ratio = float((minus[u] / plus[u]).abs().log().abs().max().exp())
                found[u] = max(found[u], ratio)
        return found

    def _jump(self, f: InterfacePoints) -> RowBlocks:
        """[u] = 0 and [k ∂u/∂n] = 0 between sub-domains, k = 1 for unknowns without an interface of their own."""
        space = self.space
        orders = space.orders[:, : self.problem.domain.space_dimension].max(axis=1)
        weight = f.weight.to(space.device)
        sides_of_k = self._coefficients(f, self.problem)
        measured = self._coefficients(f, self.measure)
        half = np.minimum(space.patches.half[f.minus], space.patches.half[f.plus]).min(axis=1)
        reach = torch.from_numpy(half).to(space.device)[:, None]
        normals = (f.normals @ space.patches.frame.rotation).to(space.device)
        of_values = self.left.of_values(f)
        of_fluxes = self.left.of_fluxes(f)
        sides = []
        singular: list[Tensor] = []
        for cells, own, sign in ((f.minus, sides_of_k[0], 1.0), (f.plus, sides_of_k[1], -1.0)):
            t, h = space.local(cells, f.y.to(space.device))
            table = space.basis.table(t, h, int(space.q[cells[0]]), _first_indices(space.dimension))
            slope = torch.einsum("abmk,bma->bmk", table[1:], normals)
            tables = [(table[0], slope)]
            if space.enrichment is not None:
                tables.append(self._singular(f, cells, normals, sign))
            b, m, k = slope.shape
            matrix = slope.new_zeros(b, 2 * space.unknowns, m, space.unknowns, k)
            for u in range(space.unknowns):
                size = (measured[0][u] * measured[1][u]).to(slope).abs().sqrt()
                share = own[u].to(slope) / size.clamp_min(1e-300)
                of_each = [
                    (
                        of_values(sign * FLUX_WEIGHTS[0] * weight[..., None] * values),
                        of_fluxes((sign * FLUX_WEIGHTS[1] * weight * share * reach)[..., None] * slopes),
                    )
                    for values, slopes in tables
                ]
                for row in range(min(int(orders[u]), 2)):
                    matrix[:, 2 * u + row, :, u] = of_each[0][row]
                # The singular functions are those of problems in one unknown of second order.
                singular += [torch.cat(pair, dim=1) for pair in of_each[1:]]
            sides.append(matrix.view(b, 2 * space.unknowns * m, -1))
        groups = (torch.from_numpy(f.minus), torch.from_numpy(f.plus))
        beside = None
        if singular:
            beside = torch.stack(singular).sum(0)
        return RowBlocks.make(space.layout, groups, tuple(sides), beside=beside)

    def _singular(
        self, f: InterfacePoints, cells: np.ndarray, normals: Tensor, sign: float
    ) -> tuple[Tensor, Tensor]:
        """Values and normal derivatives (b, m, n) of singular functions, seen from the patches of one side."""
        enrichment = self.space.enrichment
        assert enrichment is not None
        y = f.y.to(normals)
        step = BESIDE * float(np.max(self.space.patches.frame.extent))
        # The singular functions of interfaces are those of problems in one unknown of second order.
        slots = [(0, beta) for beta in _first_indices(self.space.dimension)]
        table = enrichment.table(cells, y, slots, y - sign * step * normals)
        return table[0], torch.einsum("abmk,bma->bmk", table[1:], normals)

    def _coefficients(self, f: InterfacePoints, problem: Problem) -> list[list[Tensor]]:
        """Coefficients k (b, m) of each unknown, seen from each side."""
        frame = self.space.patches.frame
        d = self.space.dimension
        x = (f.y @ frame.rotation.T).reshape(-1, d)
        step = BESIDE * float(np.max(frame.extent)) * f.normals.reshape(-1, d)
        found = {problem.unknown_of(c): c.k for c in problem.interfaces}
        coordinates = [x[:, i] for i in range(d)]
        return [
            [
                found[name].on_branch(found[name].branch(shifted), *coordinates).view(f.weight.shape)
                if name in found
                else torch.ones_like(f.weight)
                for name in problem.unknowns
            ]
            for shifted in (x - step, x + step)
        ]


@lru_cache
def _first_indices(dimension: int) -> tuple[MultiIndex, ...]:
    """Zero, and one derivative along each axis."""
    axes = range(dimension)
    return tuple(tuple(int(i == axis) for i in axes) for axis in (-1, *axes))
