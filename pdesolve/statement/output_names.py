"""What `outputs=` of a problem may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.names import Names


def checked_outputs(outputs: Any, names: Names) -> dict[str, Callable[..., Any]]:
    """Outputs by name, functions that ask for what there is.

    Raises:
        ProblemError: one of them is not.
    """
    if outputs is None:
        return {}
    if not isinstance(outputs, Mapping):
        message = (
            f"outputs is a {type(outputs).__name__}; expected a dict name → function of the unknowns: "
            'outputs={"flux": lambda u: -2 * grad(u)}'
        )
        raise ProblemError(message)
    for name, function in outputs.items():
        _check_name(name, names)
        if not callable(function):
            message = f"output '{name}' is a {type(function).__name__}; expected a function of the unknowns"
            raise ProblemError(message)
        names.check_arguments(function, f"output '{name}'", names.of_conditions - {"n"})
    return dict(outputs)


def _check_name(name: Any, names: Names) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        message = f"outputs has the key {name!r}; expected a name such as 'von_mises'"
        raise ProblemError(message)
    if name in names.of_conditions:
        message = f"output '{name}' has the name of an unknown, a coordinate or a constant; rename it"
        raise ProblemError(message)
