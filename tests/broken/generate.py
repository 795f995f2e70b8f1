"""Write the broken and the questionable problem files: `python tests/broken/generate.py`.

Each is a good problem file with a few words replaced; mutations.toml lists the replacements and fragments of
the sentence that each must lead to.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBLEMS = HERE.parents[1] / "problems"


@dataclass(frozen=True)
class Mutation:
    """A good file, replacements [old, new] in it, and fragments of the sentence it must lead to."""

    name: str
    base: str
    replace: list[list[str]]
    expects: list[str]

    def text(self) -> str:
        """The mutated file; what was done to it is said in its last line, so that line numbers stay.

        Raises:
            ValueError: a text to be replaced is not in the good file (any more).
        """
        text = (PROBLEMS / f"{self.base}.py").read_text(encoding="utf-8")
        for old, new in self.replace:
            if old not in text:
                message = f"mutation {self.name}: {self.base}.py does not contain {old!r}"
                raise ValueError(message)
            text = text.replace(old, new)
        return (
            f"{text}\n# Made from {self.base}.py by generate.py; check must say: {'; '.join(self.expects)}\n"
        )


def mutations(kind: str) -> list[Mutation]:
    """All mutations of a kind: "rejected" (exit code 2) or "warned" (exit code 0)."""
    return [Mutation(**row) for row in tomllib.loads((HERE / "mutations.toml").read_text("utf-8"))[kind]]


def generate(root: Path) -> list[Path]:
    """Write every mutation to root/rejected and root/warned; remove files of mutations that are gone."""
    written = []
    for kind in ("rejected", "warned"):
        (root / kind).mkdir(parents=True, exist_ok=True)
        for mutation in mutations(kind):
            written.append(root / kind / f"{mutation.name}.py")
            written[-1].write_text(mutation.text(), encoding="utf-8")
        for path in set((root / kind).glob("*.py")) - set(written):
            path.unlink()
    return written


if __name__ == "__main__":
    print(f"wrote {len(generate(HERE))} files")
