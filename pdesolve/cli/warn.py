"""Warnings as calm lines on standard error, each once; and the log, where it is asked for."""

from __future__ import annotations

import contextlib
import logging
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


class _Lines(logging.Handler):
    """Records as dim lines on standard error; a live bar on a terminal stays below them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        click.echo(click.style(f"  {record.getMessage()}", dim=True), err=True)


@contextlib.contextmanager
def log_as_lines(verbose: bool) -> Iterator[None]:
    """Show what the package logs, every decision of it, while the block runs; nothing unless asked for."""
    if not verbose:
        yield
        return
    log = logging.getLogger("pdesolve")
    lines = _Lines()
    before = log.level
    log.addHandler(lines)
    log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(lines)
        log.setLevel(before)
