"""What a finished run shows: a file for ParaView and a picture."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pdesolve.cli.faults import Fault
from pdesolve.errors import UsageError

_HIGHEST_SHOWN = 3  # space dimensions that ParaView shows


def check_file_names(vtk: str | None, plot: str | None) -> None:
    """Refuse `--vtk` and `--plot` without an ending, before anything is solved.

    Raises:
        UsageError: the file has no ending to choose the format by, or is a folder.
    """
    for option, file, example in (("--vtk", vtk, ".vtu"), ("--plot", plot, ".png")):
        if file is None:
            continue
        if Path(file).is_dir() or not Path(file).suffix:
            message = f"{option} {file}: expected a file name with an ending, such as solution{example}"
            raise UsageError(message)


def write_products(solution: Any, directory: Path, vtk: str | None, plot: str | None) -> dict[str, str]:
    """Write the default files into the run directory, and those that were asked for.

    A default file that cannot be made for this solution becomes a warning; one that was asked for an error.

    Returns:
        Label → path, of what was written.
    """
    import pdesolve

    files = {}
    name = _solution_file(solution)
    if _optional(pdesolve.export, solution, directory / name):
        files["for ParaView" if name != "solution.npz" else "values"] = str(directory / name)
    if _optional(pdesolve.plot, solution, directory / "solution.png"):
        files["picture"] = str(directory / "solution.png")
    if vtk is not None:
        pdesolve.export(solution, vtk)
        files["--vtk"] = vtk
    if plot is not None:
        pdesolve.plot(solution, plot)
        files["--plot"] = plot
    return files


def _solution_file(solution: Any) -> str:
    domain = solution.problem.domain
    if len(domain.space_coordinates) > _HIGHEST_SHOWN:
        dimension = len(domain.space_coordinates)
        note = f"ParaView cannot show {dimension} space dimensions: the values go to solution.npz instead"
        warnings.warn(note, stacklevel=2)
        return "solution.npz"
    return "solution.pvd" if "t" in domain.coordinates else "solution.vtu"


def _optional(writer: Any, solution: Any, path: Path) -> bool:
    try:
        writer(solution, path)
    except OSError:
        raise
    except Exception as error:
        warnings.warn(f"{path.name} was not written: {Fault.of(error).sentence}", stacklevel=2)
        return False
    return True
