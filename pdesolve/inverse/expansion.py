"""The answer of an identification as one expansion: unknowns of the patches and fields together."""

from __future__ import annotations

from dataclasses import replace

import torch

from pdesolve.inverse.newton import Identified
from pdesolve.inverse.unknown_parameters import polynomials
from pdesolve.patches.mixture import PartitionedMixture

REGULAR = 1e-13  # rows beside those of points, for functions that vanish at all of them


def joined(discrete: Identified) -> PartitionedMixture:
    """All unknowns on the same patches: fields are fitted locally."""
    rows = discrete.rows
    space = discrete.rows.space
    parameters = discrete.rows.parameters
    if not parameters.fields:
        return discrete.mixture
    problem = rows.statement.problem
    states = rows.statement.states
    phi = parameters.coefficients(discrete.theta)
    whole = replace(discrete.mixture, outputs=len(problem.unknowns))
    c = torch.zeros(whole.layout.total, dtype=phi.dtype)
    zero = ((0,) * space.dimension,)
    for points in space.interior:
        b, m, d = points.y.shape
        # Unknowns of the patches are copied, not fitted: they lose no digit.
        columns = whole.layout.of(torch.from_numpy(points.cells)).view(b, len(problem.unknowns), -1)
        own = space.layout.of(torch.from_numpy(points.cells)).view(b, len(states), -1)
        c[columns[:, list(states)]] = discrete.coefficients.cpu()[own]
        w = points.weight[..., None]
        table = space.value_table(points).cpu().expand(b, -1, -1) * w
        values = (
            polynomials(points.y.reshape(-1, d), parameters.centre, parameters.half, parameters.degree, zero)[
                0
            ]
            @ phi.T
        )
        # Not lstsq: its default driver (gelsy) carries the pivots of one matrix of a batch over to the next.
        Q, R = torch.linalg.qr(
            torch.cat([table, REGULAR * torch.eye(table.shape[2]).expand(b, -1, -1)], dim=1)
        )
        fit = torch.linalg.solve_triangular(
            R, Q[:, :m].mT @ (values.view(b, m, -1) * w), upper=True
        )  # (b, k, f)
        c[columns[:, list(parameters.fields)]] = fit.mT
    return replace(whole, coefficients=c)
