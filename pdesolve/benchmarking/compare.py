"""Two result sets of the same comparison: what became worse?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import Row, rows
from pdesolve.benchmarking.tables import Table, number

# Between medians over seeds: several times their usual scatter
FACTOR = 3.0
# Errors at rounding level differ by chance
NEGLIGIBLE = 1e-13
# Seconds below which times say nothing
SHORTEST = 1.0


@dataclass(frozen=True)
class Comparison:
    """One problem and method in both sets.

    Attributes:
        problem: its name.
        method: the label.
        before: median error of the first set, None where it has none.
        after: of the second.
        verdict: "same", "better", "new", or what became worse.
        regression: whether it became worse.
    """

    problem: str
    method: str
    before: float | None
    after: float | None
    verdict: str
    regression: bool = False


def compare(
    first: Sequence[Record],
    second: Sequence[Record],
    factor: float = FACTOR,
    time_factor: float | None = None,
) -> list[Comparison]:
    """Every problem and method of either set.

    A regression is a median error that grew by more than `factor`, more failed runs in proportion, a row that
    is missing from the second set, or, where `time_factor` is given, a median time that grew by more.
    """
    before = {(row.problem, row.method): row for row in rows(first)}
    after = {(row.problem, row.method): row for row in rows(second)}
    changes = []
    for key in dict.fromkeys([*before, *after]):
        old = before.get(key)
        new = after.get(key)
        if old is None or new is None:
            if old is None:
                verdict = "new"
                worse = False
            else:
                verdict = "missing from the second set"
                worse = True
        else:
            verdict, worse = _verdict(old, new, factor, time_factor)
        errors = [None if row is None else row.error for row in (old, new)]
        changes.append(Comparison(key[0], key[1], errors[0], errors[1], verdict, worse))
    return changes


def _verdict(old: Row, new: Row, factor: float, time_factor: float | None) -> tuple[str, bool]:
    shares = [row.failures / len(row.records) for row in (old, new)]
    if shares[1] > shares[0]:
        return f"{new.failures} of {len(new.records)} runs fail ({new.outcomes}), before {old.failures}", True
    ratio = _ratio(old.error, new.error)
    if ratio > factor:
        return f"error {number(ratio)} times larger", True
    slower = _ratio(max(old.median("seconds"), SHORTEST), max(new.median("seconds"), SHORTEST))
    if time_factor is not None and slower > time_factor:
        return f"{number(slower)} times slower", True
    if ratio < 1 / factor or shares[1] < shares[0]:
        return "better", False
    return "same", False


def _ratio(old: float, new: float) -> float:
    """The quotient new / old, 1 where both are infinite, unknown or negligible."""
    if math.isnan(old) or math.isnan(new) or old == new:
        return 1.0
    old = max(old, NEGLIGIBLE)
    new = max(new, NEGLIGIBLE)
    if math.isfinite(old):
        return new / old
    return 0.0


def comparison_table(changes: Sequence[Comparison]) -> Table:
    """The changes, what became worse first."""
    ordered = sorted(changes, key=lambda change: not change.regression)
    lines: list[tuple[str, ...]] = [
        (c.problem, c.method, number(c.before), number(c.after), c.verdict) for c in ordered
    ]
    return ("problem", "method", "error before", "after", "verdict"), lines
