"""Cells of better shape by Gmsh, an extra: the same boundary, filled anew.

Boundary vertices are those of our own mesh and lie on the boundary; Gmsh places the inner points, which leaves no
sliver (Geuzaine & Remacle 2009).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pdesolve.errors import SolveError
from pdesolve.output.cells import OutputMesh
from pdesolve.runs.extras import needed

# Gmsh's numbers of triangles and tetrahedra.
_CELLS = {2: 2, 3: 4}
# Relative difference of the measures before and after: the boundary stays, so that only rounding may differ.
_SAME = 1e-9
Sides = NDArray[np.int64]


def refilled(mesh: OutputMesh) -> OutputMesh:
    """Triangles or tetrahedra inside the boundary of a mesh of the same kind, about as large as its sides.

    Raises:
        UsageError: the extra is not installed.
        SolveError: Gmsh could not fill the boundary.
    """
    gmsh = needed("gmsh", "gmsh", "--mesher gmsh")
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("General.NumThreads", 1)
        parts = [_filled(gmsh, part) for part in _pieces(mesh)]
    except Exception as error:  # gmsh raises nothing narrower
        message = f"Gmsh could not fill the boundary ({error}): leave --mesher out, or ask for other --points"
        raise SolveError(message) from None
    finally:
        gmsh.finalize()
    first = np.cumsum([0, *(len(points) for points, _ in parts)])
    cells = np.concatenate([nodes + start for (_, nodes), start in zip(parts, first, strict=False)])
    points = np.concatenate([points for points, _ in parts])
    return _checked(OutputMesh(points, cells, mesh.cell_type, mesh.names), mesh)


def _filled(gmsh: Any, mesh: OutputMesh) -> tuple[NDArray[np.float64], Sides]:
    """Points and cells inside the boundary of a mesh in one piece."""
    dimension = mesh.points.shape[1]
    vertices, sides = boundary_of(mesh)
    length = np.median(np.linalg.norm(vertices[sides[:, 1]] - vertices[sides[:, 0]], axis=1))
    gmsh.clear()
    gmsh.option.setNumber("Mesh.MeshSizeMax", float(length))
    {2: _outline, 3: _surfaces}[dimension](gmsh.model, vertices, sides)
    gmsh.model.geo.synchronize()
    gmsh.model.mesh.generate(dimension)
    tags, places, _ = gmsh.model.mesh.getNodes()
    nodes = gmsh.model.mesh.getElementsByType(_CELLS[dimension])[1]
    number = np.zeros(int(tags.max(initial=0)) + 1, dtype=np.int64)
    number[tags.astype(np.int64)] = np.arange(len(tags))
    return places.reshape(-1, 3)[:, :dimension], number[nodes.reshape(-1, dimension + 1).astype(np.int64)]


def _pieces(mesh: OutputMesh) -> list[OutputMesh]:
    """The connected pieces of a mesh."""
    part = _connected(mesh.cells, len(mesh.points))[mesh.cells[:, 0]]
    return [replace(mesh, cells=mesh.cells[part == k]) for k in np.unique(part)]


def _connected(cells: Sides, n: int) -> Sides:
    """The connected part (n,) of each of n vertices."""
    first = np.repeat(cells[:, :1], cells.shape[1] - 1, axis=1).ravel()
    second = cells[:, 1:].ravel()
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def boundary_of(mesh: OutputMesh) -> tuple[NDArray[np.float64], Sides]:
    """Vertices (n, 3) on the boundary, and its sides (e, d): those of one simplex only."""
    corners = mesh.cells.shape[1]
    sides = np.concatenate([np.delete(mesh.cells, i, axis=1) for i in range(corners)])
    # A side of one simplex only is boundary.
    _, first, count = np.unique(np.sort(sides, axis=1), axis=0, return_index=True, return_counts=True)
    used, compact = np.unique(sides[first[count == 1]], return_inverse=True)
    vertices = np.zeros((len(used), 3))
    vertices[:, : mesh.points.shape[1]] = mesh.points[used]
    return vertices, compact.reshape(-1, corners - 1)


def _outline(model: Any, vertices: NDArray[np.float64], sides: Sides) -> None:
    """Closed polygons, each segment of which stays whole, around one plane surface."""
    for tag, vertex in enumerate(vertices.tolist(), start=1):
        model.geo.addPoint(*vertex, tag=tag)
    lines = [model.geo.addLine(a, b) for a, b in (sides + 1).tolist()]
    # Two points on each line: Gmsh keeps the segments whole, so that the boundary stays what it was.
    for line in lines:
        model.geo.mesh.setTransfiniteCurve(line, 2)
    model.geo.addPlaneSurface(model.geo.addCurveLoops(lines))


def _surfaces(model: Any, vertices: NDArray[np.float64], sides: Sides) -> None:
    """Closed triangulated surfaces, each in one piece, around one volume."""
    loops = []
    part = _connected(sides, len(vertices))
    for k in np.unique(part):
        mine = np.flatnonzero(part == k)
        triangles = sides[part[sides[:, 0]] == k]
        surface = model.addDiscreteEntity(2)
        model.mesh.addNodes(2, surface, mine + 1, vertices[mine].ravel())
        model.mesh.addElementsByType(surface, 2, [], (triangles + 1).ravel())
        loops.append(model.geo.addSurfaceLoop([surface]))
    model.geo.addVolume(loops)


def _checked(found: OutputMesh, before: OutputMesh) -> OutputMesh:
    """The cells, positively oriented, if they fill what they should.

    Raises:
        SolveError: they do not.
    """
    wrong = found.measures < 0
    found.cells[wrong] = found.cells[wrong][:, [1, 0, *range(2, found.cells.shape[1])]]
    total = float(found.measures.sum())
    wanted = float(before.measures.sum())
    if abs(total - wanted) > _SAME * wanted:
        message = f"Gmsh filled {total:.6g} of the domain's {wanted:.6g}: leave --mesher out, or ask for other --points"
        raise SolveError(message)
    return found
