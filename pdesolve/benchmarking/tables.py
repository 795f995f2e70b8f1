"""Tables of a comparison, as rows of text that Markdown, HTML and the terminal show alike."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import Row, by_problem

HEADER = ("method", "median error", "quartiles", "failed", "parameters", "seconds", "evaluations")
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def number(value: float | None, digits: int = 1) -> str:
    """A number in two digits: 3.2e-10, 0.41, ∞; empty where there is none."""
    if value is None or math.isnan(value):
        return ""
    if math.isinf(value):
        return "∞"
    if value == 0 or 1e-2 <= abs(value) < 1e4:
        # From here on two digits round to 100, which is written without an exponent.
        if abs(value) < 99.5:
            return f"{value:.2g}"
        return f"{value:,.0f}"
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def problem_table(rows: Sequence[Row]) -> Table:
    """One problem, a line for each method."""
    return HEADER, [_cells(row) for row in rows]


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.spread
    parameters = row.median("parameters")
    error = "unknown"
    spread = ""
    failed = "0"
    size = ""
    if row.known:
        error = number(row.error)
        spread = f"{number(low)} – {number(high)}"
    if row.failures:
        failed = f"{row.failures} of {len(row.records)} ({row.outcomes})"
    if not math.isnan(parameters):
        size = f"{parameters:,.0f}"
    return (
        row.method,
        error,
        spread,
        failed,
        size,
        number(row.median("seconds")),
        number(row.median("evaluations")),
    )


def overview(records: Sequence[Record]) -> Table:
    """Median errors, problems down and methods across; the smallest of a line is bold."""
    groups = by_problem(records)
    methods = list(dict.fromkeys(record["method"] for record in records))
    lines = []
    for problem, rows in groups.items():
        found = {row.method: row for row in rows}
        best = min((row.error for row in rows if math.isfinite(row.error)), default=None)
        cells = [_overview_cell(found.get(method), best) for method in methods]
        lines.append((problem, *cells))
    return ("problem", *methods), lines


def _overview_cell(row: Row | None, best: float | None) -> str:
    if row is None:
        return ""
    if row.known:
        text = number(row.error)
    else:
        text = "unknown"
    if best is not None and row.error == best:
        return f"**{text}**"
    return text


def markdown(table: Table) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    header, lines = table
    marks = ("---", *["---:"] * (len(header) - 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, marks, *lines))


# What LaTeX reads as something else, and what its usual fonts lack.
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
_LATEX |= {"^": r"\textasciicircum{}", "∞": r"$\infty$", "×": r"$\times$", "−": "$-$", "±": r"$\pm$"}
_POWER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)e(-?\d+)(?![\w.])")


def latex(table: Table) -> str:
    """A table as LaTeX's `tabular`, with the lines of the package booktabs; 2e-3 becomes 2 · 10⁻³."""
    header, lines = table
    rows = [" & ".join(map(_latex_cell, line)) + r" \\" for line in (header, *lines)]
    marks = "l" + "r" * (len(header) - 1)
    parts = [rf"\begin{{tabular}}{{{marks}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"])


def _latex_cell(cell: str) -> str:
    bold = cell.startswith("**") and cell.endswith("**") and len(cell) > 4
    text = cell[2:-2] if bold else cell
    escaped = "".join(_LATEX.get(c, c) for c in text)
    escaped = _POWER.sub(r"$\1 \\cdot 10^{\2}$", escaped)
    return rf"\textbf{{{escaped}}}" if bold else escaped


def plain(table: Table) -> str:
    """A table for the terminal."""
    header, lines = table
    widths = [max(len(line[i]) for line in (header, *lines)) for i in range(len(header))]

    def laid_out(line: Sequence[str]) -> str:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        return "  ".join(cells).rstrip()

    return "\n".join(laid_out(line) for line in (header, *lines))


def sizes_apart(rows: Sequence[Row], most: float = 0.05) -> str:
    """A sentence where parameter counts differ by more than a share of their median; else empty."""
    counts: Mapping[str, float] = {row.method: row.median("parameters") for row in rows}
    known = sorted(count for count in counts.values() if not math.isnan(count))
    if not known:
        return ""
    middle = known[len(known) // 2]
    apart = [
        f"{method} {count:,.0f}"
        for method, count in counts.items()
        if abs(count - middle) > most * middle  # NaN compares false
    ]
    if apart:
        return f"Not of the size of the others ({middle:,.0f} ± {most:.0%}): {', '.join(apart)}."
    return ""


def failures(records: Sequence[Record]) -> list[str]:
    """A line for each run that failed: what, how, and the sentence."""
    return [
        f"{r['problem']}, {r['method']}, seed {r['seed']}: {r['outcome']}: {r['status']}"
        for r in records
        if r["outcome"] != "finished"
    ]
