"""What the functions of a problem ask for: they receive their arguments by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from pdesolve.errors import ProblemError


def signature(function: Callable, owner: str, default: Sequence[str]) -> dict[str, bool]:
    """Argument names of a function → whether it must be given; `default` for a function that does not tell.

    Raises:
        ProblemError: it takes any number of arguments, so that none can be matched.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-in torch functions such as torch.sin
        return {name: True for name in default}
    names = {}
    # Of *args and **kwargs no name tells what the function wants.
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            message = f"{owner} takes *args or **kwargs; write its arguments out, they are matched by name"
            raise ProblemError(message)
        # What has a default may be left out.
        names[p.name] = p.default is p.empty
    return names


def has_signature(function: Callable) -> bool:
    """Whether a function tells its arguments; built-in torch functions do not."""
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True
