"""What a referee asks next: is it the optimiser or the approximator, what was not run, what do others report?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pdesolve.benchmarking.case import method_spec
from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.statistics import by_problem
from pdesolve.benchmarking.suite import seeds
from pdesolve.benchmarking.tables import Table, number

Errors = dict[tuple[str, str, str], float]


def contributions(records: Sequence[Record]) -> Table | None:
    """Approximators down, optimisers across: geometric means of the median errors over the problems that all have.

    The last column is what the best optimiser is worth to an approximator, the last line what the best approximator is
    worth at an optimiser. None where not every one of two approximators was trained by every one of two optimisers.
    """
    errors = _errors(records)
    approximators, optimisers = _crossed({key[1:] for key in errors}, errors)
    problems = _shared(errors, approximators, optimisers)
    if len(approximators) < 2 or len(optimisers) < 2 or not problems:
        return None

    def mean(approximator: str, optimiser: str) -> float:
        return _mean([errors[problem, approximator, optimiser] for problem in problems])

    lines = []
    for approximator in approximators:
        row = [mean(approximator, optimiser) for optimiser in optimisers]
        lines.append((approximator, *map(number, row), _factor(row)))
    columns = [[mean(approximator, optimiser) for approximator in approximators] for optimiser in optimisers]
    lines.append(("worst / best approximator", *map(_factor, columns), ""))
    return (f"mean of {len(problems)} problems", *optimisers, "worst / best optimiser"), lines


def _errors(records: Sequence[Record]) -> Errors:
    """(problem, approximator, optimiser) → median error, where it is known."""
    return {
        (row.problem, *_pair(row.method)): row.error
        for rows in by_problem(records).values()
        for row in rows
        if row.method.count("+") == 1 and row.known
    }


def _shared(errors: Errors, approximators: Sequence[str], optimisers: Sequence[str]) -> list[str]:
    """The problems on which all of them came to an end."""
    cells = [(a, o) for a in approximators for o in optimisers]
    return [
        problem
        for problem in dict.fromkeys(key[0] for key in errors)
        if all(math.isfinite(errors.get((problem, *cell), math.inf)) for cell in cells)
    ]


def _pair(method: str) -> tuple[str, str]:
    approximator, _, optimiser = method.partition("+")
    return approximator, optimiser


def _crossed(there: set[tuple[str, str]], errors: Errors) -> tuple[list[str], list[str]]:
    """Approximators and optimisers in their order, so that each was run with each."""
    approximators = list(dict.fromkeys(key[1] for key in errors))
    # An optimiser of one approximator only compares nothing.
    optimisers = [
        o for o in dict.fromkeys(key[2] for key in errors) if sum((a, o) in there for a in approximators) > 1
    ]
    return [a for a in approximators if all((a, o) in there for o in optimisers)], optimisers


def _mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _factor(values: Sequence[float]) -> str:
    return number(max(values) / min(values))


def not_run(records: Sequence[Record], suite: Mapping[str, Any]) -> list[str]:
    """A line for each problem without a record, and for each method of the others which of its seeds have none."""
    there = {(r["problem"], r["method"], r["seed"]) for r in records}
    asked = seeds(suite.get("seeds", 0))
    lines = []
    begun = {r["problem"] for r in records}
    for problem in (Path(str(problem)).stem for problem in suite.get("problems", ())):
        if problem not in begun:
            lines.append(problem)
            continue
        for label in map(_label, suite.get("methods", ())):
            absent = [str(seed) for seed in asked if (problem, label, seed) not in there]
            if absent:
                lines.append(f"{problem}, {label}: seeds {', '.join(absent)}")
    return lines


def _label(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("label", entry.get("method")))
    return method_spec(entry).label


def beside_published(records: Sequence[Record], published: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Beside the best published figure of each problem the best that was reached here; None where none is known."""
    lines: list[tuple[str, ...]] = []
    for problem, rows in by_problem(records).items():
        known = [row for row in rows if row.known and math.isfinite(row.error)]
        if problem not in published or not known:
            continue
        best = min(known, key=lambda row: row.error)
        there = published[problem]
        error = float(there["error"])
        by = f"{there['method']} ({there['cost']}; {there['source']})"
        lines.append(
            (problem, number(best.error), best.method, number(error), by, number(best.error / error))
        )
    if not lines:
        return None
    return ("problem", "here", "method", "published", "by", "here / published"), lines
