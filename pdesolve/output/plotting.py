"""Pictures of a solution: its values, its error and how it was found."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pdesolve.errors import UsageError
from pdesolve.geometry.domain import Domain
from pdesolve.output import panels
from pdesolve.output.animation import ANIMATIONS, animate
from pdesolve.output.cells import OutputMesh, grid
from pdesolve.output.fields import Fields, mesh_fields, point_fields, with_components, with_time
from pdesolve.output.files import replacing
from pdesolve.output.mesh import is_cylinder, output_mesh, space_of, spacetime_mesh
from pdesolve.output.patch_picture import draw_patches
from pdesolve.output.statement_picture import statement_drawing
from pdesolve.output.views import chosen_view
from pdesolve.output.vtk import moments_of
from pdesolve.runs import html
from pdesolve.statement.problem import Problem

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pdesolve.solution.solution import Solution

Drawing = Callable[["Axes"], None]

PICTURES = (".png", ".pdf", ".svg")
# Inches of one set of axes.
_WIDTH = 3.7
_HEIGHT = 3.0
# Inches of one drawing alone, below which the headline would not have room.
_ALONE = 5.4
_SNAPSHOTS = 4
_MODES_IN_A_ROW = 3
# Margin around a picture, in inches.
_PAD = 0.08
# At the resolution of a notebook more are not seen.
_NOTEBOOK_POINTS = 4000
# Points along each side of a slice through a solid.
_SLICE = 161
# Points on the diagonal of a domain of many dimensions.
_DIAGONAL = 400


@overload
def plot(
    solution: Solution | Problem,
    path: str | Path,
    points: int | None = None,
    *,
    mesh: bool = False,
    **view: Any,
) -> Path: ...
@overload
def plot(
    solution: Solution | Problem,
    path: None = None,
    points: int | None = None,
    *,
    ax: Axes | None = None,
    mesh: bool = False,
    **view: Any,
) -> Figure: ...
def plot(
    solution: Solution | Problem,
    path: str | Path | None = None,
    points: int | None = None,
    *,
    ax: Axes | None = None,
    mesh: bool = False,
    **view: Any,
) -> Path | Figure:
    """Draw a solution, its error (or its residual, where the solution is not known) and its history.

    One space dimension is drawn as a curve, or with time over x and t; two as colours, with time at four
    times; three as slices through the middle, with time at the last; more along the diagonal of the domain.
    A system has a row, or two, for each unknown. matplotlib is imported when something is drawn.
    A problem that is not solved yet is drawn as it is stated: its boundary, coloured by conditions.

    Args:
        solution: what `solve` returned, or a problem.
        path: the picture: `.png`, `.pdf` or `.svg`, or an animation `.gif` or `.mp4` of a problem with time; None
            draws without writing.
        points: how many points the fields are drawn with, about.
        ax: axes that get the first unknown only, instead of a figure of its own.
        mesh: draw the patches, coloured by degree, instead of the fields.
        **view: one other view instead of the fields: `view=True` for a solid from outside, `arrows=`, `streamlines=` or
            `deformed=` with a vector by name, or its components as "u,v".

    Returns:
        The path; without one, the matplotlib Figure.

    Raises:
        UsageError: if the ending is not that of a picture, or the solution has nothing of what is asked for.
    """
    _check_target(solution, path, ax)
    if path is not None and Path(path).suffix.lower() in ANIMATIONS:
        return animate(cast("Solution", solution), path, points)
    single, headline = _one_drawing(solution, mesh, view)
    if single is not None:
        return _alone(single, path, ax, headline)
    solution = cast("Solution", solution)
    rows = _rows(solution, points)
    if ax is not None:
        return _drawn_on(ax, rows[0][0])
    tolerance = getattr(solution, "tol", None)
    draw_history: list[Drawing] = []
    if panels.has_history(solution.history):
        draw_history.append(partial(_draw_history, rows=solution.history, tolerance=tolerance))
    return _finish(path, rows, draw_history, headline)


def _check_target(solution: Solution | Problem, path: str | Path | None, ax: Axes | None) -> None:
    """Refuse a path beside axes, and an ending that is not that of a picture."""
    if path is None:
        return
    if ax is not None:
        msg = f"plot received path={str(path)!r} and ax=; expected one of them: save the figure of the axes yourself."
        raise UsageError(msg)
    _check_ending(path, animated=not isinstance(solution, Problem))


def _one_drawing(
    solution: Solution | Problem, mesh: bool, view: Mapping[str, Any]
) -> tuple[Drawing | None, str]:
    """What is drawn alone, instead of all fields; None where nothing of the kind is asked for. And the headline."""
    if isinstance(solution, Problem):
        asked = [name for name, value in {**view, "mesh": mesh}.items() if value]
        if asked:
            msg = f"plot received a problem and {', '.join(asked)}=; expected a solution: solve it first."
            raise UsageError(msg)
        return statement_drawing(solution), ""
    single = chosen_view(solution, **view)
    if mesh:
        single = partial(draw_patches, solution=solution)
    return single, _headline(solution)


def _alone(draw: Drawing, path: str | Path | None, ax: Axes | None, headline: str) -> Path | Figure:
    """One drawing as a whole picture, or on the axes of the user."""
    if ax is not None:
        return _drawn_on(ax, draw)
    return _finish(path, [[draw]], [], headline)


def _drawn_on(axes: Axes, draw: Drawing) -> Figure:
    import matplotlib

    with matplotlib.rc_context(panels.STYLE):
        draw(axes)
    return axes.figure  # type: ignore[return-value]


def _finish(
    path: str | Path | None, rows: list[list[Drawing]], history: list[Drawing], headline: str
) -> Path | Figure:
    if path is None:
        return _figure(rows, history, headline)
    return _save(path, rows, history, headline)


def picture_bytes(solution: Solution | Problem) -> bytes:
    """The picture of a solution or a problem as PNG, small enough for a notebook."""
    content = io.BytesIO()
    plot(solution, points=_NOTEBOOK_POINTS).savefig(content, format="png", dpi=90)
    return content.getvalue()


html.painters[:] = [picture_bytes]


def plot_history(history: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Draw the errors, estimates and losses of a solve against its unknowns or its seconds.

    Args:
        history: `solution.history`.
        path: the picture: `.png`, `.pdf` or `.svg`.

    Returns:
        The path.

    Raises:
        UsageError: if the ending is not that of a picture, or the history has less than two rows to draw.
    """
    _check_ending(path)
    if not panels.has_history(history):
        msg = (
            f"the history has {len(history)} rows, expected two or more with an error, an estimate or a loss."
        )
        raise UsageError(msg)
    return _save(path, [], [partial(_draw_history, rows=history)], "")


def _check_ending(path: str | Path, animated: bool = False) -> None:
    suffix = Path(path).suffix
    known = (*PICTURES, *ANIMATIONS) if animated else PICTURES
    if suffix.lower() not in known:
        msg = f"'{path}' has the ending '{suffix}', expected a picture: {', '.join(known)}."
        raise UsageError(msg)


def _headline(solution: Solution) -> str:
    parts = [str(solution.problem.name).replace("$", r"\$"), solution.method]
    error = solution.relative_l2_error()
    estimate = solution.estimated_error
    if error is not None:
        parts.append(f"relative L² error {error:.1e}")
    elif (reached := getattr(solution, "reached", None)) is not None:
        parts.append(f"stopped at $t$ = {reached:.3g}")
    elif estimate is not None:
        parts.append(f"estimated error {estimate:.1e}")
    return "  ·  ".join([*parts, f"{solution.seconds:.3g} s"])


# ---------------------------------------------------------------- what is drawn


def _rows(solution: Solution, points: int | None) -> list[list[Drawing]]:
    """The drawings of every row; of eigenvalue problems the modes, without what the equation leaves of them."""
    rows = _all_rows(solution, points)
    if not getattr(solution, "spectrum", None):
        return rows
    if solution.problem.domain.space_dimension == 3:
        return rows[::2]
    drawings = [_titled(row[0], title) for row, title in zip(rows, _mode_titles(solution), strict=True)]
    if len(drawings) > _MODES_IN_A_ROW:  # a row of fewer would be drawn wider
        drawings += [_nothing] * (-len(drawings) % _MODES_IN_A_ROW)
    return [drawings[i : i + _MODES_IN_A_ROW] for i in range(0, len(drawings), _MODES_IN_A_ROW)]


def _nothing(axes: Axes) -> None:
    axes.set_axis_off()


def _mode_titles(solution: Solution) -> list[str]:
    """Name and eigenvalue of every component of every mode."""
    each = len(solution.problem.unknowns)
    values = [f"{value:.5g}" for value in solution.eigenvalues.tolist()]
    return [f"{_symbol(name)},  λ = {values[i // each]}" for i, name in enumerate(solution.unknowns)]


def _all_rows(solution: Solution, points: int | None) -> list[list[Drawing]]:
    """The drawings of every row, chosen by the dimension of the problem."""
    domain = solution.problem.domain
    space = domain.space_dimension
    timed = is_cylinder(domain)
    if space == 1 and timed:
        return _surface_rows(solution, spacetime_mesh(domain, points), to_scale=False)
    if domain.dimension == 1:
        return _line_rows(solution, output_mesh(domain, points))
    if space == 2 and timed:
        return _snapshot_rows(solution, output_mesh(domain, points or 8000))
    if space == 2:
        return _surface_rows(solution, output_mesh(domain, points))
    if space == 3:
        return _slice_rows(solution)
    return _diagonal_rows(solution)


def _line_rows(solution: Solution, mesh: OutputMesh) -> list[list[Drawing]]:
    fields = _drawn(solution, mesh_fields(solution, mesh))
    # A curve must not be drawn across what is no domain.
    gaps = np.setdiff1d(np.arange(1, len(mesh.points)), mesh.cells[:, 1])  # between parts of the domain
    x = np.insert(mesh.points[:, 0], gaps, np.nan)
    broken = {name: np.insert(f, gaps, np.nan, axis=0) for name, f in fields.items() if f.ndim == 1}
    return _curve_rows(solution, x, broken, f"${mesh.names[0]}$")


def _diagonal_rows(solution: Solution) -> list[list[Drawing]]:
    """Along the diagonal of the bounding box, where it lies in the domain; at the last time."""
    domain = solution.problem.domain
    lower, upper = domain.bounds.cpu().numpy()
    if is_cylinder(domain):
        lower = np.concatenate([lower[:-1], upper[-1:]])
    s = np.linspace(0, 1, _DIAGONAL)
    fields = _where_inside(solution, lower + s[:, None] * (upper - lower))
    return _curve_rows(solution, s, fields, "position on the diagonal")


def _curve_rows(
    solution: Solution, x: NDArray[np.float64], fields: Fields, label: str
) -> list[list[Drawing]]:
    known = "exact" if solution.problem.exact else "reference"
    rows: list[list[Drawing]] = []
    for i, name in enumerate(solution.unknowns):
        title, wrong = _wrong(solution, fields, i)
        values = partial(
            panels.value_curve, x=x, value=fields[name], exact=fields.get(f"{name}_exact"), known=known
        )
        errors = partial(panels.magnitude_curve, x=x, value=wrong)
        rows.append([_titled(values, _symbol(name), label), _titled(errors, title, label)])
    for name, title in _shown_outputs(solution, fields):
        values = partial(panels.value_curve, x=x, value=fields[name], exact=None, known=known)
        rows.append([_titled(values, title, label)])
    return rows


def _surface_rows(solution: Solution, mesh: OutputMesh, to_scale: bool = True) -> list[list[Drawing]]:
    fields = _drawn(solution, mesh_fields(solution, mesh))
    rows: list[list[Drawing]] = []
    for i, name in enumerate(solution.unknowns):
        title, wrong = _wrong(solution, fields, i)
        values = partial(panels.surface, mesh=mesh, value=fields[name], to_scale=to_scale)
        errors = partial(panels.surface, mesh=mesh, value=wrong, logarithmic=True, to_scale=to_scale)
        rows.append([_titled(values, _symbol(name)), _titled(errors, title)])
    outputs = [
        _titled(partial(panels.surface, mesh=mesh, value=fields[name], to_scale=to_scale), title)
        for name, title in _shown_outputs(solution, fields)
    ]
    # Two beside each other, as an unknown and its error.
    return [*rows, *(outputs[i : i + 2] for i in range(0, len(outputs), 2))]


def _snapshot_rows(solution: Solution, mesh: OutputMesh) -> list[list[Drawing]]:
    moments = _snapshots(solution)
    frames = [(mesh, _drawn(solution, mesh_fields(solution, mesh, t))) for t in moments]
    return _frame_rows(solution, frames, [f"$t$ = {t:.3g}" for t in moments], [None] * len(moments))


def _snapshots(solution: Solution) -> list[float]:
    """Times of the pictures: four of those that the solution was asked for, else equally spaced ones."""
    if getattr(solution, "times", None) is not None:
        asked = moments_of(solution, None, None)
        chosen = np.linspace(0, len(asked) - 1, min(len(asked), _SNAPSHOTS)).round().astype(int)
        return [asked[k] for k in chosen]
    first, last = solution.problem.domain.bounds[:, -1].tolist()
    reached = getattr(solution, "reached", None)
    if reached is not None:
        last = reached
    return np.linspace(first, last, _SNAPSHOTS).tolist()


def _slice_rows(solution: Solution) -> list[list[Drawing]]:
    """Three planes through the middle of the bounding box; at the last time."""
    domain = solution.problem.domain
    bounds = domain.bounds.cpu().numpy()
    time = float(bounds[1, -1]) if is_cylinder(domain) else None
    lower, upper = bounds[:, :3]
    frames = []
    titles = []
    levels = []
    for axis in (2, 1, 0):
        kept = [i for i in range(3) if i != axis]
        names = tuple(domain.space_coordinates[i] for i in kept)
        mesh = grid(lower[kept], upper[kept], (_SLICE, _SLICE), names)
        middle = float((lower[axis] + upper[axis]) / 2)
        points = with_time(np.insert(mesh.points, axis, middle, axis=1), time)
        frames.append((mesh, _continued(_where_inside(solution, points), mesh)))
        levels.append(_level(space_of(domain), points))
        titles.append(f"${domain.space_coordinates[axis]}$ = {middle:.3g}")
    return _frame_rows(solution, frames, titles, levels)


def _frame_rows(
    solution: Solution,
    frames: list[tuple[OutputMesh, Fields]],
    titles: list[str],
    levels: Sequence[NDArray[np.float64] | None],
) -> list[list[Drawing]]:
    """For every unknown a row of its values and one of its errors, each on one scale of colours."""
    rows: list[list[Drawing]] = []
    for i, name in enumerate(solution.unknowns):
        wrong = [_wrong(solution, fields, i) for _, fields in frames]
        limits = panels.value_limits(*(fields[name] for _, fields in frames))
        bounds = panels.log_limits(*(values for _, values in wrong))
        rows += [[], []]
        for k, ((mesh, fields), (title, values), when) in enumerate(zip(frames, wrong, titles, strict=True)):
            draw = partial(panels.surface, mesh=mesh, level=levels[k], bar=k == len(frames) - 1)
            value = partial(draw, value=fields[name], limits=limits)
            error = partial(draw, value=values, limits=bounds, logarithmic=True)
            rows[-2].append(_titled(value, f"{_symbol(name)},  {when}"))
            rows[-1].append(_titled(error, f"{title},  {when}"))
    for name, title in _shown_outputs(solution, frames[0][1]):
        limits = panels.value_limits(*(fields[name] for _, fields in frames))
        rows.append([])
        for k, ((mesh, fields), when) in enumerate(zip(frames, titles, strict=True)):
            draw = partial(panels.surface, mesh=mesh, level=levels[k], bar=k == len(frames) - 1)
            rows[-1].append(_titled(partial(draw, value=fields[name], limits=limits), f"{title},  {when}"))
    return rows


def _where_inside(solution: Solution, points: NDArray[np.float64]) -> Fields:
    """Fields at points (n, d), NaN outside the domain."""
    inside = _inside(solution.problem.domain, points)
    fields = {}
    for name, values in _drawn(solution, point_fields(solution, points[inside])).items():
        if values.ndim == 1:
            fields[name] = np.full(len(points), np.nan)
            fields[name][inside] = values
    return fields


def _continued(fields: Fields, mesh: OutputMesh) -> Fields:
    """Values outside taken from the nearest point inside: what lies beyond the boundary is covered later."""
    continued = {}
    for name, values in fields.items():
        known = np.isfinite(values)
        if known.any():
            nearest = cKDTree(mesh.points[known]).query(mesh.points[~known])[1]
            values = values.copy()
            values[~known] = values[known][nearest]
        continued[name] = values
    return continued


def _inside(domain: Domain, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(domain.contains(torch.as_tensor(points), domain.rounding).cpu().numpy())


def _level(space: Domain, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive outside the domain; rounding on the boundary is not outside."""
    level = space.level(torch.as_tensor(points[:, : space.dimension])).cpu().numpy()
    # A white edge of one pixel would show rounding as a gap.
    return np.where(np.abs(level) <= space.rounding, -space.rounding, level)


def _drawn(solution: Solution, fields: Fields) -> Fields:
    """What can be drawn: components of vectors, and of outputs that are vectors their lengths."""
    found = with_components(fields, solution.vectors)
    for name in solution.problem.outputs:
        if name in fields and fields[name].ndim == 2:
            found[name] = np.linalg.norm(fields[name], axis=1)
    return found


def _shown_outputs(solution: Solution, fields: Fields) -> list[tuple[str, str]]:
    """Names of the outputs that are one number at a point, and their titles; vectors by their lengths."""
    shapes = {name: one.shape for name, one in solution.output_expressions.items()}
    shown = [
        (name, f"|{_symbol(name)}|" if shapes[name] else _symbol(name))
        for name in shapes
        if name in fields and fields[name].ndim == 1
    ]
    if getattr(solution, "spectrum", None):
        return shown
    return [*((f"{name}_abs", f"|{_symbol(name)}|") for name in solution.complex_names), *shown]


def _wrong(solution: Solution, fields: Fields, i: int) -> tuple[str, NDArray[np.float64]]:
    """Title and values (n,) of the error of an unknown, or of a residual where the error is not known."""
    name = solution.unknowns[i]
    if f"{name}_error" in fields:
        symbol = _symbol(name)[1:-1]
        mark = "^{*}" if solution.problem.exact else r"_\mathrm{ref}"
        return f"$|{symbol} - {symbol}{mark}|$", fields[f"{name}_error"]
    one = f"residual_{i + 1}"
    if one in fields:
        return f"|residual {i + 1}|", fields[one]
    return "|residual|", fields["residual"]


def _symbol(name: str) -> str:
    """A name as mathematics: one letter in italics, more upright."""
    if len(name) == 1:
        return f"${name}$"
    plain = name.replace("_", r"\_")
    return rf"$\mathrm{{{plain}}}$"


# ---------------------------------------------------------------- how it is laid out


def _titled(draw: Drawing, title: str, label: str | None = None) -> Drawing:
    def drawing(axes: Axes) -> None:
        draw(axes)
        axes.set_title(title)
        if label is not None:
            axes.set_xlabel(label)

    return drawing


def _draw_history(axes: Axes, rows: Sequence[Mapping[str, Any]], tolerance: float | None = None) -> None:
    panels.history(axes, rows, tolerance)
    axes.set_title("history")


def _layout(rows: list[list[Drawing]], history: list[Drawing]) -> tuple[list[list[Drawing]], list[float]]:
    """Rows of drawings and their heights: the history beside a single row, and below several."""
    if not rows:
        return [history], [0.8 * _HEIGHT]
    if len(rows) == 1:
        return [[*rows[0], *history]], [_HEIGHT]
    if not history:
        return rows, [_HEIGHT] * len(rows)
    return [*rows, history], [*[_HEIGHT] * len(rows), 0.8 * _HEIGHT]


def _figure(rows: list[list[Drawing]], history: list[Drawing], headline: str) -> Figure:
    """Draw the rows, with the history beside a single one and below several."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    laid_out, heights = _layout(rows, history)
    columns = max(len(row) for row in laid_out)
    with matplotlib.rc_context(panels.STYLE):
        alone = columns == len(laid_out) == 1
        width = max(_WIDTH * columns, _ALONE * bool(headline))
        size = (width, sum(heights) * width / (_WIDTH * columns) + 0.3 * bool(headline))
        arranged = ConstrainedLayoutEngine(
            w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.03, compress=len(rows) > 1 or alone
        )
        figure = Figure(figsize=size, layout=arranged)
        drawn: dict[tuple[int, int], Axes] = {}
        spaces = figure.add_gridspec(len(laid_out), columns, height_ratios=heights)
        for i, row in enumerate(laid_out):
            if len(row) == 1:  # one drawing alone has the whole width
                row[0](figure.add_subplot(spaces[i, :], projection=getattr(row[0], "projection", None)))
                continue
            for j, draw in enumerate(row):
                axes = figure.add_subplot(spaces[i, j])
                draw(axes)
                if row is not history and draw not in history:
                    drawn[i, j] = axes
        _label_outer(drawn)
        if headline:
            figure.suptitle(headline, fontsize=10, color="0.25")
    return figure


def _label_outer(drawn: Mapping[tuple[int, int], Axes]) -> None:
    """Numbers at the left and at the bottom only, where all panels show one domain: they are half of what is drawn."""
    views = {
        (axes.get_xlim(), axes.get_ylim(), axes.get_xlabel(), axes.get_ylabel()) for axes in drawn.values()
    }
    if len(views) != 1 or not all(axes.get_aspect() == 1.0 for axes in drawn.values()):
        return
    for (i, j), axes in drawn.items():
        if (i + 1, j) in drawn:
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
        if (i, j - 1) in drawn:
            axes.tick_params(labelleft=False)
            axes.set_ylabel("")


def _save(path: str | Path, rows: list[list[Drawing]], history: list[Drawing], headline: str) -> Path:
    import matplotlib

    path = Path(path)
    figure = _figure(rows, history, headline)
    with matplotlib.rc_context(panels.STYLE), replacing(path) as temporary:
        if path.suffix.lower() == ".png":
            _write_png(figure, temporary)
        else:
            figure.savefig(temporary, format=path.suffix[1:].lower(), bbox_inches="tight", pad_inches=_PAD)
    return path


def _write_png(figure: Figure, path: Path) -> None:
    """Draw once, then cut the margins off; `bbox_inches="tight"` draws twice to find them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.image import imsave

    dpi = panels.STYLE["savefig.dpi"]
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    drawn: Any = (pixels[:, :, :3] < 255).any(axis=2)
    pad = round(_PAD * dpi)
    rows = _span(drawn.any(axis=1), pad)
    columns = _span(drawn.any(axis=0), pad)
    cut = np.ascontiguousarray(pixels[rows, columns])
    # A third of the time of level 6, and a fifth more space.
    imsave(path, cut, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})


def _span(drawn: NDArray[np.bool_], pad: int) -> slice:
    """From the first to the last that is drawn, and some more."""
    (places,) = np.nonzero(drawn)
    if not len(places):
        return slice(None)
    return slice(max(places[0] - pad, 0), places[-1] + pad + 1)
