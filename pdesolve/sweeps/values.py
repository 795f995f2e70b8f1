"""The values of a sweep: `0.1:10:9:log`, `0:1:5` or `1,2,3`, and the points that several of them make."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

from pdesolve.errors import UsageError
from pdesolve.runs.wording import named

# Each is a run with a directory of its own; more are rather a mistake in a range than what was meant.
MOST_POINTS = 10_000
FORMS = "{name}=0.1:10:9, {name}=0.1:10:9:log or {name}=1,2,3"


def parse_values(name: str, text: str) -> tuple[float, ...]:
    """Values of a constant from text.

    Args:
        name: of the constant, for the sentences.
        text: `first:last:count`, evenly spaced; `first:last:count:log`, evenly spaced in the logarithm; or a list.

    Raises:
        UsageError: naming what was received, what was expected and what to try.
    """
    parts = [part.strip() for part in text.split(":")]
    if len(parts) == 1:
        return checked_values(name, [_number(name, text, part) for part in text.split(",")])
    if len(parts) not in (3, 4) or parts[3:] not in ([], ["log"]):
        message = f"{named('param', name)}={text}: expected {FORMS.format(name=name)}"
        raise UsageError(message)
    first, last = (_number(name, text, part) for part in parts[:2])
    count = _count(name, text, parts[2])
    if first == last:
        message = f"{named('param', name)}={text} is an empty range: both ends are {first:g}; give two ends that differ"
        raise UsageError(message)
    if parts[3:]:
        return _geometric(name, text, first, last, count)
    inner = [_rounded(first + (last - first) * i / (count - 1)) for i in range(1, count - 1)]
    # The ends are those that were written, to the bit.
    return (first, *inner, last)


def _geometric(name: str, text: str, first: float, last: float, count: int) -> tuple[float, ...]:
    if not first * last > 0:
        message = (
            f"{named('param', name)}={text}: a logarithmic range cannot reach or pass zero; choose ends of one sign, "
            "or leave :log out"
        )
        raise UsageError(message)
    inner = [_rounded(first * (last / first) ** (i / (count - 1))) for i in range(1, count - 1)]
    return (first, *inner, last)


def parse_range(name: str, text: str, option: str) -> tuple[float, float]:
    """The two ends of a range `first:last`, in their order.

    Raises:
        UsageError: it is none, or is empty.
    """
    parts = text.split(":")
    forms = f"expected {named(option)} {name}=0.1:4"
    if len(parts) != 2:
        message = f"{named(option)} {name}={text}: {forms}"
        raise UsageError(message)
    try:
        first, last = map(float, parts)
    except ValueError:
        message = f"{named(option)} {name}={text} holds what is no number: {forms}"
        raise UsageError(message) from None
    if not (math.isfinite(first) and math.isfinite(last)) or first == last:
        message = f"{named(option)} {name}={text} is an empty or endless range: {forms}"
        raise UsageError(message)
    return first, last


def _rounded(value: float) -> float:
    """To 15 digits: what people mean by 0:1:11 is 0.3, not the 0.30000000000000004 of the sum."""
    return float(f"{value:.15g}")


def _number(name: str, text: str, part: str) -> float:
    try:
        value = float(part)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        forms = FORMS.format(name=name)
        message = f"{named('param', name)}={text}: '{part.strip()}' is no finite number; expected {forms}"
        raise UsageError(message)
    return value


def _count(name: str, text: str, part: str) -> int:
    # What is no number fails as one outside of the range does: the sentence is the same.
    count = 0
    if part.isdecimal():
        count = int(part)
    if not 2 <= count <= MOST_POINTS:
        message = (
            f"{named('param', name)}={text}: '{part}' is no number of values; expected a whole number from 2 to "
            f"{MOST_POINTS}, as in {name}=0.1:10:9"
        )
        raise UsageError(message)
    return count


def checked_values(name: str, values: Any) -> tuple[float, ...]:
    """Values of a constant as numbers.

    Raises:
        UsageError: there are none, one is no finite number, or one occurs twice.
    """
    found = _as_numbers(name, values)
    if len(found) > MOST_POINTS:
        message = f"{name} has more than {MOST_POINTS:,} values, each a solve; expected at most as many"
        raise UsageError(message)
    if not found:
        message = f"{name} has no values; expected one or more, such as {name}=[1, 2, 3]"
        raise UsageError(message)
    seen = set()
    for value in found:
        if not math.isfinite(value):
            message = f"{name} has the value {value}; expected finite numbers"
            raise UsageError(message)
        # Two points of one value would share one directory.
        if value in seen:
            message = f"{name} has the value {value:g} twice; a point is solved once"
            raise UsageError(message)
        seen.add(value)
    return found


def _as_numbers(name: str, values: Any) -> tuple[float, ...]:
    """As many numbers as were given, or one more than there may be."""
    if isinstance(values, (int, float)) and not isinstance(values, bool):
        values = [values]
    if isinstance(values, str) or not isinstance(values, Iterable):
        message = f"{name}={values!r}; expected numbers, such as {name}=[1, 2, 3]"
        raise UsageError(message)
    # So that an endless range ends.
    given = list(itertools.islice(values, MOST_POINTS + 1))
    try:
        return tuple(map(_as_float, given))
    except (TypeError, ValueError):
        shown = " ".join(f"{values!r}".split())
        message = f"{name}={shown} holds what is no number; expected numbers, such as {name}=[1, 2, 3]"
        raise UsageError(message) from None


def _as_float(value: Any) -> float:
    """A number; truth values and text, which Python takes for numbers, too, are none."""
    if isinstance(value, (bool, str)):
        raise TypeError
    return float(value)


def points_of(values: Mapping[str, tuple[float, ...]]) -> list[dict[str, float]]:
    """All combinations of the values, the last constant fastest.

    Raises:
        UsageError: there is nothing to vary, or there are too many points.
    """
    if not values:
        message = f"a sweep needs a constant to vary: {named('param')} {FORMS.format(name='k')}"
        raise UsageError(message)
    count = math.prod(map(len, values.values()))
    if count > MOST_POINTS:
        message = f"the values make {count:,} points, each a solve; expected at most {MOST_POINTS:,}"
        raise UsageError(message)
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def label(point: Mapping[str, float]) -> str:
    """A point as text that names no other: `k=0.1,q=1`; the directory of its run."""
    return ",".join(f"{name}={value!r}".removesuffix(".0") for name, value in point.items())
