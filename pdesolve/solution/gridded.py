"""A solution on a grid over the bounding box of its domain, for xarray and pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.runs.extras import needed
from pdesolve.solution.times import checked_times, even_times
from pdesolve.statement.outputs import entry_names

Array = NDArray[np.float64]
# As many as files have, for the same reasons (`output.mesh`).
POINTS = {0: 1, 1: 500, 2: 20_000, 3: 50_000}
STEPS = 41
# Of the longest axis: a thin box still shows its layers.
THINNEST = 0.1


def as_dataset(solution: Any, points: int | None, times: Sequence[float] | None) -> Any:
    """See `Solution.to_xarray`."""
    xarray = needed("xarray", "data", "to_xarray")
    axes, values = gridded(solution, points, times)
    found = xarray.Dataset({name: (tuple(axes), array) for name, array in values.items()}, coords=axes)
    estimates = solution.estimates or ()
    for name, estimate in zip(solution.unknowns, estimates, strict=False):
        found[name].attrs["estimated_relative_l2_error"] = estimate
    # Strings and numbers only, so that the dataset can be written as NetCDF.
    found.attrs |= {
        "problem": str(solution.problem.name),
        "method": solution.method,
        "tolerance": solution.tol,
        "status": solution.status,
        "converged": int(solution.converged),
    }
    return found


def as_frame(solution: Any, points: int | None, times: Sequence[float] | None) -> Any:
    """See `Solution.to_pandas`."""
    pandas = needed("pandas", "data", "to_pandas")
    axes, values = gridded(solution, points, times)
    places = np.meshgrid(*axes.values(), indexing="ij")
    inside = np.logical_or.reduce([np.isfinite(array) for array in values.values()])
    columns = dict(zip(axes, places, strict=True)) | values
    return pandas.DataFrame({name: array[inside] for name, array in columns.items()})


def gridded(
    solution: Any, points: int | None, times: Sequence[float] | None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Axes by the names of the coordinates, and values on their grid, one axis of arrays for each.

    Raises:
        UsageError: the domain has more than three space dimensions, there are too few points, or times that are none.
    """
    domain = solution.problem.domain
    space = domain.space_dimension
    if space > 3:
        message = (
            f"a grid over {space} space dimensions would be too large; expected at most 3: call the solution at points "
            "of your own, or export a .npz file"
        )
        raise UsageError(message)
    if points is not None and points < 2:
        message = f"points={points} was received, expected 2 or more"
        raise UsageError(message)
    lower, upper = domain.bounds.cpu().numpy()
    axes = dict(zip(domain.space_coordinates, _axes(lower[:space], upper[:space], points), strict=True))
    if "t" in domain.coordinates:
        axes["t"] = np.array(_moments(solution, times))
    elif times is not None:
        checked_times(domain, times)
    places = np.meshgrid(*axes.values(), indexing="ij")
    found = solution(*places)
    values = dict(found) if isinstance(found, dict) else {solution.unknowns[0]: found}
    for name, expression in solution.output_expressions.items():
        entries = solution.output(name)(*places)
        if expression.shape:
            names = entry_names(name, expression.shape, domain.space_coordinates)
            values |= dict(zip(names, _flat(entries), strict=True))
        else:
            values[name] = entries
    return axes, values


def _flat(entries: Any) -> list[Array]:
    """Entries of a vector or a matrix, row by row."""
    if isinstance(entries, tuple):
        return [one for part in entries for one in _flat(part)]
    return [entries]


def _moments(solution: Any, times: Sequence[float] | None) -> tuple[float, ...]:
    domain = solution.problem.domain
    if times is not None:
        return checked_times(domain, times)
    found = solution.times or even_times(domain, STEPS)
    if solution.reached is None:
        return found
    return tuple(t for t in found if t <= solution.reached)


def _axes(lower: Array, upper: Array, points: int | None) -> list[Array]:
    """Equally spaced places along each axis, of about equal distances."""
    if not len(lower):
        return []
    shares = np.maximum((upper - lower) / (upper - lower).max(), THINNEST)
    longest = ((points or POINTS[len(lower)]) / shares.prod()) ** (1 / len(lower))
    counts = np.maximum(2, np.rint(longest * shares)).astype(int)
    return [np.linspace(a, b, n) for a, b, n in zip(lower, upper, counts, strict=True)]
