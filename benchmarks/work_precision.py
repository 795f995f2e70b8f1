"""Work and precision: solve from coarse to fine by many methods, time them in turns, tabulate and draw.

A method is a function of a size 0, 1, 2, …; its solutions are functions of points (n, d) and know their `unknowns`.
On one thread, times are of the processor, since a machine that is shared doubles those of a clock and more; on several,
of the clock. A record holds both.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from pdesolve.runs.versions import machine as machine

if TYPE_CHECKING:  # numpy reads the number of threads when it is loaded: not before `set_threads`
    import numpy as np

OURS = "pdesolve"
REPEATS = 3
ENOUGH = 2.0  # seconds of one solve in all, after which it is not repeated more than twice
ROUNDING = 3e-13
MOST_UNKNOWNS = 600_000
MOST_SIZES = 16
TARGETS = (1e-4, 1e-6, 1e-8, 1e-11)
Row = Mapping[str, Any]
Method = Callable[[int], Any]


def clock() -> float:
    """Seconds of the processor, or, with several threads, of the clock."""
    if os.environ.get("OMP_NUM_THREADS") == "1":
        return process_time()
    return perf_counter()


@dataclass
class Entry:
    """One method on one size: its error, and its times."""

    method: str
    size: int
    solve: Callable[[], Any]
    unknowns: int = 0
    error: float = float("nan")
    met: bool = True
    seconds: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def wants_more(self) -> bool:
        """Whether another repeat is worth its time."""
        total = sum(self.seconds)
        return len(self.seconds) < REPEATS and (
            total < ENOUGH or (len(self.seconds) < 3 and total < 2 * ENOUGH)
        )

    def takes_more_than(self, limit: float) -> bool:
        """Whether it does so in all of three tries: a busy machine may hold up a short solve for seconds."""
        while self.seconds[-1] > limit and len(self.seconds) < 3:
            self.run()
        return min(self.seconds) > limit

    def run(self) -> Any:
        """Solve once and keep the times."""
        gc.collect()  # what earlier evaluations left, seconds of it, is no part of this solve
        begin = clock()
        wall = perf_counter()
        solution = self.solve()
        self.seconds.append(clock() - begin)
        self.wall.append(perf_counter() - wall)
        return solution

    def row(self) -> dict[str, Any]:
        """For the record."""
        row = {"method": self.method, "size": self.size, "unknowns": self.unknowns, "error": self.error}
        times = {"seconds": median(self.seconds), "wall": median(self.wall), "repeats": len(self.seconds)}
        return {**row, "met": self.met, **times}


def measure(
    methods: Mapping[str, Method],
    sizes: Mapping[str, int],
    points: np.ndarray,
    exact: np.ndarray,
    limit: float,
) -> list[dict[str, Any]]:
    """Rows of all methods, errors over the same points.

    Ours goes to its finest size while it meets its tolerances in time. The others end where twice the time of a solve,
    about that of the next, passes the limit, or their error is rounding.

    Args:
        methods: by name.
        sizes: how many sizes a method has, where not 16.
        points: (n, d).
        exact: the solution (n,) there.
        limit: seconds that every solve may take, ours included.
    """
    import numpy as np

    entries: list[Entry] = []
    for name, solve in methods.items():
        solve(1)  # what is set up once for all
        for size in range(sizes.get(name, MOST_SIZES)):
            entry = Entry(name, size, partial(solve, size))
            solution = entry.run()
            entry.unknowns = solution.unknowns
            entry.met = getattr(solution, "met", True)
            entry.error = float(np.linalg.norm(solution(points) - exact) / np.linalg.norm(exact))
            entries.append(entry)
            if not entry.met:
                break
            if name != OURS and entry.takes_more_than(limit / 2):
                break
            if entry.error < ROUNDING or entry.unknowns > MOST_UNKNOWNS:
                break
        print(f"{name}: {entry.error:.1e} in {entry.seconds[0]:.2g} s", file=sys.stderr, flush=True)
    repeat(entries)
    return [entry.row() for entry in entries]


def repeat(entries: Sequence[Entry]) -> None:
    """Repeat all solves in turns, so that a noisy machine disturbs all alike."""
    for _ in range(REPEATS):
        for entry in filter(Entry.wants_more, entries):
            entry.run()


def commit() -> str | None:
    """The version of the sources measured, marked where they were changed since."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def set_threads(count: int) -> None:
    """For every library alike; to be called before any is loaded, since some read the environment only then."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(count)
    import torch

    torch.set_num_threads(count)


# -------------------------------------------------------------------- table


def best(rows: Sequence[Row], method: str, target: float) -> float:
    """Least median of seconds at an error of at most `target`; infinite where that was not reached."""
    return min(
        (row["seconds"] for row in rows if row["method"] == method and row["error"] <= target), default=inf
    )


def methods_of(rows: Sequence[Row]) -> list[str]:
    """In the order of the record."""
    return list(dict.fromkeys(row["method"] for row in rows))


def report(record: Mapping[str, Any], title: str, introduction: str, module: str) -> str:
    """All tables of a record in Markdown, with what they mean and how they were made."""
    parts = [f"# {title}", "![Error against seconds](work_precision.png)", " ".join(introduction.split())]
    for name, case in record["cases"].items():
        parts.append(table(f"[{name}](../../problems/{name}.py)", case["rows"]))
        versions = ", ".join(f"{k} {v}" for k, v in case["versions"].items())
        parts.append(
            f"{case['date']}, commit {case['commit']}, {case['machine']}, {case.get('threads', 1)} thread(s); "
            f"medians of up to {case['repeats']} repeats taken in turns; {case['points']} points. {versions}."
        )
    parts.append(f"Made by `python -m {module}`, which writes this file, `record.json` and the figure.")
    return "\n\n".join(parts) + "\n"


def table(case: str, rows: Sequence[Row]) -> str:
    """Best time to each target and its ratio to ours, in Markdown."""
    lines = [
        f"| {case} | {' | '.join(_power(t) for t in TARGETS)} |",
        f"| --- |{' ---: |' * len(TARGETS)}",
    ]
    for method in methods_of(rows):
        cells = [_cell(best(rows, method, t), best(rows, OURS, t)) for t in TARGETS]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(seconds: float, ours: float) -> str:
    if seconds == inf:
        return "–"
    if seconds < 10:
        time = f"{seconds:.2g} s"
    else:
        time = f"{seconds:.0f} s"
    if ours == inf:
        return time
    return f"{time} ({seconds / ours:.2g})"


def _power(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-")


# -------------------------------------------------------------------- figure


def colours(methods: Sequence[str], families: Mapping[str, str]) -> dict[str, Any]:
    """Ours in black, the others by colour map of the family their names begin with; darker for later ones."""
    import matplotlib as mpl

    result: dict[str, Any] = {}
    for family, name in families.items():
        mine = [m for m in methods if m.startswith(family) and m != OURS]
        for i, method in enumerate(mine):
            result[method] = mpl.colormaps[name](0.4 + 0.5 * i / max(len(mine) - 1, 1))
    return {**result, OURS: "black"}


def envelope(rows: Sequence[Row]) -> list[Row]:
    """Those that are more accurate than all that take less time."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: row["seconds"]):
        if not best or row["error"] < best[-1]["error"]:
            best.append(row)
    return best


def draw(record: Mapping[str, Any], path: Path, families: Mapping[str, str]) -> None:
    """One panel for each case, for each method its envelope; `families` gives colour maps by how names begin."""
    from matplotlib.figure import Figure
    from PIL import Image

    cases = record["cases"]
    columns = 3
    figure = Figure(figsize=(12, 4 * -(-(len(cases) + 1) // columns)), layout="constrained")
    axes = figure.subplots(-(-(len(cases) + 1) // columns), columns, squeeze=False).ravel()
    methods = list(dict.fromkeys(m for case in cases.values() for m in methods_of(case["rows"])))
    colour = colours(methods, families)
    lines = {}
    for axis, (name, case) in zip(axes, cases.items(), strict=False):
        for method in methods_of(case["rows"]):
            mine = envelope([row for row in case["rows"] if row["method"] == method and 0 < row["error"] < 1])
            if method == OURS:
                style = {"lw": 2.2, "marker": "o", "ms": 4, "zorder": 3}
            else:
                style = {"lw": 1.1}
            if "fixed" in method or "SuperLU" in method:
                style |= {"ls": "--"}
            (lines[method],) = axis.loglog(
                [row["seconds"] for row in mine],
                [row["error"] for row in mine],
                color=colour[method],
                **style,
            )
        axis.set(title=name, xlabel="seconds of one core", ylabel="relative L2 error", ylim=(1e-14, 1))
        axis.grid(alpha=0.3)
    for axis in axes[len(cases) :]:
        axis.axis("off")
    axes[-1].legend(lines.values(), lines.keys(), loc="center", fontsize=9, frameon=False)
    figure.savefig(path, dpi=80)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
