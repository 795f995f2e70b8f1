"""An evolution as a moving picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesolve.errors import UsageError
from pdesolve.output import panels
from pdesolve.output.fields import Fields, mesh_fields, with_components
from pdesolve.output.files import replacing
from pdesolve.output.mesh import is_cylinder, output_mesh
from pdesolve.output.vtk import moments_of

if TYPE_CHECKING:
    from pdesolve.solution.solution import Solution

ANIMATIONS = (".gif", ".mp4")
FRAMES = 40
PER_SECOND = 10
# Of the mesh: more are not seen at the resolution of a frame.
_POINTS = 4000
# Per inch.
_DOTS = 90


def animate(solution: Solution, path: str | Path, points: int | None = None) -> Path:
    """Write the first unknown of an evolution over time as `.gif` or `.mp4`, its scale the same in all frames.

    Raises:
        UsageError: the problem has no time, or more than two space dimensions, or nothing here writes such a film.
    """
    path = Path(path)
    domain = solution.problem.domain
    if not is_cylinder(domain) or domain.space_dimension > 2:
        msg = f"'{path}' is an animation, expected a problem with time and one or two space dimensions: write a .png."
        raise UsageError(msg)
    writer = _writer(path)
    moments = _moments(solution)
    mesh = output_mesh(domain, points or _POINTS)
    name = solution.unknowns[0]
    vectors = solution.vectors
    frames = [with_components(mesh_fields(solution, mesh, float(t)), vectors) for t in moments]
    limits = panels.value_limits(*(fields[name] for fields in frames))
    draw = partial(_frame, mesh=mesh, name=name, limits=limits)
    with replacing(path) as temporary:
        _write(temporary, writer, draw, frames, moments)
    return path


def _moments(solution: Solution) -> np.ndarray:
    """Times of the frames: those that the solution was asked for, else equally spaced ones."""
    if solution.times is not None:
        return np.array(moments_of(solution, None, None))
    first, last = solution.problem.domain.bounds[:, -1].tolist()
    if solution.reached is not None:
        last = solution.reached
    return np.linspace(first, last, FRAMES)


def _frame(
    figure: Any, fields: Fields, moment: float, mesh: Any, name: str, limits: tuple[float, float]
) -> None:
    figure.clear()
    axes = figure.add_subplot()
    if mesh.points.shape[1] == 1:
        panels.value_curve(axes, mesh.points[:, 0], fields[name], None, "")
        room = 0.05 * (limits[1] - limits[0])
        axes.set_ylim(limits[0] - room, limits[1] + room)
        axes.set_xlabel(f"${mesh.names[0]}$")
    else:
        panels.surface(axes, mesh, fields[name], limits=limits)
    axes.set_title(f"{name},  $t$ = {moment:.3g}")


def _writer(path: Path) -> Any:
    """What writes a film of this ending."""
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if path.suffix.lower() == ".gif":
        return PillowWriter(fps=PER_SECOND)
    if not FFMpegWriter.isAvailable():
        msg = f"'{path}' needs the program ffmpeg, which is not found here: install it, or write a .gif."
        raise UsageError(msg)
    return FFMpegWriter(fps=PER_SECOND)


def _write(path: Path, writer: Any, draw: Any, frames: list[Fields], moments: np.ndarray) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(panels.STYLE):
        figure = Figure(figsize=(4.6, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        with writer.saving(figure, str(path), dpi=_DOTS):
            for fields, moment in zip(frames, moments, strict=True):
                draw(figure, fields, float(moment))
                writer.grab_frame()
