"""What one set of axes can show: a curve, a field in colour, a history; without pyplot and its state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.output.cells import OutputMesh

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.4,
    # A pale ground without an edge: where a curve has no room beside it, it runs behind the text and not through it.
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": 8,
    "savefig.dpi": 160,
    "axes.formatter.limits": (-2, 4),
}
BLUE = "#2f5d9b"
RED = "#c1432e"
GREEN = "#3c8d53"
GREY = "#7a7a7a"
# Both have even steps of lightness, and stay legible in grey and to eyes that do not tell red from green.
_FIELD = "viridis"
_MAGNITUDE = "magma"
# Of a logarithmic colour scale, below the largest value: errors smaller than that are rounding, or zero by a
# condition.
_DECADES = 6
# Beyond this ratio of the sides, a domain drawn to scale would be a line.
_LONGEST = 6
# A logarithmic axis shorter than this ratio of its ends would have one tick or two.
_SHORT_AXIS = 60
# Numbers on a logarithmic axis; more would overlap beside a short one.
_TICKS = 7
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# A history of at most so many rows shows its points; more would run together.
_MARKED = 60
# Rows of a history that a tolerance of errors can be compared with; a loss or a residual has other units.
_COMPARABLE = ("error", "relative_l2_error", "estimate", "estimated_error", "predicted")
_KINDS = {
    "error": ("relative L² error", BLUE, "-"),
    "relative_l2_error": ("relative L² error", BLUE, "-"),
    "estimate": ("estimated error", RED, "-"),
    "estimated_error": ("estimated error", RED, "-"),
    "predicted": ("predicted error", RED, ":"),
    "loss": ("loss", BLUE, "-"),
    "residual": ("residual", GREY, "--"),
    "residual_rms": ("residual", GREY, "--"),
}


def value_curve(
    axes: Axes,
    x: NDArray[np.float64],
    value: NDArray[np.float64],
    exact: NDArray[np.float64] | None,
    known: str,
) -> None:
    """The solution over x, and what is known of it, dashed."""
    axes.plot(x, value, color=BLUE, label="solution")
    if exact is not None:
        axes.plot(x, exact, color="black", linewidth=0.9, linestyle=(0, (4, 3)), label=known)
        axes.legend(loc="best")
    _open(axes)


def magnitude_curve(axes: Axes, x: NDArray[np.float64], value: NDArray[np.float64]) -> None:
    """|value| over x on a logarithmic axis."""
    size = np.abs(value)
    positive = size[np.isfinite(size) & (size > 0)]
    axes.plot(x, np.where(size > 0, size, np.nan), color=RED, linewidth=1.0)
    if len(positive):
        axes.set_yscale("log")
        axes.set_ylim(max(positive.min(), positive.max() * 10.0**-_DECADES) / 2, positive.max() * 2)
        _powers(axes.yaxis)
    else:
        axes.set_ylim(-1, 1)
    _open(axes)


def surface(
    axes: Axes,
    mesh: OutputMesh,
    value: NDArray[np.float64],
    limits: tuple[float, float] | None = None,
    logarithmic: bool = False,
    to_scale: bool = True,
    bar: bool = True,
    level: NDArray[np.float64] | None = None,
) -> None:
    """A field in colour on a plane mesh, interpolated linearly in each triangle.

    Args:
        axes: where to draw.
        mesh: triangles or quads, e of them on n points.
        value: (n,) values, NaN where there are none.
        limits: of the colours; by default those of the values.
        logarithmic: whether to show the magnitude on a logarithmic scale.
        to_scale: whether x and y have the same unit.
        bar: whether to draw the scale of colours.
        level: (n,) on a structured grid, positive where the picture is to stay white.
    """
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.tri import Triangulation

    if logarithmic:
        low, high = limits or log_limits(value)
        value = np.clip(np.abs(value), low, high)
        norm: Normalize = LogNorm(low, high)
        colours = _MAGNITUDE
    else:
        low, high = limits or value_limits(value)
        norm = Normalize(low, high)
        colours = _FIELD
    triangles = _triangles(mesh)
    triangulation = Triangulation(mesh.points[:, 0], mesh.points[:, 1], triangles)
    if level is not None and level.max() > 0:
        axes.tricontourf(triangulation, level, levels=[0, 2 * level.max()], colors="white", zorder=2)
    unknown = ~np.isfinite(value)
    triangulation.set_mask(unknown[triangles].any(axis=1))
    known = np.where(unknown, low, value)
    drawn = axes.tripcolor(
        triangulation, known, shading="gouraud", cmap=colours, norm=norm, rasterized=True, zorder=1
    )
    # It stays within the axes; to see that, matplotlib would make a path of every triangle.
    drawn.set_in_layout(False)
    if bar:
        beside = axes.figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, aspect=25)
        beside.outline.set_linewidth(0.5)
        _scaled_numbers(beside.ax.yaxis)
        if logarithmic:
            _powers(beside.ax.yaxis)
    _frame(axes, mesh, to_scale, tight=mesh.cell_type == "quad" and level is None)


def _triangles(mesh: OutputMesh) -> NDArray[np.int64]:
    """Triangles (e, 3) of a mesh of triangles or quads, each of which is halved."""
    if mesh.cell_type == "quad":
        return mesh.cells[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return mesh.cells


def history(axes: Axes, rows: Sequence[Mapping[str, Any]], tolerance: float | None = None) -> None:
    """Errors, estimates or losses of a solve against its unknowns, its seconds if they do not change, or time t."""
    across = _abscissa(rows)
    for key in _KINDS:
        _history_line(axes, rows, across, key)
    errors = any(r.get(key) is not None for r in rows for key in _COMPARABLE)
    if tolerance is not None and axes.lines and errors:
        axes.axhline(tolerance, color="black", linewidth=0.7, linestyle=(0, (2, 2)), label="tolerance")
    axes.set_yscale("log")
    _powers(axes.yaxis)
    if across == "unknowns":
        _logarithmic_numbers(axes)
    axes.set_xlabel({"time": "t"}.get(across, across))
    axes.legend(loc="best")
    _open(axes)


def _history_line(axes: Axes, rows: Sequence[Mapping[str, Any]], across: str, key: str) -> None:
    """One quantity of a history, where it is known and positive."""
    label, colour, line = _KINDS[key]
    pairs = [(r[across], r[key]) for r in rows if _positive(r.get(key)) and r.get(across) is not None]
    if not pairs:
        return
    style: dict[str, Any] = {"color": colour, "markersize": 3.5, "label": label}
    if len(pairs) <= _MARKED and line == "-":
        style["marker"] = "o"
    axes.plot(*zip(*pairs, strict=True), line, **style)


def _abscissa(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a history is drawn over: time, unknowns, or seconds where there are no more and more unknowns."""
    if any("time" in r for r in rows):  # a march: its slabs are stages of the solution, not of the solve
        return "time"
    if len({r["unknowns"] for r in rows if r.get("unknowns")}) > 1:
        return "unknowns"
    return "seconds"


def _powers(axis: Axis) -> None:
    """A logarithmic axis with a handful of numbers such as 10⁻⁵, or 2·10⁻⁵ where it is short.

    Written in plain text: to typeset a power as mathematics takes as long as to draw a field.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    subs = [1.0]
    if high < _SHORT_AXIS * low:
        subs = [1.0, 2.0, 5.0]
    axis.set_major_locator(LogLocator(subs=subs, numticks=_TICKS))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))


def _scaled_numbers(axis: Axis) -> None:
    """Plain numbers, and a common power of ten in plain text, too, for the same reason as `_powers`."""
    from matplotlib.ticker import ScalarFormatter

    class Plain(ScalarFormatter):
        def get_offset(self) -> str:
            found = super().get_offset()
            mantissa, e, exponent = found.replace("−", "-").partition("e")
            if not e or not exponent.lstrip("-").isdigit():
                return found
            power = f"×10{exponent.translate(_SUPERSCRIPTS)}"
            return power if mantissa == "1" else mantissa + power

    axis.set_major_formatter(Plain(useMathText=False))


def power_of_ten(value: float) -> str:
    """A number in scientific notation: 10⁻⁵, 2·10⁻⁵; 0.01 to 1000 as they are."""
    if not value > 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)
    if -2 <= exponent <= 3:
        return f"{value:g}"
    power = "10" + str(exponent).translate(_SUPERSCRIPTS)
    mantissa = f"{value / 10.0**exponent:.3g}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def _logarithmic_numbers(axes: Axes) -> None:
    """A logarithmic x axis with numbers written out, at 1, 2, 5 where it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = [1.0]
    if high < _SHORT_AXIS * low:
        ticks = [1.0, 2.0, 5.0]
    axes.xaxis.set_major_locator(LogLocator(subs=ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def has_history(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is anything that `history` would draw as a line."""
    return any(sum(_positive(row.get(key)) for row in rows) > 1 for key in _KINDS)


def value_limits(*values: NDArray[np.float64]) -> tuple[float, float]:
    """Smallest and largest finite value; a little apart where they are the same."""
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values])
    if len(finite) == 0:
        return 0.0, 1.0
    low = float(finite.min())
    high = float(finite.max())
    # A constant field differs from itself by rounding only, which a scale of colours would show as structure.
    if high - low > 1e-12 * max(abs(low), abs(high), 1e-300):
        return low, high
    return low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2


def log_limits(*values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of a logarithmic scale: the largest magnitude, and at most six decades less."""
    size = np.abs(np.concatenate([v[np.isfinite(v)].ravel() for v in values]))
    size = size[size > 0]
    if len(size) == 0:
        return 1e-17, 1e-15
    high = float(size.max())
    low = max(float(size.min()), high * 10.0**-_DECADES)
    if low < 0.9 * high:
        return low, high
    return high / 10, high * 10


def _frame(axes: Axes, mesh: OutputMesh, to_scale: bool, tight: bool) -> None:
    """Axes at the same scale, unless the domain is very long; with some room around one that is no box."""
    lower = mesh.points.min(axis=0)
    upper = mesh.points.max(axis=0)
    width, height = upper - lower
    fits = max(width, height) <= _LONGEST * min(width, height)
    if to_scale and fits:
        axes.set_aspect("equal")
    axes.set_xlabel(mesh.names[0], style="italic")
    axes.set_ylabel(mesh.names[1], rotation=0, labelpad=8, style="italic")
    for axis in (axes.xaxis, axes.yaxis):
        _scaled_numbers(axis)
    axes.locator_params(axis="x", nbins=_numbers_along(width, height, to_scale))
    axes.locator_params(axis="y", nbins=_numbers_along(height, width, to_scale))
    room = 0.03 * (not tight) * (upper - lower)
    axes.set_xlim(lower[0] - room[0], upper[0] + room[0])
    axes.set_ylim(lower[1] - room[1], upper[1] + room[1])
    if not tight:
        axes.spines[["top", "right"]].set_visible(False)


def _numbers_along(side: float, other: float, to_scale: bool) -> int:
    """How many numbers stand along a side: fewer along a short one, where they would overlap."""
    if to_scale and side <= 0.6 * other:
        return 3
    return 5


def _open(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "linear":
            _scaled_numbers(axis)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and value > 0
