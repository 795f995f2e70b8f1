"""Any two cells of a partition that fill a box together become one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdesolve.patches.partition import Partition, shortest


def neighbours(partition: Partition, axis: int, marked: np.ndarray) -> np.ndarray:
    """Pairs (j, 2) of marked cells that fill a box together, side by side along an axis, no cell twice.

    Both lie in the same cell of the root grid, whose break points may have a meaning.
    """
    # On the finest level all borders are integers, so that equality is exact.
    finest = partition.level.max(axis=0)
    low = partition.index << (finest - partition.level)
    high = (partition.index + partition.span) << (finest - partition.level)
    lateral = [i for i in range(partition.dimension) if i != axis]
    root = low[:, axis] >> finest[axis]
    same = np.column_stack([partition.part, low[:, lateral], high[:, lateral], root])
    _, row = np.unique(same, axis=0, return_inverse=True)
    order = np.lexsort((low[:, axis], row.ravel()))
    first = order[:-1]
    second = order[1:]
    fits = (row.ravel()[first] == row.ravel()[second]) & (high[first, axis] == low[second, axis])
    fits &= marked[first] & marked[second]
    # Along a run of cells that fit, every other pair.
    start = np.maximum.accumulate(np.where(fits, 0, np.arange(len(fits)) + 1))
    chosen = fits & ((np.arange(len(fits)) - start) % 2 == 0)
    return np.stack([first[chosen], second[chosen]], axis=1)


def merge(partition: Partition, axis: int, pairs: np.ndarray) -> tuple[Partition, np.ndarray]:
    """Make one cell of each pair of `neighbours` (j, 2).

    Returns:
        The new partition and, per old cell, the new cell that holds it.
    """
    first, second = pairs.T
    level = partition.level.copy()
    index = partition.index.copy()
    span = partition.span.copy()
    fine = np.maximum(level[first, axis], level[second, axis])
    rise = fine - level[first, axis]
    whole = (span[first, axis] << rise) + (span[second, axis] << (fine - level[second, axis]))
    level[first, axis] = fine
    index[first, axis] <<= rise
    span[first, axis] = whole
    # The coarsest level keeps integers small, however often cells are cut and merged.
    level, index, span = shortest(level, index, span, axis)
    kept = np.ones(len(partition), dtype=bool)
    kept[second] = False
    number = np.cumsum(kept) - 1
    number[second] = number[first]
    merged = replace(
        partition, level=level[kept], index=index[kept], part=partition.part[kept], span=span[kept]
    )
    return merged, number
