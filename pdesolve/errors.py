"""The errors a user can meet; each carries one sentence: what was received, expected, and what to try."""


class PdesolveError(Exception):
    """Base of every error raised on purpose; the command line prints it without a traceback."""

    exit_code = 1


class ProblemError(PdesolveError):
    """The problem file states something that cannot be solved as written (exit code 2)."""

    exit_code = 2


class UsageError(PdesolveError):
    """A command, setting or file name is wrong (exit code 2)."""

    exit_code = 2


class SolveError(PdesolveError):
    """The run itself failed (exit code 1)."""


class OutOfMemoryError(SolveError):
    """The next step would need more memory than the machine has; what was reached before is kept."""


class OutOfTimeError(PdesolveError):
    """The time limit passed, or the user asked to stop, in the middle of a step; what was reached before is kept.

    No `SolveError`: a line search that halves its step where a solve fails must not take this for a failure.
    """


class PostponedError(PdesolveError):
    """A reference solution takes long to compute, and now is not the time (`check` must be quick)."""
