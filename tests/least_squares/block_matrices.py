"""Random block-sparse least-squares problems on grids of groups, and their dense forms."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks


def grid_centres(shape: tuple[int, ...]) -> np.ndarray:
    """Integer points (e, d) of a grid."""
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return np.stack(axes, axis=-1).reshape(-1, len(shape)).astype(float)


def grid_pairs(shape: tuple[int, ...]) -> np.ndarray:
    """Neighbours on a grid (f, 2)."""
    number = np.arange(int(np.prod(shape))).reshape(shape)
    parts = [
        np.stack([number.take(range(n - 1), axis).ravel(), number.take(range(1, n), axis).ravel()], axis=1)
        for axis, n in enumerate(shape)
    ]
    return np.concatenate(parts)


def random_layout(groups: int, seed: int = 0, low: int = 2, high: int = 6) -> Columns:
    """Random group sizes."""
    return Columns(torch.from_numpy(np.random.default_rng(seed).integers(low, high, groups)))


def conditioned(rows: int, columns: int, condition: float, generator: torch.Generator) -> Tensor:
    """A random matrix with singular values from 1 down to 1/condition."""
    u = torch.linalg.qr(torch.randn(rows, columns, generator=generator, dtype=torch.float64))[0]
    v = torch.linalg.qr(torch.randn(columns, columns, generator=generator, dtype=torch.float64))[0]
    s = torch.logspace(0, -np.log10(condition), columns, dtype=torch.float64)
    return u * s @ v.T


def random_rows(
    layout: Columns, pairs: np.ndarray, condition: float = 10.0, coupling: float = 1.0, seed: int = 0
) -> list[RowBlocks]:
    """Rows on each group (twice as many as columns) and on each pair (three rows)."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for group, k in enumerate(layout.sizes.tolist()):
        matrix = conditioned(2 * k, k, condition, generator)[None]
        rows.append(RowBlocks.make(layout, (torch.tensor([group]),), (matrix,)))
    for i, j in pairs.tolist():
        sides = [
            coupling * torch.randn(1, 3, int(layout.sizes[g]), generator=generator, dtype=torch.float64)
            for g in (i, j)
        ]
        rows.append(RowBlocks.make(layout, (torch.tensor([i]), torch.tensor([j])), tuple(sides)))
    return rows


def dense(rows: list[RowBlocks], layout: Columns) -> Tensor:
    """All rows as one matrix (m, p)."""
    parts = []
    for block in rows:
        b, m, _ = block.matrices[0].shape
        part = torch.zeros(b, m, layout.total, dtype=torch.float64)
        for matrix, columns in zip(block.matrices, block.columns, strict=True):
            for e in range(b):
                part[e][:, columns[e]] += matrix[e]
        parts.append(part.reshape(b * m, -1))
    return torch.cat(parts)


def chain_pairs(n: int) -> np.ndarray:
    """Neighbours in a chain (n - 1, 2)."""
    return np.array(list(pairwise(range(n))), dtype=np.int64).reshape(-1, 2)
