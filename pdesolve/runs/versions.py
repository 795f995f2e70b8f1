"""Versions and memory, found without importing torch."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from pdesolve import __version__

_PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "meshio")


def versions() -> dict[str, str]:
    """What the numbers of a run depend on, name → version."""
    found = {"pdesolve": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
