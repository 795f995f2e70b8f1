"""The outcome of a check: sentences, sorted by weight."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from pdesolve.runs.html import pairs


@dataclass(frozen=True)
class Report:
    """What a check found; each entry is a sentence: what was received, what was expected, what to try.

    Attributes:
        name: of the problem or file.
        errors: the problem cannot be solved as written (exit code 2).
        warnings: it can, but probably says something else than was meant.
        notes: what was found out about it.
    """

    name: str
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    @property
    def exit_code(self) -> int:
        """0, or 2 where there are errors."""
        return 0 if self.ok else 2

    def lines(self) -> list[str]:
        """The report as lines of text, errors first."""
        return [f"{kind}: {sentence}" for kind, sentence in self._found()]

    def _found(self) -> list[tuple[str, str]]:
        kinds = (("error", self.errors), ("warning", self.warnings), ("note", self.notes))
        return [(kind, sentence) for kind, sentences in kinds for sentence in sentences]

    def __str__(self) -> str:
        return "\n".join([*self.lines(), self._verdict])

    @property
    def _verdict(self) -> str:
        return f"{self.name} {'can' if self.ok else 'cannot'} be solved as written"

    def _repr_html_(self) -> str:
        return pairs(self._verdict, self._found())


@dataclass
class Findings:
    """Collects sentences while a check runs; the same sentence counts once."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def error(self, sentence: str) -> None:
        """Add an error."""
        if sentence not in self.errors:
            self.errors.append(sentence)

    def warn(self, sentence: str) -> None:
        """Add a warning."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def note(self, sentence: str) -> None:
        """Add a note."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def report(self, name: str) -> Report:
        """Freeze what was found."""
        return Report(name, tuple(self.errors), tuple(self.warnings), tuple(self.notes))


def at(names: tuple[str, ...], point: Tensor) -> str:
    """A point in words: "at (x, y) = (0.5, 0.25)", "at x = 0.5"."""
    rounding = 1e-12 * max(1.0, float(point.abs().max()))
    numbers = ", ".join(f"{0.0 if abs(value) < rounding else value:.4g}" for value in point.tolist())
    return f"at {names[0]} = {numbers}" if len(names) == 1 else f"at ({', '.join(names)}) = ({numbers})"


def share_in_words(name: str, share: float) -> str:
    """A share of a part of the boundary: "'left'" for all of it, "30% of 'left'"."""
    # Points of a rule that lie at the ends of a piece may fall to its neighbour.
    return f"'{name}'" if share > 0.999 else f"{share:.0%} of '{name}'"
