"""The times at which the solution of an evolution is written: checked, or spread evenly over the interval."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from pdesolve.errors import UsageError
from pdesolve.geometry import Domain

MOST_TIMES = 100_000  # a file for each


def checked_times(domain: Domain, times: Any) -> tuple[float, ...]:
    """Times (s,) as they were asked for.

    Args:
        domain: with a time interval, or a time axis.
        times: finite numbers, each later than the one before.

    Raises:
        UsageError: they are not, there are too many, one lies outside the interval, or the domain has no time.
    """
    if "t" not in domain.coordinates:
        message = "times were given, but the problem has no time interval; leave them out"
        raise UsageError(message)
    found = _numbers(times)
    for before, after in pairwise(found):
        if not before < after:
            message = f"the times {before:g} and {after:g} follow each other; expected each later than the one before"
            raise UsageError(message)
    first, last = domain.bounds[:, -1].tolist()
    outside = [t for t in found if not first <= t <= last]
    if outside:
        message = f"the time {outside[0]:g} lies outside the problem's times, expected {first:g} to {last:g}"
        raise UsageError(message)
    return found


def even_times(domain: Domain, steps: int) -> tuple[float, ...]:
    """`steps` equally spaced times, both ends included.

    Raises:
        UsageError: there are fewer than two or too many, or the domain has no time.
    """
    if not 2 <= steps <= MOST_TIMES:
        message = (
            f"steps={steps} was received, expected 2 to {MOST_TIMES:,}: the first and the last time count"
        )
        raise UsageError(message)
    if "t" not in domain.coordinates:
        message = f"steps={steps} was given, but the problem has no time interval; leave it out"
        raise UsageError(message)
    first, last = domain.bounds[:, -1].tolist()
    return tuple(np.linspace(first, last, steps).tolist())


def _numbers(times: Any) -> tuple[float, ...]:
    expected = "expected a list of times such as [0, 0.1, 1]"
    given = times
    if hasattr(times, "tolist"):
        given = times.tolist()
    if not isinstance(given, (list, tuple)):
        message = f"times={times!r} was received, {expected}"
        raise UsageError(message)
    if not 1 <= len(given) <= MOST_TIMES:
        message = f"{len(given)} times were received, {expected}, at most {MOST_TIMES:,} of them"
        raise UsageError(message)
    return tuple(_number(t) for t in given)


def _number(time: Any) -> float:
    if isinstance(time, bool) or not isinstance(time, (int, float)) or not math.isfinite(time):
        message = f"the time {time!r} was received, expected a finite number"
        raise UsageError(message)
    return float(time)
