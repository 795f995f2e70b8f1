"""The examples that come with the package: problem files to begin with."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "examples"
# From what one meets first to what one meets last.
ORDER = ("poisson", "heat", "elasticity", "flow", "eigenvalue", "inverse")


def titles() -> dict[str, str]:
    """Name of each example → the first line of its docstring."""
    return {name: (FOLDER / f"{name}.py").read_text("utf-8").splitlines()[0].strip('"') for name in ORDER}


def source(name: str) -> str:
    """The text of an example."""
    return (FOLDER / f"{name}.py").read_text("utf-8")
