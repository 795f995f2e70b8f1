"""How a solve goes: a live line on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from pdesolve.cli.values import duration, short
from pdesolve.runs.monitor import Monitor

Show = Callable[[Mapping[str, Any]], None]
_LABELS = {"predicted": "predicted error"}
# Rows of a march from which its present speed is told: its steps change as the solution does.
RECENT = 10
# Seconds between plain lines; in between a tenth of the time so far, so that a log of a long run stays short.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
_SHARE_OF_TIME = 0.1


@contextlib.contextmanager
def progress(name: str, method: str, tol: float, monitor: Monitor, silent: bool) -> Iterator[Show]:
    """Yield a function to be called with every history row."""
    if silent:
        yield lambda row: None  # noqa: ARG005
    elif _capable_terminal():
        with _live(name, method, tol, monitor) as show:
            yield show
    else:
        click.echo(f"solving {name} with {method} to {short(tol)}", err=True)
        lines = _Lines(monitor)
        yield lines.show
        lines.finish()


def describe(row: Mapping[str, Any]) -> str:
    """A history row in words: "level 3 · 1,204 unknowns · estimate 3.2e-5"."""
    parts = []
    if "doing" in row:
        parts.append(row["doing"])
    for key in ("slab", "level", "iteration"):
        if row.get(key) is not None:
            parts.append(f"{key} {row[key]:,}")
            break
    if _number(row.get("time")) is not None:
        parts.append(_when(row))
    if row.get("optimiser"):
        parts.append(str(row["optimiser"]))
    if row.get("unknowns"):
        parts.append(f"{row['unknowns']:,} unknowns")
    for key in ("estimate", "predicted", "loss", "residual"):
        if _number(row.get(key)) is not None:
            parts.append(f"{_LABELS.get(key, key)} {short(float(row[key]))}")
            break
    return " · ".join(parts)


def _when(row: Mapping[str, Any]) -> str:
    if _number(row.get("until")) is None:
        return f"t = {row['time']:.4g}"
    return f"t = {row['time']:.4g} of {row['until']:.4g}"


def remaining(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What is left of a march as it goes now: "about 12.3 s left"; None where that cannot be told."""
    recent = [row for row in rows[-RECENT:] if _number(row.get("passed")) is not None]
    if len(recent) < 2:
        return None
    first = recent[0]
    last = recent[-1]
    passed = last["passed"] - first["passed"]
    # It began again with shorter steps, or it is at its end.
    if passed <= 0 or last["passed"] >= 1:
        return None
    return f"about {duration((1 - last['passed']) * (last['seconds'] - first['seconds']) / passed)} left"


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return None


def _words(row: Mapping[str, Any], monitor: Monitor) -> str:
    """A row, and what is left of the march."""
    words = describe(row)
    if "time" in row and (left := remaining(monitor.history)) is not None:
        return f"{words} · {left}"
    return words


def _capable_terminal() -> bool:
    import os

    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


class _Lines:
    """Plain lines: the first row, the last one, and in between at a calm and falling rate."""

    def __init__(self, monitor: Monitor):
        self._monitor = monitor
        self._due = -math.inf
        self._pending: Mapping[str, Any] | None = None

    def show(self, row: Mapping[str, Any]) -> None:
        if "seconds" not in row:
            return
        seconds = self._monitor.seconds
        if seconds < self._due:
            # The latest is kept, so that the last row is printed whatever the rate.
            self._pending = row
            return
        self._due = seconds + min(max(_FIRST_PAUSE, _SHARE_OF_TIME * seconds), _LONGEST_PAUSE)
        self._print(row)

    def finish(self) -> None:
        if self._pending is not None:
            self._print(self._pending)

    def _print(self, row: Mapping[str, Any]) -> None:
        self._pending = None
        click.echo(f"  {duration(row['seconds']):>10}  {_words(row, self._monitor)}", err=True)


class Gauge:
    """How far the solve is, from 0 to 1: by the error on its way to the tolerance, else by time."""

    def __init__(self, tol: float, monitor: Monitor):
        self._tol = tol
        self._monitor = monitor
        self._first: float | None = None
        self._best = 0.0

    def update(self, row: Mapping[str, Any]) -> None:
        """Take in a history row."""
        passed = _number(row.get("passed"))
        if passed is not None:  # the error of a march says nothing of its end
            self._first = 1.0
            self._best = passed
            return
        error = _number(row.get("estimate")) or _number(row.get("predicted"))
        if not error or error <= 0:
            return
        # On a logarithmic scale, since each level gains about as many digits; from 100 % on, what is unknown.
        self._first = self._first or max(error, 2 * self._tol, 1.0)
        share = math.log(self._first / error) / math.log(self._first / self._tol)
        self._best = max(self._best, min(max(share, 0.0), 1.0))

    @property
    def share(self) -> float | None:
        """None where nothing can be said."""
        if self._first is not None:
            return self._best
        # Without an estimate, time is all that is known of the way.
        limit = self._monitor.time_limit
        if not limit:
            return None
        return min(self._monitor.seconds / limit, 1.0)


@contextlib.contextmanager
def _live(name: str, method: str, tol: float, monitor: Monitor) -> Iterator[Show]:
    """One line that vanishes at the end: spinner, name, bar, latest row, seconds."""
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    gauge = Gauge(tol, monitor)
    spinner = Spinner("dots", style="cyan")
    latest = [""]

    class Line:
        def __rich__(self) -> Table:
            share = gauge.share
            bar = ProgressBar(
                total=1.0, completed=share or 0.0, width=20, pulse=share is None, complete_style="cyan"
            )
            # Until the first row, what was asked for.
            words = latest[0] or f"{method}, tolerance {short(tol)}"
            if getattr(monitor, "stop_requested", False):
                words = "stopping at the next step (Ctrl-C again: at once)"
            table = Table.grid(padding=(0, 1))
            for _ in range(3):
                table.add_column(no_wrap=True)
            table.add_column(no_wrap=True, overflow="ellipsis")
            time = Text(f"{duration(monitor.seconds):>8}", style="dim")
            table.add_row(spinner, Text(name, style="bold"), bar, Text.assemble(time, "  ", words))
            return table

    def show(row: Mapping[str, Any]) -> None:
        gauge.update(row)
        latest[0] = _words(row, monitor)

    # On stderr, so that stdout can go to a file; transient, so that the answer stands alone at the end.
    console = Console(stderr=True)
    with Live(Line(), console=console, refresh_per_second=8, transient=True, redirect_stdout=False):
        yield show
