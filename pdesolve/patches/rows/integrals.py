"""Rows of `Integral` conditions: the mean of an unknown over the domain, at Gauss times where there is time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.patches.cells import Patches
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.rows.source import FixedRows, Rows
from pdesolve.patches.rows.weights import VALUE_WEIGHT
from pdesolve.patches.space import Space
from pdesolve.statement.calculus import Frame
from pdesolve.statement.conditions import Integral
from pdesolve.statement.problem import Problem

MOST_NODES = {1: 400, 2: 120, 3: 40}  # per axis of a panel, of a domain with a curved boundary
Nodes = tuple[Tensor, Tensor, np.ndarray]  # grid coordinates (n, d), weights (n,), patches (n,)


class IntegralRows(FixedRows):
    """Rows of all `Integral` conditions, weighted as values are.

    Args:
        space: where the unknowns live.
        problem: with at least one Integral.
        states: numbers of the unknowns of the space among those of the problem.
    """

    def __init__(self, space: Space, problem: Problem, states: Sequence[int]):
        self.space = space
        self.problem = problem
        self.names = [problem.unknowns[u] for u in states]

    def make(self) -> list[Rows]:
        """One block of rows, which touch all patches."""
        space = self.space
        return [integral_rows(self.problem, self.names, space.patches, space.mixture(), VALUE_WEIGHT)]


def integral_rows(
    problem: Problem, names: Sequence[str], patches: Patches, mixture: PartitionedMixture, weight: float
) -> DenseRows:
    """Weighted rows (∫ u - value) / |Ω| of all `Integral` conditions.

    In a cylinder every interval of time between two breaks of the partition has as many rows as the highest order
    allows for a function of time. What stands for a row in the factor is its part on the patch with most of the
    domain, enlarged to a mean over that patch.

    Args:
        problem: with at least one Integral.
        names: of the unknowns of the mixture.
        patches: e patches.
        mixture: the approximator on them, of which only the layout and the basis are used.
        weight: of the rows, whose unit is that of the unknown.
    """
    layout = mixture.layout
    rows = []
    confined = []
    values = []
    for time in _times(problem, patches, int(mixture.q.max())):
        y, w, patch = _nodes(patches, int(mixture.q.max()), time)
        moments = _moments(mixture, y, w / w.sum(), patch)  # (p / u,) of one unknown, patch by patch
        share = np.bincount(patch, weights=(w / w.sum()).numpy(), minlength=len(patches))
        for condition in problem.integrals:
            unknown = names.index(problem.unknown_of(condition))
            row = _of_unknown(layout, moments, unknown, mixture.outputs)
            chosen = torch.tensor([int(share.argmax())])
            part = row[layout.of(chosen)] * (weight / share.max())
            rows.append(weight * row)
            confined.append(RowBlocks.make(layout, (chosen,), (part[:, None].to(mixture.coefficients),)))
            values.append(
                weight * _value(problem, condition, y[:1] @ patches.frame.rotation.T, float(w.sum()))
            )
    matrix = torch.stack(rows).to(mixture.coefficients)
    return DenseRows(matrix, tuple(confined), matrix.new_tensor(values))


def _times(problem: Problem, patches: Patches, q: int) -> list[float | None]:
    """Gauss times of every interval of time; None where there is no time."""
    if "t" not in problem.coordinates:
        return [None]
    lower, upper = patches.partition.bounds
    breaks = np.unique(np.round(np.concatenate([lower[:, -1], upper[:, -1]]), 14))
    t = gauss_grid(1, q)[0][:, 0].numpy()
    return [float(s) for a, b in pairwise(breaks) for s in (a + b) / 2 + (b - a) / 2 * t]


def _nodes(patches: Patches, q: int, time: float | None) -> Nodes:
    """A rule over the domain at one time: Gauss on every patch, or the rule of the domain where patches are cut."""
    d = patches.dimension - (time is not None)
    frame = patches.frame
    lower, upper = patches.partition.bounds
    alive = np.ones(len(lower), dtype=bool)
    if time is not None:
        alive = (lower[:, -1] <= time) & (time < upper[:, -1])
    if not patches.cut[alive].any():
        cells = np.flatnonzero(alive)
        s, w = gauss_grid(d, q + 1)
        centre, half = (torch.from_numpy(a[cells][:, :d]) for a in (patches.centre, patches.half))
        y = (centre[:, None] + half[:, None] * s).reshape(-1, d)
        weights = (half.prod(1)[:, None] * w).reshape(-1)
        owner = np.repeat(cells, len(s))
        return _at(y, time), weights, owner
    finest = float((frame.extent[:d] / (2 * patches.half[alive][:, :d])).max())
    order = min(MOST_NODES[d], int(q * (2 + finest)))
    rules = [getattr(part, "space", part).rule(order) for part in frame.subdomains]
    y = _at(torch.cat([rule.points for rule in rules]) @ frame.rotation[:d, :d], time)
    weights = torch.cat([rule.weights for rule in rules])
    owner = patches.partition.locate(y.numpy(), frame.part_of(y) if len(frame.subdomains) > 1 else None)
    known = torch.from_numpy(owner >= 0)
    return y[known], weights[known], owner[owner >= 0]


def _at(y: Tensor, time: float | None) -> Tensor:
    if time is None:
        return y
    return torch.cat([y, torch.full_like(y[:, :1], time)], dim=1)


def _moments(mixture: PartitionedMixture, y: Tensor, w: Tensor, patch: np.ndarray) -> Tensor:
    """Σ_n w_n φ_j(y_n) of every basis function, patch by patch."""
    sizes = Columns(mixture.layout.sizes // mixture.outputs)
    found = torch.zeros(sizes.total, dtype=torch.float64)
    for part, table in mixture.basis_on(patch, y.to(mixture.centre)):
        columns = sizes.of(torch.from_numpy(patch[part])).flatten()
        found.index_add_(0, columns, (w[torch.from_numpy(part), None] * table.cpu()).flatten())
    return found


def _of_unknown(layout: Columns, moments: Tensor, unknown: int, unknowns: int) -> Tensor:
    """The row (p,) that has these moments in the columns of one unknown."""
    size = (layout.sizes // unknowns).repeat_interleave(unknowns)
    mine = torch.arange(len(size)) % unknowns == unknown
    row = torch.zeros(layout.total, dtype=moments.dtype)
    row[mine.repeat_interleave(size)] = moments
    return row


def _value(problem: Problem, condition: Integral, x: Tensor, measure: float) -> float:
    with torch.no_grad(), Frame(problem.coordinates, x) as frame:
        return float(problem.value(condition.value, frame, "the value of Integral")[0]) / measure
