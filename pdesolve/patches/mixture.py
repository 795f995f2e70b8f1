"""The gated Gaussian mixture with hard gates: each patch holds a coalesced local mixture.

    u(y) = Σ_j c_ej φ_j((y - X_e)/H_e)        on patch e,   φ_j a Gaussian envelope times Legendre polynomials

in grid coordinates y = R'x (space axes rotated into the frame of the domain's boundary, time as it is). See
`local_basis` for φ. Continuity across patches is not built in; it is part of the least-squares problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.rules.subdivision import part_of
from pdesolve.least_squares.sparse.row_blocks import Columns
from pdesolve.patches.basis import (
    axis_factors,
    basis_size,
    basis_table,
    degrees,
    product_table,
)
from pdesolve.patches.partition import Partition
from pdesolve.statement.calculus import MultiIndex, multi_indices

CHUNK = (
    1_000_000  # numbers at once: 8 MB, measured best (4 MB to 16 MB are alike, 32 MB takes twice the time)
)
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)  # points of one patch in one product of matrices
OVERHEAD = 3  # of a patch's coefficients in such a product, in points


@dataclass(frozen=True, eq=False)
class PartitionedMixture:
    """Patches, their local frames and orders, and the coefficients of u unknowns.

    Attributes:
        partition: cells in grid coordinates.
        host: (e,) patch that serves each cell (itself, unless the cell was merged into a neighbour).
        centre, half: (e, d) local frames X, H of the patches.
        q: (e,) orders; total degree < q.
        sigma: (d,) width of the Gaussian envelope.
        rotation: (d, d) orthogonal; y = x @ rotation.
        outputs: u, the number of unknowns.
        coefficients: (p,) patch by patch, unknown by unknown.
        subdomains: what interfaces divide the domain into, where there are any.
    """

    partition: Partition
    host: np.ndarray
    centre: Tensor
    half: Tensor
    q: np.ndarray
    sigma: Tensor
    rotation: Tensor
    outputs: int
    coefficients: Tensor
    subdomains: tuple[Domain, ...] = ()

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.partition.dimension

    @cached_property
    def layout(self) -> Columns:
        """Columns of each cell (none for a merged cell)."""
        own = self.host == np.arange(len(self.host))
        sizes = [
            self.outputs * basis_size(self.dimension, int(q)) if o else 0
            for q, o in zip(self.q, own, strict=True)
        ]
        return Columns(torch.tensor(sizes, dtype=torch.long))

    def with_coefficients(self, coefficients: Tensor) -> PartitionedMixture:
        """The same patches with other coefficients."""
        return replace(self, coefficients=coefficients)

    def patch_of(self, y: Tensor) -> np.ndarray:
        """The patch that serves each point (n, d) in grid coordinates; -1 outside all cells."""
        y = y.detach().cpu()
        part = part_of(self.subdomains, y @ self.rotation.cpu().T) if len(self.subdomains) > 1 else None
        cell = self.partition.locate_closed(y.numpy(), part)
        return np.where(cell >= 0, self.host[cell], -1)

    def jet(self, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points x (n, d): (n, u, a); NaN outside all patches.

        D_x^α u = Σ_β w_αβ Σ_j c_ej H^{-β} φ_j^(β)((y - X_e)/H_e), |β| = |α|, with w from `rotate_indices`.

        Args:
            x: points.
            indices: the derivatives α, a of them.
        """
        y = x @ self.rotation
        return self.jet_on(self.patch_of(y), y, indices)

    def jet_on(self, patch: np.ndarray, y: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """As `jet` at y = x @ rotation, by the given patch (n,) of each point, be the point in it or not."""
        grid_indices, transform = rotate_indices(tuple(indices), self._rotation_key)
        result = y.new_full((len(y), self.outputs, len(indices)), torch.nan)
        order = np.argsort(patch, kind="stable")
        order = order[patch[order] >= 0]
        for q in np.unique(self.q[patch[order]]):
            chosen = order[self.q[patch[order]] == q]
            served, place, used = _blocks(patch[chosen])
            step = max(1, CHUNK // self._numbers(place.shape[1], int(q), grid_indices))
            for part in (slice(start, start + step) for start in range(0, len(served), step)):
                index = torch.from_numpy(chosen[place[part]]).to(y.device)
                kept = torch.from_numpy(used[part]).to(y.device)
                values = self._values(served[part], y[index], int(q), grid_indices)[kept]
                result[index[kept]] = values if transform is None else values @ transform.to(values).T
        return result

    def basis_on(self, patch: np.ndarray, y: Tensor) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Values of the basis of each point's patch, in chunks of one order: numbers of points (n,), table (n, k)."""
        zero = ((0,) * self.dimension,)
        order = np.argsort(self.q[patch], kind="stable")
        for q in np.unique(self.q[patch]):
            chosen = order[self.q[patch[order]] == q]
            step = max(1, CHUNK // basis_size(self.dimension, int(q)))
            for part in (chosen[start : start + step] for start in range(0, len(chosen), step)):
                which = torch.from_numpy(patch[part]).to(self.half.device)
                t = (y[torch.from_numpy(part).to(y.device)] - self.centre[which]) / self.half[which]
                yield part, basis_table(t[:, None], self.half[which], self.sigma, int(q), zero)[0, :, 0]

    def _values(self, patch: np.ndarray, y: Tensor, q: int, indices: tuple[MultiIndex, ...]) -> Tensor:
        """D_y^β u at m points y (b, m, d) of each of b patches of equal order q: (b, m, u, a).

        The sum over degrees along the last axis comes first, one product of matrices for all points of a patch,

            Σ_j c_j Π_i f_{j_i}(y_i) = Σ_l T_l(y_1, …, y_{d-1}) W_l,    W_l = Σ_i c_{il} f_i(y_d),

        so that the table T of every point is one of d - 1 variables.
        """
        which = torch.from_numpy(patch)
        here = which.to(self.half.device)
        half = self.half[here]
        t = (y - self.centre[here][:, None]) / half[:, None]
        factors = axis_factors(t, half, self.sigma, q, max(map(max, indices)))  # (order + 1, d, b, m, q)
        c = self._by_last_degree(which, q)
        values = y.new_empty(*y.shape[:2], self.outputs, len(indices))
        for k in sorted({index[-1] for index in indices}):
            rows = [a for a, index in enumerate(indices) if index[-1] == k]
            w = torch.bmm(factors[k, -1], c).view(*y.shape[:2], self.outputs, -1)
            table = product_table(factors[:, :-1], q, tuple(indices[a][:-1] for a in rows))  # (a, b, m, l)
            values[..., rows] = torch.einsum("abml,bmul->bmua", table, w)
        return values

    def _numbers(self, m: int, q: int, indices: tuple[MultiIndex, ...]) -> int:
        """How many numbers `_values` makes for one patch."""
        lower = basis_size(self.dimension - 1, q)
        factors = (max(map(max, indices)) + 1) * self.dimension * q
        return m * (factors + (len(indices) + self.outputs) * lower) + self.outputs * q * lower

    def _by_last_degree(self, patch: Tensor, q: int) -> Tensor:
        """Coefficients (b, q, u l) of patches (b,): by degree along the last axis, unknown, and the other degrees."""
        size = self.outputs * basis_size(self.dimension, q)
        first = self.layout.offsets[patch].to(self.coefficients.device)
        c = self.coefficients.unfold(0, size, 1).index_select(0, first)  # (b, u k)
        place = _places(self.dimension, q, self.outputs).to(c.device)
        found = c.new_zeros(len(c), q * self.outputs * basis_size(self.dimension - 1, q))
        return found.index_copy_(1, place, c).view(len(c), q, -1)

    def forward(self, x: Tensor) -> Tensor:
        """Values (n, u)."""
        return self.jet(x, ((0,) * self.dimension,))[:, :, 0]

    __call__ = forward

    @cached_property
    def _rotation_key(self) -> tuple[tuple[float, ...], ...]:
        return rotation_key(self.rotation)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {
            **self.partition.state(),
            "host": torch.from_numpy(self.host),
            "centre": self.centre,
            "half": self.half,
            "q": torch.from_numpy(self.q),
            "sigma": self.sigma,
            "rotation": self.rotation,
            "outputs": self.outputs,
            "coefficients": self.coefficients,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple[Domain, ...] = ()) -> PartitionedMixture:
        """Rebuild from `state()`, and the sub-domains of the problem."""
        names = ("centre", "half", "sigma", "rotation", "coefficients")
        tensors = {name: state[name] for name in names}
        return cls(
            Partition.from_state(state),
            host=state["host"].numpy(),
            q=state["q"].numpy(),
            outputs=state["outputs"],
            subdomains=subdomains,
            **tensors,
        )


def _blocks(patch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of patches (n,), sorted by patch, in blocks of m points of one patch each.

    A patch has as many blocks as it needs. With m as small as one for points on patches of their own, and as large as
    64 where there are many on each, little is spent on coefficients, and little on filling up blocks.

    Returns:
        The patch of each block (b,), its points (b, m), and which of them are not filled up (b, m).
    """
    patches, first, count = np.unique(patch, return_index=True, return_counts=True)
    m = min(WIDTHS, key=lambda m: int((-(-count // m)).sum()) * (m + OVERHEAD))
    parts = -(-count // m)
    end = np.repeat(first + count, parts)
    rank = np.arange(len(end)) - np.repeat(np.cumsum(parts) - parts, parts)
    place = (np.repeat(first, parts) + m * rank)[:, None] + np.arange(m)
    return np.repeat(patches, parts), np.minimum(place, end[:, None] - 1), place < end[:, None]


@lru_cache
def _places(dimension: int, q: int, outputs: int) -> Tensor:
    """Places of the coefficients (u k) of one patch in an array (q, u, l) as of `_by_last_degree`."""
    lower = {j: i for i, j in enumerate(degrees(dimension - 1, q))}
    place = torch.tensor([j[-1] * outputs * len(lower) + lower[j[:-1]] for j in degrees(dimension, q)])
    return (place + len(lower) * torch.arange(outputs)[:, None]).flatten()


def rotation_key(rotation: Tensor) -> tuple[tuple[float, ...], ...]:
    """A hashable form of a rotation."""
    return tuple(map(tuple, rotation.tolist()))


@lru_cache
def rotate_indices(
    indices: tuple[MultiIndex, ...], rotation: tuple[tuple[float, ...], ...]
) -> tuple[tuple[MultiIndex, ...], Tensor | None]:
    """Express derivatives in x by those in y = R'x.

    With ∂/∂x_i = Σ_j R_ij ∂/∂y_j, D_x^α is a combination of the D_y^β with |β| = |α|.

    Returns:
        The β that occur, and the matrix (a, b) with D_x = matrix @ D_y; None where R is the identity.
    """
    d = len(rotation)
    if all(rotation[i][j] == float(i == j) for i in range(d) for j in range(d)):
        return indices, None
    rows: list[dict[MultiIndex, float]] = []
    for alpha in indices:
        row: dict[MultiIndex, float] = {(0,) * d: 1.0}
        for i, power in enumerate(alpha):
            for _ in range(power):
                grown: dict[MultiIndex, float] = {}
                for beta, value in row.items():
                    for j in range(d):
                        if rotation[i][j] != 0.0:
                            key = tuple(b + (k == j) for k, b in enumerate(beta))
                            grown[key] = grown.get(key, 0.0) + value * rotation[i][j]
                row = grown
        rows.append(row)
    highest = max(sum(alpha) for alpha in indices)
    used = tuple(beta for beta in multi_indices(d, highest) if any(beta in row for row in rows))
    matrix = torch.tensor([[row.get(beta, 0.0) for beta in used] for row in rows], dtype=torch.float64)
    return used, matrix


def default_sigma(extent: np.ndarray) -> Tensor:
    """Width of the Gaussian envelope: the extent of the problem along each axis.

    Fixed in absolute terms, so that s = σ/H grows as patches shrink and refinement does not saturate; on the
    coarsest partitions s is about 2 to 4.
    """
    return torch.from_numpy(np.maximum(extent, math.ulp(1.0)))
