"""`pdesolve export` and `pdesolve plot`: files from the directory of a finished run."""

from __future__ import annotations

from typing import Any

import click

from pdesolve.cli import values
from pdesolve.cli.warn import warnings_as_lines

_DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
_RUN = click.argument("run_directory", metavar="RUN_DIR", type=click.Path())


@click.command(short_help="Write the solution of a run for ParaView or other programs.")
@_RUN
@click.argument("file", type=click.Path())
@click.option("--points", type=click.IntRange(2), metavar="N", help="How many points in space, about.")
@click.option(
    "--steps", type=click.IntRange(2), metavar="N", help="How many times, of a time-dependent problem."
)
@click.option("--times", metavar="T,T,…", callback=values.times, help="These times, such as 0,0.1,1.")
@click.option("--time", type=float, metavar="T", help="One time only.")
@click.option("--mesher", metavar="gmsh", help="Triangles and tetrahedra of better shape, by Gmsh.")
@_DEBUG
def export(run_directory: str, file: str, debug: bool, **options: Any) -> None:  # noqa: ARG001
    """Write the solution in RUN_DIR to FILE; the ending decides the format (see `pdesolve ls formats`)."""
    from pdesolve import output

    given = {name: value for name, value in options.items() if value is not None}
    with warnings_as_lines(quiet=False):
        output.export(_load(run_directory), file, **given)
    click.echo(f"wrote {file}")


@click.command(short_help="Draw the solution of a run, or a problem.")
@_RUN
@click.argument("file", type=click.Path())
@click.option("--mesh", is_flag=True, help="Draw the patches, coloured by degree.")
@click.option("--view", is_flag=True, help="Draw a solid from outside.")
@click.option("--arrows", metavar="U,V", help="Draw a vector by arrows: its name, or its components.")
@click.option("--streamlines", metavar="U,V", help="Draw it by streamlines.")
@click.option("--deformed", metavar="U,V", help="Draw the shape moved by it.")
@_DEBUG
def plot(run_directory: str, file: str, mesh: bool, debug: bool, **view: Any) -> None:  # noqa: ARG001
    """Draw solution, error and history of the run in RUN_DIR to FILE, say solution.png.

    The ending .gif or .mp4 makes an animation of a problem with time. With a problem file in place of RUN_DIR, its
    domain is drawn, coloured by the conditions on its boundary.
    """
    from pdesolve.output import plotting

    with warnings_as_lines(quiet=False):
        plotting.plot(_load_either(run_directory), file, mesh=mesh, **view)
    click.echo(f"wrote {file}")


def _load(directory: str) -> Any:
    from pdesolve.solution.solution import Solution

    return Solution.load(directory)


def _load_either(path: str) -> Any:
    """The problem of a file, or the solution of a run."""
    if not path.endswith(".py"):
        return _load(path)
    from pdesolve.statement.loading import load_problem

    return load_problem(path)
