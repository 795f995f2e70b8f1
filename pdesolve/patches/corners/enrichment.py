"""Singular functions beside the functions of the patches: on which patches each counts, and its tables there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.corners.edges import EdgeFunctions
from pdesolve.patches.corners.functions import CornerFunctions
from pdesolve.patches.corners.polar_functions import PolarFunctions
from pdesolve.patches.corners.sectors import SectorFunctions
from pdesolve.patches.grading import Target, halve_toward
from pdesolve.patches.partition import Partition
from pdesolve.statement.residual import Slot

# Toward an edge, across it, of the same: r^λ leaves 2^-4(2 + λ) of an integral, beside what the rule leaves in a cell.
ACROSS = 4
HALVINGS = 26  # toward a corner, of cells that carry a rule of quadrature: as often as a partition allows

Singular = CornerFunctions | SectorFunctions | PolarFunctions | EdgeFunctions
KINDS: dict[str, type[Singular]] = {
    "across": EdgeFunctions,
    "rays": SectorFunctions,
    "profiles": PolarFunctions,
}  # by what only they have


@dataclass(frozen=True, eq=False)
class Enrichment:
    """u = Σ_j c_ej φ_j + Σ_k a_k s_k on patch e, with singular functions s_k that all patches around a corner share.

    Attributes:
        partition: the cells of the patches.
        corners: functions about each corner.
    """

    partition: Partition
    corners: tuple[Singular, ...]

    @property
    def count(self) -> int:
        """Number n of functions."""
        return sum(map(len, self.corners))

    @property
    def of_systems(self) -> bool:
        """Whether a function has values of all unknowns, and one coefficient for them."""
        return any(getattr(corner, "of_systems", False) for corner in self.corners)

    @cached_property
    def supports(self) -> np.ndarray:
        """(e, n) whether a function counts on a patch."""
        lower, upper = self.partition.bounds
        columns = []
        for corner in self.corners:
            within = corner.counts_on(lower, upper)
            columns.append(np.repeat(within[:, None], len(corner), axis=1))
        return np.concatenate(columns, axis=1)

    def table(
        self, patches: np.ndarray, y: Tensor, slots: Sequence[Slot], seen: Tensor | None = None
    ) -> Tensor:
        """Derivatives (unknown, β) at points y (b, m, 2) of patches (b,): (s, b, m, n), zero if not counted."""
        found = torch.cat([corner.table(y, slots, seen) for corner in self.corners], dim=-1)
        counts = torch.from_numpy(self.supports[patches]).to(found)
        return found * counts[:, None]

    @cached_property
    def graded(self) -> Partition:
        """The cells, halved many times toward the corners: rules of quadrature on them resolve what is singular."""
        lower, upper = self.partition.bounds
        slack = 1e-6 * self.partition.half  # borders and corners differ by rounding, far less than that
        targets = []
        marked = np.zeros(lower.shape, dtype=bool)
        for corner in self.corners:
            if isinstance(corner, EdgeFunctions):
                continue
            place = corner.place.numpy()
            touching = np.all((lower - slack <= place) & (place <= upper + slack), axis=1)
            marked[touching] = True
            targets.append(Target(place, np.flatnonzero(touching), HALVINGS))
        found = halve_toward(self.partition, marked, targets)[0]
        edges = [corner for corner in self.corners if isinstance(corner, EdgeFunctions)]
        for _ in range(ACROSS if edges else 0):
            lower, upper = found.bounds
            axes = np.zeros(lower.shape, dtype=bool)
            for edge in edges:
                axes[edge.touched_by(lower, upper)[:, None], edge.others] = True
            found = found.split(axes)[0]
        return found

    @classmethod
    def from_state(cls, partition: Partition, state: Sequence[dict[str, Any]]) -> Enrichment:
        """Rebuild from `state()`."""
        corners = []
        for one in state:
            kinds = [kind for name, kind in KINDS.items() if name in one]
            corners.append((kinds or [CornerFunctions])[0].from_state(one))
        return cls(partition, tuple(corners))

    def state(self) -> list[dict[str, Any]]:
        """The corners, as tensors and numbers."""
        return [corner.state() for corner in self.corners]
