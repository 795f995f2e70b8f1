"""Versions and memory, found without importing torch."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from pdesolve import __version__

_PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "meshio")


def versions() -> dict[str, str]:
    """What the numbers of a run depend on, name → version."""
    # A fifth of the time in which `--help` answers.
    from importlib import metadata

    found = {"pdesolve": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> str:
    """Processor and number of cores."""
    cpus = Path("/proc/cpuinfo")
    lines: list[str] = []
    if cpus.exists():
        lines = cpus.read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = next(iter(names), platform.processor() or platform.machine())
    return f"{name}, {os.cpu_count()} cores"


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MiB; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Linux counts in KiB, macOS in bytes.
    if sys.platform == "darwin":
        unit = 2**20
    else:
        unit = 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
