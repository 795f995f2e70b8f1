"""A solution to turn and zoom, by pyvista (an extra)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pdesolve.errors import UsageError, did_you_mean
from pdesolve.output.fields import mesh_fields
from pdesolve.output.guarded_meshio import checked_array
from pdesolve.output.mesh import is_cylinder, mesh_of
from pdesolve.output.vtk import checked_time
from pdesolve.output.vtu import KINDS
from pdesolve.runs.extras import needed
from pdesolve.solution import handed_on

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution


def to_pyvista(solution: Solution, points: int | None = None, time: float | None = None) -> Any:
    """See `Solution.to_pyvista`."""
    pyvista = needed("pyvista", "view", "to_pyvista")
    time = checked_time(solution, time)
    if time is None and is_cylinder(solution.problem.domain):
        time = solution.reached
        if time is None:
            time = float(solution.problem.domain.bounds[1, -1])
    mesh = mesh_of(solution, points)
    padded = np.pad(mesh.points, ((0, 0), (0, 3 - mesh.points.shape[1])))
    grid = pyvista.UnstructuredGrid({KINDS[mesh.cell_type]: mesh.cells}, padded)
    for name, values in mesh_fields(solution, mesh, time).items():
        grid.point_data[name] = checked_array(name, values, len(padded))
    return grid


def show(solution: Solution, name: str | None = None, time: float | None = None, **options: Any) -> Any:
    """See `Solution.show`."""
    grid = to_pyvista(solution, time=time)
    known = list(grid.point_data)
    if name is None:
        name = known[0]
    if name not in known:
        message = f"there is no array '{name}'; expected one of {', '.join(known)}{did_you_mean(name, known)}"
        raise UsageError(message)
    flat = solution.problem.domain.space_dimension < 3
    return grid.plot(**({"scalars": name} | ({"cpos": "xy"} if flat else {}) | options))


handed_on.viewers |= {"to_pyvista": to_pyvista, "show": show}
