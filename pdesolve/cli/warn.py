"""Warnings as calm lines on standard error, each once."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Literal

import click


@contextlib.contextmanager
def warnings_as_lines(quiet: bool) -> Iterator[None]:
    """Show a warning as `warning: sentence`; not at all where quiet."""
    action: Literal["ignore", "default"] = "default"
    if quiet:
        action = "ignore"
    seen: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        text = " ".join(str(message).split())
        if not quiet and text not in seen:
            seen.add(text)
            click.echo(f"{click.style('warning', fg='yellow')}: {text}", err=True)

    with warnings.catch_warnings():
        # These are meant for users; deprecations are for those who write code.
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter(action, kind)
        warnings.showwarning = show  # type: ignore[assignment]
        yield
