"""Which cells of a partition meet a domain, and their local frames.

A cell cut by the boundary keeps the points inside and measures itself by what lies inside; a cell without any part of
the domain is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from pdesolve.patches.frame import Frame
from pdesolve.patches.partition import Partition

SAMPLES = {1: 33, 2: 17, 3: 10}  # per axis of a cell, at which the domain is asked for
FEWEST_SAMPLES = 4  # in more dimensions


@dataclass(frozen=True, eq=False)
class Patches:
    """The cells of a partition that meet a domain.

    Attributes:
        frame: grid coordinates.
        partition: the kept cells.
        centre, half: (e, d) local frames: the cell, or the bounding box of what lies inside a cut cell.
        cut: (e,) whether the boundary passes through.
        memo: see `once`.
    """

    frame: Frame
    partition: Partition
    centre: np.ndarray
    half: np.ndarray
    cut: np.ndarray
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def over(cls, frame: Frame, partition: Partition) -> tuple[Patches, np.ndarray]:
        """Classify cells; returns the patches and the numbers of the cells kept."""
        samples = SAMPLES.get(partition.dimension, FEWEST_SAMPLES)
        axis = (torch.arange(samples, dtype=torch.float64) + 0.5) * (2 / samples) - 1
        # A domain is open: points on a face of the cell would count as outside where the face is its boundary.
        # A step of 1e-6 inwards is far above rounding, and far below the distance of the samples.
        axis[0] = -1 + 1e-6
        axis[-1] = 1 - 1e-6
        t = torch.cartesian_prod(*[axis] * partition.dimension).reshape(-1, partition.dimension).numpy()
        centre = partition.centre.copy()
        half = partition.half.copy()
        part = partition.part
        inside = frame.inside(centre[:, None] + half[:, None] * t, part)
        keep = np.flatnonzero(inside.any(axis=1))
        cut = np.asarray(~inside.all(axis=1))
        crossed = np.flatnonzero(cut & inside.any(axis=1))
        seen = inside[crossed]
        for _ in range(3):  # each pass looks closer at the box that the last one found
            # Between two samples the boundary may be anywhere: one spacing is added, lest the box cut off a part.
            low = np.where(seen[..., None], t, 1.0).min(axis=1) - 2 / samples
            high = np.where(seen[..., None], t, -1.0).max(axis=1) + 2 / samples
            low = np.maximum(low, -1)
            high = np.minimum(high, 1)
            centre[crossed] += half[crossed] * (low + high) / 2
            half[crossed] *= (high - low) / 2
            seen = frame.inside(centre[crossed][:, None] + half[crossed][:, None] * t, part[crossed])
        patches = cls(frame, partition.keep(keep), centre[keep], half[keep], cut[keep])
        return patches, keep

    def some(self, chosen: np.ndarray) -> Patches:
        """Those of a mask (e,)."""
        kept = self.partition.keep(chosen)
        return Patches(self.frame, kept, self.centre[chosen], self.half[chosen], self.cut[chosen])

    def __len__(self) -> int:
        return len(self.centre)

    @cached_property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.partition.dimension
