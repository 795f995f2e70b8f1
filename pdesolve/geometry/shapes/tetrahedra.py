"""Tetrahedra between the vertices of a closed surface of triangles, without a library for it.

Delaunay tetrahedra of the vertices fill the solid where every edge and triangle of the surface is among their own.
Where some are missing, edges of the surface are halved until none is: a conforming Delaunay triangulation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError

Points = NDArray[np.float64]
Cells = NDArray[np.int64]
Inside = Callable[[Points], NDArray[np.bool_]]

# Rounds of halving, each of all edges that are missing; a sharp edge takes a handful.
ROUNDS = 30
# Vertices beyond these times as many, and some for small surfaces, are a sign that halving does not end.
MOST_POINTS = 20
FEWEST = 1000
# Six volumes relative to the cube of the bounding box's diagonal: below, a tetrahedron lies in a face.
FLAT = 1e-14
# Of two triangles with a common edge, the sine of the angle between them below which they are one plane, so that their
# edge may be another diagonal: STL files hold single precision.
COPLANAR = 1e-6
# Relative difference of volumes that is rounding.
SAME_VOLUME = 1e-9
# Barycentric coordinates of the points at which a tetrahedron is looked at: the centroid, and one toward each corner.
LOOKED_AT = np.vstack([np.full((1, 4), 0.25), 0.85 * np.eye(4) + 0.15 / 4])


def filled(points: Points, facets: Cells, volume: float, inside: Inside) -> tuple[Points, Cells] | None:
    """Vertices (n, 3), the given ones first, and tetrahedra (e, 4) of positive volume that fill a closed surface.

    Args:
        points: vertices (n, 3).
        facets: triangles (f, 3), oriented alike.
        volume: what they enclose.
        inside: points (m, 3) ↦ (m,) whether they are inside.

    Returns:
        None where the surface crosses itself, or is too sharp for edges to be halved until all are there.
    """
    most = MOST_POINTS * len(points) + FEWEST
    for _ in range(ROUNDS):
        cells = _delaunay(points)
        if cells is None or len(points) > most:
            return None
        mine, crossing = _sorted(points, cells, inside)
        found = float(np.abs(_volumes(points, mine)).sum()) / 6
        if not crossing and abs(found - volume) <= SAME_VOLUME * volume:
            return points, _turned(points, mine)
        halved = _missing(points, cells, facets)
        if not len(halved):
            return None
        points, facets = _split(points, facets, halved)
    return None


def _delaunay(points: Points) -> Cells | None:
    try:
        cells = Delaunay(points).simplices.astype(np.int64)
    except QhullError:
        return None
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    return cells[np.abs(_volumes(points, cells)) > FLAT * size**3]


def _volumes(points: Points, cells: Cells) -> Points:
    """Six times the signed volumes (e,)."""
    return np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]])


def _turned(points: Points, cells: Cells) -> Cells:
    wrong = _volumes(points, cells) < 0
    cells[wrong] = cells[wrong][:, [1, 0, 2, 3]]
    return cells


def _sorted(points: Points, cells: Cells, inside: Inside) -> tuple[Cells, bool]:
    """The tetrahedra inside, and whether the surface runs through any."""
    looked = np.einsum("pc,ecd->epd", LOOKED_AT, points[cells])
    seen = inside(looked.reshape(-1, 3)).reshape(len(cells), -1)
    mixed = seen.any(axis=1) & ~seen.all(axis=1)
    return cells[seen[:, 0]], bool(mixed.any())


def _missing(points: Points, cells: Cells, facets: Cells) -> Cells:
    """Edges (k, 2) of the surface that no tetrahedron has; else the longest edge of each triangle that none has."""
    n = len(points)
    pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    have = _keys(cells[:, pairs].reshape(-1, 2), n)
    edges, flat = _edges(points, facets)
    absent = edges[~np.isin(_keys(edges, n), have) & ~flat]
    if len(absent):
        return absent
    faces = _keys(cells[:, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]].reshape(-1, 3), n)
    lost = facets[~np.isin(_keys(facets, n), faces)]
    if not len(lost):
        return np.empty((0, 2), dtype=np.int64)
    sides = lost[:, [[0, 1], [1, 2], [2, 0]]]
    length = np.linalg.norm(points[sides[:, :, 0]] - points[sides[:, :, 1]], axis=2)
    longest = sides[np.arange(len(lost)), length.argmax(axis=1)]
    return np.unique(np.sort(longest, axis=1), axis=0)


def _edges(points: Points, facets: Cells) -> tuple[Cells, NDArray[np.bool_]]:
    """Every edge (k, 2) of the surface once, and whether its two triangles lie in one plane."""
    corner = points[facets]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    each = np.sort(facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(facets)), 3)
    edges, number = np.unique(each, axis=0, return_inverse=True)
    order = np.argsort(number.reshape(-1), kind="stable")
    # A closed surface has two triangles at each edge.
    first, second = owner[order].reshape(-1, 2).T
    sine = np.linalg.norm(np.cross(normal[first], normal[second]), axis=1)
    return edges, sine <= COPLANAR


def _keys(sets: Cells, n: int) -> Cells:
    """One number for each set of vertices."""
    ordered = np.sort(sets, axis=1)
    key = ordered[:, 0]
    for column in ordered.T[1:]:
        key = key * n + column
    return key


def _split(points: Points, facets: Cells, edges: Cells) -> tuple[Points, Cells]:
    """The surface with these edges halved, one edge of each triangle in one round; others wait for the next."""
    n = len(points)
    wanted = set(_keys(edges, n).tolist())
    middle: dict[int, int] = {}
    added: list[Points] = []
    taken: dict[int, int] = {}
    sides = facets[:, [[0, 1], [1, 2], [2, 0]]]
    keys = _keys(sides.reshape(-1, 2), n).reshape(-1, 3)
    owners: dict[int, list[int]] = {}
    for triangle, row in enumerate(keys.tolist()):
        for key in row:
            if key in wanted:
                owners.setdefault(key, []).append(triangle)
    for key, pair in owners.items():
        if any(triangle in taken for triangle in pair):
            continue
        taken |= dict.fromkeys(pair, key)
        middle[key] = n + len(added)
        added.append((points[key // n] + points[key % n]) / 2)
    kept = [row for triangle, row in enumerate(facets.tolist()) if triangle not in taken]
    for triangle, key in taken.items():
        at = keys[triangle].tolist().index(key)
        a, b, c = np.roll(facets[triangle], -at).tolist()
        m = middle[key]
        kept += [[a, m, c], [m, b, c]]
    return np.vstack([points, *added]), np.array(kept, dtype=np.int64)
