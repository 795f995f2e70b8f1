"""Classes and functions of the user's own, from a file: `my_module.py:MyNet`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

from pdesolve.errors import UsageError


def is_own(name: Any) -> bool:
    """Whether it names something in a file."""
    return isinstance(name, str) and ".py:" in name


def load_own(name: str, what: str, kind: str, fits: Callable[[Any], bool]) -> Any:
    """What a file defines under a name.

    Args:
        name: "my_module.py:MyNet".
        what: it is for, such as "approximator", for the sentences.
        kind: of thing that is expected, such as "torch.nn.Module".
        fits: whether a thing is of that kind.

    Raises:
        UsageError: there is no such file, it cannot be imported, or defines nothing that fits under that name.
    """
    file, _, wanted = name.rpartition(":")
    path = Path(file).resolve()
    spec = util.spec_from_file_location(f"pdesolve_own_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        message = f"there is no file {file} for the {what} {name}; expected my_module.py:name"
        raise UsageError(message)
    module = util.module_from_spec(spec)
    # Dataclasses and pickle look modules up by their names.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        message = f"{file} cannot be imported: {type(error).__name__}: {error}"
        raise UsageError(message) from error
    found = {key: value for key, value in vars(module).items() if fits(value)}
    if wanted not in found:
        # Not what it imports: that would be all of torch.
        own = [key for key, value in found.items() if getattr(value, "__module__", None) == spec.name]
        message = f"{file} defines no {kind} {wanted!r}; it defines {', '.join(own) or 'none'}"
        raise UsageError(message)
    return found[wanted]
