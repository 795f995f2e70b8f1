"""The gated Gaussian mixture with hard gates: each patch holds a coalesced local mixture.

    u(y) = Σ_j c_ej φ_j((y - X_e)/H_e)        on patch e,   φ_j a Gaussian envelope times Legendre polynomials

in grid coordinates y = R'x (space axes rotated into the frame of the domain's boundary, time as it is). See
`local_basis` for φ. Continuity across patches is not built in; it is part of the least-squares problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.rules.subdivision import part_of
from pdesolve.least_squares.sparse.row_blocks import Columns
from pdesolve.patches.basis import Basis, GaussianLegendre, basis_size
from pdesolve.patches.corners.edges import EdgeFunctions
from pdesolve.patches.corners.enrichment import Enrichment
from pdesolve.patches.partition import Partition
from pdesolve.patches.quadrature import closed_points, cover_on, patch_rule
from pdesolve.patches.rotation import rotate_indices, rotation_key
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem

# Numbers at once: 8 MB, measured best (4 MB to 16 MB are alike, 32 MB takes twice the time).
CHUNK = 1_000_000
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
        basis: on each patch; a Gaussian envelope of width sigma times Legendre polynomials if none is given.
        enrichment: singular functions at corners, whose coefficients come last, where there are any.
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
    basis: Basis = None  # type: ignore[assignment]
    enrichment: Enrichment | None = None

    def __post_init__(self) -> None:
        if self.basis is None:
            object.__setattr__(self, "basis", GaussianLegendre(self.sigma))

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.partition.dimension

    @cached_property
    def layout(self) -> Columns:
        """Columns of each cell (none for a merged cell)."""
        own = self.host == np.arange(len(self.host))
        sizes = [o * self.outputs * self.basis.size(int(q)) for q, o in zip(self.q, own, strict=True)]
        return Columns(torch.tensor(sizes, dtype=torch.long))

    def with_coefficients(self, coefficients: Tensor) -> PartitionedMixture:
        """The same patches with other coefficients."""
        return replace(self, coefficients=coefficients)

    def patch_of(self, y: Tensor) -> np.ndarray:
        """The patch that serves each point (n, d) in grid coordinates; -1 outside all cells."""
        y = y.detach().cpu()
        part = None
        # Cells of different sub-domains overlap where an interface cuts them: the side decides which one serves.
        if len(self.subdomains) > 1:
            part = part_of(self.subdomains, y @ self.rotation.cpu().T)
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
        # Sorted by patch, all points of one patch meet its coefficients in one dense product.
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
                if transform is not None:
                    values = values @ transform.to(values).T
                result[index[kept]] = values
        if self.enrichment is not None:
            self._add_singular(self.enrichment, patch, y, grid_indices, transform, result)
        return result

    def _add_singular(
        self,
        enrichment: Enrichment,
        patch: np.ndarray,
        y: Tensor,
        indices: tuple[MultiIndex, ...],
        transform: Tensor | None,
        result: Tensor,
    ) -> None:
        """Add the singular functions to values (n, u, a) at points y (n, d) of patches (n,)."""
        a = self.coefficients[self.layout.total :].view(-1, enrichment.count).expand(self.outputs, -1)
        slots = [(u, index) for u in range(self.outputs) for index in indices]
        for part in np.array_split(
            np.flatnonzero(patch >= 0), 1 + len(y) * enrichment.count * len(slots) // CHUNK
        ):
            index = torch.from_numpy(part).to(y.device)
            table = enrichment.table(patch[part], y[index][:, None], slots)[:, :, 0]  # (u a, b, n)
            values = torch.einsum("upbn,un->bup", table.unflatten(0, (self.outputs, len(indices))), a)
            if transform is not None:
                values = values @ transform.to(values).T
            result[index] += values

    def basis_on(self, patch: np.ndarray, y: Tensor) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Values of the basis of each point's patch, in chunks of one order: numbers of points (n,), table (n, k)."""
        zero = ((0,) * self.dimension,)
        order = np.argsort(self.q[patch], kind="stable")
        for q in np.unique(self.q[patch]):
            chosen = order[self.q[patch[order]] == q]
            step = max(1, CHUNK // self.basis.size(int(q)))
            for part in (chosen[start : start + step] for start in range(0, len(chosen), step)):
                which = torch.from_numpy(patch[part]).to(self.half.device)
                t = (y[torch.from_numpy(part).to(y.device)] - self.centre[which]) / self.half[which]
                yield part, self.basis.table(t[:, None], self.half[which], int(q), zero)[0, :, 0]

    def _values(self, patch: np.ndarray, y: Tensor, q: int, indices: tuple[MultiIndex, ...]) -> Tensor:
        """D_y^β u at m points y (b, m, d) of each of b patches of equal order q: (b, m, u, a)."""
        which = torch.from_numpy(patch)
        here = which.to(self.half.device)
        half = self.half[here]
        t = (y - self.centre[here][:, None]) / half[:, None]
        size = self.outputs * self.basis.size(q)
        first = self.layout.offsets[which].to(self.coefficients.device)
        c = self.coefficients.unfold(0, size, 1).index_select(0, first)  # (b, u k)
        return self.basis.values(t, half, q, indices, c.view(len(c), self.outputs, -1))

    def _numbers(self, m: int, q: int, indices: tuple[MultiIndex, ...]) -> int:
        """How many numbers `_values` makes for one patch."""
        lower = basis_size(self.dimension - 1, q)
        factors = (max(map(max, indices)) + 1) * self.dimension * q
        return m * (factors + (len(indices) + self.outputs) * lower) + self.outputs * q * lower

    def forward(self, x: Tensor) -> Tensor:
        """Values (n, u)."""
        return self.jet(x, ((0,) * self.dimension,))[:, :, 0]

    __call__ = forward

    # ---------------------------------------------------------------- as an expansion: see `Expansion`

    @property
    def end(self) -> None:
        """It covers the whole domain."""
        return

    @property
    def patches(self) -> PartitionedMixture:
        """Itself."""
        return self

    def piece_of(self, x: Tensor) -> Tensor:
        """Numbers (n,) of the patches of points x (n, d); beside a singular corner, of parts of patches."""
        y = x @ self.rotation
        if self.enrichment is None:
            return torch.from_numpy(self.patch_of(y))
        return torch.from_numpy(self.enrichment.graded.locate_closed(y.detach().cpu().numpy()))

    @property
    def singular_places(self) -> tuple[Tensor, ...]:
        """The corners (d,) that have singular functions."""
        if self.enrichment is None:
            return ()
        corners = self.enrichment.corners
        return tuple(self.rotation @ c.place for c in corners if not isinstance(c, EdgeFunctions))

    @property
    def singular_edges(self) -> tuple[tuple[Tensor, Tensor, Tensor], ...]:
        """Both ends (3,) of the edges that have singular functions, and two directions (2, 3) across each."""
        if self.enrichment is None:
            return ()
        edges = [edge for edge in self.enrichment.corners if isinstance(edge, EdgeFunctions)]
        axes = self.rotation.T
        return tuple((*(edge.places @ axes), axes[edge.others]) for edge in edges)

    @property
    def has_infinite_energy(self) -> bool:
        """Whether values jump at a corner, beside which |∇u|² ~ r^-2 has no integral."""
        if self.enrichment is None:
            return False
        return any(min(corner.exponents) <= 0 for corner in self.enrichment.corners)

    def quadrature(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Gauss points (n, d) and weights (n,) on the patches."""
        return self.quadrature_on(problem.domain, problem)

    def quadrature_on(self, domain: Domain, problem: Problem) -> tuple[Tensor, Tensor]:
        """The same, on a slab of a problem, or on its domain in space."""
        if self.enrichment is None:
            return patch_rule(cover_on(domain, problem, self), self.q)
        fine = replace(self, partition=self.enrichment.graded)
        patches = cover_on(domain, problem, fine)
        host = self.partition.locate(patches.partition.centre, patches.partition.part)
        return patch_rule(patches, self.q[host])

    def closed_points(self, problem: Problem) -> Tensor:
        """Points (n, d) of the closed patches, and of the boundary where it cuts some."""
        return self.closed_points_on(problem.domain, problem)

    def closed_points_on(self, domain: Domain, problem: Problem) -> Tensor:
        """The same, on a slab of a problem, or on its domain in space."""
        return closed_points(cover_on(domain, problem, self), self.q)

    def is_cut(self, problem: Problem) -> bool:
        """Whether the boundary cuts patches."""
        return self.is_cut_by(problem.domain, problem)

    def is_cut_by(self, domain: Domain, problem: Problem) -> bool:
        """The same, of a slab of a problem, or of its domain in space."""
        return bool(cover_on(domain, problem, self).cut.any())

    @cached_property
    def _rotation_key(self) -> tuple[tuple[float, ...], ...]:
        return rotation_key(self.rotation)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers.

        Raises:
            UsageError: its basis is not the usual one, which files say nothing about.
        """
        # A file must never be read back in another basis than it was written in.
        if not isinstance(self.basis, GaussianLegendre):
            message = f"a solution in the basis {type(self.basis).__name__} cannot be written to a file"
            raise UsageError(message)
        singular = {}
        if self.enrichment is not None:
            singular["corners"] = self.enrichment.state()
        return {
            "kind": type(self).__name__,
            **self.partition.state(),
            "host": torch.from_numpy(self.host),
            "centre": self.centre,
            "half": self.half,
            "q": torch.from_numpy(self.q),
            "sigma": self.sigma,
            "rotation": self.rotation,
            "outputs": self.outputs,
            "coefficients": self.coefficients,
            **singular,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple[Domain, ...] = ()) -> PartitionedMixture:
        """Rebuild from `state()`, and the sub-domains of the problem."""
        names = ("centre", "half", "sigma", "rotation", "coefficients")
        tensors = {name: state[name] for name in names}
        partition = Partition.from_state(state)
        enrichment = None
        if "corners" in state:
            enrichment = Enrichment.from_state(partition, state["corners"])
        return cls(
            partition,
            host=state["host"].numpy(),
            q=state["q"].numpy(),
            outputs=state["outputs"],
            subdomains=subdomains,
            enrichment=enrichment,
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
    # The cost counts padded points and, per block, the coefficients that are gathered for it.
    m = min(WIDTHS, key=lambda m: int((-(-count // m)).sum()) * (m + OVERHEAD))
    parts = -(-count // m)
    end = np.repeat(first + count, parts)
    rank = np.arange(len(end)) - np.repeat(np.cumsum(parts) - parts, parts)
    place = (np.repeat(first, parts) + m * rank)[:, None] + np.arange(m)
    return np.repeat(patches, parts), np.minimum(place, end[:, None] - 1), place < end[:, None]


def default_sigma(extent: np.ndarray) -> Tensor:
    """Width of the Gaussian envelope: the extent of the problem along each axis.

    Fixed in absolute terms, so that s = σ/H grows as patches shrink and refinement does not saturate; on the
    coarsest partitions s is about 2 to 4.
    """
    return torch.from_numpy(np.maximum(extent, math.ulp(1.0)))
