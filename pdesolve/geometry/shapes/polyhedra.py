"""Quadrilaterals, hexahedra, wedges and pyramids as simplices, without any new vertex.

Every face is divided from its vertex of the smallest number, and every cell from its own: a face gets the same
diagonal from both of its cells, so that the tetrahedra fit together (Dompierre et al., How to subdivide pyramids,
prisms and hexahedra into tetrahedra, 1999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pdesolve.errors import ProblemError

Indices = NDArray[np.int64]
# Of its diagonals: how far apart they may pass in a quadrilateral that is taken for flat. Single precision reaches
# 1e-7.
FLAT = 1e-6

# Corners of the faces, in the order of VTK.
FACES: dict[str, tuple[tuple[int, ...], ...]] = {
    "hexahedron": ((0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
    "wedge": ((0, 1, 2), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
    "pyramid": ((0, 1, 2, 3), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)),
}


def halves(quads: Indices) -> Indices:
    """Two triangles (2e, 3) of each quadrilateral (e, 4), divided at its vertex of the smallest number."""
    turned = np.take_along_axis(quads, (quads.argmin(axis=1)[:, None] + np.arange(4)) % 4, axis=1)
    return turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def tetrahedra(kind: str, cells: Indices) -> Indices:
    """Tetrahedra (t, 4), of either orientation, that fill cells (e, 5, 6 or 8): six, three or two of each cell."""
    least = cells.min(axis=1)
    found = []
    for face in FACES[kind]:
        corners = cells[:, face]
        opposite = (corners != least[:, None]).all(axis=1)
        triangles = corners[opposite] if len(face) == 3 else halves(corners[opposite])
        apex = np.repeat(least[opposite], len(face) - 2)
        found.append(np.column_stack([apex, triangles]))
    return np.concatenate(found)


def check_flat(points: NDArray[np.float64], cells: dict[str, Indices], what: str) -> None:
    """Cells of a solid with faces on its boundary that are no plane quadrilaterals are no union of tetrahedra.

    Raises:
        ProblemError: there is such a face.
    """
    faces = [
        cells[kind][:, face] for kind in FACES if kind in cells for face in FACES[kind] if len(face) == 4
    ]
    quads = np.concatenate([np.empty((0, 4), np.int64), *faces])
    _, first, count = np.unique(np.sort(quads, axis=1), axis=0, return_index=True, return_counts=True)
    a, b, c, d = (points[column] for column in quads[first[count == 1]].T)
    normal = np.cross(c - a, d - b)
    length = np.linalg.norm(normal, axis=1)
    gap = np.abs(np.einsum("ed,ed->e", b - a, normal))
    bent = int(
        (gap > FLAT * length * np.maximum(np.linalg.norm(c - a, axis=1), np.linalg.norm(d - b, axis=1))).sum()
    )
    if bent:
        message = (
            f"{what} has {bent} boundary faces with four corners that do not lie in one plane, expected flat faces: "
            "split its cells into tetrahedra first."
        )
        raise ProblemError(message)
