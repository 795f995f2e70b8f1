"""What the functions of a problem ask for: they receive their arguments by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache

from pdesolve.errors import ProblemError

KNOWN = 1024  # functions whose arguments are kept: an equation is called thousands of times


def signature(function: Callable, owner: str, default: Sequence[str]) -> dict[str, bool]:
    """Argument names of a function → whether it must be given; `default` for a function that does not tell.

    Raises:
        ProblemError: it takes any number of arguments, so that none can be matched.
    """
    parameters = _parameters(function)
    if parameters is None:  # built-in torch functions such as torch.sin
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
    return _parameters(function) is not None


def _parameters(function: Callable) -> tuple[inspect.Parameter, ...] | None:
    try:
        return _kept_parameters(function)
    except TypeError:  # an object that cannot be a key
        return _told_parameters(function)


@lru_cache(maxsize=KNOWN)
def _kept_parameters(function: Callable) -> tuple[inspect.Parameter, ...] | None:
    return _told_parameters(function)


def _told_parameters(function: Callable) -> tuple[inspect.Parameter, ...] | None:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
