"""The polyhedron that a mesh fills or bounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.shapes.facets import STRAIGHT, Facets, load_igl
from pdesolve.geometry.shapes.groups import Groups
from pdesolve.geometry.shapes.mesh_data import MeshData
from pdesolve.geometry.shapes.simplices import refined, simplex_rule
from pdesolve.geometry.shapes.tetrahedra import filled
from pdesolve.geometry.surface import Surface
from pdesolve.quadrature import Rule

# Of the whole surface. A flat part larger than this is a face of its own, on which conditions and patches are as on
# a face of a box; triangles of a finely meshed sphere are far below it.
LARGE = 0.02
# Beyond so many, a group is a curved surface with large facets rather than a solid with flat faces.
MOST_FACES = 60


@dataclass(frozen=True, repr=False)
class SolidMesh(Groups, Domain):
    """The polyhedron that a mesh of tetrahedra fills, or that a closed surface of triangles bounds."""

    data: MeshData

    def __post_init__(self):
        load_igl()

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
        igl = load_igl()
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
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (n, 3) and tetrahedra (e, 4) that fill it: those of the file, or some between its vertices.

        Raises:
            ProblemError: none fill it.
        """
        if len(self.data.cells):
            return self.data.points, self.data.cells
        found = filled(self.data.points, self.data.facets, self.measure, self._inside)
        if found is None:
            message = (
                f"{self} cannot be filled with tetrahedra: does its surface cross itself? Else give a mesh with "
                "tetrahedra, a .msh or .vtu file"
            )
            raise ProblemError(message)
        return found

    def _inside(self, x: np.ndarray) -> np.ndarray:
        return self.level(torch.from_numpy(x)).numpy() < 0

    def simplices(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices (n, 3) and tetrahedra (e, 4) that fill it, about so many points."""
        return refined(*self._cells, points)

    def rule(self, order: int) -> Rule:
        """Gauss rules on the tetrahedra."""
        points, cells = self._cells
        return simplex_rule(torch.from_numpy(points[cells]), order)


def _faces(data: MeshData):
    """Yield (rows of facets, group, aligned plane): the large flat faces of each group, then the rest of it."""
    corner = data.points[data.facets]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.linalg.norm(normal, axis=1)
    normal = normal / area[:, None]
    size = float(np.ptp(data.points, axis=0).max())
    height = (corner.mean(axis=1) * normal).sum(axis=1) / size
    # Normals and heights that agree to seven digits are those of one plane: files hold single precision.
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
            plane = None
            if abs(n[axis]) > 1 - STRAIGHT:
                plane = (axis, float(corner[mine[0], 0, axis]))
            yield mine, group, plane
        rest = rows[~np.isin(face, large)]
        if len(rest):
            yield rest, group, None
