"""Packages that only some people need: imported when they are, with a sentence where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pdesolve.errors import UsageError


def needed(package: str, extra: str, what: str) -> Any:
    """A package of an extra.

    Args:
        package: its name.
        extra: of pdesolve, which installs it.
        what: needs it, as the beginning of a sentence.

    Raises:
        UsageError: it is not installed, or cannot be loaded.
    """
    try:
        return import_module(package)
    # A package in binary form may miss a library of the system.
    except (ImportError, OSError) as error:
        message = f"{what} needs the package {package}: pip install 'pdesolve[{extra}]' ({error})"
        raise UsageError(message) from None
