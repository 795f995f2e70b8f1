"""Who factors the subtrees of an elimination tree, and keeps their factors: the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError
from pdesolve.least_squares.sparse.side_by_side import side_by_side
from pdesolve.least_squares.sparse.subtrees import Reduced, Subtree, SubtreeFactor
from pdesolve.runs.memory import available_memory
from pdesolve.runs.wording import named

# Above it, threads gain more by subtrees of their own than the cut costs
MANY_COLUMNS = 20_000
# A cut that depends on the matrix alone, so that its factor does not depend on the number of threads
SUBTREES = 8
# Of the free memory that a factor may take: the rows of the next step need some, too
ROOM = 0.8
# Bytes: what the process itself takes when it has loaded its libraries; a look at free memory takes two milliseconds
SMALL = 1e8


@dataclass(frozen=True)
class Needs:
    """Bytes that a factorisation takes.

    Attributes:
        columns: of the matrix.
        subtrees: (t,) the factors of each subtree, with what it is made from.
        last: the last fronts, with what the subtrees leave them.
        front: what the largest front takes while it is made.
        device: where all is.
    """

    columns: int
    subtrees: np.ndarray
    last: float
    front: float
    device: torch.device


class Hands(Protocol):
    """Factors subtrees and solves with them; what it calls a part is its own matter."""

    def subtrees(self, columns: int) -> int:
        """Into how many subtrees a tree over so many columns is cut."""

    def require(self, needs: Needs) -> None:
        """See that there is room for it.

        Raises:
            OutOfMemoryError: there is not.
        """

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

    def require(self, needs: Needs) -> None:
        """Compare with the free memory of the device.

        Raises:
            OutOfMemoryError: they would not fit.
        """
        needed = needs.subtrees.sum() + needs.last + needs.front
        if needed < SMALL:
            return
        available = available_memory(needs.device)
        if needed > ROOM * available:
            message = (
                f"the factorisation of {needs.columns} unknowns needs {needed / 1e9:.1f} GB, "
                f"{available / 1e9:.1f} GB are free; ask for a looser {named('tol')}"
            )
            raise OutOfMemoryError(message)

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


_in_use: ContextVar[Hands | None] = ContextVar("hands", default=None)
_THREADS = Threads()


@contextmanager
def factored_by(hands: Hands | None) -> Iterator[None]:
    """Let all factors that are made within the block be made and kept by others than the threads of this process."""
    token = _in_use.set(hands)
    try:
        yield
    finally:
        _in_use.reset(token)


def hands_in_use(columns: int) -> Hands:
    """Those of the block around the call, for so many columns; threads where there are none, or it is one subtree."""
    found = _in_use.get()
    # One subtree has nothing to share, and would only travel.
    if found is None or found.subtrees(columns) == 1:
        return _THREADS
    return found
