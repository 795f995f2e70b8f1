"""The method of lines: a grid in space, one of scipy's integrators in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import bmat, csr_matrix, diags, issparse

from benchmarks.against_mol.evolutions import Evolution
from benchmarks.against_mol.grids import Grid, chebyshev_points, fourier, fourth_order
from benchmarks.work_precision import clock

CHUNK = 512
SMALLEST_TOLERANCE = 3e-14  # that scipy accepts


class TooLong(RuntimeError):
    """The time limit passed."""


class Failed(RuntimeError):
    """The integrator gave up: too few points let the values grow without bound."""


@dataclass(frozen=True)
class Lines:
    """w' = F(w) for the values w (c, m) of all components at the points that are not given."""

    evolution: Evolution
    grid: Grid

    @cached_property
    def inner(self) -> slice:
        """Which points are not given by boundary values."""
        return slice(None) if self.evolution.boundary is None else slice(1, -1)

    @cached_property
    def matrices(self) -> dict[int, tuple[Any, Any]]:
        """Order ↦ derivative at inner points, by inner values (m, m) and by those at the ends (m, 2)."""
        return {
            k: (d[self.inner][:, self.inner], d[self.inner][:, [0, -1]])
            for k, d in self.grid.derivatives.items()
        }

    @cached_property
    def components(self) -> int:
        """Number of components c."""
        return len(self.evolution.start(self.grid.x))

    def ends(self, t: float) -> np.ndarray:
        """Values (2, c) at both ends."""
        a, b = self.evolution.interval
        return np.array([self.evolution.boundary(x, t) for x in (a, b)])

    def start(self) -> np.ndarray:
        """Initial values, flat."""
        return np.concatenate(self.evolution.start(self.grid.x[self.inner]))

    def jet(self, t: float, w: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
        """Derivatives of all components at inner points."""
        values = w.reshape(self.components, -1)
        ends = None if self.evolution.boundary is None else self.ends(t)
        found = {(j, 0): v for j, v in enumerate(values)}
        for k, (inside, outside) in self.matrices.items():
            derivatives = inside @ values.T
            if ends is not None:
                derivatives = derivatives + outside @ ends
            found |= {(j, k): derivatives[:, j] for j in range(self.components)}
        return found

    def rate(self, t: float, w: np.ndarray) -> np.ndarray:
        """w', flat."""
        return np.concatenate(self.evolution.rate(self.jet(t, w)))

    def jacobian(self, t: float, w: np.ndarray) -> Any:
        """∂w'/∂w, sparse for finite differences."""
        m, c = w.size // self.components, self.components
        sparse = any(issparse(inside) for inside, _ in self.matrices.values())
        blocks: list[list[Any]] = [[None] * c for _ in range(c)]
        for (i, j, k), slope in self.evolution.slopes(self.jet(t, w)).items():
            slope = np.broadcast_to(slope, m)
            if k == 0:
                part = diags(slope) if sparse else np.diag(slope)
            else:
                inside = self.matrices[k][0]
                part = diags(slope) @ inside if sparse else slope[:, None] * inside
            blocks[i][j] = part if blocks[i][j] is None else blocks[i][j] + part
        if sparse:
            filled = [
                [b if b is not None else (csr_matrix((m, m)) if i == j else None) for j, b in enumerate(row)]
                for i, row in enumerate(blocks)
            ]
            return bmat(filled, format="csc")
        zero = np.zeros((m, m))
        return np.block([[zero if b is None else b for b in row] for row in blocks])


@dataclass(frozen=True)
class Solution:
    """Values on the lines at all times."""

    lines: Lines
    dense: Callable[[np.ndarray], np.ndarray]

    @property
    def unknowns(self) -> int:
        """Ordinary differential equations."""
        return self.lines.start().size

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n, u) at points (n, 2)."""
        lines, evolution = self.lines, self.lines.evolution
        result = np.empty((len(points), evolution.unknowns))
        for begin in range(0, len(points), CHUNK):
            x, t = points[begin : begin + CHUNK].T
            weights = lines.grid.interpolate(x)
            values = self.dense(t).reshape(lines.components, -1, len(t))
            if evolution.boundary is not None:
                ends = np.stack([lines.ends(when) for when in t], axis=2)  # (2, c, n)
                values = np.concatenate([ends[0][:, None], values, ends[1][:, None]], axis=1)
            for j in range(evolution.unknowns):
                product = (
                    weights.multiply(values[j].T).sum(axis=1)
                    if issparse(weights)
                    else (weights * values[j].T).sum(1)
                )
                result[begin : begin + CHUNK, j] = np.asarray(product).ravel()
        return result


GRIDS = {"4th-order differences": fourth_order, "Fourier": fourier, "Chebyshev": chebyshev_points}


def solve(
    evolution: Evolution, space: str, integrator: str, points: int, tol: float, limit: float
) -> Solution:
    """Grid, matrices, integration with rtol = atol = tol; output at any time by the integrator's own interpolant.

    Raises:
        TooLong: the limit of seconds passed.
        Failed: the integrator gave up.
    """
    deadline = clock() + limit
    grid = GRIDS[space](*evolution.interval, points, evolution.orders, evolution.boundary is None)
    lines = Lines(evolution, grid)
    start = lines.start()

    def rate(t: float, w: np.ndarray) -> np.ndarray:
        if clock() > deadline:
            raise TooLong
        return lines.rate(t, w)

    options: dict[str, Any] = {}
    if integrator in ("BDF", "Radau"):
        options["jac"] = lines.jacobian(0, start) if evolution.linear else lines.jacobian
    tol = max(tol, SMALLEST_TOLERANCE)
    with np.errstate(over="ignore", invalid="ignore"):
        done = solve_ivp(
            rate, (0, evolution.end), start, integrator, dense_output=True, rtol=tol, atol=tol, **options
        )
    if not done.success:
        raise Failed(done.message)
    return Solution(lines, done.sol)
