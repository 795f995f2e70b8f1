"""Static condensation: the columns of every patch eliminated, in batches of dense blocks.

A row that touches two patches, B₁ c₁ + B₂ c₂ = 0, is the same in the least-squares sense as two rows with an auxiliary
unknown ν, √2 B₁ c₁ - ν/√2 = 0 and √2 B₂ c₂ + ν/√2 = 0: minimising over ν gives back |B₁ c₁ + B₂ c₂|². Each patch then
touches its own columns and the ν of its faces only (static condensation, Guyan 1965; hybridisation, Cockburn,
Gopalakrishnan & Lazarov 2009). Patches with the same rows, as those inside a domain where coefficients are constant,
are condensed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.numbering import Numbering
from pdesolve.least_squares.sparse.row_blocks import shared
from pdesolve.least_squares.sparse.sides import PatchRows, Side
from pdesolve.runs.deadline import check_deadline

# Singular value, of columns of norm one, below which a Gram matrix has lost half of the digits
POOR = 1e-4
# Column scales that agree to so many digits are those of patches that are alike: they come from the same matrices, and
# differ by the rounding of their sums only.
SCALE_DIGITS = 1e8


@dataclass(frozen=True)
class Batch:
    """Patches with equal numbers of columns k and face rows m, condensed together: c = b factors, or one for all."""

    patches: np.ndarray  # (b,)
    columns: Tensor  # (b, k)
    rows: Tensor  # (b, m) face unknowns
    lower: Tensor  # (c, k, k) Cholesky factors
    side: Tensor  # (c, k, m) L⁻¹ Cᵀ

    def gather(self, b: Tensor, index: Tensor) -> Tensor:
        """Entries (b, n) of vectors (p,) or (p, j) as right-hand sides (c, n, ·) of the factors."""
        part = as_columns(b[index], 2)
        if len(self.lower) == len(self.patches):
            return part
        return part.transpose(0, 1).flatten(1)[None]

    def spread(self, part: Tensor) -> Tensor:
        """The reverse, (b, n, j)."""
        if len(self.lower) == len(self.patches):
            return part
        b = len(self.patches)
        return part.view(part.shape[1], b, part.shape[2] // b).transpose(0, 1)


@dataclass(frozen=True)
class Condensed:
    """All patches, condensed.

    Attributes:
        batches: patches of the same shape together.
        place: (e, 2) batch of each patch, and the number of its factor there.
    """

    batches: tuple[Batch, ...]
    place: np.ndarray


def condense(rows: PatchRows, numbering: Numbering, shift: float) -> Condensed | None:
    """Eliminate the columns of all patches, `shift` added to the diagonals; None if a pivot is not positive."""
    kind = kinds_of(rows, numbering)
    first, count = np.unique(kind, return_counts=True)
    repeated = np.zeros(len(kind), dtype=bool)
    repeated[first] = count > 1
    members = _of_equal_shape(first, rows, numbering)
    place = np.full((len(kind), 2), -1)
    for i, mine in enumerate(members):
        place[mine] = np.stack([np.full(len(mine), i), np.arange(len(mine))], axis=1)
    grams = _gram_matrices(rows, members, place)
    batches: list[Batch] = []
    for i, mine in enumerate(members):
        check_deadline()
        lower = _factor(grams[i], mine, rows, shift)
        if lower is None:
            return None
        # Those of one shape at a time: all of them together are as large as the factor.
        side = torch.linalg.solve_triangular(lower, _couplings(rows, numbering, mine).mT, upper=False)
        grams[i] = rows.scale.new_zeros(0)
        for patches, factors in _alike(kind, mine, repeated):
            place[patches, 0] = len(batches)
            # One factor for all, or one for each
            place[patches, 1] = np.arange(len(patches)) % len(factors)
            columns = rows.layout.of(torch.from_numpy(patches)).to(lower.device)
            unknowns = torch.from_numpy(numbering.rows_of(patches)).to(lower.device)
            own: slice | np.ndarray = factors
            if len(factors) == len(mine):
                own = slice(None)  # a view in place of a copy
            batches.append(Batch(patches, columns, unknowns, lower[own], side[own]))
    return Condensed(tuple(batches), place)


# ---------------------------------------------------------------- patches that are alike


def kinds_of(rows: PatchRows, numbering: Numbering) -> np.ndarray:
    """Per patch (e,) the first one that has the same rows in the same places, and columns of the same scale."""
    sides = rows.sides
    signature = np.zeros((len(rows.layout.sizes), len(sides) + 3), dtype=np.int64)
    # Which blocks have the same matrix, such as those of other batches of cells.
    columns: dict[tuple, int] = {}
    for j, side in enumerate(sides):
        patches = side.patches
        b = len(patches)
        # A patch that a block touches twice sums two of its matrices, and is like no other.
        if (b == 1 or shared(side.matrix)) and len(np.unique(patches)) == b:
            column = columns.setdefault((side.weight, side.number, *_fingerprint(side.matrix[0])), j)
            # That matrix was seen at the same patches already: twice the same rows are not once.
            if signature[patches, column].any():
                column = j
            signature[patches, column] = side.starts + 1
        else:
            signature[patches, j] = -1 - np.arange(b)
    signature[:, -3] = rows.layout.sizes.numpy()
    signature[:, -2] = numbering.rows_of_patch
    signature[:, -1] = _mean_scales(rows)
    _, index, inverse = np.unique(signature, axis=0, return_index=True, return_inverse=True)
    return index[inverse.ravel()]


def _mean_scales(rows: PatchRows) -> np.ndarray:
    """Mean scale of the columns of each patch (e,), as a whole number."""
    ends = torch.cumsum(rows.layout.sizes, 0)
    sums = torch.cat([rows.scale.new_zeros(1), torch.cumsum(rows.scale, 0)])
    mean = (sums[ends] - sums[ends - rows.layout.sizes]) / rows.layout.sizes.to(sums)
    return np.rint((SCALE_DIGITS * mean / mean.max().clamp_min(1e-300)).cpu().numpy())


def _fingerprint(matrix: Tensor) -> tuple[int, ...]:
    """Numbers that equal matrices (m, k) have in common, and others do not."""
    m, k = matrix.shape
    left, right = (torch.cos(torch.arange(n, dtype=matrix.dtype, device=matrix.device)) for n in (m, k))
    size = float(matrix.norm())
    if not 0 < size < math.inf:
        return m, k, -1
    return m, k, round(1e9 * math.log(size)), round(1e9 * float(left @ matrix @ right) / size)


def _of_equal_shape(first: np.ndarray, rows: PatchRows, numbering: Numbering) -> list[np.ndarray]:
    """The patches that stand for their kind, by numbers of columns and of face rows."""
    shape = np.stack([rows.layout.sizes.numpy(), numbering.rows_of_patch], axis=1)[first]
    shapes, number = np.unique(shape, axis=0, return_inverse=True)
    return [first[number.ravel() == i] for i in range(len(shapes))]


def _alike(
    kind: np.ndarray, members: np.ndarray, repeated: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Patches with the factors that serve them: those that are alone of their kind together, the others by kind."""
    alone = np.flatnonzero(~repeated[members])
    if len(alone):
        yield members[alone], alone
    for j in np.flatnonzero(repeated[members]):
        yield np.flatnonzero(kind == members[j]), np.array([j])


# ---------------------------------------------------------------- their matrices


def _gram_matrices(rows: PatchRows, members: list[np.ndarray], place: np.ndarray) -> list[Tensor]:
    """AᵀA of the patches that have a place: (b, k, k) for each shape."""
    sizes = rows.layout.sizes
    grams = []
    for mine in members:
        k = int(sizes[mine[0]])
        grams.append(rows.scale.new_zeros(len(mine), k, k))
    for side in rows.sides:
        check_deadline()
        _add_gram(grams, place, side)
    return grams


def _add_gram(grams: list[Tensor], place: np.ndarray, side: Side) -> None:
    """Add the Gram matrices of one side of a block to those of its patches that have a place."""
    patches = side.patches
    known = place[patches, 0] >= 0
    if not known.any():
        return
    part = side.gram(np.flatnonzero(known))
    patches = patches[known]
    kinds = place[patches, 0]
    for i in np.unique(kinds):
        here = np.flatnonzero(kinds == i)
        at = torch.from_numpy(place[patches[here], 1]).to(part.device)
        grams[i].index_add_(0, at, _some(part, here), alpha=side.weight)


def _some(part: Tensor, here: np.ndarray) -> Tensor:
    """The matrices of some numbers, of (b, k, k); without a copy where they are all of them, or one."""
    if len(here) == len(part):
        return part
    if shared(part):
        return part[:1].expand(len(here), -1, -1)
    return part[torch.from_numpy(here).to(part.device)]


def _couplings(rows: PatchRows, numbering: Numbering, patches: np.ndarray) -> Tensor:
    """Rows of the faces of patches of one shape: ∓B D (b, m, k)."""
    scale = rows.scale
    sizes = rows.layout.sizes
    found = scale.new_zeros(len(patches), int(numbering.rows_of_patch[patches[0]]), int(sizes[patches[0]]))
    number = np.full(len(sizes), -1)
    number[patches] = np.arange(len(patches))
    signed = (-scale, scale)
    for side in rows.sides:
        if not side.joins:
            continue
        m = side.matrix.shape[1]
        mine = number[side.patches]
        here = np.flatnonzero(mine >= 0)
        if not len(here):
            continue
        scaled = side.scaled(torch.from_numpy(here).to(scale.device), signed[side.number])
        at = torch.from_numpy(mine[here]).to(scaled.device)
        row = torch.from_numpy(side.starts[here][:, None] + np.arange(m)).to(scaled.device)
        found[at[:, None], row] = scaled
    return found


def _factor(gram: Tensor, patches: np.ndarray, rows: PatchRows, shift: float) -> Tensor | None:
    """Cholesky factors (b, k, k) of D (AᵀA) D + shift; None if a pivot is not positive."""
    scale = rows.scale[rows.layout.of(torch.from_numpy(patches)).to(rows.scale.device)]
    gram.mul_(scale[:, :, None]).mul_(scale[:, None, :])
    gram.diagonal(dim1=1, dim2=2).add_(shift)
    lower, info = torch.linalg.cholesky_ex(gram)
    if bool(info.any()) or not bool(torch.isfinite(lower.diagonal(dim1=1, dim2=2)).all()):
        return None
    return _improved(lower, patches, rows)


def _improved(lower: Tensor, patches: np.ndarray, rows: PatchRows) -> Tensor:
    """Cholesky factors L (b, k, k) of the Gram matrices of patches, as accurate as if made from their rows A.

    On a cell that the boundary cuts, A may have a condition number κ of 1e7, and its Gram matrix knows nothing
    below κ² ε. With a second factorisation (A L⁻ᵀ)ᵀ A L⁻ᵀ = L₂ L₂ᵀ of well conditioned rows, L L₂ has an error
    of κ ε as from Householder's method (shifted Cholesky QR: Fukaya et al., SIAM J. Sci. Comput. 42, 2020).
    """
    poor = np.flatnonzero((_smallest(lower) < POOR**2).cpu().numpy())
    if not len(poor):
        return lower
    number = np.full(len(rows.layout.sizes), -1)
    number[patches[poor]] = np.arange(len(poor))
    first = lower[torch.from_numpy(poor).to(lower.device)]
    gram = torch.zeros_like(first)
    for side in rows.sides:
        mine = number[side.patches]
        here = np.flatnonzero(mine >= 0)
        if not len(here):
            continue
        at = torch.from_numpy(mine[here]).to(lower.device)
        scaled = side.scaled(torch.from_numpy(here).to(lower.device), rows.scale)
        whitened = torch.linalg.solve_triangular(first[at].mT, scaled, upper=True, left=False)
        gram.index_add_(0, at, torch.bmm(whitened.mT, whitened), alpha=side.weight)
    # Where even these rows are dependent, the first factor is what there is.
    second, info = torch.linalg.cholesky_ex(gram)
    if not bool(info.any()):
        lower[torch.from_numpy(poor).to(lower.device)] = first @ second
    return lower


def _smallest(lower: Tensor) -> Tensor:
    """Smallest eigenvalue of L Lᵀ (b,), by three steps of inverse iteration."""
    x = torch.ones_like(lower[..., :1])
    # Three steps give the order of magnitude, which is all that is asked.
    for _ in range(3):
        x = torch.cholesky_solve(x / x.norm(dim=1, keepdim=True), lower)
    return 1 / x.norm(dim=1)[:, 0]


def as_columns(b: Tensor, ndim: int) -> Tensor:
    """A vector of `ndim` axes as one column; columns as they are."""
    if b.ndim == ndim:
        return b[..., None]
    return b
