"""Domains given by meshes: the polygon or polyhedron that the cells fill, with its named groups as parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.paths import Polyline
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.mesh_data import MeshData, find, read
from pdesolve.geometry.shapes.region import Region
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Curve, Segment
from pdesolve.quadrature import Rule, gauss_legendre, tensor_rule

LONG = 0.05  # of the boundary's size: straight runs longer than this are edges of their own
SHARP = 0.5  # radians: a bend that ends a straight edge
STRAIGHT = 1e-9  # sine of the angle below which two edges, or two triangles, are in one line or plane
LARGE = 0.02  # of the whole surface: flat parts larger than this are faces of their own
MOST_FACES = 60
# Corners of the parts of a simplex whose edges are halved; middles of edges are numbered after the corners.
CHILDREN = {
    2: [[0, 3, 4], [3, 1, 5], [4, 5, 2], [3, 5, 4]],
    3: [
        [0, 4, 5, 6], [4, 1, 7, 8], [5, 7, 2, 9], [6, 8, 9, 3],
        [4, 5, 6, 8], [4, 5, 7, 8], [5, 6, 8, 9], [5, 7, 8, 9],
    ],
}  # fmt: skip


def load_mesh(path: str | Path) -> Domain:
    """Return the domain that a mesh file fills, with its named boundary groups as parts.

    A relative path counts from the problem file, then from the current folder. Formats are those that meshio
    reads: `.msh`, `.vtu`, `.vtk`, `.stl`, `.obj` and more. Triangles at z = 0 make a plane domain, tetrahedra
    a solid, and a closed surface of triangles the solid inside (this needs the extra `mesh`). Quadrilaterals,
    hexahedra, wedges and pyramids are divided into these. Edges and faces are straight: of cells of higher order
    only the corners count, and boundary faces of hexahedra must be flat.

    Raises:
        ProblemError: the file cannot be read, or what it holds bounds no domain.
    """
    data = read(find(path))
    return PlaneMesh(data) if data.dimension == 2 else SolidMesh(data)


class _Groups(Domain):
    """Parts by the names of groups, each of one or more surfaces."""

    data: MeshData

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the groups."""
        return self.data.names

    def part(self, *names: str) -> Boundary:
        """Return the parts of the boundary with these group names.

        Raises:
            ProblemError: there is no group of such a name.
        """
        for name in names or ("",):
            if name not in self.part_names:
                message = (
                    f"{self} has no part {name!r}; its parts are {', '.join(map(repr, self.part_names))}."
                )
                raise ProblemError(message)
        chosen = tuple(s.name for s in self.surfaces if s.name.rpartition(" ")[0] in names)
        return Boundary(self, chosen, " and ".join(names))

    @property
    def files(self) -> tuple[Path, ...]:
        """The file it was read from."""
        return (self.data.source,) if self.data.source else ()


def _simplex_rule(corners: Tensor, order: int) -> Rule:
    """Collapsed Gauss rule on simplices (e, k + 1, d) in ℝ^d, k ≤ d, fewer points the more simplices there are.

    Source:
        Stroud, Approximate Calculation of Multiple Integrals (1971), conical product rules.
    """
    e, k = len(corners), corners.shape[1] - 1
    n = min(order, max(3, math.ceil(4 * order / e ** (1 / k))))
    u, w = tensor_rule(*[gauss_legendre(n, 0.0, 1.0)] * k)
    left = torch.ones(len(u), dtype=torch.float64)
    share = []
    for i in range(k):  # barycentric coordinates, the last takes what is left
        share.append(left * u[:, i])
        w = w * left
        left = left * (1 - u[:, i])
    share.append(left)
    points = torch.einsum("qk,ekd->eqd", torch.stack(share, dim=1), corners)
    edges = corners[:, 1:] - corners[:, :1]
    volume = torch.linalg.det(edges @ edges.mT).clamp_min(0).sqrt()
    return Rule(points.reshape(-1, corners.shape[2]), (volume[:, None] * w).reshape(-1))


def _refined(points: np.ndarray, cells: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide every simplex into 2^d while that brings the number of points nearer to the target."""
    d = cells.shape[1] - 1
    while len(points) * 2 ** (d / 2) < target:
        pairs = [(i, j) for i in range(d + 1) for j in range(i + 1, d + 1)]
        edges = np.sort(cells[:, pairs], axis=2)
        known, place = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
        middle = len(points) + place.reshape(len(cells), len(pairs))
        points = np.concatenate([points, points[known].mean(axis=1)])
        every = np.concatenate([cells, middle], axis=1)
        cells = np.concatenate([every[:, child] for child in CHILDREN[d]])
        corner = points[cells]
        flip = np.linalg.det(corner[:, 1:] - corner[:, :1]) < 0
        cells[flip] = cells[flip][:, [1, 0, *range(2, d + 1)]]
    return points, cells


@dataclass(frozen=True, repr=False)
class PlaneMesh(_Groups, Region):
    """The polygon that a mesh of triangles fills.

    Its boundary is divided at ends of groups and of long straight runs; shorter edges make polylines.
    """

    data: MeshData

    def __repr__(self) -> str:
        return f"Mesh({self.data.label})"

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Straight runs and polylines, named by group and number."""
        found: list[Surface] = []
        size = float(np.ptp(self.data.points, axis=0).max())
        for loop in _loops(self.data.facets):
            for group, chain, closed in _runs(self.data, loop, LONG * size):
                owner = (self, f"{self.data.names[group]} {len(found)}")
                vertices = tuple(map(tuple, self.data.points[chain].tolist()))
                if len(vertices) == 2:
                    found.append(Segment(owner, vertices[0], vertices[1], 1))
                else:
                    found.append(Curve(owner, Polyline(vertices[:-1] if closed else vertices, closed)))
        return tuple(found)

    def simplices(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices (n, 2) and triangles (e, 3) that fill it: its own, divided if there are much fewer."""
        return _refined(self.data.points, self.data.cells, points)

    def rule(self, order: int) -> Rule:
        """Gauss rules on the triangles."""
        return _simplex_rule(torch.from_numpy(self.data.points[self.data.cells]), order)


def _loops(edges) -> list[np.ndarray]:
    """Numbers of the edges (f, 2) in the order in which they follow one another, for every closed loop."""
    start: dict[int, list[int]] = {}
    for i, a in enumerate(edges[:, 0].tolist()):
        start.setdefault(a, []).append(i)
    free, loops = set(range(len(edges))), []
    for first in range(len(edges)):
        if first not in free:
            continue
        loop, edge = [], first
        while edge in free:
            free.remove(edge)
            loop.append(edge)
            ahead = [i for i in start[int(edges[edge, 1])] if i in free]
            if not ahead:
                break
            edge = ahead[0]
        loops.append(np.array(loop))
    return loops


def _runs(data: MeshData, loop: np.ndarray, long: float):
    """Yield (group, vertices, closed) of the parts of a loop: long straight runs, and what lies between."""
    edges, group = data.facets[loop], data.group[loop]
    step = data.points[edges[:, 1]] - data.points[edges[:, 0]]
    step = step / np.linalg.norm(step, axis=1)[:, None]
    back = np.roll(step, 1, axis=0)
    sine, cosine = back[:, 0] * step[:, 1] - back[:, 1] * step[:, 0], (back * step).sum(axis=1)
    bend = (np.abs(sine) > STRAIGHT) | (cosine < 0)
    new_group = group != np.roll(group, 1)
    breaks = np.flatnonzero(bend | new_group)
    if len(breaks) == 0:
        return
    runs = [_between(edges, a, b) for a, b in zip(breaks, np.roll(breaks, -1), strict=True)]
    ends = np.array([np.linalg.norm(data.points[r[-1]] - data.points[r[0]]) for r in runs])
    sharp = cosine[breaks] < math.cos(SHARP)
    # Single edges between gentle bends are steps of a curve, however long.
    several = np.array([len(r) > 2 for r in runs])
    straight = (ends > long) & (several | (sharp & np.roll(sharp, -1)))
    # A run joins the one before it if both are short and of one group.
    fresh = straight | np.roll(straight, 1) | new_group[breaks]
    if not fresh.any():
        yield int(group[0]), np.concatenate([r[:-1] for r in runs] + [runs[0][:1]]), True
        return
    first = int(np.flatnonzero(fresh)[0])
    order = np.roll(np.arange(len(runs)), -first)
    chain: list[int] = []
    for position, i in enumerate(order):
        if fresh[i] and position:
            yield int(group[breaks[order[position - 1]]]), np.array(chain), False
            chain = []
        part = [runs[i][0], runs[i][-1]]  # a straight run is one edge
        chain = chain[:-1] + part if chain else part
    yield int(group[breaks[order[-1]]]), np.array(chain), False


def _between(edges: np.ndarray, first: Any, last: Any) -> np.ndarray:
    """Vertices of the edges from `first` to before `last` around a loop."""
    n = len(edges)
    count = (last - first) % n or n
    index = (first + np.arange(count)) % n
    return np.append(edges[index, 0], edges[index[-1], 1])


def _igl() -> Any:
    try:
        import igl
    except ImportError:
        message = (
            "solids given by a mesh need the package libigl for their distances: "
            "install it with pip install 'pdesolve[mesh]'."
        )
        raise ProblemError(message) from None
    return igl


@dataclass(frozen=True)
class Facets(Surface):
    """Triangles in space as one surface; the first parameter runs through them one after another.

    The unit square is cut into as many strips as there are triangles, a power of two (large ones are halved
    until there are so many), in the order of a search tree, so that a panel of the square is a patch of
    neighbours: slot j, with local parameters s and t, is x = (1 - s) a + s ((1 - t) b + t c).
    """

    owner: tuple[Any, str]
    data: MeshData
    rows: tuple[int, ...]
    plane: tuple[int, float] | None = None
    dimension: int = 3
    continuous = False

    @cached_property
    def triangles(self) -> Tensor:
        """Corners (m, 3, 3) of the triangles as they are."""
        return torch.from_numpy(self.data.points[self.data.facets[list(self.rows)]])

    @cached_property
    def _slots(self) -> Tensor:
        corners = self.triangles.numpy()
        count = 1 << (len(corners) - 1).bit_length()
        while len(corners) < count:
            corners = _halved(corners, count - len(corners))
        order = _tree_order(corners.mean(axis=1))
        if self._flat is None:  # no symmetric sample of the square shall make a bent surface look flat
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            normal = normal / np.linalg.norm(normal, axis=1)[:, None]
            other = int((normal[order] @ normal[order[0]]).argmin())
            order[[count // 2, other]] = order[[other, count // 2]]
        return torch.from_numpy(corners[order])

    def map(self, parameters: Tensor) -> Tensor:
        """Return points of the triangles."""
        a, b, c = self._slot(parameters).unbind(dim=1)
        s, t = self._local(parameters)
        return (1 - s) * a + s * ((1 - t) * b + t * c)

    def _slot(self, parameters: Tensor) -> Tensor:
        count = len(self._slots)
        return self._slots[(parameters[:, 0] * count).long().clamp(0, count - 1)]

    def _local(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        count = len(self._slots)
        place = parameters[:, :1] * count
        return (place - place.floor().clamp(0, count - 1)), parameters[:, 1:]

    def area(self, parameters: Tensor) -> Tensor:
        """Return s |(b - a) × (c - a)| times the number of slots."""
        a, b, c = self._slot(parameters).unbind(dim=1)
        s, _ = self._local(parameters)
        return torch.linalg.cross(b - a, c - a).norm(dim=1) * s[:, 0] * len(self._slots)

    def normal_at(self, x: Tensor) -> Tensor:
        """Return the normal of the nearest triangle."""
        a, b, c = self.triangles.unbind(dim=1)
        normal = torch.linalg.cross(b - a, c - a)
        normal = normal / normal.norm(dim=1, keepdim=True)
        return normal[self._nearest(x)[1]].to(x.dtype)

    def _nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distance to, and number of the nearest triangle."""
        if self._flat is not None:  # all have one normal
            return torch.zeros(len(x), dtype=torch.float64), torch.zeros(len(x), dtype=torch.long)
        return self._search(x)

    def _search(self, x: Tensor) -> tuple[Tensor, Tensor]:
        facets = self.data.facets[list(self.rows)]
        points = x.detach().to(torch.float64).numpy()
        square, index, _ = _igl().point_mesh_squared_distance(points, self.data.points, facets)
        return torch.from_numpy(np.atleast_1d(square)), torch.from_numpy(np.atleast_1d(index))

    @cached_property
    def _flat(self) -> tuple[float, ...] | None:
        """Normal and offset of the plane in which all triangles lie, if they do."""
        a, b, c = self.triangles.unbind(dim=1)
        normal = torch.linalg.cross(b - a, c - a)
        n = normal[normal.norm(dim=1).argmax()]
        n = n / n.norm()
        height = self.triangles.reshape(-1, 3) @ n
        size = float((self.triangles.amax(dim=(0, 1)) - self.triangles.amin(dim=(0, 1))).max())
        flat = float(height.max() - height.min()) <= 10 * STRAIGHT * size
        return (*n.tolist(), float(height.mean())) if flat else None

    def carrier(self) -> tuple[str, tuple[float, ...]]:
        """Return the plane of a flat part; any other coincides only with itself."""
        return ("plane", self._flat) if self._flat is not None else super().carrier()

    def distance(self, x: Tensor) -> Tensor:
        """Return the distances from the triangles."""
        return self._search(x)[0].sqrt()

    def covers(self, x: Tensor) -> Tensor:
        """Within rounding of a triangle."""
        size = float(np.ptp(self.data.points, axis=0).max())
        return self.distance(x) <= 1e-9 * size

    def whole_rule(self, order: int) -> Rule:
        """Gauss rules on the triangles."""
        return _simplex_rule(self.triangles, order)


def _halved(corners: np.ndarray, most: int) -> np.ndarray:
    """Halve the largest triangles, no more than `most`, across their longest edges."""
    edge = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = np.argsort(-area, kind="stable")[: min(most, len(corners))]
    turn = (edge[chosen].argmax(axis=1)[:, None] + np.arange(3)) % 3
    a, b, c = np.take_along_axis(corners[chosen], turn[:, :, None], axis=1).transpose(1, 0, 2)
    middle = (a + b) / 2
    rest = np.delete(corners, chosen, axis=0)
    return np.concatenate([rest, np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])


def _tree_order(x: np.ndarray) -> np.ndarray:
    """Order of points (2^k, d) in which halves, quarters, … are neighbours: split at the median, widest axis."""
    groups = [np.arange(len(x))]
    while len(groups[0]) > 1:
        split = []
        for group in groups:
            axis = int(np.ptp(x[group], axis=0).argmax())
            ordered = group[np.argsort(x[group, axis], kind="stable")]
            split += [ordered[: len(ordered) // 2], ordered[len(ordered) // 2 :]]
        groups = split
    return np.concatenate(groups)


@dataclass(frozen=True, repr=False)
class SolidMesh(_Groups, Domain):
    """The polyhedron that a mesh of tetrahedra fills, or that a closed surface of triangles bounds."""

    data: MeshData

    def __post_init__(self):
        _igl()

    def __repr__(self) -> str:
        return f"Mesh({self.data.label})"

    @cached_property
    def bounds(self) -> Tensor:
        """Bounding box of the vertices, (2, 3)."""
        x = torch.from_numpy(self.data.points[np.unique(self.data.facets)])
        return torch.stack([x.amin(dim=0), x.amax(dim=0)])

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Large flat faces of every group, and the rest of it; named by group and number."""
        found: list[Surface] = []
        for rows, group, plane in _faces(self.data):
            owner = (self, f"{self.data.names[group]} {len(found)}")
            found.append(Facets(owner, self.data, tuple(rows.tolist()), plane))
        return tuple(found)

    def level(self, x: Tensor) -> Tensor:
        """Return the signed distance to the surface, its sign by the angle-weighted normal at the nearest point.

        Source:
            Bærentzen and Aanæs, Signed distance computation using the angle weighted pseudonormal (2005).
        """
        if not len(x):
            return x.new_zeros(0)
        igl = _igl()
        kind = igl.SignedDistanceType.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
        points = x.detach().to(torch.float64).contiguous().numpy()
        distance = igl.signed_distance(points, self.data.points, self.data.facets, sign_type=kind)[0]
        return torch.from_numpy(np.atleast_1d(distance)).to(x.dtype)

    @cached_property
    def measure(self) -> float:
        """Volume by the divergence theorem, Σ det(a, b, c) / 6."""
        corner = self.data.points[self.data.facets]
        return float(np.linalg.det(corner - corner.mean(axis=(0, 1))).sum()) / 6

    @cached_property
    def _tetrahedra(self) -> Tensor:
        """Corners (e, 4, 3) of cells that fill it; of a surface those that TetGen finds without new points on it."""
        if len(self.data.cells):
            return torch.from_numpy(self.data.points[self.data.cells])
        points, cells = self._filled("pYQ")
        return torch.from_numpy(points[cells])

    def _filled(self, flags: str) -> tuple[np.ndarray, np.ndarray]:
        from igl.copyleft import tetgen

        try:
            points, cells = tetgen.tetrahedralize(self.data.points, self.data.facets, flags=flags)[:2]
        except RuntimeError:
            points, cells = np.empty((0, 3)), np.empty((0, 4))
        if not len(cells):
            message = f"{self} cannot be filled with tetrahedra: does its surface cross itself?"
            raise ProblemError(message)
        return points, cells

    def simplices(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices (n, 3) and tetrahedra (e, 4) that fill it, about so many points."""
        if len(self.data.cells):
            return _refined(self.data.points, self.data.cells, points)
        largest = self.measure / (5 * points)  # five tetrahedra for each vertex
        found, cells = self._filled(f"pq1.4a{largest:.6g}YQ")
        volume = np.linalg.det(found[cells[:, 1:]] - found[cells[:, :1]])
        cells[volume < 0] = cells[volume < 0][:, [1, 0, 2, 3]]
        return found, cells

    def rule(self, order: int) -> Rule:
        """Gauss rules on the tetrahedra."""
        return _simplex_rule(self._tetrahedra, order)


def _faces(data: MeshData):
    """Yield (rows of facets, group, aligned plane): the large flat faces of each group, then the rest of it."""
    corner = data.points[data.facets]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.linalg.norm(normal, axis=1)
    normal = normal / area[:, None]
    size = float(np.ptp(data.points, axis=0).max())
    height = (corner.mean(axis=1) * normal).sum(axis=1) / size
    key = np.round(np.column_stack([normal, height]) / 1e-7).astype(np.int64)
    for group in range(len(data.names)):
        rows = np.flatnonzero(data.group == group)
        _, face = np.unique(key[rows], axis=0, return_inverse=True)
        face = face.reshape(-1)
        share = np.bincount(face, area[rows]) / area.sum()
        large = np.flatnonzero(share > LARGE)[:MOST_FACES]
        for i in large:
            mine = rows[face == i]
            n = normal[mine[0]]
            axis = int(np.abs(n).argmax())
            aligned = abs(n[axis]) > 1 - STRAIGHT
            yield mine, group, (axis, float(corner[mine[0], 0, axis])) if aligned else None
        rest = rows[~np.isin(face, large)]
        if len(rest):
            yield rest, group, None
