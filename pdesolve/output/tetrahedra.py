"""Boundary-fitted tetrahedra for balls and set operations in space."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Piece
from pdesolve.output.cells import OutputMesh, corners_of
from pdesolve.output.triangulation import centred, inside

_OVERSAMPLE = 4  # candidates on a surface per spacing and direction
_SPACING = {"corner": 0.2, "edge": 0.7, "face": 0.85}  # least distance between points, in spacings
_CLEARANCE = 0.6  # of inner points from the boundary, in spacings
_FLAT = 1e-3  # volume of a tetrahedron below which it is a sliver, in cubes of its longest edge
_JITTER = 0.05  # of inner points, in spacings: points of a lattice on one sphere have flat tetrahedra
_POLE = 1e-9  # size of the image of one end of a parameter, relative to the piece, that is a single point
_STEPS = 40  # of the bisection for trim points


def tetrahedralise(domain: Domain, target: int) -> OutputMesh:
    """Delaunay tetrahedra between points on the boundary and a body-centred cubic lattice inside.

    The lattice's own Delaunay tetrahedra are all congruent and well shaped; with edge a it has two points per
    cube, a³ = 2 |Ω| / n, at the distance h = √3/2 a. A tetrahedron belongs to the domain if its centroid
    does; slivers are peeled off the surface.

    Args:
        domain: a solid domain.
        target: how many points, about.

    Returns:
        Tetrahedra of positive volume.
    """
    a = (2 * float(domain.measure) / target) ** (1 / 3)
    h = 0.5 * np.sqrt(3) * a
    surface, dense = _surface_points(domain, h)
    inner = _lattice(domain, a)
    inner = inner[inside(domain, inner)]
    distance, _ = cKDTree(dense).query(inner, distance_upper_bound=h)
    inner = inner[distance > _CLEARANCE * h]
    inner = inner + _JITTER * h * np.random.default_rng(0).uniform(-1, 1, inner.shape)
    points = np.concatenate([surface, inner])
    cells = _inner_tetrahedra(domain, points)
    used, compact = np.unique(cells, return_inverse=True)
    return OutputMesh(points[used], compact.reshape(-1, 4), "tetra", domain.coordinates)


def _lattice(domain: Domain, a: float) -> NDArray[np.float64]:
    """Points (n, 3) of the body-centred cubic lattice of edge a over the bounding box, centred in it."""
    lower, upper = corners_of(domain)
    number = np.ceil((upper - lower) / a).astype(int) + 1
    axes = [(np.arange(n) - (n - 1) / 2) * a + c for n, c in zip(number, (lower + upper) / 2, strict=True)]
    corners = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.concatenate([corners, corners + a / 2])


def _surface_points(domain: Domain, h: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (n, 3) about h apart on corners, edges and faces, and the dense sample they are chosen from."""
    found: dict[str, list[NDArray[np.float64]]] = {"corner": [], "edge": [], "face": []}
    for seed, piece in enumerate(domain.pieces):
        for kind, points in _candidates(piece, h, seed).items():
            found[kind].append(points)
    chosen = np.empty((0, 3))
    for kind, parts in found.items():  # first what must be kept for the shape to be sharp
        chosen = np.concatenate([chosen, _spread(np.concatenate(parts), chosen, _SPACING[kind] * h)])
    return chosen, np.concatenate([part for parts in found.values() for part in parts])


def _candidates(piece: Piece, h: float, seed: int) -> dict[str, NDArray[np.float64]]:
    """A dense sample of one piece: its corners, its rim and trim curves, and its inside."""
    shape = _resolution(piece, h / _OVERSAMPLE)
    s = _parameters(shape, seed)
    points = piece.map(s.reshape(-1, 2))
    active = piece.active(points).reshape(shape)
    points = points.reshape(*shape, 3)
    rim = torch.zeros(shape, dtype=torch.long)
    around_first, around_second = piece.surface.periodic
    if not around_first:  # a seam is no edge
        _mark_rim(rim, points)
    if not around_second:
        _mark_rim(rim.T, points.transpose(0, 1))
    trims = _trim_points(piece, s, active)
    return {
        "corner": points[active & (rim == 2)].numpy(),
        "edge": torch.cat([points[active & (rim == 1)], trims]).numpy(),
        "face": points[active & (rim == 0)].numpy(),
    }


def _mark_rim(rim: torch.Tensor, points: torch.Tensor) -> None:
    """Count one more end of a parameter at both ends of the first axis, unless they are single points: poles."""
    for end in (0, -1):
        if float((points[end] - points[end][:1]).abs().max()) > _POLE * float(
            (points - points[0, 0]).abs().max()
        ):
            rim[end] += 1


def _parameters(shape: tuple[int, int], seed: int) -> torch.Tensor:
    """A grid over the unit square (n, n', 2), shaken inside so that no four points lie on one circle."""
    axes = [torch.linspace(0, 1, n, dtype=torch.float64) for n in shape]
    s = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    shake = torch.rand(s.shape, generator=torch.Generator().manual_seed(seed), dtype=s.dtype) - 0.5
    shake[[0, -1], :, 0], shake[:, [0, -1], 1] = 0.0, 0.0
    return s + 0.5 * shake / (torch.tensor(shape) - 1)


def _resolution(piece: Piece, spacing: float) -> tuple[int, int]:
    """Points per parameter such that neighbours are not farther apart than `spacing`."""
    middle = torch.linspace(0, 1, 33, dtype=torch.float64)
    grid = piece.map(torch.cartesian_prod(middle, middle)).reshape(33, 33, 3)
    rows, columns = (float(grid.diff(dim=axis).norm(dim=-1).sum(dim=axis).max()) for axis in (0, 1))
    return max(3, int(rows / spacing) + 2), max(3, int(columns / spacing) + 2)


def _trim_points(piece: Piece, s: torch.Tensor, active: torch.Tensor) -> torch.Tensor:
    """Where the piece stops being boundary, by bisection along the lines of a parameter grid (n, 3)."""
    found = []
    for axis in (0, 1):
        n = s.shape[axis]
        before, after = active.narrow(axis, 0, n - 1), active.narrow(axis, 1, n - 1)
        change = before != after
        first, second = s.narrow(axis, 0, n - 1)[change], s.narrow(axis, 1, n - 1)[change]
        on = torch.where(before[change][:, None], first, second)
        off = torch.where(before[change][:, None], second, first)
        for _ in range(_STEPS):
            middle = (on + off) / 2
            good = piece.active(piece.map(middle))[:, None]
            on, off = torch.where(good, middle, on), torch.where(good, off, middle)
        found.append(piece.map(on))
    return torch.cat(found)


def _spread(
    candidates: NDArray[np.float64], taken: NDArray[np.float64], distance: float
) -> NDArray[np.float64]:
    """Choose candidates, one after another, that keep a distance from each other and from those taken."""
    if len(taken) and len(candidates):
        nearest, _ = cKDTree(taken).query(candidates, distance_upper_bound=distance)
        candidates = candidates[nearest >= distance]
    if len(candidates) == 0:
        return candidates
    tree = cKDTree(candidates)
    free = np.ones(len(candidates), dtype=bool)
    chosen = []
    for i in range(len(candidates)):
        if free[i]:
            chosen.append(i)
            free[tree.query_ball_point(candidates[i], distance)] = False
    return candidates[chosen]


def _inner_tetrahedra(domain: Domain, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The Delaunay tetrahedra whose centroids lie in the domain, (e, 4), positively oriented."""
    # Far points keep flat faces off the convex hull, where rounding makes flat tetrahedra and qhull slow.
    far = 8 * np.array(list(itertools.product((-1, 1.1), (-1, 1.2), (-1, 1.3))))
    cells = Delaunay(np.concatenate([centred(points), far])).simplices.astype(np.int64)
    cells = cells[(cells < len(points)).all(axis=1)]
    edges = points[cells[:, 1:]] - points[cells[:, :1]]
    volume = np.linalg.det(edges)
    cells[volume < 0] = cells[volume < 0][:, [0, 2, 1, 3]]
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    flat = np.abs(volume) < _FLAT * longest**3
    member = inside(domain, points[cells].mean(axis=1))
    return _peel(cells[member], flat[member])


def _peel(cells: NDArray[np.int64], flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Remove slivers that lie at the surface, until there are none; inside they would leave a crack."""
    while True:
        faces = np.sort(cells[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]], axis=2)
        _, place, count = np.unique(faces.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
        bare = (count[place].reshape(-1, 4) == 1).any(axis=1)
        if not (bare & flat).any():
            return cells
        cells, flat = cells[~(bare & flat)], flat[~(bare & flat)]
