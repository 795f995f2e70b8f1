"""Unknowns of a mixture as plain functions of the coordinates: values for conditions, guesses and comparisons."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.patches.mixture import PartitionedMixture


@dataclass(frozen=True)
class Trace:
    """One unknown of a mixture as a function of the coordinates by name; with a time, of those in space."""

    mixture: PartitionedMixture
    unknown: int
    names: tuple[str, ...]
    time: float | None = None
    order: int = 0  # of the derivative in time

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in self.names])

    def __call__(self, **coordinates: Tensor) -> Tensor:
        """Values (n,) at coordinates (n,) given by name."""
        columns = [coordinates[name] for name in self.names]
        if self.time is not None:
            columns.append(torch.full_like(columns[0], self.time))
        points = torch.stack(columns, dim=1).detach()
        index = (*(0 for _ in columns[1:]), self.order)
        return self.mixture.jet(points, (index,))[:, self.unknown, 0]
