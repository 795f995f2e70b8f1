"""`pdesolve branch`: the solutions of a nonlinear problem over a constant, past turning points."""

from __future__ import annotations

import contextlib
import json as json_module
import sys
from pathlib import Path
from typing import Any

import click

from pdesolve.cli import values
from pdesolve.cli.warn import warnings_as_lines

NOT_VERIFIED = 3


@click.command(short_help="Follow a solution over a constant, past turning points.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--along", required=True, metavar="NAME=FIRST:LAST", help="The constant, and its range.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(), help="A folder for each point.")
@click.option(
    "--tol", default=1e-6, type=float, metavar="ERROR", help="Of each solution, and of the constant. [1e-6]"
)
@click.option("--points", default=200, type=int, metavar="N", help="The most that are looked for. [200]")
@click.option("--time-limit", type=float, metavar="S", help="Seconds.")
@click.option("--json", is_flag=True, help="Print the table as one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Print the answer only.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def branch(file: str, along: str, out: str, **options: Any) -> int:
    """Follow the solutions of a nonlinear steady problem by steps along their curve, which may turn back.

    The branch begins with the solution at FIRST, goes toward LAST, and ends where the constant leaves the range,
    at either end. DIR gets a folder with the solution for each point, branch.csv, and branch.png with the folds.
    """
    from pdesolve.sweeps.branch import follow_branch
    from pdesolve.sweeps.products import write_branch
    from pdesolve.sweeps.values import parse_range

    as_json, quiet, _ = (options.pop(name) for name in ("json", "quiet", "debug"))
    ((name, text),) = values.pairs([along], "NAME=FIRST:LAST")
    first, last = parse_range(name, text, "along")
    directory = Path(out)
    require_free(out)
    with warnings_as_lines(quiet), contextlib.redirect_stdout(sys.stderr):
        found = follow_branch(
            file, name, first, last, show=None if quiet or as_json else _shown(name), **options
        )
        files = write_branch(found, directory)
    return _answer(found, files, out, as_json, quiet)


def require_free(out: str) -> None:
    """See that a directory is empty, or can be made.

    Raises:
        UsageError: it holds files.
    """
    from pdesolve.errors import UsageError

    directory = Path(out)
    # There is a folder for each point: those of a longer branch would be left among the new ones.
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        message = f"{directory} already exists and is not empty: choose another --out"
        raise UsageError(message)


def _shown(name: str) -> Any:
    def show(number: int, value: float, error: float) -> None:
        click.echo(f"  {number}  {name} = {value:.6g}, estimated error {values.short(error)}", err=True)

    return show


def _answer(found: Any, files: dict[str, Path], out: str, as_json: bool, quiet: bool) -> int:
    from pdesolve.runs.run_directory import json_ready

    sure = int((found["verdict"] != "not verified").sum())
    if as_json:
        click.echo(
            json_module.dumps(json_ready({name: list(column) for name, column in found.items()}), indent=1)
        )
    else:
        for label, path in () if quiet else files.items():
            click.echo(f"  {label:<20}{path}")
        folds = ", ".join(
            f"{found.name} = {value:.10g} ± {values.short(error)}" for value, error in found.folds
        )
        told = "no folds"
        if folds:
            told = f"folds at {folds}"
        click.echo(
            f"{found.points} points, {sure} within the tolerance; {told}; {found.status}; results in {out}"
        )
    if sure < found.points:
        return NOT_VERIFIED
    return 0
