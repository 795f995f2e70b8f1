"""Subtrees of an elimination tree as tasks of a Dask cluster, whose workers keep the factors.

A task gets the rows of its patches and returns the Schur complement of its border; its factor stays where it was made.
A solve sends each factor its part of the right-hand side, and later the solution at its border. Every task is a pure
function of what the scheduler knows, so that Dask makes again what a lost worker had, with the same bits: sums over
subtrees are taken here, in the order of the tree, and a task has one thread of linear algebra.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.least_squares.sparse.hands import ROOM, SUBTREES, Needs
from pdesolve.least_squares.sparse.subtrees import Reduced, Subtree, SubtreeFactor
from pdesolve.runs.deadline import check_deadline

# Of a subtree: half a second of work, beside which a message is short
COLUMNS = 20_000
# Between two looks at the clock
POLL = "0.5s"


class DaskWorkers:
    """The workers of a cluster.

    Args:
        client: a `distributed.Client`.
        tell: is told in a sentence what the workers will need before they start.
        columns: of a subtree. The cut depends on the matrix alone, not on the number of workers.
    """

    def __init__(self, client: Any, tell: Callable[[str], None] | None = None, columns: int = COLUMNS):
        self.client = client
        self.tell = tell
        self.columns = columns

    def subtrees(self, columns: int) -> int:
        """As many as give each about `columns`, a multiple of those for threads."""
        if columns <= self.columns:
            return 1
        return SUBTREES * math.ceil(columns / (SUBTREES * self.columns))

    def require(self, needs: Needs) -> None:
        """Compare what subtrees need with what the workers have, and tell it.

        Raises:
            SolveError: there is no worker.
            OutOfMemoryError: they have too little.
        """
        workers = self.client.scheduler_info()["workers"].values()
        if not workers:
            message = "the Dask cluster has no workers; start some with `dask worker ADDRESS`"
            raise SolveError(message)
        limits = [float(worker.get("memory_limit") or math.inf) for worker in workers]
        # A subtree is no smaller on many workers.
        each = max(needs.subtrees.sum() / len(limits), needs.subtrees.max()) + needs.front
        if self.tell is not None:
            self.tell(
                f"{needs.columns:,} unknowns in {len(needs.subtrees)} subtrees on {len(limits)} Dask workers: about "
                f"{each / 1e9:.2g} GB on each, {needs.last / 1e9:.2g} GB here"
            )
        if each > ROOM * min(limits):
            message = (
                f"the factorisation of {needs.columns} unknowns needs about {each / 1e9:.1f} GB on each of "
                f"{len(limits)} workers, which have {min(limits) / 1e9:.1f} GB: start more workers, or larger ones"
            )
            raise OutOfMemoryError(message)

    def factor(
        self, trees: Sequence[Callable[[], Subtree]], shift: float
    ) -> tuple[list[Any], list[Tensor | None]] | None:
        """One task each."""
        submit = self.client.submit
        made = []
        with large_tasks():
            for tree in trees:
                check_deadline()
                made.append(submit(_factored, tree(), shift, pure=False))
        left = self._gathered([submit(_second, one, pure=False) for one in made])
        if any(schur is None for schur in left):
            return None
        parts = [submit(_first, one, pure=False) for one in made]
        return parts, [schur if schur.numel() else None for schur in left]

    def entries(self, parts: Sequence[Any]) -> int:
        """Stored numbers."""
        return sum(self._gathered(self.client.map(_entries, parts, pure=False)))

    def reduce(self, parts: Sequence[Any], right: Sequence[Tensor]) -> tuple[list[Any], list[Tensor]]:
        """One task each; what is needed for the way back stays with the worker."""
        with large_tasks():
            found = [
                self.client.submit(_reduced, part, b.contiguous(), pure=False)
                for part, b in zip(parts, right, strict=True)
            ]
        return found, self._gathered(self.client.map(_update, found, pure=False))

    def substitute(
        self, parts: Sequence[Any], reduced: Sequence[Any], borders: Sequence[Tensor]
    ) -> list[Tensor]:
        """One task each."""
        with large_tasks():
            found = [
                self.client.submit(_substituted, *three, pure=False)
                for three in zip(parts, reduced, borders, strict=True)
            ]
        return self._gathered(found)

    def _gathered(self, futures: list[Any]) -> list[Any]:
        """The results; deadlines are heard meanwhile."""
        from distributed import CancelledError, KilledWorker, wait

        try:
            while True:
                check_deadline()
                try:
                    wait(futures, timeout=POLL)
                    break
                except TimeoutError:
                    continue
            return self.client.gather(futures)
        except (CancelledError, KilledWorker, OSError) as error:
            message = (
                f"the Dask cluster lost its work ({type(error).__name__}: {error}); workers that die again and again "
                "want more memory, or fewer threads"
            )
            raise SolveError(message) from error


@contextmanager
def large_tasks() -> Iterator[None]:
    """Send rows within tasks, without a warning: only so does the scheduler know how to make a lost factor again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
        yield


# ---------------------------------------------------------------- on the workers


def _factored(tree: Subtree, shift: float) -> tuple[SubtreeFactor | None, Tensor | None]:
    """The factor, and the Schur complement that it leaves, empty where nothing is left; None and None for no factor."""
    _alone()
    made = tree.factored(shift)
    if made is None:
        return None, None
    factor, schur = made
    if schur is None:
        return factor, torch.zeros(0, 0, dtype=torch.float64)
    # A view would take along all that it is a view of.
    return factor, schur.clone(memory_format=torch.contiguous_format)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _second(pair: tuple[Any, Any]) -> Any:
    return pair[1]


def _entries(part: SubtreeFactor) -> int:
    return part.entries


def _reduced(part: SubtreeFactor, right: Tensor) -> Reduced:
    _alone()
    return part.reduce(right)


def _update(reduced: Reduced) -> Tensor:
    return reduced.update.clone()


def _substituted(part: SubtreeFactor, reduced: Reduced, border: Tensor) -> Tensor:
    _alone()
    return part.substitute(reduced, border)


def _alone() -> None:
    """One thread of linear algebra, of which the bits depend; not set back, as tasks beside this one rely on it."""
    torch.set_num_threads(1)
