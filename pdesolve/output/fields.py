"""What is written at every point: unknowns, exact values, errors, gradients and the residual."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.output.cells import OutputMesh
from pdesolve.output.sharing import once
from pdesolve.solution.values import evaluated
from pdesolve.statement.outputs import entry_names

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution

Fields = dict[str, NDArray[np.float64]]

# Of the way to the middle of a cell, for points at which something is singular, such as the corner of a sector.
_NUDGE = 1e-6


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
    if time is None:
        return once(lambda: _fields_on(solution, mesh, time), (solution, mesh))
    return _fields_on(solution, mesh, time)


def _fields_on(solution: Solution, mesh: OutputMesh, time: float | None) -> Fields:
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
        equations give `residual_1`, `residual_2`, … and `residual`, the root of the sum of their squares. Of a vector
        unknown, `u`, `u_exact` and `u_error` are (n, 3), so that viewers warp and trace by them at once; so are
        outputs that are vectors. Of a complex unknown, whose parts are `u_re` and `u_im`, there are also `u_abs` and
        `u_phase` in (-π, π]. Other outputs are (n,), a matrix one array for each entry.

    Raises:
        UsageError: if two names lead to the same array.
    """
    domain = solution.problem.domain
    d = domain.dimension
    space = domain.space_dimension
    x = torch.as_tensor(points, dtype=torch.float64)
    value = (0,) * d
    steps = [tuple(int(i == axis) for i in range(d)) for axis in range(space)]
    jet, residual = map(_numpy, solution.jet_and_residual(x, (value, *steps)))
    exact = solution.exact_values(x)
    pairs: list[tuple[str, NDArray[np.float64]]] = []
    for i, name in enumerate(solution.unknowns):
        pairs.append((name, jet[:, i, 0]))
        if exact is not None:
            known = _numpy(exact[:, i])
            pairs += [(f"{name}_exact", known), (f"{name}_error", jet[:, i, 0] - known)]
        pairs.append((f"grad_{name}", np.pad(jet[:, i, 1:], ((0, 0), (0, max(0, 3 - space))))))
    pairs = _joined(pairs, solution.vectors)
    pairs += _polar(dict(pairs), solution.complex_names)
    pairs += _outputs(solution, x)
    pairs += _residuals(residual)
    fields = {name: values.copy() for name, values in pairs}
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"two arrays would be called '{twice}': rename the unknown or output that leads to it."
        raise UsageError(msg)
    return fields


def _joined(
    pairs: list[tuple[str, NDArray[np.float64]]], vectors: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, NDArray[np.float64]]]:
    """One array (n, 3) for a vector in place of those of its components, before all others."""
    scalars = dict(pairs)
    joined = []
    for name, components in vectors.items():
        for ending in ("", "_exact", "_error"):
            parts = [scalars.pop(f"{c}{ending}") for c in components if f"{c}{ending}" in scalars]
            if parts:
                joined.append((f"{name}{ending}", _padded(np.stack(parts, axis=1))))
    return [*joined, *scalars.items()] if joined else pairs


def _polar(
    known: Mapping[str, NDArray[np.float64]], parts: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, NDArray[np.float64]]]:
    """Modulus and phase of complex unknowns."""
    found = []
    for name, (real, imag) in parts.items():
        whole = known[real] + 1j * known[imag]
        found += [(f"{name}_abs", np.abs(whole)), (f"{name}_phase", np.angle(whole))]
    return found


def _padded(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns (n, k) filled up with zeros to (n, 3), as viewers want vectors."""
    return np.pad(columns, ((0, 0), (0, max(0, 3 - columns.shape[1]))))


def _outputs(solution: Solution, x: torch.Tensor) -> list[tuple[str, NDArray[np.float64]]]:
    axes = solution.problem.domain.space_coordinates
    pairs = []
    for name, expression in solution.output_expressions.items():
        values = _numpy(evaluated(expression, solution, x))
        if expression.shape == (len(axes),):
            pairs.append((name, _padded(values)))
        else:
            names = entry_names(name, expression.shape, axes)
            pairs += list(zip(names, values.T, strict=True))
    return pairs


def with_components(fields: Fields, vectors: Mapping[str, tuple[str, ...]]) -> Fields:
    """The fields, and beside each vector its components, for what draws one number at a point."""
    found = dict(fields)
    for name, components in vectors.items():
        for ending in ("", "_exact", "_error"):
            if f"{name}{ending}" in fields:
                columns = fields[f"{name}{ending}"].T
                found |= {f"{c}{ending}": column for c, column in zip(components, columns, strict=False)}
    return found


def without_unknown_exact(solution: Solution, fields: Fields) -> Fields:
    """Leave out the exact values and errors of an unknown whose reference is not known everywhere."""
    for name in (*solution.unknowns, *solution.vectors):
        exact = fields.get(f"{name}_exact")
        if exact is None or np.isfinite(exact).all():
            continue
        missing = int((~np.isfinite(exact.reshape(len(exact), -1)).all(axis=1)).sum())
        note = (
            f"'{name}_exact' is not finite at {missing} of {len(exact)} points: left out, with '{name}_error'"
        )
        warnings.warn(note, stacklevel=2)
        fields = {k: v for k, v in fields.items() if k not in (f"{name}_exact", f"{name}_error")}
    return fields


def with_time(points: NDArray[np.float64], time: float | None) -> NDArray[np.float64]:
    """Points (n, d) with a last column t, if there is a time."""
    if time is None:
        return points.copy()
    return np.column_stack([points, np.full(len(points), time)])


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
