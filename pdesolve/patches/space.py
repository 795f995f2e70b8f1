"""The discrete space: piecewise functions on patches, their coefficients, points, tables and norms.

On patch e an unknown is Σ_j c_ej φ_j((y - X_e)/H_e), with the functions φ_j of degree < q_e of a basis. Coefficients of
all patches form one vector c (p,), patch by patch and unknown by unknown. Continuity is not built in; it is stated by
rows of the least-squares problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import Columns
from pdesolve.patches.basis import Basis, GaussianLegendre
from pdesolve.patches.cells import Patches
from pdesolve.patches.corners.enrichment import Enrichment, Singular
from pdesolve.patches.mixture import PartitionedMixture, default_sigma
from pdesolve.patches.points.grids import sobol_grid
from pdesolve.patches.points.interior import Points, interior_points
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.residual import Slot

BATCH_NUMBERS = 24_000_000  # matrix entries in one batch of rows: 192 MB
KEPT = 50_000_000  # numbers of tables of singular functions, which every step of an iteration asks for again: 400 MB
ROWS_PER_FUNCTION = 1.6  # at least, of collocation points
ROUNDING = 1e-13  # of the domain: products of d numbers leave 1e-16 times a few


class Space:
    """Piecewise functions on patches, of degree < q each.

    Args:
        patches: the patches, e of them.
        q: (e,) their degrees.
        orders: (u, d) of the equation in each unknown along each axis, which decide how many points it needs.
        device: where tables and coefficients live.
        basis: on each patch; by default Legendre polynomials under a wide Gaussian envelope.
        corners: singular functions that patches around a corner share; their coefficients come last.
    """

    def __init__(
        self,
        patches: Patches,
        q: np.ndarray,
        orders: np.ndarray,
        device: str = "cpu",
        basis: Basis | None = None,
        corners: tuple[Singular, ...] = (),
    ):
        self.patches = patches
        self.q = q
        self.orders = orders
        self.device = device
        self.unknowns = len(orders)
        self.dimension = patches.dimension
        self.sigma = default_sigma(patches.frame.reach).to(device)
        self.basis = basis or GaussianLegendre(self.sigma)
        sizes = [self.unknowns * self.basis.size(int(k)) for k in q]
        self.layout = Columns(torch.tensor(sizes, dtype=torch.long))
        self._singular: dict[tuple[int, tuple[Slot, ...]], tuple[Tensor, Tensor]] = {}
        self._kept = 0  # numbers in these tables
        self.corners = corners
        self.enrichment = None
        if corners:
            self.enrichment = Enrichment(patches.partition, corners)
        self.half = torch.from_numpy(patches.half).to(device)
        self.centre = torch.from_numpy(patches.centre).to(device)
        self.rotation = patches.frame.rotation.to(device)
        width = self.unknowns * max(sizes)
        # Cut cells take twice as many points along each axis, of which those inside are kept.
        points = max(1, int(q.max() + 1) ** self.dimension * (2**self.dimension if patches.cut.any() else 1))
        self.batch = max(1, BATCH_NUMBERS // (width * points))

    # ---------------------------------------------------------------- points

    @cached_property
    def interior(self) -> list[Points]:
        """Collocation points in the patches; every patch is in one batch."""
        return interior_points(self.patches, self.q, self.points_per_axis, self.batch)

    @cached_property
    def value_points(self) -> list[Points]:
        """At least q Gauss points per axis, at which no function of degree < q vanishes, as P_n does at n points."""
        if self.dimension == 1:
            return self.interior
        count = lambda q: max(q, self.points_per_axis(q))  # noqa: E731
        return interior_points(self.patches, self.q, count, self.batch)

    def unseen_points(self, samples: int, seed: int) -> list[Points]:
        """About `samples` Sobol points, the same number in every cell, beside the collocation points."""
        least = math.ceil((samples / len(self.patches)) ** (1 / self.dimension))
        count = lambda q: max(least, self.points_per_axis(q))  # noqa: E731
        found = interior_points(self.patches, self.q, count, self.batch, partial(sobol_grid, seed=seed))
        return [self.to_device(p) for p in found]

    def points_per_axis(self, q: int) -> int:
        """Gauss points per axis: at least 1.6 rows per basis function, and enough for the residual's degree.

        The Legendre polynomial P_n vanishes at n Gauss points. Its integral over an axis along which the equation is
        of first order (and its r-fold integral at order r) must not be in the basis: hence n ≥ q - r. Otherwise
        the rows do not see it, and the pressure of an incompressible flow is anything.
        """
        # The lowest order asks for most points, and all unknowns share the points of a cell.
        lowest = min(int(row[row > 0].min(initial=2)) if row.any() else 0 for row in self.orders)
        enough = math.ceil((ROWS_PER_FUNCTION * self.basis.size(q)) ** (1 / self.dimension))
        # A single Gauss point, the centre, sees nothing of what is linear about it: hence two at least.
        return max(q - lowest, enough, 2)

    def to_device(self, p: Points) -> Points:
        """The same points on the device of the space."""
        if self.device == "cpu":
            return p
        normals = None
        if p.normals is not None:
            normals = p.normals.to(self.device)
        return Points(p.cells, p.y.to(self.device), p.weight.to(self.device), p.congruent, normals)

    def coordinates(self, points: Points) -> Tensor:
        """Points of a batch in the coordinates of the problem, (b m, d); those of a boundary lie in the closed domain.

        Turning a point back leaves y = -1e-17 for y = 0, where an angle atan2(y, x) that begins at zero is a full turn.
        """
        x = points.y.reshape(-1, self.dimension) @ self.rotation.T
        if points.normals is None or self.patches.frame.upright:
            return x
        outside = self.patches.frame.domain.level(x)
        # Beyond rounding it is no matter of rounding: such points are taken as they are.
        outside = torch.where(outside <= ROUNDING * float(self.patches.frame.reach.max()), outside, 0.0)
        return x - outside.clamp_min(0.0)[:, None] * points.normals.reshape(x.shape)

    # ---------------------------------------------------------------- tables

    def local(self, cells: np.ndarray, y: Tensor) -> tuple[Tensor, Tensor]:
        """Reference coordinates t (b, m, d) in [-1, 1]^d of points y (b, m, d), and half widths (b, d) of the cells."""
        index = torch.from_numpy(cells).to(self.device)
        half = self.half[index]
        return (y - self.centre[index][:, None]) / half[:, None], half

    def table(self, points: Points, betas: tuple[MultiIndex, ...], q: int | None = None) -> Tensor:
        """Derivatives β of the basis at the points of a batch: (a, b, m, k), or b = 1 where all cells share them.

        Raises:
            OutOfTimeError: a deadline passed: this is the one thing that is done for every batch of points.
        """
        check_deadline()
        cells = points.cells
        y = points.y.to(self.device)
        if points.congruent:
            cells = cells[:1]
            y = y[:1]
        return self.basis.table(*self.local(cells, y), q or int(self.q[points.cells[0]]), betas)

    def value_table(self, points: Points, q: int | None = None) -> Tensor:
        """Values of the basis at the points of a batch: (b or 1, m, k)."""
        return self.table(points, ((0,) * self.dimension,), q)[0]

    def singular_table(self, cells: np.ndarray, y: Tensor, slots: Sequence[Slot]) -> Tensor | None:
        """Derivatives of singular functions at points y (b, m, d) of patches (b,): (s, b, m, n); None without any."""
        if self.enrichment is None:
            return None
        key = (id(y), tuple(slots))
        if key not in self._singular:
            found = self.enrichment.table(cells, y.to(self.device), slots)
            if self._kept + found.numel() > KEPT:
                return found
            self._kept += found.numel()
            # The points are kept as well, so that no others can have their number.
            self._singular[key] = (y, found)
        return self._singular[key][1]

    def volume_weights(self, points: Points) -> Tensor:
        """Quadrature weights (b, m) of a batch of interior points."""
        half = self.half[torch.from_numpy(points.cells).to(self.device)]
        return points.weight.to(half) ** 2 * half.prod(1)[:, None]

    # ---------------------------------------------------------------- functions

    def zero(self) -> Tensor:
        """Coefficients (p,) of the function 0."""
        return torch.zeros(self.layout.total + self.beside, dtype=self.half.dtype, device=self.device)

    @property
    def beside(self) -> int:
        """Number of coefficients of singular functions, unknown by unknown, after those of the patches."""
        if self.enrichment is None:
            return 0
        if self.enrichment.of_systems:
            return self.enrichment.count
        return self.unknowns * self.enrichment.count

    def values(self, c: Tensor, points: Points, own: Tensor | None = None) -> Tensor:
        """Values (b, m, u) of a function with coefficients c (p,) at the points of a batch.

        Args:
            c: coefficients.
            points: of a batch.
            own: coefficients (b, u, k) of the patches, where they are known already.
        """
        if own is None:
            own = self.coefficients_on(c, points.cells)
        table = self.value_table(points).expand(len(own), -1, -1)
        values = torch.einsum("bmk,buk->bmu", table, own)
        zero = (0,) * self.dimension
        singular = self.singular_table(points.cells, points.y, [(u, zero) for u in range(self.unknowns)])
        if singular is None:
            return values
        return values + torch.einsum("ubmn,un->bmu", singular, self.coefficients_beside(c))

    def coefficients_beside(self, c: Tensor) -> Tensor:
        """Coefficients (u, n) of singular functions, those of systems for all unknowns at once."""
        assert self.enrichment is not None
        return c[self.layout.total :].view(-1, self.enrichment.count).expand(self.unknowns, -1)

    def columns(self, cells: np.ndarray) -> Tensor:
        """Column numbers (b, u k) of patches that all have the same degree."""
        return self.layout.of(torch.from_numpy(cells)).to(self.device)

    def coefficients_on(self, c: Tensor, cells: np.ndarray) -> Tensor:
        """Coefficients (b, u, k) of patches; those of lower degree are filled up with zeros, since bases are nested."""
        groups = torch.from_numpy(cells)
        sizes = self.layout.sizes[groups]
        found = c.new_zeros(len(cells), self.unknowns, int(sizes.max()) // self.unknowns)
        for size in torch.unique(sizes).tolist():
            mine = torch.nonzero(sizes == size)[:, 0]
            columns = self.layout.of(groups[mine]).to(found.device)
            known = c[columns].view(len(mine), self.unknowns, -1)
            found[mine.to(found.device), :, : size // self.unknowns] = known
        return found

    def mixture(self, coefficients: Tensor | None = None) -> PartitionedMixture:
        """The function with these coefficients (zero by default)."""
        subdomains = self.patches.frame.subdomains
        return PartitionedMixture(
            self.patches.partition,
            np.arange(len(self.patches)),
            self.centre,
            self.half,
            self.q,
            self.sigma,
            self.rotation,
            self.unknowns,
            self.zero() if coefficients is None else coefficients,
            subdomains if len(subdomains) > 1 else (),
            self.basis,
            self.enrichment,
        )

    def norms(self, c: Tensor) -> Tensor:
        """L2 norms (u,) of the unknowns over the domain."""
        squares = c.new_zeros(self.unknowns)
        for points in self.interior:
            values = self.values(c, points)
            squares += (self.volume_weights(points)[..., None] * values**2).sum((0, 1))
        return squares.sqrt()

    def prolong(self, source: Space, c: Tensor) -> Tensor:
        """Coefficients that stand for a function of another space: exactly on the same patches, else the best fit."""
        # On the same patches nothing is fitted: a fit would add rounding, and estimates compare such pairs.
        if source.patches is not self.patches:
            return self._fitted(source, c)
        found = self.zero()
        for points in self.interior:
            columns = self.columns(points.cells)
            b = len(points.cells)
            own = found[columns].view(b, self.unknowns, -1)
            known = source.coefficients_on(c, points.cells)
            k = min(own.shape[2], known.shape[2])  # bases are nested
            own[..., :k] = known[..., :k]
            found[columns] = own.view(b, -1)
        if self.beside == source.beside:
            found[self.layout.total :] = c[source.layout.total :]
        return found

    def _fitted(self, source: Space, c: Tensor) -> Tensor:
        """The best local fit to a function of other patches; what is singular in it stays as it is."""
        if self.corners is not source.corners or self.enrichment is None:
            return self.fit_mixture(source.mixture(c))
        mixture = source.mixture(c)
        zero = ((0,) * self.dimension,)
        beside = self.zero()
        beside[self.layout.total :] = c[source.layout.total :]
        found = beside.clone()
        for points in self.value_points:
            y = points.y.to(self.device).reshape(-1, self.dimension)
            wanted = mixture.jet_on(mixture.patch_of(y), y, zero)[:, :, 0].nan_to_num(0.0)
            wanted = wanted.view(*points.y.shape[:2], -1) - self.values(beside, points)
            fit = self.fit_at(points, wanted)
            found[self.columns(points.cells)] = fit.reshape(len(fit), -1)
        return found

    def fit_mixture(self, source: PartitionedMixture) -> Tensor:
        """Coefficients (p,) of the best local fit to a mixture; zero where it is not defined."""
        zero = ((0,) * self.dimension,)
        return self.fit(lambda y: source.jet_on(source.patch_of(y), y, zero)[:, :, 0])

    def fit(self, values: Callable[[Tensor], Tensor]) -> Tensor:
        """Coefficients (p,) of the best local fit to values (n, u) at points y (n, d) in grid coordinates."""
        c = self.zero()
        for points in self.value_points:
            y = points.y.to(self.device)
            wanted = values(y.reshape(-1, self.dimension)).to(y).nan_to_num(0.0)
            found = self.fit_at(points, wanted.view(*y.shape[:2], -1))
            c[self.columns(points.cells)] = found.reshape(len(found), -1)
        return c

    def fit_at(self, points: Points, wanted: Tensor) -> Tensor:
        """Coefficients (b, u, k) of the best fits to values (b, m, u) at the points of a batch, patch by patch."""
        table = self.value_table(points)  # (b or 1, m, k)
        weight = points.weight.to(wanted)[..., None]
        table = table * weight[: len(table)]
        rhs = wanted * weight
        gram = table.mT @ table
        # On cut cells functions may be tiny at all points inside: the shift keeps the matrix positive definite.
        gram.diagonal(dim1=1, dim2=2).add_(1e-12 * float(gram.diagonal(dim1=1, dim2=2).amax()))
        lower = torch.linalg.cholesky(gram)
        if len(table) == len(rhs):
            return torch.cholesky_solve(table.mT @ rhs, lower).mT
        # One factor for all patches: their right-hand sides are columns of one matrix.
        columns = torch.cholesky_solve(table[0].mT @ rhs.transpose(0, 1).flatten(1), lower[0])
        return columns.view(len(columns), len(rhs), -1).permute(1, 2, 0)
