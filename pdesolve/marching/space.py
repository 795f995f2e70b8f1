"""The spatial discretisation of a march: patches of one degree, their points, faces, norms and transfer.

On a patch with centre X and half widths H an unknown is Σ_j c_j P_{j₁}(τ₁) … P_{j_d}(τ_d), |j| < q, τ = (y - X)/H, with
orthonormal Legendre polynomials: the limit of infinitely wide Gaussians. Tables in τ are then the same for all
patches that the boundary does not cut, ‖u‖² = Π H Σ c² on a patch, and a polynomial is passed on exactly to the halves
of its patch.
Coefficients of S functions are tensors (S, e, u, k): patch, unknown, basis function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry import Domain
from pdesolve.marching.evolution import Evolution
from pdesolve.patches.basis import basis_size, basis_table, degrees
from pdesolve.patches.cover import Patches, gauss_grid, interior_points
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.statement.calculus import MultiIndex

FITTED = 1e-10  # smallest relative singular value of a fit: of what a few points inside a cut patch determine
FLATTEST = 1e-8  # relative size of values in a cut patch, below which a function is not made larger
BATCH = 4096  # cells in one batch of points
AT_ONCE = 8_000_000  # coefficients that are gathered at once for values at points: 64 MB
# More rows than functions, as least squares need; in three dimensions ¾ q + 1 on an axis are enough for the
# q³/6 functions of a total degree.
RULE = {
    1: lambda q: q + 2,
    2: lambda q: q + 1,
    3: lambda q: math.ceil(0.75 * q) + 1,
}  # 1.6 rows a function at least


@dataclass(eq=False)
class Cells:
    """Points in b patches, m in each.

    Attributes:
        cells: (b,) patches.
        x: (b, m, d) coordinates.
        local: (1 or b, m, d) τ; 1 where it is the same for all.
        weight: (b, m) square roots of reference weights, 0 where padded.
        half: (b, d) half widths.
        normals: (b, m, d + 1) outward normals on boundaries, with 0 for time.
    """

    cells: Tensor
    x: Tensor
    local: Tensor
    weight: Tensor
    half: Tensor
    normals: Tensor | None = None

    def tables(self, q: int, betas: tuple[MultiIndex, ...]) -> Tensor:
        """Derivatives with respect to τ of the basis, (a, 1 or b, m, k)."""
        return reference_table(self.local, q, betas)

    def reach(self, betas: tuple[MultiIndex, ...]) -> Tensor:
        """H^{-β} (b, a), by which derivatives in τ become those in y."""
        powers = torch.tensor(betas, dtype=self.half.dtype)
        return torch.exp(-(self.half.log() @ powers.T))


def reference_table(local: Tensor, q: int, betas: tuple[MultiIndex, ...]) -> Tensor:
    """Derivatives of the basis at points τ (b, m, d) with respect to τ: (a, b, m, k)."""
    d = local.shape[-1]
    if d == 0:
        return torch.ones(len(betas), *local.shape[:-1], 1, dtype=local.dtype)
    unit = torch.ones(len(local), d, dtype=local.dtype)
    return basis_table(local, unit, torch.full((d,), torch.inf, dtype=local.dtype), q, betas)


@lru_cache(maxsize=64)
def gauss_table(d: int, n: int, q: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss points τ (m, d), weights (m,), and the basis there (m, k)."""
    points, weights = gauss_grid(d, n)
    return points, weights, reference_table(points[None], q, ((0,) * d,))[0, 0]


@dataclass(eq=False)
class Space:
    """Patches of one degree over the space domain of an evolution.

    Attributes:
        evolution: what is solved.
        patches: the patches.
        q: total degrees are below q.
    """

    evolution: Evolution
    patches: Patches
    q: int

    def __post_init__(self) -> None:
        self.half = torch.from_numpy(self.patches.half)
        self.centre = torch.from_numpy(self.patches.centre)
        self.volume = self.half.prod(1)
        self.share = self.volume / self.volume.mean()
        self.rotation = self.patches.frame.rotation

    def __len__(self) -> int:
        return len(self.half)

    @property
    def d(self) -> int:
        """Space coordinates."""
        return self.evolution.dimension

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return self.evolution.unknowns

    @cached_property
    def functions(self) -> int:
        """Basis functions of one unknown on a patch."""
        return basis_size(self.d, self.q)

    @property
    def width(self) -> int:
        """Coefficients of a patch."""
        return self.unknowns * self.functions

    @cached_property
    def degrees(self) -> np.ndarray:
        """(e,) the same q for every patch, as lower rooms want it."""
        return np.full(len(self), self.q)

    @cached_property
    def interior(self) -> list[Cells]:
        """Collocation points: Gauss points of patches inside, those inside the domain of cut patches."""
        return self.points(RULE[self.d](self.q))

    def points(self, per_axis: int) -> list[Cells]:
        """As `interior`, with so many points on each axis."""
        cut = torch.from_numpy(self.patches.cut)
        whole = torch.nonzero(~cut)[:, 0]
        found = []
        if len(whole):
            local, weights = gauss_grid(self.d, per_axis)
            y = self.centre[whole][:, None] + self.half[whole][:, None] * local
            weight = weights.sqrt().expand(len(whole), -1)
            found.append(Cells(whole, y @ self.rotation.T, local[None], weight, self.half[whole]))
        if bool(cut.any()):
            for batch in interior_points(self.patches, self.degrees, lambda _: per_axis, BATCH):
                if not batch.congruent:
                    found.append(self.cells(batch.cells, batch.y, batch.weight))
        return found

    def cells(self, cells: np.ndarray, y: Tensor, weight: Tensor, normals: Tensor | None = None) -> Cells:
        """Points y (b, m, d) in grid coordinates of given patches (b,)."""
        index = torch.from_numpy(cells)
        half = self.half[index]
        local = (y - self.centre[index][:, None]) / half[:, None]
        return Cells(index, y @ self.rotation.T, local, weight, half, normals)

    # ---------------------------------------------------------------- functions

    def project(self, order: int) -> Tensor:
        """Local L2 projection (e, u, k) of the initial ∂^order u/∂t^order; in cut patches over the box of the patch."""
        # Initial values are no polynomials: more points than for rows keep aliasing small.
        n = max(RULE[self.d](self.q), self.q + 6)
        local, weights, table = gauss_table(self.d, n, self.q)
        y = self.centre[:, None] + self.half[:, None] * local
        x = (y @ self.rotation.T).reshape(-1, self.d)
        values = self.evolution.initial(x, order).view(len(self), len(local), -1)
        c = torch.einsum("emu,mk->euk", values * weights[:, None], table)
        if not self.subdomains:
            return c
        return self._fitted_inside(c, order)

    def _fitted_inside(self, c: Tensor, order: int) -> Tensor:
        """Coefficients (e, u, k), those of cut patches fitted inside: beyond an interface values have a kink."""
        for points in self.interior:
            if not bool(torch.from_numpy(self.patches.cut)[points.cells].all()):
                continue
            b, m = points.weight.shape
            values = self.evolution.initial(points.x.reshape(-1, self.d), order).view(b, m, -1)
            weight = points.weight[..., None]
            table = points.tables(self.q, ((0,) * self.d,))[0]
            fit = torch.linalg.lstsq(weight * table, weight * values, driver="gelsd", rcond=FITTED).solution
            c[points.cells] = fit.mT
        return c

    def norms(self, c: Tensor) -> Tensor:
        """L2 norms (S, u) over the domain of functions (S, e, u, k)."""
        return torch.einsum("seuk,e->su", self.inside(c) ** 2, self.volume).sqrt()

    def inside(self, c: Tensor) -> Tensor:
        """Functions (S, e, u, k), in cut patches over polynomials that are orthonormal within the domain.

        Beyond the domain a polynomial may be large. These ones come from the basis by Gram and Schmidt, degree by
        degree, so that coefficients of a degree are what no polynomial of a lower degree has within the domain.
        """
        found = c
        for cells, triangle in self._triangles:
            if found is c:
                found = c.clone()
            found[:, cells] = torch.einsum("jkl,sjul->sjuk", triangle, c[:, cells])
        return found

    @cached_property
    def _triangles(self) -> list[tuple[Tensor, Tensor]]:
        """Cut patches (j,) and R (j, k, k) of a QR decomposition of their values."""
        found = []
        for cells, table in self._values_in_cut_patches:
            rows = torch.nn.functional.pad(table, (0, 0, 0, max(0, self.functions - table.shape[1])))
            found.append((cells, torch.linalg.qr(rows, mode="r").R))
        return found

    def mixture(self, c: Tensor) -> PartitionedMixture:
        """Functions (e, o, k), any number o of them, as one approximator in space."""
        return PartitionedMixture(
            self.patches.partition,
            np.arange(len(self)),
            self.centre,
            self.half,
            self.degrees,
            torch.full((self.d,), torch.inf, dtype=torch.float64),
            self.rotation,
            c.shape[1],
            c.reshape(-1),
            self.subdomains,
        )

    @property
    def subdomains(self) -> tuple[Domain, ...]:
        """What interfaces divide the space domain into; none where there are none."""
        found = self.patches.frame.subdomains
        if len(found) > 1:
            return found
        return ()

    def part_of(self, y: Tensor) -> np.ndarray | None:
        """Numbers (n,) of the sub-domains of points y (n, d) in grid coordinates; None where there are none."""
        if not self.subdomains:
            return None
        return self.patches.frame.part_of(y)

    def raised(self, more: int) -> Space:
        """The same patches with higher degrees."""
        return Space(self.evolution, self.patches, self.q + more)

    @cached_property
    def whitening(self) -> tuple[Tensor, Tensor]:
        """Cut patches (j,) and G (j, k, k): the functions Σ_l G_lk φ_l are orthonormal over their collocation points.

        Where the domain is a third of a patch, Legendre polynomials of the whole patch have values there with a
        condition number of 1e6, and a Gram matrix of them has that squared.
        """
        # A border takes columns of single functions out of the rows, and needs the basis as it is.
        bordered = self.evolution.scalars or self.evolution.problem.integrals
        found = [(torch.zeros(0, dtype=torch.long), torch.zeros(0, self.functions, self.functions))]
        for cells, table in self._values_in_cut_patches[: 0 if bordered else None]:
            _, sizes, turned = torch.linalg.svd(table, full_matrices=False)
            sizes = torch.maximum(sizes, FLATTEST * sizes[:, :1])
            found.append((cells, turned.mT / sizes[:, None]))
        index, change = zip(*found, strict=True)
        return torch.cat(index), torch.cat([c.to(torch.float64) for c in change])

    @cached_property
    def _values_in_cut_patches(self) -> list[tuple[Tensor, Tensor]]:
        """Cut patches (j,) and the values of the basis at their collocation points, with weights (j, m, k)."""
        zero = ((0,) * self.d,)
        cut = torch.from_numpy(self.patches.cut)
        return [
            (points.cells, points.tables(self.q, zero)[0] * points.weight[..., None])
            for points in self.interior
            if bool(cut[points.cells].all())
        ]

    def whitened(self, cells: Tensor, matrices: Tensor) -> Tensor:
        """Rows (b, …, k) over the basis of patches (b,) as rows over the orthonormal functions where these are cut."""
        index, change = self.whitening
        if not len(index):
            return matrices
        number = torch.full((len(self),), -1)
        number[index] = torch.arange(len(index))
        mine = number[cells]
        here = torch.nonzero(mine >= 0)[:, 0]
        if not len(here):
            return matrices
        result = matrices.clone()
        rows = matrices[here].flatten(1, -2)
        result[here] = (rows @ change[mine[here]]).view_as(matrices[here])
        return result

    @cached_property
    def shells(self) -> Tensor:
        """(k,) total degree of each basis function."""
        return torch.tensor([sum(j) for j in degrees(self.d, self.q)])

    @cached_property
    def exponents(self) -> Tensor:
        """(k, d) degrees of each basis function."""
        return torch.tensor(degrees(self.d, self.q), dtype=torch.float64)


def moved(old: Space, new: Space, pairs: tuple[Tensor, Tensor], c: Tensor) -> Tensor:
    """L2 projection of functions (…, e, u, k) to other patches of the same degree; exact where these lie in one each.

    A patch that is cut and holds several is fitted within the domain: beyond it polynomials have nothing in common.

    Args:
        old: the patches before.
        new: the patches after.
        pairs: (old patch, new patch) of every two that share a part of the domain.
        c: coefficients on the old patches.
    """
    source, target = pairs
    # Products of two polynomials below degree q are integrated exactly.
    local, weights, _ = gauss_table(old.d, old.q + 2, old.q)
    lower = torch.maximum(old.centre[source] - old.half[source], new.centre[target] - new.half[target])
    upper = torch.minimum(old.centre[source] + old.half[source], new.centre[target] + new.half[target])
    half = (upper - lower) / 2
    y = (lower + half)[:, None] + half[:, None] * local
    same = ((new.half[target] - old.half[source]).abs().amax(1) == 0) & (
        (new.centre[target] - old.centre[source]).abs().amax(1) == 0
    )
    result = c.new_zeros(*c.shape[:-3], len(new), *c.shape[-2:])
    # Patches that stay keep their bits: a projection would add rounding with every change of the patches.
    kept = torch.nonzero(same)[:, 0]
    result[..., target[kept], :, :] = c[..., source[kept], :, :]
    rest = torch.nonzero(~same)[:, 0]
    zero = ((0,) * old.d,)
    for part in torch.split(rest, 512):
        i, j = source[part], target[part]
        before = reference_table((y[part] - old.centre[i][:, None]) / old.half[i][:, None], old.q, zero)[0]
        after = reference_table((y[part] - new.centre[j][:, None]) / new.half[j][:, None], new.q, zero)[0]
        ratio = half[part].prod(1) / new.volume[j]
        matrix = torch.einsum("pmk,pml->pkl", after * (weights[:, None] * ratio[:, None, None]), before)
        result.index_add_(c.dim() - 3, j, torch.einsum("pkl,...pul->...puk", matrix, c[..., i, :, :]))
    joined = (torch.bincount(target, minlength=len(new)) > 1) & torch.from_numpy(new.patches.cut)
    for points, place in points_in(new, joined):
        values = values_at(old, c, points.x[place]) * points.weight[place][..., None]
        table = points.tables(new.q, zero)[0][place] * points.weight[place][..., None]
        right = values.movedim(-2, 0).movedim(-2, 0).flatten(2)  # (b, m, … u)
        fit = torch.linalg.lstsq(table, right, driver="gelsd", rcond=FITTED).solution
        shape = (len(place), new.functions, *values.shape[:-3], new.unknowns)
        fit = fit.view(shape).movedim(1, -1).movedim(0, -3)
        result[..., points.cells[place], :, :] = fit
    return result


def points_in(space: Space, marked: Tensor) -> list[tuple[Cells, Tensor]]:
    """Collocation points of marked patches (e,): batches, and the places of these patches in each."""
    places = [(points, torch.nonzero(marked[points.cells])[:, 0]) for points in space.interior]
    return [(points, place) for points, place in places if len(place)]


def values_at(space: Space, c: Tensor, x: Tensor) -> Tensor:
    """Functions (…, e, u, k) at points (b, m, d): (…, b, m, u); those of any patch where there is none."""
    y = (x @ space.rotation).flatten(0, 1)
    cells = torch.from_numpy(space.patches.partition.locate_closed(y.numpy(), space.part_of(y))).clamp_min(0)
    local = (y - space.centre[cells]) / space.half[cells]
    zero = ((0,) * space.d,)
    each = c[..., 0, :, :].numel()
    parts = []
    for some in torch.split(torch.arange(len(y)), max(1, AT_ONCE // each)):
        table = reference_table(local[some, None], space.q, zero)[0, :, 0]
        parts.append(torch.einsum("nk,...nuk->...nu", table, c[..., cells[some], :, :]))
    values = torch.cat(parts, dim=-2)
    return values.unflatten(-2, x.shape[:2])
