"""Rows of a comparison: medians and quartiles over seeds in which a failed run is infinitely wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pdesolve.benchmarking.records import Record, error_of


@dataclass(frozen=True)
class Row:
    """All runs of one method on one problem.

    Attributes:
        problem: its name.
        method: the label.
        records: one per seed.
    """

    problem: str
    method: str
    records: tuple[Record, ...]

    @property
    def errors(self) -> list[float]:
        """One per run: infinite where it failed, NaN where the solution is not known."""
        return [error_of(record) for record in self.records]

    @property
    def known(self) -> bool:
        """Whether errors could be measured at all."""
        return not any(math.isnan(error) for error in self.errors)

    @property
    def error(self) -> float:
        """The median error; NaN where it is not known."""
        if self.known:
            return quantile(self.errors, 0.5)
        return math.nan

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the error."""
        if self.known:
            return (quantile(self.errors, 0.25), quantile(self.errors, 0.75))
        return (math.nan, math.nan)

    @property
    def failures(self) -> int:
        """Runs that ended without a usable solution."""
        return sum(record["outcome"] != "finished" for record in self.records)

    @property
    def outcomes(self) -> str:
        """How the failed ones ended: "timed out 2, crashed 1"."""
        kinds = [record["outcome"] for record in self.records if record["outcome"] != "finished"]
        return ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds)))

    def median(self, key: str) -> float:
        """Median of a figure over the runs that have one; NaN where none has."""
        values = [float(r[key]) for r in self.records if r.get(key) is not None]
        if values:
            return quantile(values, 0.5)
        return math.nan


def rows(records: Iterable[Record]) -> list[Row]:
    """Records by problem and method, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["problem"], record["method"]), []).append(record)
    order = list(dict.fromkeys(problem for problem, _ in groups))
    made = [Row(problem, method, tuple(group)) for (problem, method), group in groups.items()]
    return sorted(made, key=lambda row: order.index(row.problem))


def by_problem(records: Iterable[Record]) -> dict[str, list[Row]]:
    """Rows of every problem, the smallest median error first, unknown and infinite ones last."""
    found: dict[str, list[Row]] = {}
    for row in rows(records):
        found.setdefault(row.problem, []).append(row)
    for group in found.values():
        group.sort(key=lambda row: (math.isnan(row.error), row.error))
    return found


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by linear interpolation, for values of which some may be infinite.

    >>> quantile([1.0, 2.0, float("inf")], 0.5)
    2.0
    >>> quantile([1.0, float("inf")], 0.5)
    inf
    """
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    share = place - low
    if share == 0:
        return ordered[low]
    # Not by the formula below, in which 0 · ∞ and ∞ - ∞ are no numbers.
    if math.isinf(ordered[low + 1]):
        return math.inf
    return (1 - share) * ordered[low] + share * ordered[low + 1]


def curve(row: Row, axis: str, places: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    """Quartiles and median of the error over runs at places along an axis ("seconds", "iterations").

    At a place a run has the error of its last copy before it; nothing before its first, and a failed run is
    infinitely wrong all along.

    Returns:
        Lower quartile, median, upper quartile, NaN where no run has begun.
    """
    key = {"seconds": "seconds", "iterations": "iteration", "evaluations": "evaluations"}[axis]
    series = [_steps(record, key) for record in row.records]
    result: tuple[list[float], list[float], list[float]] = ([], [], [])
    for place in places:
        values = [_last(steps, place) for steps in series]
        # Where one run has not begun, a median over the others would jump when it does.
        whole = not any(math.isnan(value) for value in values)
        for target, q in zip(result, (0.25, 0.5, 0.75), strict=True):
            found = math.nan
            if whole:
                found = quantile(values, q)
            target.append(found)
    return result


def _steps(record: Mapping[str, Any], key: str) -> list[tuple[float, float]]:
    if record["outcome"] != "finished":
        return [(-math.inf, math.inf)]
    return [
        (float(row[key]), float(row["error"]))
        for row in record["history"]
        if row.get(key) is not None and row["error"] is not None
    ]


def _last(steps: Sequence[tuple[float, float]], place: float) -> float:
    value = math.nan
    for at, error in steps:
        if at > place:
            break
        value = error
    return value
