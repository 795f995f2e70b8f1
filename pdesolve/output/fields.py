"""What is written at every point: unknowns, exact values, errors, gradients and the residual."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.output.cells import OutputMesh

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution

Fields = dict[str, NDArray[np.float64]]

_NUDGE = 1e-6  # of the way to the middle of a cell, for points at which something is singular


def mesh_fields(solution: Solution, mesh: OutputMesh, time: float | None = None) -> Fields:
    """Fields at the points of a mesh, at one time if the problem has any and the mesh has not.

    A coefficient or an exact solution may be singular exactly at a corner. Where any value is not finite, all
    of them are taken a millionth of a cell further inside.

    Args:
        solution: the solution.
        mesh: with points (n, d), of space or of space and time.
        time: a time for all points.

    Returns:
        The fields of `point_fields`.
    """
    points = with_time(mesh.points, time)
    fields = point_fields(solution, points)
    bad = np.flatnonzero(~_finite(fields))
    if len(bad):
        first = np.zeros(len(points), dtype=np.int64)
        first[mesh.cells] = np.arange(len(mesh.cells))[:, None]
        middle = with_time(mesh.centroids[first[bad]], time)
        if time is not None:
            middle[:, -1] = float(solution.problem.domain.bounds[:, -1].mean())
        again = point_fields(solution, points[bad] + _NUDGE * (middle - points[bad]))
        for name, values in again.items():
            fields[name][bad] = values
    return without_unknown_exact(solution, fields)


def point_fields(solution: Solution, points: NDArray[np.float64]) -> Fields:
    """All fields at points (n, d).

    Args:
        solution: the solution.
        points: (n, d), time last.

    Returns:
        For an unknown u of a problem with an exact solution or a reference: `u`, `u_exact`, `u_error` = u -
        u_exact (each (n,)) and `grad_u` (n, 3), in space and padded with zeros; then `residual` (n,). Several
        equations give `residual_1`, `residual_2`, … and `residual`, the root of the sum of their squares.

    Raises:
        UsageError: if the names of two unknowns lead to the same array.
    """
    domain = solution.problem.domain
    d, space = domain.dimension, len(domain.space_coordinates)
    x = torch.as_tensor(points, dtype=torch.float64)
    value = (0,) * d
    steps = [tuple(int(i == axis) for i in range(d)) for axis in range(space)]
    jet, residual = map(_numpy, solution.jet_and_residual(x, (value, *steps)))
    exact = solution.exact_values(x)
    pairs: list[tuple[str, NDArray[np.float64]]] = []
    for i, name in enumerate(solution.problem.unknowns):
        pairs.append((name, jet[:, i, 0]))
        if exact is not None:
            known = _numpy(exact[:, i])
            pairs += [(f"{name}_exact", known), (f"{name}_error", jet[:, i, 0] - known)]
        pairs.append((f"grad_{name}", np.pad(jet[:, i, 1:], ((0, 0), (0, max(0, 3 - space))))))
    pairs += _residuals(residual)
    fields = {name: values.copy() for name, values in pairs}
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"two arrays would be called '{twice}': rename the unknown that leads to it."
        raise UsageError(msg)
    return fields


def without_unknown_exact(solution: Solution, fields: Fields) -> Fields:
    """Leave out the exact values and errors of an unknown whose reference is not known everywhere."""
    for name in solution.problem.unknowns:
        exact = fields.get(f"{name}_exact")
        if exact is None or np.isfinite(exact).all():
            continue
        missing = int((~np.isfinite(exact)).sum())
        note = (
            f"'{name}_exact' is not finite at {missing} of {len(exact)} points: left out, with '{name}_error'"
        )
        warnings.warn(note, stacklevel=2)
        fields = {k: v for k, v in fields.items() if k not in (f"{name}_exact", f"{name}_error")}
    return fields


def with_time(points: NDArray[np.float64], time: float | None) -> NDArray[np.float64]:
    """Points (n, d) with a last column t, if there is a time."""
    return points.copy() if time is None else np.column_stack([points, np.full(len(points), time)])


def _residuals(residual: NDArray[np.float64]) -> list[tuple[str, NDArray[np.float64]]]:
    if residual.ndim == 1 or residual.shape[1] == 1:
        return [("residual", residual.reshape(-1))]
    parts = [(f"residual_{i + 1}", column) for i, column in enumerate(residual.T)]
    return [("residual", np.sqrt((residual**2).sum(axis=1))), *parts]


def _finite(fields: Fields) -> NDArray[np.bool_]:
    """Rows (n,) at which everything is finite."""
    return np.all([np.isfinite(v.reshape(len(v), -1)).all(axis=1) for v in fields.values()], axis=0)


def _numpy(values: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(values.detach().cpu().to(torch.float64).numpy())
