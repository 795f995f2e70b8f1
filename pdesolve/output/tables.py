"""Solutions as plain arrays: `.npz` for numpy, `.csv` for everything else; in any dimension."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.output.cells import OutputMesh
from pdesolve.output.fields import Fields, mesh_fields, point_fields, with_time, without_unknown_exact
from pdesolve.output.files import replacing
from pdesolve.output.guarded_meshio import checked_array
from pdesolve.output.mesh import DEFAULT_POINTS, is_cylinder, mesh_of, output_mesh
from pdesolve.output.vtk import checked_time, moments_of

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution

# Points in four and more space dimensions, where there is no mesh.
_SAMPLES = 20_000
# A table repeats its points at every time, of which there are 41 by default: four times fewer of them keep it
# readable.
_FEWER = 4


def write_npz(
    solution: Solution,
    path: Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
) -> tuple[Path, ...]:
    """Write `points` (n, d), `cells` (e, corners), `cell_type`, `coordinates`, `times` (s,) and every field.

    Fields are (n,) or (n, 3), with a leading axis for the times if there are any. In four and more space
    dimensions there are no cells, and points are spread over the domain (and its times) by a Sobol sequence.

    Args:
        solution: the solution.
        path: a file name ending in `.npz`.
        points: how many points, about.
        steps: how many times (default: those that the solution was asked for, else 41).
        time: a single time instead.
        mesher: see `output_mesh`.

    Returns:
        The path.
    """
    domain = solution.problem.domain
    arrays: dict[str, Any] = {"coordinates": np.array(domain.coordinates)}
    if domain.space_dimension > 3:
        x, fields = _sampled(solution, points)
        arrays |= {"points": x} | fields
    else:
        mesh = mesh_of(solution, points, mesher)
        arrays |= {"points": mesh.points, "cells": mesh.cells, "cell_type": np.array(mesh.cell_type)}
        if is_cylinder(domain):
            moments = np.array(moments_of(solution, steps, time))
            layers = [_checked(mesh_fields(solution, mesh, t)) for t in moments]
            common = [name for name in layers[0] if all(name in layer for layer in layers)]
            arrays |= {"times": moments} | {name: np.stack([f[name] for f in layers]) for name in common}
        else:
            checked_time(solution, time)
            arrays |= _checked(mesh_fields(solution, mesh))
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)
    return (path,)


def write_csv(
    solution: Solution,
    path: Path,
    points: int | None = None,
    steps: int | None = None,
    time: float | None = None,
    mesher: str | None = None,
) -> tuple[Path, ...]:
    """Write a table with a header: the coordinates, then every field, a vector as one column per component.

    Numbers are written with 17 digits: reading them gives the same bits.

    Args:
        solution: the solution.
        path: a file name ending in `.csv`.
        points: how many points, about.
        steps: how many times (default: those that the solution was asked for, else 41).
        time: a single time instead.
        mesher: see `output_mesh`.

    Returns:
        The path.
    """
    domain = solution.problem.domain
    if domain.space_dimension > 3:
        tables = [_sampled(solution, points)]
    elif is_cylinder(domain):
        mesh = output_mesh(domain, points or DEFAULT_POINTS[domain.space_dimension] // _FEWER, mesher)
        tables = [_table(solution, mesh, t) for t in moments_of(solution, steps, time)]
    else:
        checked_time(solution, time)
        tables = [_table(solution, mesh_of(solution, points, mesher), None)]
    common = [name for name in tables[0][1] if all(name in fields for _, fields in tables)]
    columns = _columns(tables[0][1], common, domain.space_coordinates)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_quoted(name) for name in (*domain.coordinates, *columns)) + "\n")
        for x, fields in tables:
            values = [_as_columns(fields[name], len(domain.space_coordinates)) for name in common]
            np.savetxt(file, np.column_stack([x, *values]), delimiter=",", fmt="%.17g")
    return (path,)


def _table(solution: Solution, mesh: OutputMesh, time: float | None) -> tuple[NDArray[np.float64], Fields]:
    return with_time(mesh.points, time), _checked(mesh_fields(solution, mesh, time))


def _sampled(solution: Solution, points: int | None) -> tuple[NDArray[np.float64], Fields]:
    """Points spread over a domain of many dimensions, and the fields there."""
    x = solution.problem.domain.sample(points or _SAMPLES).cpu().numpy()
    return x, _checked(without_unknown_exact(solution, point_fields(solution, x)))


def _checked(fields: Fields) -> Fields:
    return {name: checked_array(name, values, len(values)) for name, values in fields.items()}


def _as_columns(values: NDArray[np.float64], space: int) -> NDArray[np.float64]:
    """A scalar as one column, a gradient as one for each coordinate, without the zeros for viewers."""
    if values.ndim == 1:
        return values[:, None]
    return values[:, :space]


def _columns(fields: Fields, names: list[str], coordinates: tuple[str, ...]) -> list[str]:
    columns = []
    for name in names:
        if fields[name].ndim == 1:
            columns.append(name)
        else:
            columns += [f"{name}_{c}" for c in coordinates]
    return columns


def _quoted(name: str) -> str:
    if not any(c in name for c in ',"\n'):
        return name
    return '"' + name.replace('"', '""') + '"'  # RFC 4180
