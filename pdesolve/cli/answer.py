"""The answer of a run: the record for `--json`, the table, and the last sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from pdesolve.cli import goals
from pdesolve.cli.quantities import table_rows
from pdesolve.cli.values import duration, short
from pdesolve.runs.run_directory import json_ready

# Programs read these: a key may be added, none may go or change its meaning.
KEYS = (
    "problem method tol status converged relative_l2_error max_error estimated_error residual_rms "
    "degrees_of_freedom seconds peak_memory_mb seed dtype device versions output error"
).split()


def blank_record() -> dict[str, Any]:
    """The keys of `--json`, nothing known yet."""
    return dict.fromkeys(KEYS)


def print_record(record: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    from pdesolve.runs.versions import peak_memory_mb, versions

    record = {**record, "versions": record["versions"] or versions(), "peak_memory_mb": peak_memory_mb()}
    # NaN and infinity are not in the JSON standard; `json_ready` has made them null.
    click.echo(json.dumps(json_ready(record), indent=2, allow_nan=False))
    sys.stdout.flush()


def print_answer(record: Mapping[str, Any], files: Mapping[str, str], sentence: str, quiet: bool) -> None:
    """The table, then the sentence as the last line on standard output."""
    if not quiet:
        click.echo(_table(record, files))
    click.echo(sentence)


def answer_sentence(record: Mapping[str, Any], verdict: str) -> str:
    """The last line: verdict, error or estimate, seconds, where the result lies."""
    parts = [f"{verdict}: {_figures(record)} in {duration(record['seconds'])}"]
    if not record["converged"]:
        parts.append((record["status"] or "no reason given").strip().rstrip("."))
    return "; ".join([*parts, f"results in {record['output']}"])


def _figures(record: Mapping[str, Any]) -> str:
    if record.get("goal"):
        return goals.figures(record["goal"])
    error = record["relative_l2_error"]
    estimate = record["estimated_error"]
    bound = f"tolerance {short(record['tol'])}"
    # Noise in data may be far above the discretisation's error: then that is what the error is to be judged by.
    if error is not None and estimate is not None and (spread := record.get("uncertainty")):
        noise = short(max(spread.values()))
        return f"relative L2 error {short(error)} (noise {noise}, discretisation {short(estimate)}, {bound})"
    if error is not None and estimate is not None:
        return f"relative L2 error {short(error)} (estimate {short(estimate)}, {bound})"
    if error is not None:
        return f"relative L2 error {short(error)} ({bound})"
    if estimate is not None:
        return f"estimated relative L2 error {short(estimate)} ({bound})"
    return f"error unknown, as there is neither an exact solution nor an estimate ({bound}),"


def _table(record: Mapping[str, Any], files: Mapping[str, str]) -> str:
    rows = [
        ("relative L2 error", _figure(record, "relative_l2_error")),
        ("largest error", _figure(record, "max_error")),
        ("estimated error", _figure(record, "estimated_error")),
        ("residual (rms)", _residual(record)),
        ("condition number", _figure(record, "condition")),
        ("degrees of freedom", _count(record["degrees_of_freedom"])),
        ("time", f"{duration(record['seconds'])}, {record['dtype']} on {record['device']}"),
        *((name, path) for name, path in files.items()),
    ]
    # What was asked for comes first: parameters of an inverse problem, and quantities.
    rows = _eigenvalues(record) + _identified(record) + table_rows(record) + goals.rows(record) + rows
    name = click.style(record["problem"], bold=True)
    title = f"{name}  {record['method']}, {goals.title(record)}"
    return "\n".join(["", title, *(f"  {name:<20}{text}" for name, text in rows if text), ""])


def _residual(record: Mapping[str, Any]) -> str:
    """The residual, and beside the largest term of the equation, which has the same units."""
    figure = _figure(record, "residual_rms")
    share = record.get("relative_residual")
    if figure and share is not None:
        return f"{figure}, {short(share)} of the largest term of the equation"
    return figure


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _identified(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Values with their intervals, and what noise in the data does to each unknown."""
    rows = []
    intervals = record.get("intervals") or {}
    for name, value in (record.get("parameters") or {}).items():
        text = f"{value:.10g}"
        if name in intervals:
            low, high = intervals[name]
            text = f"{value:.6g} ± {short((high - low) / 2)}   (95 %: {low:.6g} to {high:.6g})"
        rows.append((f"{name} (identified)", text))
    if uncertainty := record.get("uncertainty"):
        deviations = ", ".join(f"{name} {short(deviation)}" for name, deviation in uncertainty.items())
        rows.append(("deviation by noise", deviations))
        rows.append(("noise", ", ".join(short(sigma) for sigma in record["noise"])))
    return rows


def _eigenvalues(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Eigenvalues with their estimated errors, and bounds where they are proved."""
    if record.get("eigenvalues") is None:
        return []
    from pdesolve.solution.spectrum import in_words

    pairs = [value if isinstance(value, list) else [value, 0.0] for value in record["eigenvalues"]]
    spectrum = {
        "values": pairs,
        "errors": record["eigenvalue_errors"],
        "bounds": record.get("eigenvalue_bounds"),
    }
    return in_words(spectrum, "eigenvalue")


def _figure(record: Mapping[str, Any], key: str) -> str:
    """A figure; of a system with those of its unknowns."""
    if record.get(key) is None:
        return ""
    parts = [
        f"{name} {short(figures[key])}"
        for name, figures in (record.get("unknowns") or {}).items()
        if figures.get(key) is not None
    ]
    figure = short(record[key])
    if parts:
        return f"{figure}   ({', '.join(parts)})"
    return figure
