"""What a run shows: a file for ParaView, which grows with a march, and a picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pdesolve.cli.faults import Fault
from pdesolve.errors import UsageError

_PICTURES = (".png", ".pdf", ".svg")
# Space dimensions that ParaView shows.
_HIGHEST_SHOWN = 3


def check_file_names(vtk: str | None, plot: str | None) -> None:
    """Refuse names for `--vtk` and `--plot` that cannot be written to, before anything is solved.

    Raises:
        UsageError: the ending is no known format, or the name is that of a folder.
    """
    from pdesolve.output.registry import known_format

    for option, file in (("--vtk", vtk), ("--plot", plot)):
        if file is not None and Path(file).is_dir():
            message = f"{option} {file} is a folder; expected a file name"
            raise UsageError(message)
    if vtk is not None:
        known_format(vtk)
    if plot is not None and Path(plot).suffix.lower() not in _PICTURES:
        message = f"--plot {plot}: expected a file name with the ending {', '.join(_PICTURES)}"
        raise UsageError(message)


def check_suitable(domain: Any, vtk: str | None) -> None:
    """Refuse a format that cannot hold this problem, before it is solved.

    Raises:
        UsageError: more dimensions, or times, than a `--vtk` file of that ending has room for.
    """
    suffix = Path(vtk or "").suffix.lower()
    dimension = len(domain.space_coordinates)
    if suffix in (".vtu", ".vtk", ".pvd", ".xdmf") and dimension > _HIGHEST_SHOWN:
        message = f"--vtk {vtk}: ParaView cannot show {dimension} space dimensions; choose .npz or .csv"
        raise UsageError(message)
    # A line and its times are a surface, which one file holds.
    if suffix in (".vtu", ".vtk") and "t" in domain.coordinates and dimension > 1:
        message = f"--vtk {vtk} holds one time and the problem has many: choose the ending .pvd"
        raise UsageError(message)


def write_products(
    solution: Any, directory: Path, vtk: str | None, plot: str | None, picture: bool = True
) -> dict[str, str]:
    """Write the default files into the run directory, and those that were asked for.

    A default file that cannot be made for this solution becomes a warning; one that was asked for an error.

    Returns:
        Label → path, of what was written.
    """
    from pdesolve.output.sharing import shared

    with shared():
        return _write_products(solution, directory, vtk, plot, picture)


def _write_products(
    solution: Any, directory: Path, vtk: str | None, plot: str | None, picture: bool
) -> dict[str, str]:
    from pdesolve import output
    from pdesolve.output import plotting, quantity_table

    files = {}
    name, label = _solution_file(solution)
    if _optional(directory / name, output.export, solution, directory / name):
        files[label] = str(directory / name)
    if picture and _optional(directory / "solution.png", plotting.plot, solution, directory / "solution.png"):
        files["picture"] = str(directory / "solution.png")
    if solution.problem.quantities and "t" in solution.problem.coordinates:
        table = directory / "quantities.csv"
        if _optional(table, quantity_table.write_quantities, solution, table):
            files["over time"] = str(table)
    if vtk is not None:
        output.export(solution, vtk)
        files["--vtk"] = vtk
    if plot is not None:
        plotting.plot(solution, plot)
        files["--plot"] = plot
    return files


class ProductsSoFar:
    """What an unfinished march shows: `solution.pvd` with the steps that it has passed."""

    def __init__(self, problem: Any, directory: Path, times: Sequence[float] | None = None):
        from pdesolve.output.growing import GrowingSeries

        self.series: GrowingSeries | None = GrowingSeries(problem, directory / "solution.pvd", times)

    def update(self, state: Mapping[str, Any]) -> None:
        """Add steps from the state of a checkpoint; where they cannot be made, warn once."""
        if self.series is None or state.get("method") != "collocation":
            return
        march = state["progress"]
        series = self.series
        if not _optional(series.path, series.extend, march["ends"], march["slabs"], state["seconds"]):
            self.series = None


def _solution_file(solution: Any) -> tuple[str, str]:
    """Name and label of the file that shows the solution."""
    domain = solution.problem.domain
    if len(domain.space_coordinates) > _HIGHEST_SHOWN:
        dimension = len(domain.space_coordinates)
        note = f"ParaView cannot show {dimension} space dimensions: the values go to solution.npz instead"
        warnings.warn(note, stacklevel=2)
        return "solution.npz", "values"
    if "t" in domain.coordinates:
        return "solution.pvd", "for ParaView"
    return "solution.vtu", "for ParaView"


def _optional(path: Path, writer: Callable[..., Any], *arguments: Any) -> bool:
    try:
        writer(*arguments)
    except OSError:  # a full disk concerns everything that is still to be written
        raise
    except Exception as error:
        # The solution is worth more than its picture: the run goes on.
        warnings.warn(f"{path.name} was not written: {Fault.of(error).sentence}", stacklevel=2)
        return False
    return True
