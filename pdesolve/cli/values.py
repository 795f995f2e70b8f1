"""`key=value` on the command line, and numbers as people write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click


def parse_setting(text: str) -> Any:
    """An int, a float, true or false, or else the text itself."""
    # Whole numbers first: `--set layers=3` is a count.
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "yes": True, "no": False}.get(text.lower(), text)


def settings(_context: click.Context, parameter: click.Parameter, pairs: Sequence[str]) -> dict[str, Any]:
    """`--set key=value …` as a dict."""
    return {key: parse_setting(value) for key, value in _split(parameter, pairs)}


def numbers(_context: click.Context, parameter: click.Parameter, pairs: Sequence[str]) -> dict[str, float]:
    """`--param name=number …` as a dict."""
    found = {}
    for name, text in _split(parameter, pairs):
        try:
            found[name] = float(text)
        except ValueError:
            message = f"received {name}={text}, expected a number"
            raise click.BadParameter(message) from None
        if not math.isfinite(found[name]):
            message = f"received {name}={text}, expected a finite number"
            raise click.BadParameter(message)
    return found


def times(_context: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """`--times 0,0.1,1` as numbers."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        message = f"received {text}, expected numbers with commas between them, such as 0,0.1,1"
        raise click.BadParameter(message) from None


def _split(parameter: click.Parameter, pairs: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for pair in pairs:
        key, sign, value = pair.partition("=")
        key = key.strip().replace("-", "_")
        value = value.strip()
        if not (key and sign and value):
            message = f"received '{pair}', expected {parameter.metavar}"
            raise click.BadParameter(message)
        if key in dict(found):
            message = f"{key} is given twice"
            raise click.BadParameter(message)
        found.append((key, value))
    return found


def pairs(texts: Sequence[str], expected: str) -> list[tuple[str, str]]:
    """`name=text …`, each name once.

    Raises:
        BadParameter: one is no such pair, or a name is given twice.
    """
    return _split(click.Option(["--param"], metavar=expected), texts)


def short(value: float) -> str:
    """A number in two digits: 3.2e-10, 0.41, 12."""
    if not math.isfinite(value):
        return str(value)
    if 100 <= abs(value) < 1e4:
        return f"{value:.0f}"
    if value == 0 or 1e-2 <= abs(value) < 100:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def duration(seconds: float) -> str:
    """Seconds as people read them: 0.41 s, 12.3 s, 2 min 5 s, 1 h 2 min."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
