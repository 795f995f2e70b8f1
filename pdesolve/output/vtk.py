"""Solutions for ParaView: one time as `.vtu` or `.vtk`, many as `.pvd` with a file for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.output.cells import OutputMesh
from pdesolve.output.fields import mesh_fields
from pdesolve.output.files import replacing
from pdesolve.output.guarded_meshio import write_mesh
from pdesolve.output.mesh import is_cylinder, mesh_of, output_times, spacetime_mesh

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution


def write_vtu(
    solution: Solution,
    path: Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
) -> tuple[Path, ...]:
    """Write one mesh with point data.

    A problem with one space dimension and time becomes its x–t surface, unless a time is given.

    Args:
        solution: the solution.
        path: a file name ending in `.vtu` or `.vtk`.
        points: how many points, about.
        steps: not used: the file holds one time.
        time: the time to write, of a time-dependent problem.
        mesher: see `output_mesh`.

    Returns:
        The path.

    Raises:
        UsageError: if the problem has time and more space dimensions, and no time is given.
    """
    domain = solution.problem.domain
    if steps is not None:
        msg = f"'{path}' holds one time, received steps={steps}: write '{path.with_suffix('.pvd')}' instead."
        raise UsageError(msg)
    time = checked_time(solution, time)
    if is_cylinder(domain) and time is None:
        if domain.space.dimension > 1:
            msg = (
                f"'{path}' holds one time and the problem has many: write '{path.with_suffix('.pvd')}' for "
                f"all of them, or one of them by export(solution, '{path.name}', time={_last(domain):g})."
            )
            raise UsageError(msg)
        mesh = spacetime_mesh(domain, points, _reached(solution))
    else:
        mesh = mesh_of(solution, points, mesher)
    return (write_step(solution, path, mesh, time),)


def write_pvd(
    solution: Solution,
    path: Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
) -> tuple[Path, ...]:
    """Write a collection of `.vtu` files, one for each time, in a folder beside it.

    `u.pvd` lists `u/u_0000.vtu`, … by relative names, so that the collection can be moved; it is written last
    and never names a file that is not there. With one space dimension the x–t surface is written, too, as
    `u-spacetime.vtu`. A problem without time becomes a collection of one.

    Args:
        solution: the solution.
        path: a file name ending in `.pvd`.
        points: how many points in space, about.
        steps: how many times (default: those that the solution was asked for, else 41).
        time: a single time instead.
        mesher: see `output_mesh`.

    Returns:
        The collection, its files, and the x–t surface where there is one.
    """
    domain = solution.problem.domain
    moments = moments_of(solution, steps, time) if is_cylinder(domain) else [checked_time(solution, time)]
    mesh = mesh_of(solution, points, mesher)
    names = [step_name(path, k) for k in range(len(moments))]
    for name, moment in zip(names, moments, strict=True):
        write_step(solution, name, mesh, moment)
    _remove_older_steps(path.with_suffix(""), path.stem, {name.name for name in names})
    write_collection(path, moments)
    surfaces = []
    if len(moments) > 1 and domain.space_dimension == 1:
        surface = path.with_name(f"{path.stem}-spacetime.vtu")
        surfaces.append(write_step(solution, surface, spacetime_mesh(domain, None, _reached(solution)), None))
    return (path, *names, *surfaces)


def moments_of(solution: Solution, steps: int | None, time: float | None) -> list[float]:
    """The times to write, up to where the solution has come: one, those it was asked for, or equally spaced ones.

    Raises:
        UsageError: if the problem has not this one, or the solution has not come so far.
    """
    time = checked_time(solution, time)
    if time is not None:
        return [time]
    asked = getattr(solution, "times", None) if steps is None else None
    found = output_times(solution.problem.domain, steps).tolist() if asked is None else list(asked)
    reached = _reached(solution)
    if reached is None:
        return found
    kept = [t for t in found if t <= reached]
    if not kept:
        msg = f"none of the times {found[0]:g} to {found[-1]:g} was reached, the solution ends at t = {reached:g}."
        raise UsageError(msg)
    return kept


def checked_time(solution: Solution, time: float | None) -> float | None:
    """A time that the solution has, or None.

    Raises:
        UsageError: if the problem has no time, or not this one, or the solution has not come so far.
    """
    domain = solution.problem.domain
    if time is None:
        return None
    if not is_cylinder(domain):
        msg = f"time={time:g} was given, but the problem has no time: leave it out."
        raise UsageError(msg)
    first, last = domain.bounds[:, -1].tolist()
    if not first <= time <= last:
        msg = f"time={time:g} lies outside the problem's times, expected {first:g} to {last:g}."
        raise UsageError(msg)
    reached = _reached(solution)
    if reached is not None and time > reached:
        msg = (
            f"time={time:g} was not reached, the solution ends at t = {reached:g}: choose a time up to that."
        )
        raise UsageError(msg)
    return float(time)


def step_name(path: Path, k: int) -> Path:
    """The file of step k of a collection."""
    return path.with_suffix("") / f"{path.stem}_{k:04d}.vtu"


def write_step(solution: Solution, path: Path, mesh: OutputMesh, time: float | None) -> Path:
    """Write the fields of a solution on a mesh, at one time if it has any and the mesh has not."""
    fields = mesh_fields(solution, mesh, time)
    return write_mesh(path, mesh.points, mesh.cells, mesh.cell_type, fields)


def write_collection(path: Path, moments: Sequence[float | None]) -> None:
    """Write the `.pvd` of steps 0, 1, … at these times, by names relative to it."""
    root = ElementTree.Element("VTKFile", type="Collection", version="0.1", byte_order="LittleEndian")
    collection = ElementTree.SubElement(root, "Collection")
    for k, moment in enumerate(moments):
        file = step_name(path, k).relative_to(path.parent).as_posix()
        time = repr(moment or 0.0)
        ElementTree.SubElement(collection, "DataSet", timestep=time, group="", part="0", file=file)
    ElementTree.indent(root)
    with replacing(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _remove_older_steps(folder: Path, stem: str, keep: set[str]) -> None:
    """Steps of an earlier, longer collection of the same name would be shown with this one's."""
    for file in folder.iterdir():
        if re.fullmatch(re.escape(stem) + r"_\d{4,}\.vtu", file.name) and file.name not in keep:
            file.unlink()


def _reached(solution: Solution) -> float | None:
    """The time at which a march was stopped before the end, else None."""
    return getattr(solution, "reached", None)


def _last(domain: Domain) -> float:
    return float(domain.bounds[1, -1])
