"""The `pdesolve` command. Modules that need torch are imported inside the commands that use them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from pdesolve import __version__
from pdesolve.cli.answer import blank_record, print_record
from pdesolve.cli.bench import bench, compare
from pdesolve.cli.bench import report as report_command
from pdesolve.cli.branch import branch
from pdesolve.cli.check import check
from pdesolve.cli.completion import answer_completion, completion
from pdesolve.cli.export import export, plot
from pdesolve.cli.faults import Fault, show_fault
from pdesolve.cli.info import info
from pdesolve.cli.listing import ls
from pdesolve.cli.new import new
from pdesolve.cli.solve import solve
from pdesolve.cli.surrogate import surrogate
from pdesolve.cli.sweep import sweep
from pdesolve.cli.wording import as_option
from pdesolve.runs.wording import worded_by

_HELP = """Solve partial differential equations to a tolerance, with an error you can trust.

\b
pdesolve new poisson                  write a problem file to begin with
pdesolve check poisson.py             is it stated right? (seconds, trains nothing)
pdesolve solve poisson.py --tol 1e-8  solve it; the result opens in ParaView

\b
Exit codes:
    0  solved, tolerance verified
    1  failed at run time
    2  usage or problem file is wrong
    3  finished without verifying the tolerance
    4  compare found a regression
  130  interrupted, partial result saved
"""


class _InOrderOfUse(click.Group):
    """A group whose help lists the commands as they were added."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrderOfUse,
    help=_HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="pdesolve %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Show the help where no command is given."""
    # https://no-color.org: whatever its value.
    if "NO_COLOR" in os.environ:
        context.color = False
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    new,
    ls,
    check,
    solve,
    sweep,
    branch,
    surrogate,
    plot,
    export,
    bench,
    report_command,
    compare,
    info,
    completion,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: instead of `sys.argv[1:]`.

    Returns:
        The exit code.
    """
    if arguments is not None:
        return _run(list(arguments))
    code = _run(sys.argv[1:])
    # A late Ctrl-C must not disturb the end of the process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _run(arguments: list[str]) -> int:
    _never_fail_to_print()
    record = blank_record()
    try:
        # Before options are parsed: the shell asks about a line that is not finished.
        if (answered := answer_completion(cli)) is not None:
            return answered
        with worded_by(as_option), cli.make_context("pdesolve", arguments, obj=record) as context:
            code = cli.invoke(context)
        # Here, where an error can still be reported: a full disk shows when the buffer is written.
        sys.stdout.flush()
        return code or 0  # commands that return nothing have succeeded
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except BrokenPipeError:  # `pdesolve ls | head`
        _close_output()
        return 0
    except BaseException as error:
        # No traceback reaches a user unless asked for, whatever was raised.
        fault = Fault.of(error)
        show_fault(fault, error, debug="--debug" in arguments)
        if "--json" in arguments:
            _print_if_possible({**record, "error": fault.sentence})
        return fault.exit_code


def _print_if_possible(record: dict[str, Any]) -> None:
    """Print a record, unless standard output is what cannot be written."""
    try:
        print_record(record)
        sys.stdout.flush()
    except OSError:
        _close_output()


def _close_output() -> None:
    """Send what is left to be printed, also at the end of the process, to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _never_fail_to_print() -> None:
    """Replace what the terminal's encoding lacks, and streams that were closed (`>&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
