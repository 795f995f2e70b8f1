"""The report of a comparison: Markdown with PNGs beside it, and one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdesolve.benchmarking import budgets, figures, review, tables
from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import Row, by_problem, quantile
from pdesolve.benchmarking.tables import number

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; font-size: 0.9em }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% } h2 { margin-top: 2.5rem } .wide { overflow-x: auto }
""".strip()


CLOCKS = {"wall": "wall time", "cpu": "one core (wall time where nothing else runs)"}


Published = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Part:
    """A piece of the page.

    Attributes:
        kind: "h1", "h2", "text", "table", "list", "picture" or "code".
        content: a string, a table, strings, name and PNG, a string.
    """

    kind: str
    content: Any


def write_report(
    records: Sequence[Record],
    folder: Path,
    title: str,
    published: Published | None = None,
    suite: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write report.md, its PNGs and report.html.

    One page in the order of a referee's questions: what was asked and measured, who wins at which budget, what is the
    optimiser's and what the approximator's, what others report, what is missing or failed; then problem by problem.

    Args:
        records: what to report.
        folder: where to.
        title: the heading.
        published: problem → error, method, cost and source of the best published result.
        suite: what was asked for, to say what has not been run.

    Returns:
        The paths of the two reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        Part("h1", title),
        *_front(records, published or {}, suite or {}),
        *(part for problem, rows in by_problem(records).items() for part in _section(problem, rows)),
        Part("h2", "Commands"),
        Part("code", "\n".join(record["command"] for record in records)),
    ]
    for part in parts:
        if part.kind == "picture":
            (folder / part.content[0]).write_bytes(part.content[1])
    paths = [folder / "report.md", folder / "report.html"]
    paths[0].write_text("\n\n".join(MARKDOWN[part.kind](part.content) for part in parts) + "\n", "utf-8")
    body = "\n".join(HTML[part.kind](part.content) for part in parts)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'
    paths[1].write_text(page, "utf-8")
    return paths


def _front(records: Sequence[Record], published: Published, suite: Mapping[str, Any]) -> Iterator[Part]:
    """The first page: what concerns all problems."""
    yield from (Part("text", sentence) for sentence in explanation(records))
    yield Part("h2", "Median errors")
    yield Part("table", tables.overview(records))
    for seconds in budgets.budgets_of(records):
        yield Part("h2", f"Wins, ties and losses at {seconds:g} s")
        yield Part("table", budgets.standings(records, seconds))
    yield Part("text", STANDING)
    factors = review.contributions(records)
    if factors:
        yield Part("h2", "What is the optimiser's, and what the approximator's")
        yield Part("table", factors)
    beside = review.beside_published(records, published)
    if beside:
        yield Part("h2", "Beside published figures")
        yield Part("table", beside)
    for heading, lines in (
        ("Not run", review.not_run(records, suite)),
        ("Failed runs", tables.failures(records)),
    ):
        if lines:
            yield Part("h2", heading)
            yield Part("list", lines)


STANDING = (
    f"A method wins a problem where its median error is smaller than that of every other by more than a factor of "
    f"{budgets.TIE:g}, and loses where another is smaller by more than that. Errors at a budget are those of copies "
    "that every run keeps on the way; a method that keeps none counts from its end on."
)


def _section(problem: str, rows: Sequence[Row]) -> Iterator[Part]:
    """One problem: who had reached what when, whether it ran, is accurate and fast, and what it cost."""
    yield Part("h2", problem)
    columns = budgets.budgets_of([record for row in rows for record in row.records])
    yield Part("table", budgets.budget_table(rows, columns))
    yield Part("table", _joined(tables.problem_table(rows), budgets.stages(rows)))
    remark = tables.sizes_apart(rows)
    if remark:
        yield Part("text", remark)
    fields = [record for row in rows for record in row.records if record.get("picture")]
    pictures = {"convergence": figures.convergence(rows), "error": figures.error_fields(fields)}
    for name, png in pictures.items():
        if png is not None:
            yield Part("picture", (f"{problem}-{name}.png", png))


def _joined(one: tables.Table, other: tables.Table) -> tables.Table:
    """Two tables of the same lines beside each other."""
    pairs = zip(one[1], other[1], strict=True)
    return (*one[0], *other[0][1:]), [(*left, *right[1:]) for left, right in pairs]


def explanation(records: Sequence[Record]) -> list[str]:
    """What a reader must know about the figures, as sentences; the machine comes from the records."""
    machines = sorted({record["machine"] for record in records})
    torch = sorted({record["versions"].get("torch", "?") for record in records})
    budgets = sorted({record["budget"] for record in records})
    seeds = len({record["seed"] for record in records})
    limits = " or ".join(f"{budget:g}" for budget in budgets)
    clocks = sorted({CLOCKS[record.get("clock", "wall")] for record in records})
    return [
        f"{len(records)} runs, {seeds} seed{'s' if seeds > 1 else ''}, at most {limits} s of "
        f"{' or '.join(clocks)} each.",
        "Errors are relative L2 against the exact or reference solution; a failed run counts as infinitely wrong "
        "and is part of every median. No method sees the exact solution.",
        f"Measured on {'; '.join(machines)}; torch {', '.join(torch)}.{_busy(records)}",
    ]


def _busy(records: Sequence[Record]) -> str:
    """How busy the machine was, a warning where times say little."""
    loads = [record["load"] for record in records if record.get("load") is not None]
    shares = [
        r["cpu_seconds"] / r["wall_seconds"] for r in records if r.get("cpu_seconds") and r["threads"] == 1
    ]
    sentences = ""
    if loads:
        sentences += f" Median load {number(quantile(loads, 0.5))} when the runs began."
    if shares:
        sentences += f" A run had {quantile(shares, 0.5):.0%} of a core (median)."
    return sentences


def _html_table(table: tables.Table) -> str:
    header, lines = table
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "\n".join("<tr>" + "".join(_html_cell(cell) for cell in line) + "</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _html_cell(cell: str) -> str:
    bold = cell.startswith("**") and cell.endswith("**") and len(cell) > 4
    if bold:
        return f"<td><b>{html.escape(cell[2:-2])}</b></td>"
    return f"<td>{html.escape(cell)}</td>"


def _html_list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>"


def _html_picture(named: tuple[str, bytes]) -> str:
    data = base64.b64encode(named[1]).decode()
    return f'<img alt="{html.escape(named[0])}" src="data:image/png;base64,{data}">'


MARKDOWN: dict[str, Callable[[Any], str]] = {
    "h1": "# {}".format,
    "h2": "## {}".format,
    "text": "{}".format,
    "table": tables.markdown,
    "list": lambda lines: "\n".join(f"* {line}" for line in lines),
    "picture": lambda named: f"![{named[0].removesuffix('.png')}]({named[0]})",
    "code": "```sh\n{}\n```".format,
}
HTML: dict[str, Callable[[Any], str]] = {
    "h1": lambda text: f"<h1>{html.escape(text)}</h1>",
    "h2": lambda text: f"<h2>{html.escape(text)}</h2>",
    "text": lambda text: f"<p>{html.escape(text)}</p>",
    "table": _html_table,
    "list": _html_list,
    "picture": _html_picture,
    "code": lambda text: f"<pre>{html.escape(text)}</pre>",
}
