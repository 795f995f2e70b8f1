"""What each method had reached at each budget, from the error histories of one run; who wins, and who was fast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import Row, by_problem, curve, quantile
from pdesolve.benchmarking.tables import Table, number

# Seconds that tables have a column for, as far as the runs last.
BUDGETS = (0.5, 2.0, 10.0, 60.0, 300.0)
# Errors that differ by less are a tie: what another seed or a little tuning changes.
TIE = 3.0
# Columns closer than this to the longest budget say the same again.
APART = 1.5
# A run looks at its clock between iterations, so that it ends a little after its budget.
OVERRUN = 1.05


def budgets_of(records: Sequence[Record]) -> list[float]:
    """The columns: those below the longest budget of the records, and that itself."""
    longest = max(float(record["budget"]) for record in records)
    return [*(budget for budget in BUDGETS if budget < longest / APART), longest]


def at_budget(row: Row, seconds: float) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the error that the runs had reached by then.

    A run that had ended has its final error, one that had not begun to answer counts as infinitely wrong, as does one
    that failed. NaN where the solution is not known.
    """
    if not row.known:
        return (math.nan, math.nan, math.nan)
    values = [_by_then(record, error, seconds) for record, error in zip(row.records, row.errors, strict=True)]
    low, middle, high = (quantile(values, q) for q in (0.25, 0.5, 0.75))
    return (low, middle, high)


def _by_then(record: Record, error: float, seconds: float) -> float:
    # The last column is what the run came to, however long its last iteration took.
    if record["seconds"] is None or seconds >= record["budget"] or record["seconds"] <= OVERRUN * seconds:
        return error
    single = Row(record["problem"], record["method"], (record,))
    found = curve(single, "seconds", [seconds])[1][0]
    if math.isnan(found):
        return math.inf
    return found


def budget_table(rows: Sequence[Row], budgets: Sequence[float]) -> Table:
    """Of one problem: methods down, seconds across, median errors with their quartiles; the smallest is bold."""
    found = {row.method: [at_budget(row, budget) for budget in budgets] for row in rows}
    columns = [[cells[i][1] for cells in found.values()] for i in range(len(budgets))]
    best = [min(filter(math.isfinite, column), default=None) for column in columns]
    lines = [
        (method, *(_cell(cell, least) for cell, least in zip(cells, best, strict=True)))
        for method, cells in found.items()
    ]
    return ("method", *(f"{budget:g} s" for budget in budgets)), lines


def _cell(cell: tuple[float, float, float], best: float | None) -> str:
    low, middle, high = cell
    if math.isnan(middle):
        return "unknown"
    text = number(middle)
    # One seed, or a method that draws nothing, has no spread.
    if low != high:
        text += f" ({number(low)} – {number(high)})"
    if middle == best:
        return f"**{text}**"
    return text


@dataclass
class Standing:
    """How a method fares against the best of all others."""

    wins: int = 0
    ties: int = 0
    losses: int = 0
    missing: int = 0


def standings(records: Sequence[Record], seconds: float) -> Table:
    """For each method the problems that it wins by more than a factor of three, ties and loses, at a budget."""
    groups = by_problem(records)
    methods = list(dict.fromkeys(record["method"] for record in records))
    found = {method: Standing() for method in methods}
    for rows in groups.values():
        errors = {row.method: at_budget(row, seconds)[1] for row in rows if row.known}
        for method in methods:
            _count(found[method], method, errors)
    lines: list[tuple[str, ...]] = [
        (method, str(s.wins), str(s.ties), str(s.losses), str(s.missing or "")) for method, s in found.items()
    ]
    lines.sort(key=lambda line: (-int(line[1]), -int(line[2])))
    return ("method", "wins", "ties", "losses", "not run"), lines


def _count(standing: Standing, method: str, errors: Mapping[str, float]) -> None:
    if method not in errors:
        standing.missing += 1
        return
    others = min((error for name, error in errors.items() if name != method), default=math.inf)
    mine = errors[method]
    if mine < others / TIE:
        standing.wins += 1
    elif mine <= TIE * others and math.isfinite(mine):
        standing.ties += 1
    else:
        standing.losses += 1


def stages(rows: Sequence[Row]) -> Table:
    """Of one problem, for each method: did it run, is it accurate, is it fast?

    Accurate is a median within a factor of three of the best; fast is to have come there within three times the
    shortest time that any took.
    """
    known = [row for row in rows if row.known]
    best = min((row.error for row in known), default=math.inf)
    times = {row.method: _seconds_to(row, TIE * best) for row in known}
    shortest = min(times.values(), default=math.inf)
    lines: list[tuple[str, ...]] = []
    for row in rows:
        ran = f"{len(row.records) - row.failures} of {len(row.records)}"
        accurate = _yes(row.known and math.isfinite(row.error) and row.error <= TIE * best)
        time = times.get(row.method, math.inf)
        fast = ""
        if accurate == "yes":
            fast = f"{_yes(time <= TIE * shortest)}, {number(time)} s"
        lines.append((row.method, ran, accurate, fast))
    return ("method", "ran", "accurate", "fast"), lines


def _yes(answer: bool) -> str:
    if answer:
        return "yes"
    return "no"


def _seconds_to(row: Row, error: float) -> float:
    """When the median first was at an error and stayed there; infinite where never."""
    places = sorted({h["seconds"] for r in row.records for h in r["history"]})
    places += [r["seconds"] for r in row.records if r["seconds"] is not None]
    there = math.inf
    for place in sorted(places, reverse=True):
        if at_budget(row, place)[1] > error:
            break
        there = place
    return there
