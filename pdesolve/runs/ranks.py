"""The processes that `torchrun` starts: each has its part of the points, and all take the same steps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pdesolve.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """One process among `size`.

    Sums are the same to the bit in all of them, so that whatever is decided by sums is decided alike.
    """

    rank: int = 0
    size: int = 1

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum over all processes of tensors of one shape."""
        if self.size == 1:
            return numbers
        from torch import distributed

        found = numbers.clone()
        distributed.all_reduce(found)
        return found

    def any(self, flag: bool) -> bool:
        """Whether it is true in one of them: clocks differ, and all must stop at the same step."""
        if self.size == 1:
            return flag
        import torch

        return bool(self.sum(torch.tensor([float(flag)])) > 0)

    def part(self, points: Tensor) -> Tensor:
        """Every size-th of some points (n, …), beginning with that of the rank; there must be as many as processes.

        Raises:
            UsageError: there are fewer.
        """
        if len(points) < self.size:
            message = (
                f"{self.size} processes share {len(points)} points of a term: start fewer, or set more points"
            )
            raise UsageError(message)
        return points[self.rank :: self.size]


def number_of_processes() -> int:
    """How many `torchrun` started, or a process group has; 1 without. Importable without torch."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ.get("WORLD_SIZE", "1"))
    return 1


@contextmanager
def ranks_here() -> Iterator[Ranks]:
    """This process among those of its group, which is made where `torchrun` started it and there is none yet."""
    from torch import distributed

    begun = False
    if number_of_processes() > 1 and not distributed.is_initialized():
        distributed.init_process_group("gloo")
        begun = True
    try:
        if distributed.is_available() and distributed.is_initialized():
            yield Ranks(distributed.get_rank(), distributed.get_world_size())
        else:
            yield Ranks()
    finally:
        if begun:
            distributed.destroy_process_group()
