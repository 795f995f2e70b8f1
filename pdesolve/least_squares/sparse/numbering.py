"""Numbers of the face unknowns: in the order of their elimination, and among the rows of a patch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.dissection import Faces, Front


@dataclass(frozen=True)
class Numbering:
    """Face unknowns as the elimination and as the patches see them.

    An incidence is a patch with one of its faces, on one side of it. Incidences are sorted by patch and there by side
    and block, so that they are alike in patches that are alike.

    Attributes:
        faces: the faces.
        rank: (f,) place of a face in the order of elimination, in which all borders are sorted.
        offsets: (f,) first unknown of a face in that order.
        face_of: (2f,) the face of every incidence.
        first: (e + 1,) first incidence of a patch.
        local: (f, 2) start of a face among the rows of the patch on either side.
        rows_of_patch: (e,) face unknowns of a patch.
    """

    faces: Faces
    rank: np.ndarray
    offsets: np.ndarray
    face_of: np.ndarray
    first: np.ndarray
    local: np.ndarray
    rows_of_patch: np.ndarray

    @classmethod
    def of(cls, faces: Faces, fronts: Sequence[Front], patches: int) -> Numbering:
        """Number the unknowns of the faces of so many patches, which are eliminated in the order of the fronts."""
        count = len(faces.sizes)
        order = np.concatenate([np.arange(0), *(front.own for front in fronts)])
        rank = np.empty(count, dtype=np.int64)
        rank[order] = np.arange(count)
        offsets = np.empty(count, dtype=np.int64)
        offsets[order] = np.cumsum(faces.sizes[order]) - faces.sizes[order]
        patch = faces.pairs.ravel()
        face = np.repeat(np.arange(count), 2)
        order = np.lexsort((np.tile([0, 1], count), faces.blocks[face], patch))
        face_of = face[order]
        first = np.searchsorted(patch[order], np.arange(patches + 1))
        local = np.empty(2 * count, dtype=np.int64)
        local[order] = _starts_within(faces.sizes[face_of], first)
        rows_of_patch = np.zeros(patches, dtype=np.int64)
        np.add.at(rows_of_patch, patch, np.repeat(faces.sizes, 2))
        return cls(faces, rank, offsets, face_of, first, local.reshape(count, 2), rows_of_patch)

    def within(self, patches: np.ndarray, faces: np.ndarray, number: np.ndarray) -> Numbering:
        """The unknowns as some patches, ascending, and their faces, in the order of elimination, have them.

        Args:
            patches: (e',) the patches.
            faces: (f',) all their faces.
            number: (f,) of each face among those.
        """
        sizes = self.faces.sizes[faces]
        counts = np.diff(self.first)[patches]
        first = np.concatenate([[0], np.cumsum(counts)])
        at = ranges(self.first[patches], counts).numpy()
        return Numbering(
            Faces(self.faces.pairs[faces], sizes, self.faces.blocks[faces]),
            np.arange(len(faces)),
            np.cumsum(sizes) - sizes,
            number[self.face_of[at]],
            first,
            self.local[faces],
            self.rows_of_patch[patches],
        )

    def faces_of(self, patch: int) -> np.ndarray:
        """Faces of a patch, in the order of its rows."""
        return self.face_of[self.first[patch] : self.first[patch + 1]]

    def rows_of(self, patches: np.ndarray) -> np.ndarray:
        """Face unknowns (b, m) of patches that have equally many."""
        sizes = self.faces.sizes
        found = []
        for patch in patches.tolist():
            ranges = [np.arange(self.offsets[f], self.offsets[f] + sizes[f]) for f in self.faces_of(patch)]
            found.append(np.concatenate([np.arange(0), *ranges]))
        return np.stack(found)

    def sorted_by_rank(self, faces: np.ndarray) -> np.ndarray:
        """Faces in the order of their elimination."""
        return faces[np.argsort(self.rank[faces], kind="stable")]


def ranges(starts: np.ndarray, sizes: np.ndarray) -> Tensor:
    """The numbers start, …, start + size - 1 of several ranges, one after the other."""
    total = np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
    return torch.from_numpy(total + np.arange(int(sizes.sum())))


def _starts_within(sizes: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Sums of the sizes before each of them, from the first of its patch on."""
    running = np.cumsum(sizes) - sizes
    if not len(sizes):
        return running
    begin = running[np.minimum(first[:-1], len(sizes) - 1)]
    return running - np.repeat(begin, np.diff(first))
