"""What shows a sweep: `sweep.csv`, `sweep.pvd` over the parameter, `sweep.png`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from pdesolve.output import panels
from pdesolve.output.files import replacing
from pdesolve.output.registry import export
from pdesolve.sweeps.branch import Branch
from pdesolve.sweeps.point import HIGHEST_SHOWN
from pdesolve.sweeps.table import SweepTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CURVES = 8  # more would not be told from each other
WIDE = 20.0  # ratio of the largest to the smallest value from which an axis is logarithmic


def write_products(table: SweepTable, directory: Path) -> dict[str, Path]:
    """Write the table, the collection for ParaView where one constant varies, and the picture.

    Returns:
        Label → path.
    """
    found = {"table": table.write_csv(directory / "sweep.csv")}
    shown = [place is not None and (place / "solution.vtu").exists() for place in table.directories]
    if len(table.names) == 1 and any(shown):
        found["for ParaView"] = write_collection(table, directory / "sweep.pvd")
    found["picture"] = draw_sweep(table, directory / "sweep.png")
    return found


def write_branch(branch: Branch, directory: Path) -> dict[str, Path]:
    """Write the table of a branch, a folder with the solution for each of its points, and the picture.

    Returns:
        Label → path.
    """
    found = {"table": branch.write_csv(directory / "branch.csv")}
    times: list[tuple[float, Path]] = []
    for i in range(branch.points):
        place = directory / f"{i:04d}"
        solution = branch.solution(i)
        solution.save(place)
        if len(solution.problem.domain.space_coordinates) <= HIGHEST_SHOWN:
            export(solution, place / "solution.vtu")
            # By number: the constant comes twice, and ParaView's time must rise.
            times.append((float(i), place / "solution.vtu"))
    if times:
        found["for ParaView"] = _write_times(times, directory / "branch.pvd")
    found["picture"] = draw_branch(branch, directory / "branch.png")
    return found


def write_collection(table: SweepTable, path: Path) -> Path:
    """Write a `.pvd` whose time is the constant that varies; points without a file are left out."""
    values = table[table.names[0]]
    # ParaView needs times that rise, and the values may be given in any order.
    places = [(float(values[i]), table.directories[i]) for i in np.argsort(values)]
    files = [(value, place / "solution.vtu") for value, place in places if place is not None]
    return _write_times([(value, file) for value, file in files if file.exists()], path)


def _write_times(times: Sequence[tuple[float, Path]], path: Path) -> Path:
    root = ElementTree.Element("VTKFile", type="Collection", version="0.1", byte_order="LittleEndian")
    collection = ElementTree.SubElement(root, "Collection")
    for time, place in times:
        file = Path(os.path.relpath(place, path.parent)).as_posix()
        ElementTree.SubElement(collection, "DataSet", timestep=repr(time), group="", part="0", file=file)
    ElementTree.indent(root)
    with replacing(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    return path


def draw_sweep(table: SweepTable, path: Path) -> Path:
    """Draw quantities with their errors, and the estimated error of the solutions, over the first constant.

    The other constants make a curve each; points that were not verified are hollow, those that failed are crosses at
    the bottom.
    """
    drawings = [partial(_draw, table=table, name=name) for name in (*table.quantities, "estimated_error")]
    return _save(drawings, path)


def draw_branch(branch: Branch, path: Path) -> Path:
    """Draw the root mean square of each unknown over the constant; folds are marked, what is not sure is hollow."""
    names = [f"rms_{unknown}" for unknown in branch.problem.unknowns]
    return _save([partial(_draw_curve, branch=branch, name=name) for name in names], path)


def _save(drawings: Sequence[Callable[[Axes], None]], path: Path) -> Path:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(panels.STYLE), replacing(path) as temporary:
        figure = Figure(figsize=(3.7 * len(drawings), 3.0), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, draw in zip(figure.subplots(1, len(drawings), squeeze=False)[0], drawings, strict=True):
            draw(axes)
        figure.savefig(temporary)
    return path


def _draw_curve(axes: Axes, branch: Branch, name: str) -> None:
    x, y = branch[branch.name], branch[name]
    sure = branch["verdict"] != "not verified"
    fold = branch["fold"] > 0
    axes.plot(x, y, color=panels.BLUE)
    axes.plot(x[sure], y[sure], "o", color=panels.BLUE, markersize=2.5)
    axes.plot(x[~sure], y[~sure], "o", color=panels.BLUE, markerfacecolor="white", markersize=4)
    axes.plot(x[fold], y[fold], "D", color=panels.RED, markersize=4, label="fold")
    for value, height in zip(x[fold], y[fold], strict=True):
        axes.annotate(
            f"{value:.7g}", (value, height), xytext=(-8, -12), textcoords="offset points", ha="right"
        )
    axes.set_xlabel(branch.name)
    axes.set_ylabel(f"root mean square of {name.removeprefix('rms_')}")


def _draw(axes: Axes, table: SweepTable, name: str) -> None:
    x = table[table.names[0]]
    curves = list(_curves(table))
    for label, rows in curves[:MOST_CURVES]:
        _curve(axes, table, name, rows[np.argsort(x[rows])], label)
    failed = ~np.isfinite(table[name])
    axes.plot(
        x[failed],
        np.zeros(failed.sum()),
        "x",
        color=panels.RED,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )
    axes.set_xlabel(table.names[0])
    axes.set_ylabel(name.replace("_", " "))
    if x.min() > 0 and x.max() > WIDE * x.min():
        axes.set_xscale("log")
    if name == "estimated_error" and (table[name] > 0).any():
        axes.set_yscale("log")
        axes.margins(y=0.5)  # of the span; errors that are nearly equal look so
    if len(curves) > 1:
        axes.legend()


def _curve(axes: Axes, table: SweepTable, name: str, rows: NDArray[Any], label: str) -> None:
    x, y = table[table.names[0]][rows], table[name][rows]
    error = table.get(f"{name}_estimated_error")
    if error is not None:
        (line,) = axes.plot(x, y, label=label)
        axes.errorbar(x, y, np.nan_to_num(np.abs(error[rows])), fmt="none", color=line.get_color(), capsize=2)
    else:
        (line,) = axes.plot(x, y, label=label)
    sure = table.solved[rows]
    axes.plot(x[sure], y[sure], "o", color=line.get_color(), markersize=3.5)
    axes.plot(x[~sure], y[~sure], "o", color=line.get_color(), markerfacecolor="white", markersize=4)


def _curves(table: SweepTable) -> Iterator[tuple[str, NDArray[Any]]]:
    """Label and rows for each combination of the constants beside the first."""
    others = [table[name] for name in table.names[1:]]
    # Where no other constant varies, all rows are of one curve.
    keys: list[tuple[Any, ...]] = [()] * len(table["verdict"])
    if others:
        keys = list(zip(*others, strict=True))
    for key in dict.fromkeys(keys):
        label = ", ".join(f"{name} = {value:g}" for name, value in zip(table.names[1:], key, strict=True))
        yield label, np.array([i for i, other in enumerate(keys) if other == key])
