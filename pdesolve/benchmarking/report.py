"""The report of a comparison: Markdown with PNGs beside it, and one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdesolve.benchmarking import figures, tables
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


@dataclass(frozen=True)
class Section:
    """One problem: its table, a remark, its pictures (name → PNG)."""

    title: str
    table: tables.Table
    remark: str
    pictures: dict[str, bytes]


Published = Mapping[str, Mapping[str, Any]]


def write_report(
    records: Sequence[Record], folder: Path, title: str, published: Published | None = None
) -> list[Path]:
    """Write report.md, its PNGs and report.html.

    Args:
        records: what to report.
        folder: where to.
        title: the heading.
        published: problem → error, method, cost and source of the best published result.

    Returns:
        The paths of the two reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = published or {}
    sections = [_section(problem, rows, known.get(problem)) for problem, rows in by_problem(records).items()]
    for section in sections:
        for name, png in section.pictures.items():
            (folder / name).write_bytes(png)
    paths = [folder / "report.md", folder / "report.html"]
    paths[0].write_text(_markdown(records, sections, title), "utf-8")
    paths[1].write_text(_page(records, sections, title), "utf-8")
    return paths


def _section(problem: str, rows: Sequence[Row], published: Mapping[str, Any] | None) -> Section:
    fields = [record for row in rows for record in row.records if record.get("picture")]
    drawn = {
        f"{problem}-convergence.png": figures.convergence(rows),
        f"{problem}-error.png": figures.error_fields(fields),
    }
    pictures = {name: png for name, png in drawn.items() if png is not None}
    remarks = [tables.sizes_apart(rows), _best_published(published) if published else ""]
    return Section(problem, tables.problem_table(rows), " ".join(filter(None, remarks)), pictures)


def _best_published(row: Mapping[str, Any]) -> str:
    return f"Best published: {number(row['error'])}, {row['method']} ({row['cost']}; {row['source']})."


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


def _markdown(records: Sequence[Record], sections: Sequence[Section], title: str) -> str:
    parts = [
        f"# {title}",
        *explanation(records),
        "## Median errors",
        tables.markdown(tables.overview(records)),
    ]
    for section in sections:
        parts += [f"## {section.title}", tables.markdown(section.table)]
        if section.remark:
            parts += [section.remark]
        parts += [f"![{name.removesuffix('.png')}]({name})" for name in section.pictures]
    failed = tables.failures(records)
    if failed:
        parts += ["## Failed runs", "\n".join(f"* {line}" for line in failed)]
    parts += ["## Commands", "```sh\n" + "\n".join(record["command"] for record in records) + "\n```"]
    return "\n\n".join(parts) + "\n"


def _page(records: Sequence[Record], sections: Sequence[Section], title: str) -> str:
    parts = [f"<h1>{html.escape(title)}</h1>"]
    parts += [f"<p>{html.escape(sentence)}</p>" for sentence in explanation(records)]
    parts += ["<h2>Median errors</h2>", _html_table(tables.overview(records))]
    for section in sections:
        parts += [f"<h2>{html.escape(section.title)}</h2>", _html_table(section.table)]
        if section.remark:
            parts += [f"<p>{html.escape(section.remark)}</p>"]
        for name, png in section.pictures.items():
            data = base64.b64encode(png).decode()
            parts.append(f'<img alt="{html.escape(name)}" src="data:image/png;base64,{data}">')
    failed = tables.failures(records)
    if failed:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in failed)
        parts += ["<h2>Failed runs</h2>", f"<ul>{items}</ul>"]
    commands = html.escape("\n".join(record["command"] for record in records))
    parts += ["<h2>Commands</h2>", f"<pre>{commands}</pre>"]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


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
