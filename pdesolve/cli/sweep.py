"""`pdesolve sweep`: a problem at many values of its constants."""

from __future__ import annotations

import contextlib
import json as json_module
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pdesolve.cli import completion, values
from pdesolve.cli.interrupt import sigterm_as_interrupt
from pdesolve.cli.warn import warnings_as_lines

NOT_VERIFIED = 3


@click.command(short_help="Solve a problem at many values of its constants.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--param",
    "params",
    multiple=True,
    required=True,
    metavar="NAME=FIRST:LAST:COUNT[:log]",
    help="Values of a constant, as a range or as a list 1,2,3; several make all combinations.",
)
@click.option(
    "--out", required=True, metavar="DIR", type=click.Path(), help="A run directory for each point."
)
@click.option("--jobs", type=int, default=1, metavar="N", help="Processes at a time. [1]")
@click.option("--dask", metavar="ADDRESS", help="Solve on the cluster of this Dask scheduler instead.")
@click.option("--threads", type=int, default=1, metavar="N", help="Of each point. [1]")
@click.option(
    "--method", default="gmnm", metavar="NAME", shell_complete=completion.method_names, help="[gmnm]"
)
@click.option("--tol", default=1e-6, type=float, metavar="ERROR", help="Relative L2 error asked for. [1e-6]")
@click.option("--seed", default=0, type=int, metavar="N", help="Of everything random. [0]")
@click.option("--time-limit", type=float, metavar="S", help="Seconds for each point.")
@click.option("--dtype", default="float64", metavar="TYPE", help="float64 or float32. [float64]")
@click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda. [auto]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=values.settings,
    shell_complete=completion.setting_names,
    help="A method's setting.",
)
@click.option("--resume", is_flag=True, help="Keep the points that are there, failures included.")
@click.option("--force", is_flag=True, help="Solve again what is there.")
@click.option("--json", is_flag=True, help="Print the table as one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Print the answer only.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def sweep(file: str, params: tuple[str, ...], **options: Any) -> int:
    """Solve the problem that FILE states at all combinations of the values of its constants.

    DIR gets a run directory for each point, sweep.csv with constants, quantities and verdicts, a picture, and
    for one constant sweep.pvd, over which ParaView plays as over time. A point that fails is a row, and the
    sweep goes on.
    """
    from pdesolve.sweeps.products import write_products
    from pdesolve.sweeps.sweep import sweep as run_sweep
    from pdesolve.sweeps.values import parse_values

    as_json, quiet, _ = (options.pop(name) for name in ("json", "quiet", "debug"))
    chosen = {
        name: parse_values(name, text) for name, text in values.pairs(params, "NAME=FIRST:LAST:COUNT[:log]")
    }
    options["client"] = options.pop("dask")
    show = _Progress(quiet or as_json)
    try:
        with warnings_as_lines(quiet), sigterm_as_interrupt(), contextlib.redirect_stdout(sys.stderr):
            table = run_sweep(file, chosen, show=show, **options)
            files = write_products(table, Path(options["out"]))
    # The points that are done are on the disk: who interrupts should know that they are not lost.
    except KeyboardInterrupt:
        message = f"interrupted after {show.done} points; --resume goes on from what is in {options['out']}"
        raise KeyboardInterrupt(message) from None
    return _answer(table, files, options["out"], as_json, quiet)


def _answer(table: Any, files: Mapping[str, Path], out: str, as_json: bool, quiet: bool) -> int:
    from pdesolve.runs.run_directory import json_ready

    if as_json:
        click.echo(
            json_module.dumps(json_ready({name: list(column) for name, column in table.items()}), indent=1)
        )
    verdicts = table["verdict"].tolist()
    counts = [(kind, verdicts.count(kind)) for kind in ("solved", "not verified", "failed")]
    told = ", ".join(f"{number} {kind}" for kind, number in counts if number)
    if not as_json:
        for label, path in () if quiet else files.items():
            click.echo(f"  {label:<20}{path}")
        click.echo(f"{len(verdicts)} points: {told}; results in {out}")
    return _exit_code(table)


def _exit_code(table: Any) -> int:
    # Without any solution the command has failed; otherwise the table says which points to trust.
    if (table["verdict"] == "failed").all():
        return 1
    if not table.solved.all():
        return NOT_VERIFIED
    return 0


class _Progress:
    """A line for each point as it ends."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.done = 0

    def __call__(self, done: int, total: int, name: str, row: Mapping[str, Any]) -> None:
        self.done = done
        if self.quiet:
            return
        error = row["estimated_error"]
        if row["verdict"] == "solved":
            what = f"estimated error {values.short(error)}"
        else:
            what = row["status"]
        found = f"{row['verdict']}, {what} in {values.duration(row['seconds'])}"
        click.echo(f"  {done}/{total}  {name}: {found}", err=True)
