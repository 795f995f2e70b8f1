"""Cholesky factorisation of least squares on patches: each patch condensed to its faces, the faces by multifrontal.

A row that touches two patches, B₁ c₁ + B₂ c₂ = 0, is the same in the least-squares sense as two rows with an auxiliary
unknown ν, √2 B₁ c₁ - ν/√2 = 0 and √2 B₂ c₂ + ν/√2 = 0: minimising over ν gives back |B₁ c₁ + B₂ c₂|². Each patch then
touches its own columns and the ν of its faces only, so that its columns are eliminated at once, in batches of dense
blocks, and what is left couples faces alone: in the plane 2q unknowns to a face instead of q²/2 to a patch (static
condensation, Guyan 1965; hybridisation, Cockburn, Gopalakrishnan & Lazarov 2009). Patches with the same rows, as those
inside a domain where coefficients are constant, are condensed once. The faces are eliminated over a nested dissection
of the patches (George 1973), in dense fronts (Duff & Reid 1983).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks, lower_gram, shared
from pdesolve.runs.memory import available_memory

LEAF_COLUMNS = 160  # parts with fewer columns inside are one dense front: below it, overhead outweighs flops


@dataclass
class Front:
    """One node of the elimination tree: faces eliminated here, the later faces they touch, patches that enter."""

    own: np.ndarray
    border: np.ndarray
    children: list[int]
    patches: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class Faces:
    """Couplings of two patches: face f joins pairs[f] by sizes[f] rows."""

    pairs: np.ndarray  # (f, 2)
    sizes: np.ndarray  # (f,)
    blocks: np.ndarray = field(
        default_factory=lambda: np.zeros(0, dtype=np.int64)
    )  # (f,) which block each is from


def nested_dissection(centres: np.ndarray, faces: Faces) -> list[Front]:
    """Elimination tree of the faces, children before parents.

    A part of the patches is halved at the median of its centres along the axis that cuts the fewest rows. The faces
    between the halves are eliminated after all faces inside them.

    Args:
        centres: (e, d) of the patches.
        faces: which patches are coupled.
    """
    fronts: list[Front] = []
    side = np.zeros(len(centres), dtype=np.int8)

    def build(patches: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> int:
        halves = None
        if faces.sizes[inner].sum() > LEAF_COLUMNS and len(patches) > 1:
            halves = _halve(patches, inner, centres, faces, side)
        if halves is None:
            fronts.append(Front(inner, outer, [], patches))
            return len(fronts) - 1
        side[halves[0]] = 1
        side[halves[1]] = 2
        ends = side[faces.pairs[inner]]
        outer_ends = side[faces.pairs[outer]].max(axis=1, initial=0)
        crossing = inner[ends[:, 0] != ends[:, 1]]
        side_of_inner = np.where(ends[:, 0] == ends[:, 1], ends[:, 0], 0)
        parts = []
        for k, half in enumerate(halves, start=1):
            parts.append(
                (half, inner[side_of_inner == k], np.concatenate([outer[outer_ends == k], crossing]))
            )
        side[patches] = 0
        children = [build(*part) for part in parts]
        fronts.append(Front(crossing, outer, children))
        return len(fronts) - 1

    build(np.arange(len(centres)), np.arange(len(faces.sizes)), np.empty(0, dtype=np.int64))
    return fronts


def _halve(
    patches: np.ndarray, inner: np.ndarray, centres: np.ndarray, faces: Faces, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Two halves of a part, cut at a median; None where all centres coincide."""
    best = None
    for axis in range(centres.shape[1]):
        x = centres[patches, axis]
        cut = np.partition(x, len(x) // 2)[len(x) // 2]
        low = x < cut
        if not low.any():
            low = x <= cut
        if low.all():
            continue
        side[patches] = np.where(low, 1, 2)
        ends = side[faces.pairs[inner]]
        crossing = faces.sizes[inner[ends[:, 0] != ends[:, 1]]].sum()
        balance = low.mean()
        cost = crossing / max(min(balance, 1 - balance), 1e-3)
        if best is None or cost < best[0]:
            best = (cost, patches[low], patches[~low])
    side[patches] = 0
    if best is None:
        return None
    return best[1:]


POOR = 1e-4  # singular value, of columns of norm one, below which a Gram matrix has lost half of the digits


def _smallest(lower: Tensor) -> Tensor:
    """Smallest eigenvalue of L Lᵀ (b,), by three steps of inverse iteration."""
    x = torch.ones_like(lower[..., :1])
    for _ in range(3):
        x = torch.cholesky_solve(x / x.norm(dim=1, keepdim=True), lower)
    return 1 / x.norm(dim=1)[:, 0]


@dataclass(frozen=True)
class _Batch:
    """Patches with equal numbers of columns k and face rows m, condensed together: c = b factors, or one for all."""

    patches: np.ndarray  # (b,)
    columns: Tensor  # (b, k)
    rows: Tensor  # (b, m) face unknowns
    lower: Tensor  # (c, k, k) Cholesky factors
    side: Tensor  # (c, k, m) L⁻¹ Cᵀ

    def gather(self, b: Tensor, index: Tensor) -> Tensor:
        """Entries (b, n) of vectors (p,) or (p, j) as right-hand sides (c, n, ·) of the factors."""
        part = _columns(b[index], 2)
        if len(self.lower) == len(self.patches):
            return part
        return part.transpose(0, 1).flatten(1)[None]

    def spread(self, part: Tensor) -> Tensor:
        """The reverse, (b, n, j)."""
        if len(self.lower) == len(self.patches):
            return part
        b = len(self.patches)
        return part.view(part.shape[1], b, part.shape[2] // b).transpose(0, 1)


class CondensedCholesky:
    """Factorisation of D AᵀA D + shift, D = diag(scale), for rows A that touch one patch or two.

    Args:
        layout: columns p of the patches e.
        centres: (e, d) places of the patches, for the dissection.
        rows: A, in blocks.
        scale: (p,) scaling of the columns.
        shift: added to the diagonal; multiplied by 100 until the factorisation exists.

    Raises:
        SolveError: the matrix is not positive definite; A holds values that are not finite.
        OutOfMemoryError: the factor would not fit.
    """

    def __init__(
        self,
        layout: Columns,
        centres: np.ndarray,
        rows: Sequence[RowBlocks],
        scale: Tensor,
        shift: float = 1e-14,
    ):
        self.layout = layout
        self.scale = scale
        rows = [part for block in rows for part in block.merged()]
        single = [block for block in rows if len(block.groups) == 1]
        double = [block for block in rows if len(block.groups) == 2]
        self.faces = _faces_of(double)
        self.fronts = nested_dissection(centres, self.faces)
        self._order_faces()
        self._require_memory()
        while not self._factorise(single, double, shift):
            shift *= 100
            if shift > 1e-4:
                message = (
                    "the normal equations are not positive definite; the residual may hold non-finite values"
                )
                raise SolveError(message)
        self.shift = shift

    def resembles(self, layout: Columns, rows: Sequence[RowBlocks]) -> bool:
        """Whether rows touch the same columns in the same faces as those of this factor."""
        if not torch.equal(layout.sizes, self.layout.sizes):
            return False
        double = [part for block in rows for part in block.merged() if len(part.groups) == 2]
        faces = _faces_of(double)
        return np.array_equal(faces.pairs, self.faces.pairs) and np.array_equal(faces.sizes, self.faces.sizes)

    # ---------------------------------------------------------------- layout

    def _order_faces(self) -> None:
        """Number the face unknowns in the order of their elimination, in which all borders are sorted."""
        count = len(self.faces.sizes)
        if self.fronts:
            order = np.concatenate([front.own for front in self.fronts])
        else:
            order = np.arange(count)
        self.rank = np.empty(count, dtype=np.int64)
        self.rank[order] = np.arange(count)
        self.offsets = np.empty(count, dtype=np.int64)
        self.offsets[order] = np.cumsum(self.faces.sizes[order]) - self.faces.sizes[order]
        for front in self.fronts:
            front.border = front.border[np.argsort(self.rank[front.border], kind="stable")]
        # Incidences (patch, face, side), sorted by patch and there by side and block: alike in patches that are alike.
        patch = self.faces.pairs.ravel()
        face = np.repeat(np.arange(count), 2)
        order = np.lexsort((np.tile([0, 1], count), self.faces.blocks[face], patch))
        self.face_of = face[order]
        self.first = np.searchsorted(patch[order], np.arange(len(self.layout.sizes) + 1))
        size = self.faces.sizes[self.face_of]
        running = np.cumsum(size) - size
        if len(size):
            begin = running[np.minimum(self.first[:-1], max(len(size) - 1, 0))]
        else:
            begin = running
        if len(size):
            local = running - np.repeat(begin, np.diff(self.first))
        else:
            local = running
        self.local = np.empty(2 * count, dtype=np.int64)  # start of a face among the rows of its patch
        self.local[order] = local
        self.local = self.local.reshape(count, 2)
        self.rows_of_patch = np.zeros(len(self.layout.sizes), dtype=np.int64)
        np.add.at(self.rows_of_patch, patch, np.repeat(self.faces.sizes, 2))

    def _require_memory(self) -> None:
        """Count the numbers of the factor, of what it is made from, and of the largest fronts before any is formed.

        Raises:
            OutOfMemoryError: they would not fit.
        """
        k = self.layout.sizes.numpy().astype(float)
        m = self.rows_of_patch.astype(float)
        own = np.array([self.faces.sizes[f.own].sum() for f in self.fronts], dtype=float)
        border = np.array([self.faces.sizes[f.border].sum() for f in self.fronts], dtype=float)
        needed = 8 * (k @ (2 * k + 2 * m) + own @ (own + border) + 3 * (own + border).max(initial=0) ** 2)
        available = available_memory(self.scale.device)
        if needed > 0.8 * available:
            message = (
                f"the factorisation of {self.layout.total} unknowns needs {needed / 1e9:.1f} GB, "
                f"{available / 1e9:.1f} GB are free; ask for a looser --tol"
            )
            raise OutOfMemoryError(message)

    # ---------------------------------------------------------------- factorisation

    def _factorise(self, single: list[RowBlocks], double: list[RowBlocks], shift: float) -> bool:
        """Condense all patches, then eliminate the faces; False if a pivot is not positive."""
        self.batches: list[_Batch] = []
        kind = self._kinds(single, double)
        first, count = np.unique(kind, return_counts=True)
        place = np.full((len(kind), 2), -1)
        key = np.stack([self.layout.sizes.numpy(), self.rows_of_patch], axis=1)[first]
        shapes, shape = np.unique(key, axis=0, return_inverse=True)
        members = [first[shape.ravel() == i] for i in range(len(shapes))]
        for i, mine in enumerate(members):
            place[mine] = np.stack([np.full(len(mine), i), np.arange(len(mine))], axis=1)
        new = self.scale.new_zeros
        grams = [new(len(mine), k, k) for mine, (k, _) in zip(members, shapes.tolist(), strict=True)]
        sides = [new(len(mine), m, k) for mine, (k, m) in zip(members, shapes.tolist(), strict=True)]
        for block in single:
            self._add_gram(grams, place, block, 0, 1.0)
        face = 0
        for block in double:
            b, m = block.matrices[0].shape[:2]
            for s, sign in ((0, -1.0), (1, 1.0)):
                self._add_gram(grams, place, block, s, 2.0)
                groups = block.groups[s].numpy()
                for i in np.unique(place[groups, 0]):
                    if i < 0:
                        continue
                    here = np.flatnonzero(place[groups, 0] == i)
                    chosen = torch.from_numpy(here).to(self.scale.device)
                    scaled = (
                        block.matrices[s][chosen] * (sign * self.scale[block.columns[s][chosen]])[:, None, :]
                    )
                    at = torch.from_numpy(place[groups[here], 1]).to(scaled.device)
                    start = self.local[face : face + b, s][here]
                    row = torch.from_numpy(start[:, None] + np.arange(m)).to(scaled.device)
                    sides[i][at[:, None], row] = scaled
            face += b
        several = np.zeros(len(kind), dtype=bool)
        several[first] = count > 1
        for i, mine in enumerate(members):
            gram = grams[i]
            scale = self.scale[self.layout.of(torch.from_numpy(mine)).to(self.scale.device)]
            gram.mul_(scale[:, :, None]).mul_(scale[:, None, :])
            gram.diagonal(dim1=1, dim2=2).add_(shift)
            lower, info = torch.linalg.cholesky_ex(gram)
            if bool(info.any()) or not bool(torch.isfinite(lower.diagonal(dim1=1, dim2=2)).all()):
                return False
            lower = self._improved(lower, mine, single, double)
            side = torch.linalg.solve_triangular(lower, sides[i].mT, upper=False)
            grams[i] = sides[i] = new(0)
            alone = np.flatnonzero(~several[mine])
            if len(alone):
                groups = [(mine[alone], alone)]
            else:
                groups = []
            groups += [(np.flatnonzero(kind == mine[j]), [j]) for j in np.flatnonzero(several[mine])]
            for patches, factors in groups:
                place[patches, 0] = len(self.batches)
                if len(factors) == len(patches):
                    place[patches, 1] = np.arange(len(patches))
                else:
                    place[patches, 1] = 0
                columns = self.layout.of(torch.from_numpy(patches)).to(lower.device)
                rows = torch.from_numpy(self._rows_of(patches)).to(lower.device)
                if len(factors) == len(mine):
                    own = slice(None)
                else:
                    own = factors
                self.batches.append(_Batch(patches, columns, rows, lower[own], side[own]))
        self.place = place
        return self._eliminate_faces(shift)

    def _kinds(self, single: list[RowBlocks], double: list[RowBlocks]) -> np.ndarray:
        """Per patch (e,) the first one that has the same rows in the same places, and columns of the same scale."""
        sides = [(block, 0, 0) for block in single]
        face = 0
        for block in double:
            sides += [(block, 0, face), (block, 1, face)]
            face += len(block.groups[0])
        signature = np.zeros((len(self.layout.sizes), len(sides) + 3), dtype=np.int64)
        columns: dict[
            tuple, int
        ] = {}  # which blocks have the same matrix, such as those of other batches of cells
        for j, (block, s, begin) in enumerate(sides):
            groups = block.groups[s].numpy()
            b = len(block.groups[s])
            matrix = block.matrices[s]
            if (b == 1 or shared(matrix)) and len(np.unique(groups)) == b:
                if len(block.groups) == 2:
                    start = self.local[begin : begin + b, s]
                else:
                    start = np.zeros(b, dtype=int)
                column = columns.setdefault((len(block.groups), s, *_fingerprint(matrix[0])), j)
                if signature[groups, column].any():
                    column = j
                signature[groups, column] = start + 1
            else:
                signature[groups, j] = -1 - np.arange(b)
        signature[:, -3] = self.layout.sizes.numpy()
        signature[:, -2] = self.rows_of_patch
        ends = torch.cumsum(self.layout.sizes, 0)
        sums = torch.cat([self.scale.new_zeros(1), torch.cumsum(self.scale, 0)])
        mean = (sums[ends] - sums[ends - self.layout.sizes]) / self.layout.sizes.to(sums)
        signature[:, -1] = np.rint((1e8 * mean / mean.max().clamp_min(1e-300)).cpu().numpy())
        _, index, inverse = np.unique(signature, axis=0, return_index=True, return_inverse=True)
        return index[inverse.ravel()]

    def _add_gram(
        self, grams: list[Tensor], place: np.ndarray, block: RowBlocks, side: int, weight: float
    ) -> None:
        """Add the Gram matrices of one side of a block to those of its patches that have a place."""
        groups = block.groups[side].numpy()
        kinds = place[groups, 0]
        if not (kinds >= 0).any():
            return
        if (kinds < 0).any():
            block = block.some(torch.from_numpy(kinds >= 0))
            groups = groups[kinds >= 0]
            kinds = kinds[kinds >= 0]
        part = block.gram(side)
        for i in np.unique(kinds):
            here = np.flatnonzero(kinds == i)
            at = torch.from_numpy(place[groups[here], 1]).to(part.device)
            of = torch.from_numpy(here).to(part.device)
            if len(here) == len(groups):
                chosen = part
            else:
                if shared(part):
                    chosen = part[:1].expand(len(of), -1, -1)
                else:
                    chosen = part[of]
            grams[i].index_add_(0, at, chosen, alpha=weight)

    def _improved(
        self,
        lower: Tensor,
        patches: np.ndarray,
        single: list[RowBlocks],
        double: list[RowBlocks],
    ) -> Tensor:
        """Cholesky factors L (b, k, k) of the Gram matrices of patches, as accurate as if made from their rows A.

        On a cell that the boundary cuts, A may have a condition number κ of 1e7, and its Gram matrix knows nothing
        below κ² ε. With a second factorisation (A L⁻ᵀ)ᵀ A L⁻ᵀ = L₂ L₂ᵀ of well conditioned rows, L L₂ has an error
        of κ ε as from Householder's method (shifted Cholesky QR: Fukaya et al., SIAM J. Sci. Comput. 42, 2020).
        """
        poor = np.flatnonzero((_smallest(lower) < POOR**2).cpu().numpy())
        if not len(poor):
            return lower
        number = np.full(len(self.layout.sizes), -1)
        number[patches[poor]] = np.arange(len(poor))
        first = lower[torch.from_numpy(poor).to(lower.device)]
        gram = torch.zeros_like(first)
        sides = [(block, 0, 1.0) for block in single] + [(block, s, 2.0) for block in double for s in (0, 1)]
        for block, s, weight in sides:
            mine = number[block.groups[s].numpy()]
            here = np.flatnonzero(mine >= 0)
            if not len(here):
                continue
            at, of = (torch.from_numpy(a).to(lower.device) for a in (mine[here], here))
            scaled = block.matrices[s][of] * self.scale[block.columns[s][of]][:, None, :]
            rows = torch.linalg.solve_triangular(first[at].mT, scaled, upper=True, left=False)
            gram.index_add_(0, at, torch.bmm(rows.mT, rows), alpha=weight)
        second, info = torch.linalg.cholesky_ex(gram)
        if not bool(info.any()):
            lower[torch.from_numpy(poor).to(lower.device)] = first @ second
        return lower

    def _rows_of(self, patches: np.ndarray) -> np.ndarray:
        """Face unknowns (b, m) of patches that have equally many."""
        found = [
            np.concatenate(
                [np.empty(0, dtype=np.int64)]
                + [
                    np.arange(self.offsets[f], self.offsets[f] + self.faces.sizes[f])
                    for f in self.face_of[self.first[p] : self.first[p + 1]].tolist()
                ]
            )
            for p in patches.tolist()
        ]
        return np.stack(found)

    def _eliminate_faces(self, shift: float) -> bool:
        updates: dict[int, Tensor] = {}
        self.factors: list[tuple[Tensor, Tensor, int, int, Tensor]] = []
        sizes = self.faces.sizes
        largest = max((int(sizes[f.own].sum() + sizes[f.border].sum()) for f in self.fronts), default=0)
        workspace = self.scale.new_empty(largest**2)
        local = np.zeros(len(sizes), dtype=np.int64)  # start of each face in the front at hand
        common: dict[int, Tensor] = {}  # what the patches of a batch with one factor contribute
        for position, front in enumerate(self.fronts):
            faces = np.concatenate([front.own, front.border])
            start = np.concatenate([[0], np.cumsum(sizes[faces])])
            n = int(start[-1])
            k = int(sizes[front.own].sum())
            local[faces] = start[:-1]
            matrix = workspace[: n**2].view(n, n).zero_()
            matrix.diagonal()[:k] += 1 + shift
            for p in front.patches.tolist():
                i, at = self.place[p]
                mine = self.face_of[self.first[p] : self.first[p + 1]]
                order = np.argsort(self.rank[mine], kind="stable")
                place = _ranges((np.cumsum(sizes[mine]) - sizes[mine])[order], sizes[mine][order])
                place = place.to(matrix.device)
                side = self.batches[i].side[at]
                if len(self.batches[i].patches) > len(self.batches[i].side):
                    if i not in common:
                        common[i] = side.mT @ side
                    product = common[i][place[:, None], place]
                else:
                    product = lower_gram(side[None, :, place])[0]
                _extend_add(matrix, product, local[mine[order]], sizes[mine[order]], -1)
            for child in front.children:
                if (update := updates.pop(child, None)) is not None:
                    border = self.fronts[child].border
                    _extend_add(matrix, update, local[border], sizes[border], 1)
            lower, info = torch.linalg.cholesky_ex(matrix[:k, :k])
            if k and (int(info) or not bool(torch.isfinite(lower.diagonal()).all())):
                return False
            side = matrix[k:, :k]
            if len(front.border):
                side = torch.linalg.solve_triangular(lower, side.mT, upper=False).mT
                updates[position] = _lower_update(matrix[k:, k:], side)
            if k:
                begin = int(self.offsets[front.own].min())
            else:
                begin = 0
            border = _ranges(self.offsets[front.border], sizes[front.border])
            self.factors.append((lower, side, begin, begin + k, border.to(lower.device)))
        return True

    @property
    def entries(self) -> int:
        """Stored numbers in the factor."""
        local = sum(batch.lower.numel() + batch.side.numel() for batch in self.batches)
        return local + sum(lower.numel() + side.numel() for lower, side, *_ in self.factors)

    def solve(self, b: Tensor) -> Tensor:
        """Solve (D AᵀA D + shift) x = b for one vector (p,), or for several (p, j)."""
        z = b.new_zeros(int(self.faces.sizes.sum()), *b.shape[1:])
        reduced = []
        for batch in self.batches:
            w = torch.linalg.solve_triangular(batch.lower, batch.gather(b, batch.columns), upper=False)
            reduced.append(w)
            update = batch.spread(torch.bmm(batch.side.mT, w))
            z.index_add_(0, batch.rows.flatten(), update.reshape(-1, *b.shape[1:]), alpha=-1)
        self._solve_faces(z)
        x = torch.empty_like(b)
        for batch, w in zip(self.batches, reduced, strict=True):
            rest = w - torch.bmm(batch.side, batch.gather(z, batch.rows))
            part = batch.spread(torch.linalg.solve_triangular(batch.lower.mT, rest, upper=True))
            x[batch.columns] = part.reshape(*batch.columns.shape, *b.shape[1:])
        return x

    def _solve_faces(self, z: Tensor) -> None:
        """Solve for the face unknowns (n,) or (n, j), in place."""
        for lower, side, begin, end, border in self.factors:
            if end > begin:
                y = torch.linalg.solve_triangular(lower, _columns(z[begin:end], 1), upper=False)
                z[begin:end] = y = y.view_as(z[begin:end])
                if len(border):
                    z.index_add_(0, border, side @ y, alpha=-1)
        for lower, side, begin, end, border in reversed(self.factors):
            if end > begin:
                y = z[begin:end]
                if len(border):
                    y = y - side.mT @ z[border]
                y = torch.linalg.solve_triangular(lower.mT, _columns(y, 1), upper=True)
                z[begin:end] = y.view_as(z[begin:end])


def _fingerprint(matrix: Tensor) -> tuple[int, ...]:
    """Numbers that equal matrices (m, k) have in common, and others do not."""
    m, k = matrix.shape
    left, right = (torch.cos(torch.arange(n, dtype=matrix.dtype, device=matrix.device)) for n in (m, k))
    size = float(matrix.norm())
    if not 0 < size < math.inf:
        return m, k, -1
    return m, k, round(1e9 * math.log(size)), round(1e9 * float(left @ matrix @ right) / size)


def _columns(b: Tensor, ndim: int) -> Tensor:
    """A vector of `ndim` axes as one column; columns as they are."""
    if b.ndim == ndim:
        return b[..., None]
    return b


def _faces_of(double: Sequence[RowBlocks]) -> Faces:
    """One face for every block of rows that touches two patches."""
    pairs = [np.stack([block.groups[0].numpy(), block.groups[1].numpy()], axis=1) for block in double]
    sizes = [np.full(len(block.groups[0]), block.matrices[0].shape[1]) for block in double]
    if not double:
        return Faces(np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64))
    blocks = np.repeat(np.arange(len(double)), [len(block.groups[0]) for block in double])
    return Faces(np.concatenate(pairs), np.concatenate(sizes).astype(np.int64), blocks)


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> Tensor:
    """Concatenated start … start + size - 1."""
    total = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return torch.from_numpy(total + np.arange(int(sizes.sum())))


def _extend_add(matrix: Tensor, update: Tensor, here: np.ndarray, size: np.ndarray, sign: int) -> None:
    """Add an update into its places, lower triangle only: runs of neighbouring faces move as dense slices."""
    if not len(here):
        return
    there = np.cumsum(size) - size
    first = np.flatnonzero(np.r_[True, here[1:] != here[:-1] + size[:-1]])
    last = np.r_[first[1:], len(here)] - 1
    runs = list(
        zip(
            here[first].tolist(),
            there[first].tolist(),
            (there[last] + size[last] - there[first]).tolist(),
            strict=True,
        )
    )
    for n, (a, i, height) in enumerate(runs):
        for b, j, width in runs[: n + 1]:
            matrix[a : a + height, b : b + width].add_(update[i : i + height, j : j + width], alpha=sign)


def _lower_update(matrix: Tensor, side: Tensor) -> Tensor:
    """Lower triangle of matrix - side sideᵀ; panels spare nearly half of the flops of a full product."""
    n = len(matrix)
    update = torch.empty_like(matrix, memory_format=torch.contiguous_format)
    panel = max(256, -(-n // 8))
    for a in range(0, n, panel):
        b = min(a + panel, n)
        torch.addmm(matrix[a:, a:b], side[a:], side[a:b].mT, alpha=-1, out=update[a:, a:b])
    return update
