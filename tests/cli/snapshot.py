"""Texts kept in tests/cli/snapshots; `PDESOLVE_SNAPSHOTS=write pytest tests/cli` writes them anew."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "snapshots"


def assert_as_kept(name: str, text: str) -> None:
    """Compare a text with the one that is kept, or keep it."""
    path = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if os.environ.get("PDESOLVE_SNAPSHOTS") == "write":
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"{path.name}: is the change meant? Then write it anew"
