"""`pdesolve surrogate`: solve a problem for a whole box of its constants at once."""

from __future__ import annotations

import contextlib
import json as json_module
import sys
import time
from typing import Any

import click

from pdesolve.cli import values
from pdesolve.cli.branch import require_free
from pdesolve.cli.warn import warnings_as_lines

NOT_VERIFIED = 3
_FORM = "NAME=LOW:HIGH"


@click.command(short_help="Solve a problem for all values of its constants at once.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--over", multiple=True, required=True, metavar=_FORM, help="The range of a constant; one for each."
)
@click.option("--out", required=True, metavar="DIR", type=click.Path(), help="For Surrogate.load(DIR).")
@click.option(
    "--tol", default=1e-4, type=float, metavar="ERROR", help="Relative L2 error in the whole box. [1e-4]"
)
@click.option("--time-limit", type=float, metavar="S", help="Seconds.")
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Print the answer only.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def surrogate(file: str, over: tuple[str, ...], out: str, **options: Any) -> int:
    """Make a surrogate of the steady problem that FILE states: a reduced basis with an error estimate.

    It answers in about a millisecond for any values of the constants in their ranges, says how far it may be off,
    and gives no answer where that is more than the tolerance.
    """
    from pdesolve.surrogates.build import build_surrogate
    from pdesolve.sweeps.values import parse_range

    as_json, quiet, _ = (options.pop(name) for name in ("json", "quiet", "debug"))
    ranges = {name: parse_range(name, text, "over") for name, text in values.pairs(over, _FORM)}
    require_free(out)
    began = time.perf_counter()
    with warnings_as_lines(quiet), contextlib.redirect_stdout(sys.stderr):
        made = build_surrogate(file, ranges, show=None if quiet or as_json else _show, **options)
        made.save(out)
    seconds = time.perf_counter() - began
    if as_json:
        click.echo(json_module.dumps({**made.summary(), "seconds": seconds, "output": out}, indent=1))
    else:
        verdict = "made" if made.converged else "not verified"
        told = f"{made.size} functions on {made.functions.shape[1]:,} unknowns in {values.duration(seconds)}"
        click.echo(f"{verdict}: {told}; {made.status}; Surrogate.load('{out}')")
    if not made.converged:
        return NOT_VERIFIED
    return 0


def _show(text: str) -> None:
    click.echo(f"  {text}", err=True)
