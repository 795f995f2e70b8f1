"""`pdesolve solve`: the options; what happens then is in `session`."""

from __future__ import annotations

import math
from typing import Any

import click
from click.core import ParameterSource

from pdesolve.cli import completion, quantities, values
from pdesolve.cli.request import Request
from pdesolve.cli.session import run
from pdesolve.errors import UsageError


@click.command(short_help="Solve a problem to a tolerance.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--method",
    default="gmnm",
    metavar="NAME",
    shell_complete=completion.method_names,
    help="See `pdesolve ls methods`. [gmnm]",
)
@click.option(
    "--tol",
    default=1e-6,
    type=float,
    metavar="ERROR",
    help="Relative error asked for; L2, unless --norm is given. [1e-6]",
)
@click.option(
    "--norm",
    default="l2",
    metavar="NAME",
    shell_complete=completion.norm_names,
    help="l2; range: beside the deviation from the mean; h1: of gradients; max: the largest error. [l2]",
)
@click.option(
    "--absolute",
    multiple=True,
    metavar="U=ERROR",
    callback=values.numbers,
    help="Error of an unknown asked for in its units, in place of --tol.",
)
@click.option("--seed", default=0, type=int, metavar="N", help="Of everything random. [0]")
@click.option("--time-limit", type=float, metavar="S", help="Seconds; of a resumed run, all parts together.")
@click.option("--dtype", default="float64", metavar="TYPE", help="float64 or float32. [float64]")
@click.option("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda. [auto]")
@click.option("--dask", metavar="ADDRESS", help="Factor large systems on the cluster of this Dask scheduler.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=values.settings,
    shell_complete=completion.setting_names,
    help="A method's setting.",
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=values.numbers,
    help="Override a constant.",
)
@quantities.options
@click.option("--out", type=click.Path(), metavar="DIR", help="[runs/<problem>-<method>-<time stamp>]")
@click.option(
    "--vtk", type=click.Path(), metavar="FILE", help="Also write the solution here (.vtu, .pvd, …)."
)
@click.option(
    "--times",
    metavar="T,T,…",
    callback=values.times,
    help="Times at which the files of an evolution are written, such as 0,0.1,1.",
)
@click.option("--steps", type=int, metavar="N", help="Write them at N equally spaced times instead. [41]")
@click.option("--plot", type=click.Path(), metavar="FILE", help="Also draw the solution here (.png, …).")
@click.option("--no-picture", is_flag=True, help="Leave out solution.png, which takes about a second.")
@click.option("--resume", is_flag=True, help="Continue the run in --out, or the latest of this problem.")
@click.option("--force", is_flag=True, help="Replace the results in --out.")
@click.option("--json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--quiet", "-q", is_flag=True, help="Print the answer only: no progress, warnings or table.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Tell each decision: what a level refines, why a step is refused."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def solve(context: click.Context, **options: Any) -> int:
    """Solve the problem that FILE states until the estimated error meets the tolerance.

    The run directory gets solution.vtu (or .pvd, for ParaView), a picture, the history and a summary. Ctrl-C
    stops at the next step and keeps what there is.
    """
    _check(options)
    asked = quantities.taken_from(options)
    # A run that goes on takes from its directory what was not said again.
    given = {name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    return run(Request(**options, quantities=asked, given=frozenset(given)), context.obj)


_EXCLUSIVE = (
    ("times", "steps", "--times names the times and --steps spreads them evenly: give one of them"),
    ("resume", "force", "--resume continues a run and --force replaces it: give one of them"),
    ("quiet", "verbose", "--quiet prints the answer only and --verbose every decision: give one of them"),
)


def _check(options: dict[str, Any]) -> None:
    limit = options["time_limit"]
    if limit is not None and not (math.isfinite(limit) and limit > 0):
        message = f"--time-limit {limit:g}: expected seconds, a number above 0"
        raise UsageError(message)
    if not 0 <= options["seed"] < 2**32:
        message = f"--seed {options['seed']}: expected a whole number from 0 to 4294967295"
        raise UsageError(message)
    for first, second, message in _EXCLUSIVE:
        if options[first] not in (None, False) and options[second] not in (None, False):
            raise UsageError(message)
