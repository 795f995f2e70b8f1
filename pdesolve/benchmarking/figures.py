"""Pictures of a comparison: convergence against wall time and iterations, and where the error lies."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import Row, curve, quantile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Times at which the quartiles of several runs are compared, equidistant on the logarithmic axis.
PLACES = 80
PALETTE = 256  # colours of a picture
COLOURS = 10  # of matplotlib's cycle
_MARKERS = "osD^vPX*<>hd"


def convergence(rows: Sequence[Row]) -> bytes | None:
    """A PNG of median errors with quartiles against seconds and iterations; None where there is nothing."""
    from matplotlib.figure import Figure

    if not any(len(record["history"]) for row in rows for record in row.records):
        return None
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    for axes, axis in zip(figure.subplots(1, 2, sharey=True), ("seconds", "iterations"), strict=True):
        for number, row in enumerate(rows):
            _draw_curve(axes, row, axis, number)
        axes.set(xscale="log", yscale="log", xlabel=axis)
        axes.grid(alpha=0.25)
    figure.axes[0].set_ylabel("relative $L^2$ error")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right upper", fontsize=7, frameon=False)
    return _png(figure)


def _draw_curve(axes: Any, row: Row, axis: str, number: int) -> None:
    key = {"seconds": "seconds", "iterations": "iteration"}[axis]
    steps = [[h[key] for h in r["history"] if h.get(key) and h["error"] is not None] for r in row.records]
    at = [place for places in steps for place in places]
    if not at:
        return
    colour = f"C{number % COLOURS}"
    marker = _MARKERS[number % len(_MARKERS)]
    if max(map(len, steps)) == 1:  # a method without a curve
        axes.plot([quantile(at, 0.5)], [row.error], marker, color=colour, markersize=6, label=row.method)
        return
    places = np.geomspace(min(at), max(at), PLACES)
    low, middle, high = (np.array(values) for values in curve(row, axis, places.tolist()))
    # Beyond the tenth method colours come again.
    style = "-" if number < COLOURS else "--"
    axes.plot(
        places,
        middle,
        style,
        color=colour,
        marker=marker,
        markersize=3,
        markevery=12,
        lw=1.2,
        label=row.method,
    )
    # An infinite quartile, of runs that failed, ends above whatever an error can be.
    axes.fill_between(places, low, np.where(np.isinf(high), 10.0, high), color=colour, alpha=0.12, lw=0)


def error_fields(records: Sequence[Record], title: str = "") -> bytes | None:
    """A PNG with log10 of the error of every record that has a picture; None where none has."""
    from matplotlib.figure import Figure

    shown = [record for record in records if record.get("picture")]
    if not shown:
        return None
    fields = [np.array(r["picture"]["log10_error"], dtype=float) for r in shown]
    # One scale for all pictures; below 1e-16 is rounding.
    low = max(min(np.nanmin(field) for field in fields), -16.0)
    high = max(np.nanmax(field) for field in fields)
    columns = min(5, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1.9 * columns + 0.7, 2.0 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    image = None
    for axes, record, field in zip(grid.flat, shown, fields, strict=False):
        (left, bottom) = record["picture"]["lower"]
        (right, top) = record["picture"]["upper"]
        extent = (left, right, bottom, top)
        image = axes.imshow(
            field, origin="lower", extent=extent, vmin=low, vmax=high, cmap="magma", aspect="auto"
        )
        axes.set_title(record["method"], fontsize=7)
    for axes in grid.flat:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=9)
    assert image is not None
    figure.colorbar(image, ax=grid, label="$\\log_{10}|u - u^*|$", shrink=0.8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    # A palette takes a third of the space of colours with transparency; no version of matplotlib, so that the same
    # records give the same file.
    reduced = Image.open(drawn).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
