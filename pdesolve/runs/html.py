"""Tables and pictures as a notebook shows them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

# A problem or a solution ↦ the bytes of a PNG; set by what draws, which knows them, as they know nothing of drawing.
painters: list[Callable[[Any], bytes]] = []


def pairs(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """Names and texts in two columns under a title."""
    rows = "".join(f"<tr><th>{_cell(name)}</th><td>{_cell(text)}</td></tr>" for name, text in lines)
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def columns(title: str, names: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Lines of numbers and texts under the names of their columns."""
    head = "".join(f"<th>{_cell(name)}</th>" for name in names)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_cell(_text(value))}</td>' for value in line)}</tr>" for line in lines
    )
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{rows}</table>"


def pictures(subject: Any) -> str:
    """What is drawn of a problem or a solution; nothing where nothing draws."""
    return "".join(picture(paint(subject)) for paint in painters)


def picture(content: bytes) -> str:
    """A PNG, as wide as the page at most."""
    data = base64.b64encode(content).decode()
    return f'<img style="max-width:100%" src="data:image/png;base64,{data}">'


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
