"""The mesh on which a solution is shown: lines, quads and hexahedra on boxes, simplices on anything else.

Nothing is solved on it: the solution is a function, and these are the points at which it is written down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.shapes.box import AxisAlignedBox
from pdesolve.geometry.shapes.mesh import PlaneMesh
from pdesolve.geometry.shapes.solid_mesh import SolidMesh
from pdesolve.geometry.spacetime import Cylinder
from pdesolve.output.cells import OutputMesh, corners_of, grid
from pdesolve.output.gmsh_mesh import refilled
from pdesolve.output.sharing import once
from pdesolve.output.tetrahedra import tetrahedralise
from pdesolve.output.triangulation import triangulate

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution

DEFAULT_POINTS = {1: 500, 2: 20_000, 3: 50_000}
# Times that are written unless others are asked for, both ends among them.
DEFAULT_STEPS = 41
# An axis gets at least this fraction of the points of the longest one, so that a thin box still shows its layers.
_THINNEST = 0.1


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
    mesh = once(lambda: _own_mesh(domain, points), (domain,), "mesh", points)
    if mesher is None or mesh.cell_type not in ("triangle", "tetra"):
        return mesh
    return refilled(mesh)


def _own_mesh(domain: Domain, points: int | None) -> OutputMesh:
    """Mesh a domain as `output_mesh` does, without another mesher."""
    space = space_of(domain)
    dimension = space.dimension
    check_dimension(space)
    target = points
    if target is None:
        target = DEFAULT_POINTS[dimension]
    if target < 2:
        msg = (
            f"received {target} points for the output mesh, expected 2 or more: leave it out for the default."
        )
        raise UsageError(msg)
    if dimension == 1:
        return _lines(space, target)
    if isinstance(space, AxisAlignedBox):
        lower, upper = corners_of(space)
        return grid(lower, upper, _grid_shape(upper - lower, target), tuple(space.coordinates))
    if isinstance(space, PlaneMesh | SolidMesh):
        found, cells = space.simplices(target)
        return OutputMesh(found, cells, "triangle" if dimension == 2 else "tetra", tuple(space.coordinates))
    if dimension == 2:
        return triangulate(space, target)
    return tetrahedralise(space, target)


def mesh_of(solution: Solution, points: int | None = None, mesher: str | None = None) -> OutputMesh:
    """`output_mesh` of its domain; of unknowns that depend on time alone, the times that were asked for."""
    domain = solution.problem.domain
    moments = getattr(solution, "times", None)
    if moments is None or points is not None or domain.space_dimension:
        return output_mesh(domain, points, mesher)
    t = np.asarray(moments, dtype=np.float64)
    first = np.arange(max(len(t) - 1, 1))
    cells = np.column_stack([first, np.minimum(first + 1, len(t) - 1)])
    return OutputMesh(t[:, None], cells, "line", tuple(domain.coordinates))


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
    return once(
        lambda: _surface(domain, points or DEFAULT_POINTS[2], until), (domain,), "surface", points, until
    )


def _surface(domain: Domain, points: int, until: float | None) -> OutputMesh:
    space = space_of(domain)
    # Layers in x are twice as fine as those in t, so that n of them have 2 n² points.
    steps = max(1, round(math.sqrt(points / 2)))
    line = _lines(space, 2 * steps + 1)
    t = output_times(domain, steps + 1)
    if until is not None:
        t = t[0] + (t - t[0]) * (until - t[0]) / (t[-1] - t[0])
    n = len(line.points)
    surface = np.column_stack([np.tile(line.points[:, 0], len(t)), np.repeat(t, n)])
    first = line.cells[:, 0]
    second = line.cells[:, 1]
    layers = [np.column_stack([first, second, second + n, first + n]) + k * n for k in range(steps)]
    return OutputMesh(surface, np.concatenate(layers), "quad", tuple(domain.coordinates))


def output_times(domain: Domain, steps: int | None = None) -> NDArray[np.float64]:
    """The (steps,) equally spaced times of a cylinder, both ends included (default 41).

    Raises:
        UsageError: for fewer than two steps.
    """
    if steps is None:
        steps = DEFAULT_STEPS
    if steps < 2:
        msg = f"received {steps} time steps, expected at least 2 (the first and the last time)."
        raise UsageError(msg)
    lower, upper = corners_of(domain)
    return np.linspace(lower[-1], upper[-1], steps)


def space_of(domain: Domain) -> Domain:
    """The space part of a cylinder; a domain without time itself."""
    return domain.in_space


def is_cylinder(domain: Domain) -> bool:
    """Whether the domain is space × time."""
    return isinstance(domain, Cylinder)


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
    points = []
    cells = []
    start = 0
    for a, b in zip(ends[:-1][inside], ends[1:][inside], strict=True):
        n = max(2, round(target * (b - a) / total))
        points.append(np.linspace(a, b, n))
        cells.append(np.column_stack([np.arange(n - 1), np.arange(1, n)]) + start)
        start += n
    return OutputMesh(
        np.concatenate(points)[:, None], np.concatenate(cells), "line", tuple(space.coordinates)
    )
