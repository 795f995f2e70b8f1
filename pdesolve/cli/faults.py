"""What went wrong, as one sentence and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from dataclasses import dataclass

import click

from pdesolve.errors import PdesolveError

# What shells report for a process that ended by Ctrl-C: 128 + SIGINT.
INTERRUPTED = 130
# No room on the device, none in the user's quota, and a file larger than the system allows.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Interrupted(KeyboardInterrupt):
    """The user stopped the run; the message says what was saved."""


@dataclass(frozen=True)
class Fault:
    """An error as the user meets it.

    Attributes:
        sentence: what was received, what was expected, what to try.
        exit_code: 1, 2 or 130.
    """

    sentence: str
    exit_code: int

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """The sentence and exit code of an exception."""
        if isinstance(error, PdesolveError):
            return cls(_one_line(str(error)), error.exit_code)
        if isinstance(error, click.ClickException):
            return cls(_one_line(_usage(error)), 2)
        if isinstance(error, (KeyboardInterrupt, click.Abort)):
            return cls(_one_line(str(error)) or "interrupted; nothing was saved", INTERRUPTED)
        if isinstance(error, MemoryError):
            return cls("out of memory: try a looser --tol or a problem of fewer dimensions", 1)
        if isinstance(error, OSError) and error.strerror:
            return cls(_of_files(error), 1)
        # Anything else is ours: whoever meets it needs the traceback to report it.
        text = ": ".join(part for part in (type(error).__name__, _one_line(str(error))) if part)
        return cls(f"{text}; run with --debug for the traceback", 1)


def show_fault(fault: Fault, error: BaseException, debug: bool) -> None:
    """Print the sentence to standard error, after the traceback if it was asked for."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if fault.exit_code == INTERRUPTED:
        click.secho(fault.sentence, err=True, fg="yellow")
    else:
        click.echo(f"{click.style('error', fg='red', bold=True)}: {fault.sentence}", err=True)


def _of_files(error: OSError) -> str:
    """What kept a file from being read or written."""
    if error.errno in _FULL:
        return (
            f"the disk is full while {error.filename or 'output'} was written ({error.strerror}): make room, then "
            "start again, or --resume where there is a checkpoint"
        )
    sentence = f"a file could not be read or written: {error.strerror}"
    if error.filename:
        return f"{sentence} ({error.filename})"
    return sentence


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    return f"{message}; see {context.command_path} --help"


def _one_line(text: str) -> str:
    return " ".join(text.split())
