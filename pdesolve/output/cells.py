"""Points and cells of one kind: what a mesher makes, a table or a picture shows, and a file holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdesolve.geometry.domain import Domain

CORNERS = {"line": 2, "triangle": 3, "quad": 4, "tetra": 4, "hexahedron": 8}


@dataclass(frozen=True)
class OutputMesh:
    """Points and cells of one kind.

    Attributes:
        points: (n, d) coordinates in the domain.
        cells: (e, corners) indices into `points`, positively oriented in the order of VTK.
        cell_type: `line`, `triangle`, `quad`, `tetra` or `hexahedron`.
        names: the coordinate of each column of `points`.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    cell_type: str
    names: tuple[str, ...] = ()

    @property
    def measures(self) -> NDArray[np.float64]:
        """Signed length, area or volume of every cell (e,); of a hexahedron by its corner at vertex 0."""
        corner = self.points[self.cells]
        if self.cell_type == "quad":  # shoelace: half the cross product of the diagonals
            first, second = corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]
            return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
        vertices = [1, 3, 4] if self.cell_type == "hexahedron" else list(range(1, self.points.shape[1] + 1))
        volume = np.linalg.det(corner[:, vertices] - corner[:, :1])
        return volume if self.cell_type == "hexahedron" else volume / math.factorial(self.points.shape[1])

    @property
    def centroids(self) -> NDArray[np.float64]:
        """(e, d): the mean of the corners of every cell."""
        return self.points[self.cells].mean(axis=1)


def grid(
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    shape: tuple[int, ...],
    names: tuple[str, ...] = (),
) -> OutputMesh:
    """Structured grid of lines, quads or hexahedra with `shape` points per axis; x varies fastest."""
    axes = [np.linspace(a, b, n) for a, b, n in zip(lower, upper, shape, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    order = tuple(reversed(range(len(shape))))
    points = points.transpose((*order, len(shape))).reshape(-1, len(shape))
    strides = np.cumprod((1, *shape[:-1]))
    origins = np.zeros(1, dtype=np.int64)
    for stride, n in zip(strides, shape, strict=True):
        origins = (origins[None, :] + stride * np.arange(n - 1)[:, None]).reshape(-1)
    corner = np.array([0, 1])
    for axis, stride in enumerate(strides[1:]):  # VTK walks round a face, and a hexahedron is two faces
        top = corner[::-1] if axis == 0 else corner
        corner = np.concatenate([corner, top + stride])
    kind = {1: "line", 2: "quad", 3: "hexahedron"}[len(shape)]
    return OutputMesh(points, origins[:, None] + corner, kind, names)


def corners_of(domain: Domain) -> NDArray[np.float64]:
    """(2, d): lower and upper corner of the bounding box."""
    return np.asarray(domain.bounds.detach().cpu().numpy(), dtype=np.float64)
