"""Who factors the subtrees of an elimination tree, and keeps their factors: the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from pdesolve.least_squares.sparse.side_by_side import side_by_side
from pdesolve.least_squares.sparse.subtrees import Reduced, Subtree, SubtreeFactor

# Above it, threads gain more by subtrees of their own than the cut costs
MANY_COLUMNS = 20_000
# A cut that depends on the matrix alone, so that its factor does not depend on the number of threads
SUBTREES = 8


class Hands(Protocol):
    """Factors subtrees and solves with them; what it calls a part is its own matter."""

    def subtrees(self, columns: int) -> int:
        """Into how many subtrees a tree over so many columns is cut."""

    def factor(
        self, trees: Sequence[Callable[[], Subtree]], shift: float
    ) -> tuple[list[Any], list[Tensor | None]] | None:
        """Parts, and the Schur complements they leave; None if one has no factor."""

    def entries(self, parts: Sequence[Any]) -> int:
        """Stored numbers."""

    def reduce(self, parts: Sequence[Any], right: Sequence[Tensor]) -> tuple[list[Any], list[Tensor]]:
        """What each makes of its right-hand side, to be handed to `substitute`, and what its border gets."""

    def substitute(
        self, parts: Sequence[Any], reduced: Sequence[Any], borders: Sequence[Tensor]
    ) -> list[Tensor]:
        """The solutions from those at the borders."""


class Threads:
    """As many threads as torch has; each works on subtrees of its own with one thread of linear algebra."""

    def subtrees(self, columns: int) -> int:
        """One for what is small."""
        if columns > MANY_COLUMNS:
            return SUBTREES
        return 1

    def factor(
        self, trees: Sequence[Callable[[], Subtree]], shift: float
    ) -> tuple[list[SubtreeFactor], list[Tensor | None]] | None:
        """Subtrees side by side."""
        made = side_by_side(lambda tree: tree().factored(shift), trees)
        found = [one for one in made if one is not None]
        if len(found) < len(made):
            return None
        return [part for part, _ in found], [schur for _, schur in found]

    def entries(self, parts: Sequence[SubtreeFactor]) -> int:
        """Stored numbers."""
        return sum(part.entries for part in parts)

    def reduce(
        self, parts: Sequence[SubtreeFactor], right: Sequence[Tensor]
    ) -> tuple[list[Reduced], list[Tensor]]:
        """Side by side."""
        found = side_by_side(lambda pair: pair[0].reduce(pair[1]), list(zip(parts, right, strict=True)))
        return found, [one.update for one in found]

    def substitute(
        self, parts: Sequence[SubtreeFactor], reduced: Sequence[Reduced], borders: Sequence[Tensor]
    ) -> list[Tensor]:
        """Side by side."""
        given = list(zip(parts, reduced, borders, strict=True))
        return side_by_side(lambda three: three[0].substitute(*three[1:]), given)
