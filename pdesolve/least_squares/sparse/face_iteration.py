"""Conjugate gradients on the face unknowns: where a direct factor of them would not fit, or would take longer.

What `condense` leaves of the normal equations is S = I - Σ_patches sideᵀ side on the face unknowns, with eigenvalues in
(0, 1]: the least energy of given values and fluxes on all faces. In three dimensions the fronts of a direct factor grow
like the square of the patches on a line, times the unknowns of a face, and their squares are stored. Here nothing is
stored but the condensed patches, once for all that are alike. The preconditioner has two levels (additive Schwarz,
Toselli & Widlund, Domain Decomposition Methods, Springer 2005, ch. 2, 4):

    B⁻¹ = Σ_faces R_fᵀ S_ff⁻¹ R_f + R₀ᵀ (R₀ S R₀ᵀ)⁻¹ R₀,

the unknowns of every face by itself, which with the condensed patches on both sides are subspaces that overlap; and on
all faces together the moments of low degree, which the direct factor of `multifrontal` takes. These moments carry what
is global: constants and slopes of values and fluxes. Bounds that do not grow with the number of patches are those of
any such pair of levels; what was seen stands in docs/scaling.md.

The iteration ends at a relative error of `ENOUGH` in energy. What is lost by rounding, and by ending there, is
restored by the refinement of `NormalEquations`, with the residuals of the rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError
from pdesolve.least_squares.sparse.condense import Batch, Condensed, condense, kinds_of
from pdesolve.least_squares.sparse.condensed_cholesky import FIRST_SHIFT, CondensedCholesky, at_smallest_shift
from pdesolve.least_squares.sparse.dissection import Faces, Front, nested_dissection
from pdesolve.least_squares.sparse.hands import ROOM
from pdesolve.least_squares.sparse.multifrontal import Eliminated, eliminate
from pdesolve.least_squares.sparse.numbering import Numbering
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.least_squares.sparse.sides import PatchRows, split
from pdesolve.least_squares.sparse.subtrees import SubtreeFactor
from pdesolve.runs.deadline import check_deadline
from pdesolve.runs.memory import available_memory
from pdesolve.runs.wording import named

# Relative error in energy of one solve: two of them leave 1e-10, and to go further each digit costs the same.
ENOUGH = 1e-5
# Far beyond what was seen, 20 to 50: what does not converge by then is no matter for this iteration
MOST_STEPS = 300
# Times `ENOUGH`, as an error where a solve ends, that is none: beside it rounding may stop it a little early.
NEARLY = 10.0
# Steps without halving the best energy, after which it is rounding that is left
PATIENCE = 40
# Degrees of moments on the second level, below which; the largest whose factor takes no more than the patches do
COARSE = (4, 3, 2, 1)
# Numbers of that factor that are no matter: 240 MB
CHEAP = 3e7
# Numbers of face blocks that are inverted at a time: 64 MB
AT_ONCE = 2**23
# Unknowns below which a direct factor takes seconds in any case
SMALL = 20_000
# Multiplications of a direct factor over those of an iteration above which it takes longer: its products of large
# matrices are so much faster than products with vectors.
CROSS_OVER = 8.0
# Steps of an iteration, in all solves of a refinement
STEPS = 150


class FaceIteration:
    """Solves with D AᵀA D + shift, D = diag(scale), to `left`, for rows A that touch one patch or two.

    Args:
        layout: columns p of the patches e.
        centres: (e, d) places of the patches.
        rows: A, in blocks; those that join patches know the degrees of their moments.
        scale: (p,) scaling of the columns.
        shift: as for `CondensedCholesky`.

    Where a solve does not converge, a direct factor takes over; none of its errors is told as one of the iteration.

    Attributes:
        direct: that factor, or None.
        steps: of the iteration so far, of all solves.

    Raises:
        SolveError: the matrix is not positive definite; A holds values that are not finite.
        OutOfMemoryError: the condensed patches would not fit.
        OutOfTimeError: a deadline passed.
    """

    def __init__(
        self,
        layout: Columns,
        centres: np.ndarray,
        rows: Sequence[RowBlocks],
        scale: Tensor,
        shift: float = FIRST_SHIFT,
    ):
        self.steps = 0
        self.direct: CondensedCholesky | None = None
        self._otherwise = partial(CondensedCholesky, layout, centres, rows, scale)
        single, double = split(rows)
        faces = Faces.of(double)
        every = np.arange(len(faces.sizes))
        numbering = Numbering.of(faces, [Front(every, every[:0], [])], len(layout.sizes))
        patch_rows = PatchRows.of(layout, scale, single, double, numbering)
        _require(patch_rows, numbering)
        made, self.shift = at_smallest_shift(
            partial(self._made, patch_rows, numbering, centres, double), shift
        )
        self.batches, self.blocks, self.coarse = made
        unknowns = int(faces.sizes.sum())
        # All faces belong to one tree, whose fronts are taken by the iteration.
        self.tree: SubtreeFactor | None = SubtreeFactor(self.batches, self, unknowns, unknowns)

    def _made(
        self,
        rows: PatchRows,
        numbering: Numbering,
        centres: np.ndarray,
        double: list[RowBlocks],
        shift: float,
    ) -> tuple[tuple[Batch, ...], FaceBlocks, Coarse] | None:
        """Condense the patches, and make both levels; None if a pivot is not positive."""
        condensed = condense(rows, numbering, shift)
        if condensed is None:
            return None
        blocks = FaceBlocks.of(condensed, numbering, shift)
        if blocks is None:
            return None
        coarse = Coarse.of(condensed, numbering, centres, [low_rows(block) for block in double], shift)
        if coarse is None:
            return None
        return condensed.batches, blocks, coarse

    @property
    def entries(self) -> int:
        """Stored numbers."""
        if self.direct is not None:
            return self.direct.entries
        local = sum(batch.lower.numel() + batch.side.numel() for batch in self.batches)
        return local + self.blocks.entries + self.coarse.factor.entries

    @property
    def left(self) -> float:
        """Relative error in energy at which a solve ends."""
        if self.direct is not None:
            return 0.0
        return ENOUGH

    def solve(self, b: Tensor) -> Tensor:
        """Solve (D AᵀA D + shift) x = b for one vector (p,), or for several (p, j), to a relative error `left`.

        Raises:
            OutOfMemoryError: the iteration does not converge, and the direct factor would not fit.
        """
        try:
            if self.tree is not None:
                reduced = self.tree.reduce(b)
                return self.tree.substitute(reduced, b.new_zeros(0, *b.shape[1:]))
        except _NotConverged:
            # There is room for one only.
            self.tree = None
            self.batches = ()
            del self.blocks, self.coarse
            self.direct = self._otherwise()
        assert self.direct is not None
        return self.direct.solve(b)

    # ---------------------------------------------------------------- the faces, as `SubtreeFactor` asks for them

    def forward(self, z: Tensor) -> None:
        """Solve S z = z for the face unknowns (n + 1,) or (n + 1, j), in place."""
        z[:-1], steps, off = conjugate_gradients(self.apply, self.precondition, z[:-1], ENOUGH)
        self.steps += steps
        if not off <= NEARLY * ENOUGH:
            raise _NotConverged

    def backward(self, z: Tensor) -> None:
        """Nothing is left to do."""

    def apply(self, v: Tensor) -> Tensor:
        """S v for face unknowns (n,) or (n, j)."""
        found = (1 + self.shift) * v
        for batch in self.batches:
            w = torch.matmul(batch.side, batch.gather(v, batch.rows))
            part = batch.spread(torch.matmul(batch.side.mT, w))
            found.index_add_(0, batch.rows.flatten(), part.reshape(-1, *v.shape[1:]), alpha=-1)
        return found

    def precondition(self, r: Tensor) -> Tensor:
        """B⁻¹ r."""
        found = self.coarse.solve(r)
        self.blocks.add(r, found)
        return found


class _NotConverged(Exception):
    """The iteration has stopped far from a solution."""


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], precondition: Callable[[Tensor], Tensor], b: Tensor, enough: float
) -> tuple[Tensor, int, float]:
    """S x = b for one vector (n,), or for several (n, j) with conjugate gradients of their own.

    Ends where the energy of the error, measured by rᵀB⁻¹r, is below `enough`² times its largest, or stagnates.

    Returns:
        x, the steps that were taken, and the relative error in energy, of the worst.
    """
    x = torch.zeros_like(b)
    r = b.clone()
    direction = torch.zeros_like(b)
    size = b.new_zeros(b.shape[1:])
    previous = torch.full_like(size, torch.inf)
    best = torch.full_like(size, torch.inf)
    idle = torch.zeros_like(size)
    alive = torch.ones_like(size, dtype=torch.bool)
    step = 0
    while True:
        check_deadline()
        z = precondition(r)
        energy = (r * z).sum(0)
        size = torch.maximum(size, energy)
        idle = torch.where(energy < 0.5 * best, 0.0, idle + 1)
        best = torch.minimum(best, energy)
        alive = alive & (energy > enough**2 * size) & (idle < PATIENCE)
        if step == MOST_STEPS or not bool(alive.any()):
            # Not `size > 0`: what is NaN has not converged, and must not pass for zero.
            off = torch.where(size == 0, 0.0, energy / size).clamp_min(0.0).sqrt()
            return x, step, float(off.max())
        step += 1
        direction = torch.where(alive, z + (energy / previous) * direction, 0.0)
        image = apply(direction)
        curvature = (direction * image).sum(0)
        alpha = torch.where(alive & (curvature > 0), energy / curvature, 0.0)
        x = x + alpha * direction
        r = r - alpha * image
        previous = torch.where(alive, energy, previous)


# ---------------------------------------------------------------- the first level: every face by itself


@dataclass(frozen=True)
class FaceBlocks:
    """Inverses of the diagonal blocks of S, one for all faces that lie between patches that are alike.

    Attributes:
        inverses: (c, m, m) for each size m of a face.
        kinds: (f,) which of them, for the faces of that size.
        rows: (f, m) unknowns of these faces.
    """

    inverses: list[Tensor]
    kinds: list[Tensor]
    rows: list[Tensor]

    @classmethod
    def of(cls, condensed: Condensed, numbering: Numbering, shift: float) -> FaceBlocks | None:
        """Of all faces; None if a pivot is not positive."""
        faces = numbering.faces
        device = condensed.batches[0].side.device
        # A side of a face: batch, factor there, and first row in the patch.
        keys = np.concatenate(
            [
                np.concatenate([condensed.place[faces.pairs[:, i]], numbering.local[:, i, None]], axis=1)
                for i in (0, 1)
            ],
            axis=1,
        )
        found = cls([], [], [])
        for m in np.unique(faces.sizes).tolist():
            mine = np.flatnonzero(faces.sizes == m)
            distinct, kind = np.unique(keys[mine], axis=0, return_inverse=True)
            if 2 * len(distinct) > len(mine):
                # Most differ: one of each face, in their order, is multiplied in one batch.
                distinct = keys[mine]
                kind = np.arange(len(mine))
            inverses = []
            for part in np.array_split(distinct, -(-len(distinct) * m**2 // AT_ONCE)):
                inverse = _inverse(condensed, part, m, shift)
                if inverse is None:
                    return None
                inverses.append(inverse)
            rows = numbering.offsets[mine][:, None] + np.arange(m)
            found.inverses.append(torch.cat(inverses))
            found.kinds.append(torch.from_numpy(kind.ravel()).to(device))
            found.rows.append(torch.from_numpy(rows).to(device))
        return found

    @property
    def entries(self) -> int:
        """Stored numbers."""
        return sum(inverse.numel() for inverse in self.inverses)

    def add(self, r: Tensor, out: Tensor) -> None:
        """Out (n,) or (n, j) += what the faces make of r, each by itself."""
        for inverses, kinds, rows in zip(self.inverses, self.kinds, self.rows, strict=True):
            part = r[rows]
            if r.ndim == 1:
                part = part[..., None]
            if len(inverses) == len(kinds):
                found = torch.bmm(inverses, part)
            else:
                found = _of_kinds(inverses, kinds, part)
            out.index_add_(0, rows.flatten(), found.reshape(-1, *r.shape[1:]))


def _of_kinds(inverses: Tensor, kinds: Tensor, part: Tensor) -> Tensor:
    """The products of (c, m, m), each for the faces of its kind, with (f, m, j)."""
    found = torch.empty_like(part)
    order = torch.argsort(kinds)
    counts = torch.bincount(kinds, minlength=len(inverses)).tolist()
    begin = 0
    for inverse, count in zip(inverses, counts, strict=True):
        mine = order[begin : begin + count]
        found[mine] = torch.matmul(inverse, part[mine])
        begin += count
    return found


def _inverse(condensed: Condensed, keys: np.ndarray, m: int, shift: float) -> Tensor | None:
    """Inverses (c, m, m) of the diagonal blocks of faces with these two sides; None if a pivot is not positive."""
    side = condensed.batches[0].side
    block = torch.diag_embed(side.new_full((len(keys), m), 1 + shift))
    for key in (keys[:, :3], keys[:, 3:]):
        for batch, start in np.unique(key[:, [0, 2]], axis=0).tolist():
            here = np.flatnonzero((key[:, 0] == batch) & (key[:, 2] == start))
            at = torch.from_numpy(key[here, 1]).to(side.device)
            rows = condensed.batches[batch].side[at, :, start : start + m]
            block[torch.from_numpy(here).to(side.device)] -= torch.bmm(rows.mT, rows)
    lower, info = torch.linalg.cholesky_ex(block)
    if bool(info.any()):
        return None
    return torch.cholesky_inverse(lower)


# ---------------------------------------------------------------- the second level: low moments on all faces


def low_rows(block: RowBlocks) -> np.ndarray:
    """Rows of a block in the order of the degrees of their moments (m, 2): row and degree; zero where none is known."""
    m = block.matrices[0].shape[1]
    if block.degrees is None:
        return np.stack([np.arange(m), np.zeros(m, dtype=np.int64)], axis=1)
    return np.stack([np.arange(m), block.degrees.numpy()], axis=1)


@dataclass(frozen=True)
class Coarse:
    """The direct factor of R₀ S R₀ᵀ, R₀ the choice of the moments of low degree on every face.

    Attributes:
        factor: of the fronts.
        chosen: (n',) face unknowns in the order of elimination.
    """

    factor: Eliminated
    chosen: Tensor

    @classmethod
    def of(
        cls,
        condensed: Condensed,
        numbering: Numbering,
        centres: np.ndarray,
        low: list[np.ndarray],
        shift: float,
    ) -> Coarse | None:
        """Of moments below the largest of the degrees `COARSE` whose factor takes no more than the patches do."""
        local = sum(batch.lower.numel() + batch.side.numel() for batch in condensed.batches)
        all_alone = sum(len(batch.patches) * batch.side[0].numel() for batch in condensed.batches)
        for degree in COARSE:
            rows = [part[part[:, 1] < degree, 0] for part in low]
            faces = _fewer(numbering.faces, rows)
            fronts = nested_dissection(centres, faces)
            if degree == COARSE[-1] or _entries(faces, fronts) <= max(local, all_alone, CHEAP):
                break
        few = Numbering.of(faces, fronts, len(centres))
        for front in fronts:
            front.border = few.sorted_by_rank(front.border)
        made = eliminate(_restricted(condensed, numbering, few, rows), few, fronts, shift)
        if made is None:
            return None
        chosen = np.empty(int(faces.sizes.sum()), dtype=np.int64)
        for block, part in enumerate(rows):
            mine = np.flatnonzero(faces.blocks == block)
            chosen[few.offsets[mine][:, None] + np.arange(len(part))] = (
                numbering.offsets[mine][:, None] + part
            )
        return cls(made[0], torch.from_numpy(chosen).to(condensed.batches[0].side.device))

    def solve(self, r: Tensor) -> Tensor:
        """R₀ᵀ (R₀ S R₀ᵀ)⁻¹ R₀ r, (n,) or (n, j)."""
        z = torch.cat([r[self.chosen], r.new_zeros(1, *r.shape[1:])])
        self.factor.forward(z)
        self.factor.backward(z)
        found = torch.zeros_like(r)
        found[self.chosen] = z[:-1]
        return found


def _fewer(faces: Faces, rows: list[np.ndarray]) -> Faces:
    """The same faces with the chosen rows of their blocks only."""
    count = np.array([len(part) for part in rows], dtype=np.int64)
    return Faces(faces.pairs, count[faces.blocks], faces.blocks)


def _entries(faces: Faces, fronts: Sequence[Front]) -> float:
    """Stored numbers of a factor."""
    own = np.array([faces.sizes[front.own].sum() for front in fronts], dtype=float)
    border = np.array([faces.sizes[front.border].sum() for front in fronts], dtype=float)
    return float((own * (own + border)).sum())


def _restricted(
    condensed: Condensed, numbering: Numbering, few: Numbering, rows: list[np.ndarray]
) -> Condensed:
    """The condensed patches with the chosen rows of their faces only."""
    batches: list[Batch] = []
    place = np.full_like(condensed.place, -1)
    sizes = numbering.faces.sizes
    blocks = numbering.faces.blocks

    def chosen_of(patch: int) -> np.ndarray:
        mine = numbering.faces_of(patch)
        starts = np.cumsum(sizes[mine]) - sizes[mine]
        parts = [start + rows[blocks[face]] for face, start in zip(mine, starts, strict=True)]
        return np.concatenate([np.arange(0), *parts])

    for batch in condensed.batches:
        own = len(batch.side) == len(batch.patches)
        patches = batch.patches if own else batch.patches[:1]
        counts = few.rows_of_patch[patches]
        for count in np.unique(counts):
            here = np.flatnonzero(counts == count)
            index = torch.from_numpy(np.stack([chosen_of(p) for p in patches[here].tolist()]))
            index = index.to(batch.side.device)[:, None].expand(-1, batch.side.shape[1], -1)
            side = batch.side[torch.from_numpy(here).to(batch.side.device)].gather(2, index)
            members = batch.patches[here] if own else batch.patches
            place[members, 0] = len(batches)
            place[members, 1] = np.arange(len(members)) % len(side)
            unknowns = torch.from_numpy(few.rows_of(members)).to(side.device)
            none = side.new_zeros(len(side), 0, 0)
            batches.append(Batch(members, batch.columns[:0], unknowns, none, side))
    return Condensed(tuple(batches), place)


# ---------------------------------------------------------------- when


def iteration_pays(
    layout: Columns, centres: np.ndarray, rows: Sequence[RowBlocks], device: torch.device, solves: int = 1
) -> bool:
    """Whether a direct factor would not fit, or would take longer than so many solves, by their multiplications.

    Only where degrees of moments are known on faces: without them there is no second level.
    """
    _, double = split(rows)
    if layout.total <= SMALL or not any(block.degrees is not None for block in double):
        return False
    faces = Faces.of(double)
    fronts = nested_dissection(centres, faces)
    own = np.array([faces.sizes[front.own].sum() for front in fronts], dtype=float)
    border = np.array([faces.sizes[front.border].sum() for front in fronts], dtype=float)
    touched = np.zeros(len(centres))
    np.add.at(touched, faces.pairs.ravel(), np.repeat(faces.sizes, 2))
    k = layout.sizes.numpy().astype(float)
    # As `CondensedCholesky` counts them: patches, leaves with their borders, fronts, and the largest of them.
    leaf = np.array([not front.children for front in fronts], dtype=bool)
    stored = float((own * (own + border) + leaf * border**2).sum() + 3 * (own + border).max() ** 2)
    stored += float((2 * k * (k + touched)).sum())
    if 8 * stored > ROOM * available_memory(device):
        return True
    once = 2 * float((layout.sizes.numpy() * touched).sum())
    direct = float((own**3 / 3 + own**2 * border + own * border**2).sum())
    return direct > CROSS_OVER * STEPS * solves * once


def _require(rows: PatchRows, numbering: Numbering) -> None:
    """Compare what the condensed patches take, once for all that are alike, with the free memory.

    Raises:
        OutOfMemoryError: they would not fit.
    """
    first = np.unique(kinds_of(rows, numbering))
    k = rows.layout.sizes.numpy().astype(float)[first]
    m = numbering.rows_of_patch.astype(float)[first]
    # Gram matrix and factor, coupling and side; a face has its block, that of a patch has half of them.
    needed = 8 * float((2 * k**2 + 2 * k * m + m**2 / 12).sum())
    available = available_memory(rows.scale.device)
    if needed > ROOM * available:
        message = (
            f"the iteration on the faces of {rows.layout.total} unknowns needs {needed / 1e9:.1f} GB, "
            f"{available / 1e9:.1f} GB are free; ask for a looser {named('tol')}"
        )
        raise OutOfMemoryError(message)
