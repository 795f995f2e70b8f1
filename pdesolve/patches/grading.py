"""Geometric refinement toward points, many halvings at once.

At a singular point, such as a re-entrant corner, what is wrong falls by the same factor with every halving of the
cells there. Once a level has shown the factor, the halvings that are still needed are made together: a corner that
takes twenty of them takes five solves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pdesolve.patches.partition import Partition

LOCAL = 0.25  # part of the cells that may hold most of an error for it to be a local one
MOST_MARKED = 64  # cells, above which what is singular is not a few points
MOST_POINTS = 8
LEAST_FACTOR = 1.15  # per halving: below it, halving does not help
TOGETHER = 0.9  # part of the squares that the points must explain
GRID = 2**40  # resolution at which corners of cells are compared


@dataclass(frozen=True)
class Target:
    """A point (d,), the cells (k,) that refine toward it, and how often.

    Attributes:
        point: in grid coordinates.
        cells: numbers of the cells that are halved toward it.
        halvings: at least one.
    """

    point: np.ndarray
    cells: np.ndarray
    halvings: int


@dataclass(frozen=True)
class _Seen:
    amount: float
    half: float
    halvings: int


@dataclass
class Singularities:
    """What was wrong at the corners of marked cells, on the levels so far.

    Attributes:
        extent: (d,) of the domain.
        seen: corner ↦ amount, half width of the cells there, and halvings made at once.
    """

    extent: np.ndarray
    seen: dict[tuple[int, ...], _Seen] = field(default_factory=dict)

    def targets(
        self, partition: Partition, marked: np.ndarray, amount: np.ndarray, aim: float
    ) -> list[Target]:
        """Points that hold most of an error, each seen before at a coarser level.

        With the amounts a, a' at a point and the half widths h, h' of the cells there, now and before, a halving
        gains the factor f = (a'/a)^(1/log2(h'/h)), and log(a/aim)/log f of them reach the aim; at most twice as many
        as the time before are made.

        Args:
            partition: the cells.
            marked: (e,) those that will be halved.
            amount: (e,) norms of what is wrong.
            aim: norm that each point may keep.

        Returns:
            The points, none where a few do not explain 90 % of the squares.
        """
        cells = np.flatnonzero(marked)
        if not 0 < len(cells) <= min(MOST_MARKED, LOCAL * len(partition)):
            return []
        lower, upper = (bound[cells] for bound in partition.bounds)
        choice = np.array(list(itertools.product([False, True], repeat=lower.shape[1])))
        corners = np.where(choice, upper[:, None], lower[:, None])  # (b, 2^d, d)
        half = (partition.half[cells] / self.extent).max(axis=1)
        # Corners of different cells agree to rounding only; integers of a fine grid compare exactly.
        keys = np.rint(corners / self.extent * GRID).astype(np.int64)
        found, place = np.unique(keys.reshape(-1, keys.shape[2]), axis=0, return_inverse=True)
        place = place.reshape(keys.shape[:2])
        squares = np.bincount(place.ravel(), np.repeat(amount[cells] ** 2, len(choice)))
        smallest = np.full(len(found), np.inf)
        np.minimum.at(smallest, place, half[:, None])
        now = [_Seen(math.sqrt(s), float(h), 1) for s, h in zip(squares, smallest, strict=True)]
        targets = []
        free = np.ones(len(cells), dtype=bool)
        explained = 0.0
        # The strongest corner comes first: a cell is halved toward one point only, and neighbours share its error.
        for v in np.argsort(-squares):
            mine = (place == v).any(axis=1) & free
            halvings = None
            if mine.any():
                halvings = self._halvings(tuple(found[v]), now[v], aim)
            if halvings is not None:
                point = corners[place == v][0]
                targets.append(Target(point, cells[mine], halvings))
                now[v] = _Seen(now[v].amount, now[v].half, halvings)
                free &= ~mine
                explained += float((amount[cells[mine]] ** 2).sum())
        self._note(found, now)
        few = len(targets) <= MOST_POINTS and explained >= TOGETHER * float((amount[cells] ** 2).sum())
        if few:
            return targets
        return []

    def _note(self, corners: np.ndarray, now: Sequence[_Seen]) -> None:
        """Keep what was wrong at corners (v, d), in integers, that are new or on a finer level than before."""
        for key, seen in zip(map(tuple, corners), now, strict=True):
            # A level that was not halved says nothing about the factor: the older, coarser one is kept.
            if key not in self.seen or seen.half < 0.9 * self.seen[key].half:
                self.seen[key] = seen

    def _halvings(self, key: tuple[int, ...], now: _Seen, aim: float) -> int | None:
        """Halvings wanted at a corner, or None where it is new or halving did not help."""
        before = self.seen.get(key)
        # Half widths halve from level to level; below 1.5 no halving lies between the two.
        if before is None or before.half < 1.5 * now.half:
            return None
        made = math.log2(before.half / now.half)
        factor = (before.amount / max(now.amount, 1e-300)) ** (1 / made)
        if factor < LEAST_FACTOR:
            return None
        wanted = math.ceil(math.log(max(now.amount / aim, 1.0)) / math.log(factor))
        # The factor is measured on few halvings, so that it is trusted for twice as many only.
        return min(max(wanted, 1), 2 * max(before.halvings, round(made)))


def halve_toward(
    partition: Partition, axes: np.ndarray, targets: Sequence[Target]
) -> tuple[Partition, np.ndarray]:
    """Halve cells along the marked axes (e, d), those of a target again and again where they touch its point.

    Returns:
        The new partition and, per new cell, the cell it came from.
    """
    halvings = np.ones(len(partition), dtype=int)
    point = np.zeros(axes.shape)
    for target in targets:
        halvings[target.cells] = target.halvings
        point[target.cells] = target.point
    found, origin = partition.split(axes)
    for made in range(1, halvings.max(initial=1)):
        lower, upper = found.bounds
        # Borders of cells and corners differ by rounding; a millionth of a cell is far more than that.
        slack = 1e-6 * found.half
        touching = ((lower - slack <= point[origin]) & (point[origin] <= upper + slack)).all(axis=1)
        found, parent = found.split(axes[origin] & (touching & (halvings[origin] > made))[:, None])
        origin = origin[parent]
    return found, origin
