"""The known file formats, and the function that picks one by the ending of the file name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdesolve.errors import UsageError

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution


@dataclass(frozen=True)
class Format:
    """One file format: what it is, and `module:function`, imported when it is used."""

    summary: str
    writer: str
    needs: str = ""  # a package of the extra of the same name as the ending

    def load(self) -> Any:
        """The function (solution, path, points=, steps=, time=, mesher=) -> paths written, the one to open first."""
        module, function = self.writer.split(":")
        return getattr(import_module(f"pdesolve.output.{module}"), function)


WRITERS = {
    ".vtu": Format("ParaView: mesh, values, errors, residual, gradient, at one time", "vtk:write_vtu"),
    ".pvd": Format("ParaView: a .vtu file for each of many times", "vtk:write_pvd"),
    ".vtk": Format("legacy VTK, as .vtu for older readers", "vtk:write_vtu"),
    ".npz": Format("numpy: points, cells, times and values, in any dimension", "tables:write_npz"),
    ".csv": Format("a table of coordinates and values, in any dimension", "tables:write_csv"),
    ".xdmf": Format("many times in one file with HDF5 beside it (extra xdmf)", "xdmf:write_xdmf", "h5py"),
}
# A point takes about 200 bytes of coordinates, values, gradient and residual: 2 GB, and as much again while written.
MOST_POINTS = 10_000_000
# Times of an evolution, each a file: beyond, a folder is slow to list.
MOST_STEPS = 100_000
FORMATS = {suffix: known.summary for suffix, known in WRITERS.items()}


def export(
    solution: Solution,
    path: str | Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
    times: Sequence[float] | None = None,
) -> tuple[Path, ...]:
    """Write a solution to a file whose ending decides the format.

    Args:
        solution: what `solve` returned.
        path: for example `u.vtu`; `.pvd` for a time-dependent problem in ParaView.
        points: how many points in space, about (default 500 in 1-D, 20,000 in 2-D, 50,000 in 3-D).
        steps: how many times, both ends included (default: those that `solve` was asked for, else 41).
        time: the one time to write instead, in a format that holds one.
        mesher: `gmsh` for triangles and tetrahedra of better shape (`pip install "pdesolve[gmsh]"`).
        times: exactly these times.

    Returns:
        The files written, the one to open first.

    Raises:
        UsageError: if the ending is unknown or does not suit the problem, or there are too many points; a value that
            is not finite raises SolveError.
    """
    path = Path(path)
    for key, value, most in (("points", points, MOST_POINTS), ("steps", steps, MOST_STEPS)):
        if value is not None and not 2 <= value <= most:
            msg = f"{key}={value} was received, expected 2 to {most:,}: the solution is smooth between them."
            raise UsageError(msg)
    if times is not None:
        from pdesolve.solution.times import checked_times

        solution = replace(solution, times=checked_times(solution.problem.domain, times))
    return known_format(path).load()(solution, path, points=points, steps=steps, time=time, mesher=mesher)


def known_format(path: str | Path) -> Format:
    """The format of a file name.

    Raises:
        UsageError: if the ending is not a known one, or needs a package that is not installed.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in WRITERS:
        received = f"the ending '{suffix}'" if suffix else "no ending"
        msg = f"'{path}' has {received}, expected one of {' '.join(WRITERS)}: the ending chooses the format."
        raise UsageError(msg)
    found = WRITERS[suffix.lower()]
    # Before hours are spent on a solution that could not be written.
    if found.needs and find_spec(found.needs) is None:
        msg = f"'{path}' needs the package {found.needs}: pip install 'pdesolve[{suffix.lower()[1:]}]'"
        raise UsageError(msg)
    return found
