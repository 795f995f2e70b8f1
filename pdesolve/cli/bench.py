"""`pdesolve bench`, `report` and `compare`: methods side by side."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pdesolve.cli import values
from pdesolve.cli.interrupt import sigterm_as_interrupt
from pdesolve.errors import UsageError

# Exit code of `compare`, beside those of `solve`.
REGRESSION = 4
_DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


@click.command(short_help="Run methods on problems side by side, a record for each run.")
@click.argument("what", nargs=-1, required=True, metavar="SUITE.toml | FILE.py…", type=click.Path())
@click.option(
    "--methods",
    metavar="A,B",
    help="Methods (`pdesolve ls methods`), approximator+optimiser such as mlp-sine+lbfgs, or my_module.py:MyNet.",
)
@click.option("--seeds", metavar="0-4", help="One run for each. [0]")
@click.option("--budget", metavar="60s", help="Time of each run. [60s]")
@click.option(
    "--clock", metavar="CLOCK", help="What counts it: wall, or cpu where other work must not count. [wall]"
)
@click.option("--memory", metavar="4GB", help="Memory of each run. [4GB]")
@click.option("--tol", type=float, metavar="ERROR", help="Where a method may stop before. [1e-10]")
@click.option("--dtype", metavar="TYPE", help="float64 or float32. [float64]")
@click.option("--device", metavar="DEVICE", help="cpu, cuda or auto. [cpu]")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Of each run. [1]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    callback=values.settings,
    help="A setting of all methods that know it.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, metavar="N", help="Processes at a time. [1]")
@click.option("--dask", metavar="ADDRESS", help="Run on the cluster of this Dask scheduler.")
@click.option("--out", default="bench", metavar="DIR", type=click.Path(), help="[bench]")
@click.option("--skip-existing", is_flag=True, help="Keep records that are there, failures included.")
@click.option("--quick", is_flag=True, help="The short form of a suite.")
@click.option("--json", is_flag=True, help="Print the table of medians as one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Print the table only.")
@_DEBUG
def bench(what: tuple[str, ...], **options: Any) -> None:
    """Run every method on every problem with every seed, each in a process of its own.

    Crashes, time-outs and solutions that are not finite are rows like any other. Records go to DIR/records,
    one JSON file per run; `pdesolve report DIR` makes tables and pictures of them.
    """
    from pdesolve.benchmarking.runner import run_all
    from pdesolve.benchmarking.suite import make_suite

    content = _content(what, options)
    suite = make_suite(content)
    cases = suite.cases()
    out = Path(options["out"])
    show = _Progress(len(cases), options["quiet"])
    # Beside the records from the start, so that a bench that is cut short can be reported, too.
    out.mkdir(parents=True, exist_ok=True)
    (out / "suite.json").write_text(json_module.dumps(content, indent=1, default=str) + "\n", "utf-8")
    try:
        with sigterm_as_interrupt():
            if options["dask"]:
                from pdesolve.benchmarking.cluster import run_on_cluster

                records = run_on_cluster(cases, out, show, options["dask"], options["skip_existing"])
            else:
                records = run_all(cases, out, show, options["jobs"], options["skip_existing"])
    except KeyboardInterrupt:
        message = f"interrupted; {show.done} records are in {out}, and --skip-existing goes on from there"
        raise KeyboardInterrupt(message) from None
    _answer(records, out, options["json"])


def _content(what: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """The suite as a dict: from its file, then from the options."""
    from pdesolve.benchmarking.suite import read_suite

    suites = [Path(name) for name in what if name.endswith(".toml")]
    if suites and len(what) > 1:
        message = "bench takes one suite, or problem files; received both, or several suites"
        raise UsageError(message)
    if suites:
        content = read_suite(suites[0], options["quick"])
    else:
        # One method of each kind: least squares, a network, splines.
        content = {"title": "comparison", "problems": list(what), "methods": ["gmnm", "pinn", "kan"]}
        if options["quick"]:
            content["budget"] = 3
    for key in ("seeds", "budget", "clock", "memory", "tol", "dtype", "device", "threads"):
        if options[key] is not None:
            content[key] = options[key]
    if options["methods"] is not None:
        content["methods"] = [name.strip() for name in options["methods"].split(",") if name.strip()]
    content["settings"] = {**content.get("settings", {}), **options["settings"]}
    return content


class _Progress:
    """A line for each run as it ends."""

    def __init__(self, total: int, quiet: bool):
        self.total = total
        self.quiet = quiet
        self.done = 0

    def __call__(self, record: Mapping[str, Any]) -> None:
        self.done += 1
        if self.quiet:
            return
        name = f"{record['problem']}, {record['method']}, seed {record['seed']}"
        found = _found(record)
        if record["seconds"] is not None:
            found += f" in {values.duration(record['seconds'])}"
        click.echo(f"  {self.done}/{self.total}  {name}: {found}", err=True)


def _found(record: Mapping[str, Any]) -> str:
    """The outcome of a run in words."""
    if record["outcome"] != "finished":
        return record["outcome"]
    if record["relative_l2_error"] is None:
        return "finished, error unknown"
    return f"error {values.short(record['relative_l2_error'])}"


def _answer(records: list[dict[str, Any]], out: Path, as_json: bool) -> None:
    from pdesolve.benchmarking import tables
    from pdesolve.benchmarking.statistics import rows

    if as_json:
        click.echo(json_module.dumps([_figures(row) for row in rows(records)], indent=1, allow_nan=False))
        return
    failed = len(tables.failures(records))
    click.echo(tables.plain(tables.overview(records)).replace("**", ""))
    verdict = f"{len(records)} runs"
    if failed:
        verdict += f", {failed} failed"
    click.echo(f"{verdict}; records in {out / 'records'}, and `pdesolve report {out}` makes pictures of them")


def _figures(row: Any) -> dict[str, Any]:
    from pdesolve.runs.run_directory import json_ready

    low, high = row.spread
    found = {
        "problem": row.problem,
        "method": row.method,
        "median_error": row.error,
        "quartiles": [low, high],
    }
    found |= {"runs": len(row.records), "failures": row.failures, "seconds": row.median("seconds")}
    return json_ready({**found, "parameters": row.median("parameters")})


@click.command(short_help="Make tables and pictures of the records of a bench.")
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--out", metavar="FOLDER", type=click.Path(), help="[DIR/report]")
@click.option("--table", "only_table", is_flag=True, help="Print the tables only: no files, no pictures.")
@click.option("--latex", is_flag=True, help="Print the tables only, for LaTeX with booktabs.")
@_DEBUG
def report(directory: str, out: str | None, only_table: bool, latex: bool, debug: bool) -> None:  # noqa: ARG001
    """Write report.md, its PNGs and report.html, one page that needs no other file.

    Medians and quartiles over seeds; a failed run counts as infinitely wrong.
    """
    from pdesolve.benchmarking import tables
    from pdesolve.benchmarking.records import read_records
    from pdesolve.benchmarking.statistics import by_problem

    records = read_records(Path(directory))
    if latex:
        click.echo(tables.latex(tables.overview(records)))
        for problem, rows in by_problem(records).items():
            click.echo(f"\n% {problem}\n{tables.latex(tables.problem_table(rows))}")
        return
    for problem, rows in by_problem(records).items():
        click.echo(f"\n{click.style(problem, bold=True)}")
        click.echo(tables.plain(tables.problem_table(rows)))
    if only_table:
        return
    # Pictures take seconds; the tables can be read meanwhile.
    sys.stdout.flush()
    from pdesolve.benchmarking.report import write_report

    suite = _suite_of(Path(directory))
    folder = Path(out or Path(directory).with_suffix("") / "report")
    paths = write_report(records, folder, suite["title"], suite.get("published"), suite)
    click.echo(f"\nwrote {' and '.join(map(str, paths))}")


def _suite_of(directory: Path) -> dict[str, Any]:
    """What was asked for, as far as the directory knows it: a title at least."""
    try:
        found = json_module.loads((directory / "suite.json").read_text("utf-8"))
        return {"title": directory.resolve().name, **found}
    except (OSError, ValueError, TypeError):
        return {"title": directory.resolve().name}


@click.command(short_help="Compare two result sets; exit code 4 where the second is worse.")
@click.argument("first", metavar="A", type=click.Path())
@click.argument("second", metavar="B", type=click.Path())
@click.option("--factor", type=click.FloatRange(1, min_open=True), metavar="X", help="Between errors. [3]")
@click.option(
    "--time-factor",
    type=click.FloatRange(1, min_open=True),
    metavar="X",
    help="Between seconds, too: for runs on one machine.",
)
@_DEBUG
def compare(first: str, second: str, factor: float | None, time_factor: float | None, debug: bool) -> int:  # noqa: ARG001
    """Compare the medians of B with those of A.

    A regression is an error that grew by more than the factor, a larger share of failed runs, or a row that is
    missing from B.
    """
    from pdesolve.benchmarking import compare as comparing
    from pdesolve.benchmarking import tables
    from pdesolve.benchmarking.records import read_records

    old = read_records(Path(first))
    new = read_records(Path(second))
    changes = comparing.compare(old, new, factor or comparing.FACTOR, time_factor)
    click.echo(tables.plain(comparing.comparison_table(changes)))
    worse = sum(change.regression for change in changes)
    if not worse:
        click.echo(f"no regression in {len(changes)} rows")
        return 0
    click.echo(f"{worse} of {len(changes)} rows became worse from {first} to {second}")
    return REGRESSION
