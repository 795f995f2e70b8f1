"""`pdesolve check`: is a problem stated right?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from pdesolve.cli import values
from pdesolve.errors import PdesolveError

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command(short_help="See whether problem files are stated right, without solving them.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path())
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=values.numbers,
    help="Override a constant.",
)
@click.option("--quiet", "-q", is_flag=True, help="Say nothing about files without errors.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def check(files: tuple[str, ...], params: dict[str, float], quiet: bool, debug: bool) -> int:
    """Examine problem files in seconds; nothing is trained.

    Errors (exit code 2) say why a problem cannot be solved as written, warnings (exit code 0) where it may
    say something else than was meant.
    """
    worst = 0
    for file in files:
        code, lines = _examine(file, params, debug)
        worst = max(worst, code)
        if not quiet or code:
            _show(file, code, lines)
    return worst


def _examine(file: str, params: dict[str, float], debug: bool) -> tuple[int, list[str]]:
    """Exit code and findings of one file, each "kind: sentence"."""
    # Imported here, so that `--help` needs no torch.
    library: Any = import_module("pdesolve")
    try:
        report = library.check(library.load_problem(file, params))
    except PdesolveError as error:
        if debug:
            raise
        return error.exit_code, [f"error: {error}"]
    return report.exit_code, report.lines()


def _show(file: str, code: int, lines: list[str]) -> None:
    mark = click.style("✓", fg="green")
    if code:
        mark = click.style("✗", fg="red")
    click.echo(f"{mark} {file}")
    for line in lines:
        kind, _, sentence = line.partition(": ")
        click.echo(f"  {click.style(kind, fg=_COLOURS.get(kind))}: {' '.join(sentence.split())}")
