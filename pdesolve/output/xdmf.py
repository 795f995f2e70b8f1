"""An evolution in one `.xdmf` file, its numbers in an HDF5 file beside it, by meshio and h5py (an extra)."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pdesolve.errors import UsageError
from pdesolve.output.fields import mesh_fields
from pdesolve.output.guarded_meshio import checked_array
from pdesolve.output.mesh import is_cylinder, mesh_of
from pdesolve.output.vtk import checked_time, moments_of
from pdesolve.runs.extras import needed

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution


def write_xdmf(
    solution: Solution,
    path: Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
) -> tuple[Path, ...]:
    """Write one mesh and the fields at all times; a problem without time becomes a series of one.

    Args:
        solution: the solution.
        path: a file name ending in `.xdmf`; `path.h5` beside it holds the numbers and is found by its name.
        points: how many points in space, about.
        steps: how many times (default: those that the solution was asked for, else 41).
        time: a single time instead.
        mesher: see `output_mesh`.

    Returns:
        The two files.

    Raises:
        UsageError: h5py is not installed, or the folder cannot be written to.
    """
    needed("h5py", "xdmf", "a file .xdmf")
    from meshio.xdmf import TimeSeriesWriter

    timed = is_cylinder(solution.problem.domain)
    moments = moments_of(solution, steps, time) if timed else [checked_time(solution, time)]
    mesh = mesh_of(solution, points, mesher)
    padded = np.pad(mesh.points, ((0, 0), (0, 3 - mesh.points.shape[1])))
    path = path.resolve()
    numbers = path.with_suffix(".h5")
    with _folder_beside(path) as folder:
        # meshio writes the numbers into the current folder, by the name of the file.
        with contextlib.chdir(folder), TimeSeriesWriter(path.name) as writer:
            writer.write_points_cells(padded, [(mesh.cell_type, mesh.cells)])
            for moment in moments:
                fields = mesh_fields(solution, mesh, moment)
                arrays = {name: checked_array(name, values, len(padded)) for name, values in fields.items()}
                writer.write_data(moment or 0.0, point_data=arrays)
        # The numbers first, so that the file never names what is not there.
        (folder / numbers.name).replace(numbers)
        (folder / path.name).replace(path)
    return path, numbers


@contextlib.contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
            yield Path(folder)
    except OSError as error:
        message = (
            f"cannot write '{path}': {error.strerror}. Choose a folder that exists and may be written to."
        )
        raise UsageError(message) from error
