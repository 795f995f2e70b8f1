"""Observations of unknowns and fields: what a space predicts for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.inverse.rows import ParametricRows
from pdesolve.inverse.unknown_parameters import UnknownParameters
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.statement.problem import Problem


class Observations:
    """The data of a problem as seen from a space: predictions are O c + F(θ).

    Attributes:
        values: (n,) of all observations.
        group: (n,) number of the observation each belongs to.
        sigma: of each group; NaN where it is to be estimated.
    """

    def __init__(self, rows: ParametricRows):
        problem = rows.statement.problem
        points = [o.arrays[0] for o in problem.data]
        for i, x in enumerate(points):
            _require_inside(problem, i, x)
        self.values = torch.cat([o.arrays[1] for o in problem.data])
        self.group = torch.repeat_interleave(torch.tensor([len(x) for x in points]))
        self.sigma = torch.tensor([o.sigma or torch.nan for o in problem.data], dtype=torch.float64)
        observed = torch.tensor([problem.unknowns.index(problem.unknown_of(o)) for o in problem.data])
        unknown = observed[self.group]
        y = torch.cat(points) @ rows.space.patches.frame.rotation
        self.constant, self.direct = _of_fields(rows.parameters, y, unknown)
        self.parts = _of_states(rows, y, unknown)

    def apply(self, c: Tensor) -> Tensor:
        """O c for c (p,) or (p, j)."""
        out = c.new_zeros(len(self.values), *c.shape[1:])
        for at, columns, table in self.parts:
            out[at] = torch.einsum("nk,nk...->n...", table, c[columns])
        return out

    def residual(self, c: Tensor, theta: Tensor) -> Tensor:
        """Predictions minus values (n,)."""
        return self.apply(c) + self.constant + self.direct @ theta - self.values


def _require_inside(problem: Problem, number: int, x: Tensor) -> None:
    # A point on the boundary may be outside by rounding.
    outside = int((~problem.domain.contains(x, 1e-9)).sum())
    if outside:
        message = f"data[{number}] has {outside} of {len(x)} points outside the domain; leave them out"
        raise UsageError(message)


def _patch_of(mixture: PartitionedMixture, y: Tensor) -> np.ndarray:
    """The patch of each point, the nearest one where a sliver of the domain has none."""
    patch = mixture.patch_of(y)
    lost = np.flatnonzero(patch < 0)
    if len(lost):
        centre = mixture.centre.cpu().numpy()
        patch[lost] = ((y[lost].numpy()[:, None] - centre) ** 2).sum(2).argmin(1)
    return patch


def _of_fields(parameters: UnknownParameters, y: Tensor, unknown: Tensor) -> tuple[Tensor, Tensor]:
    """F(θ) = f + G θ for observations of fields at y (n, d): f (n,) and G (n, θ), zero for the others."""
    constant = y.new_zeros(len(y))
    direct = y.new_zeros(len(y), parameters.size)
    zero = (0,) * y.shape[1]
    for number, one in enumerate(parameters.fields):
        mine = unknown == one
        if mine.any():
            at_zero, table = parameters.tables(y[mine], ((number, zero),))
            constant[mine] = at_zero[:, 0]
            direct[mine] = table[:, 0]
    return constant, direct


def _of_states(rows: ParametricRows, y: Tensor, unknown: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """O in parts, for observations of unknowns of the patches: their numbers (n,), columns (n, k), tables (n, k)."""
    mixture = rows.space.mixture()
    states = rows.statement.states
    at = torch.nonzero(torch.isin(unknown, torch.tensor(states)))[:, 0]
    patch = _patch_of(mixture, y[at])
    parts = []
    for part, table in mixture.basis_on(patch, y[at].to(mixture.centre)):
        columns = rows.space.layout.of(torch.from_numpy(patch[part])).view(len(part), len(states), -1)
        which = torch.tensor([states.index(int(u)) for u in unknown[at[part]]])
        parts.append((at[part], columns[torch.arange(len(part)), which], table))
    return parts
