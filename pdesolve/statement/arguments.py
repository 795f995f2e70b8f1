"""Names of arguments that do not exist: which one was meant."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from pdesolve.errors import ProblemError, did_you_mean

Function = TypeVar("Function", bound=Callable[..., Any])


class ArgumentNameError(ProblemError, TypeError):
    """A keyword that a function does not take."""


def names_explained(owner: str, other_words: Mapping[str, str]) -> Callable[[Function], Function]:
    """Decorator: an unknown keyword becomes a sentence that names the one that was meant.

    Args:
        owner: what the sentence calls the function.
        other_words: what people write elsewhere → the argument here.
    """

    def decorate(function: Function) -> Function:
        names = [name for name in inspect.signature(function).parameters if name != "self"]

        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            for word in kwargs:
                if word not in names:
                    meant = other_words.get(word.lower())
                    hint = f"; did you mean '{meant}'?" if meant else did_you_mean(word, names)
                    message = f"{owner} received {word}=; expected {', '.join(names)}{hint}"
                    raise ArgumentNameError(message)
            return function(*args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate
