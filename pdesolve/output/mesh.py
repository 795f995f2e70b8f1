"""The mesh on which a solution is shown: lines, quads and hexahedra on boxes, simplices on anything else.

Nothing is solved on it: the solution is a function, and these are the points at which it is written down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.shapes.box import AxisAligned
from pdesolve.geometry.shapes.mesh import PlaneMesh, SolidMesh
from pdesolve.geometry.spacetime import Cylinder

DEFAULT_POINTS = {1: 500, 2: 20_000, 3: 50_000}
DEFAULT_STEPS = 41
CORNERS = {"line": 2, "triangle": 3, "quad": 4, "tetra": 4, "hexahedron": 8}
_THINNEST = 0.1  # An axis gets at least this fraction of the points of the longest one.


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


def output_mesh(domain: Domain, points: int | None = None, mesher: str | None = None) -> OutputMesh:
    """Mesh of a domain, or of the space part of a space–time cylinder.

    An interval, rectangle or box gets a structured grid, a domain from a mesh its own cells, divided, any other
    a boundary-fitted one of triangles or tetrahedra whose boundary vertices lie on the boundary, so its measure
    is right to O(h²).

    Args:
        domain: a domain of one to three space dimensions, with or without time.
        points: how many points, about; by default 500, 20,000 and 50,000 in one, two and three dimensions.
        mesher: `gmsh` (an extra) to fill the boundary of a triangulation anew, with cells of better shape.

    Returns:
        The mesh, with every cell positively oriented.

    Raises:
        UsageError: in four or more space dimensions, for fewer than two points, or for another mesher.
    """
    if mesher not in (None, "gmsh"):
        msg = f"received the mesher {mesher!r}, expected gmsh: leave it out for our own."
        raise UsageError(msg)
    mesh = _own_mesh(domain, points)
    if mesher is None or mesh.cell_type not in ("triangle", "tetra"):
        return mesh
    from pdesolve.output.gmsh_mesh import refilled

    return refilled(mesh)


def _own_mesh(domain: Domain, points: int | None) -> OutputMesh:
    """As `output_mesh`, by our own means."""
    space = space_of(domain)
    dimension = space.dimension
    check_dimension(space)
    target = DEFAULT_POINTS[dimension] if points is None else points
    if target < 2:
        msg = (
            f"received {target} points for the output mesh, expected 2 or more: leave it out for the default."
        )
        raise UsageError(msg)
    if dimension == 1:
        return _lines(space, target)
    if isinstance(space, AxisAligned):
        lower, upper = corners_of(space)
        return grid(lower, upper, _grid_shape(upper - lower, target), tuple(space.coordinates))
    if isinstance(space, PlaneMesh | SolidMesh):
        found, cells = space.simplices(target)
        return OutputMesh(found, cells, "triangle" if dimension == 2 else "tetra", tuple(space.coordinates))
    if dimension == 2:
        from pdesolve.output.triangulation import triangulate

        return triangulate(space, target)
    from pdesolve.output.tetrahedra import tetrahedralise

    return tetrahedralise(space, target)


def spacetime_mesh(domain: Domain, points: int | None = None, until: float | None = None) -> OutputMesh:
    """The x–t surface of a domain with one space dimension and time: quads, twice as fine in x as in t.

    Args:
        domain: a cylinder over a one-dimensional space.
        points: how many points, about (default 20,000).
        until: its last time, where that is not the domain's.

    Returns:
        A mesh of quads in (x, t).

    Raises:
        UsageError: if the domain has no time or more than one space dimension.
    """
    space = space_of(domain)
    if space is domain or space.dimension != 1:
        msg = (
            f"a space–time surface needs one space dimension and time, received the coordinates "
            f"{', '.join(domain.coordinates)}: write a .pvd (one file per time) instead."
        )
        raise UsageError(msg)
    steps = max(1, round(math.sqrt((points or DEFAULT_POINTS[2]) / 2)))
    line = _lines(space, 2 * steps + 1)
    t = times(domain, steps + 1)
    if until is not None:
        t = t[0] + (t - t[0]) * (until - t[0]) / (t[-1] - t[0])
    n = len(line.points)
    surface = np.column_stack([np.tile(line.points[:, 0], len(t)), np.repeat(t, n)])
    first, second = line.cells[:, 0], line.cells[:, 1]
    layers = [np.column_stack([first, second, second + n, first + n]) + k * n for k in range(steps)]
    return OutputMesh(surface, np.concatenate(layers), "quad", tuple(domain.coordinates))


def times(domain: Domain, steps: int | None = None) -> NDArray[np.float64]:
    """The (steps,) equally spaced times of a cylinder, both ends included (default 41).

    Raises:
        UsageError: for fewer than two steps.
    """
    steps = DEFAULT_STEPS if steps is None else steps
    if steps < 2:
        msg = f"received {steps} time steps, expected at least 2 (the first and the last time)."
        raise UsageError(msg)
    lower, upper = corners_of(domain)
    return np.linspace(lower[-1], upper[-1], steps)


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


def space_of(domain: Domain) -> Domain:
    """The space part of a cylinder; a domain without time itself."""
    return domain.space if isinstance(domain, Cylinder) else domain


def is_cylinder(domain: Domain) -> bool:
    """Whether the domain is space × time."""
    return isinstance(domain, Cylinder)


def corners_of(domain: Domain) -> NDArray[np.float64]:
    """(2, d): lower and upper corner of the bounding box."""
    return np.asarray(domain.bounds.detach().cpu().numpy(), dtype=np.float64)


def check_dimension(space: Domain) -> None:
    """Refuse what no viewer can show.

    Raises:
        UsageError: in four or more space dimensions.
    """
    if space.dimension > 3:
        msg = (
            f"the domain has {space.dimension} space dimensions ({', '.join(space.coordinates)}), ParaView "
            "shows at most 3: write points and values to a .csv or .npz file, or evaluate a slice."
        )
        raise UsageError(msg)


def _grid_shape(widths: NDArray[np.float64], target: int) -> tuple[int, ...]:
    """Points per axis for about `target` in total, with square cells unless the box is very thin."""
    shares = np.maximum(widths / widths.max(), _THINNEST)
    per_unit = (target / shares.prod()) ** (1 / len(widths))
    return tuple(max(2, round(float(per_unit * share))) for share in shares)


def _lines(space: Domain, target: int) -> OutputMesh:
    """Lines between the boundary points of a one-dimensional domain, wherever it lies inside."""
    found: list[float] = []
    for piece in space.pieces:
        x = piece.map(torch.zeros(1, 0, dtype=torch.float64))
        if bool(piece.active(x).all()):
            found.append(float(x[0, 0]))
    ends = np.unique(found)
    middles = torch.as_tensor((ends[1:] + ends[:-1]) / 2)[:, None]
    inside = space.contains(middles, space.rounding).cpu().numpy()
    total = float((np.diff(ends) * inside).sum())
    points, cells, start = [], [], 0
    for a, b in zip(ends[:-1][inside], ends[1:][inside], strict=True):
        n = max(2, round(target * (b - a) / total))
        points.append(np.linspace(a, b, n))
        cells.append(np.column_stack([np.arange(n - 1), np.arange(1, n)]) + start)
        start += n
    return OutputMesh(
        np.concatenate(points)[:, None], np.concatenate(cells), "line", tuple(space.coordinates)
    )
