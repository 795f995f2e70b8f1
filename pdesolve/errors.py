"""The errors a user can meet; each carries one sentence: what was received, expected, and what to try."""

from collections.abc import Iterable, Mapping
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


class OutOfTimeError(PdesolveError):
    """The time limit passed, or the user asked to stop, in the middle of a step; what was reached before is kept.

    No `SolveError`: a line search that halves its step where a solve fails must not take this for a failure.
    """


class PostponedError(PdesolveError):
    """A reference solution takes long to compute, and now is not the time (`check` must be quick)."""


def did_you_mean(word: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """The end of a sentence about a word that is not known: "; did you mean 'tol'?", or nothing.

    Args:
        word: what was received.
        known: names; of a mapping, a value that is text is what to suggest in place of its key.

    >>> did_you_mean("cels", ["cells", "degree"])
    "; did you mean 'cells'?"
    >>> did_you_mean("degrees", {"degrees": "degree"})
    "; did you mean 'degree'?"
    """
    near = get_close_matches(word, list(known), n=1)
    if not near:
        return ""
    meant: object = near[0]
    if isinstance(known, Mapping) and isinstance(known[near[0]], str):
        meant = known[near[0]]
    return f"; did you mean '{meant}'?"
