"""The errors a user can meet; each carries one sentence: what was received, expected, and what to try."""

from collections.abc import Iterable
from difflib import get_close_matches


class PdesolveError(Exception):
    """Base of every error raised on purpose; the command line prints it without a traceback."""

    exit_code = 1


class ProblemError(PdesolveError, ValueError):
    """The problem file states something that cannot be solved as written (exit code 2)."""

    exit_code = 2


class UsageError(PdesolveError, ValueError):
    """A command, setting or file name is wrong (exit code 2)."""

    exit_code = 2


class SolveError(PdesolveError, RuntimeError):
    """The run itself failed (exit code 1)."""


class OutOfMemoryError(SolveError):
    """The next step would need more memory than the machine has; what was reached before is kept."""


class PostponedError(PdesolveError):
    """A reference solution takes long to compute, and now is not the time (`check` must be quick)."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about a word that is not known: "; did you mean 'tol'?", or nothing.

    >>> did_you_mean("cels", ["cells", "order"])
    "; did you mean 'cells'?"
    """
    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
