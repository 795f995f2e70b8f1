"""Multifrontal LU solves what the sum of its blocks says, for any graph of patches, real or complex."""

import numpy as np
import pytest
import torch

from pdesolve import SolveError
from pdesolve.least_squares.sparse.frontal_lu import Elimination

DIAGONAL = 2.0


def grid_of_patches(n, rows_of_face, seed):
    """n × n patches: centres, faces between neighbours, the sizes of the faces, and the unknowns of each patch."""
    rng = np.random.default_rng(seed)
    number = np.arange(n * n).reshape(n, n)
    pairs = np.concatenate(
        [
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1),
            np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1),
        ]
    )
    sizes = rng.integers(0, rows_of_face + 1, len(pairs))
    first = np.cumsum(sizes) - sizes
    rows = []
    for patch in range(n * n):
        mine = np.flatnonzero((pairs == patch).any(axis=1))
        rng.shuffle(mine)
        unknowns = [np.r_[np.arange(first[f], first[f] + sizes[f]), -1] for f in mine]
        rows.append(torch.from_numpy(np.concatenate(unknowns)))
    centres = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    return centres.astype(float), pairs, sizes, rows


def random_blocks(rows, stages, kind):
    torch.manual_seed(3)
    return [0.1 * torch.randn(stages, len(r), len(r), dtype=kind) for r in rows]


def dense(rows, blocks, size):
    matrix = DIAGONAL * torch.eye(size, dtype=blocks[0].dtype).repeat(len(blocks[0]), 1, 1)
    for r, block in zip(rows, blocks, strict=True):
        chosen = torch.nonzero(r >= 0)[:, 0]
        matrix[:, r[chosen][:, None], r[chosen]] -= block[:, chosen[:, None], chosen]
    return matrix


@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize(("n", "rows_of_face"), [(2, 3), (5, 12), (7, 30)])
def test_the_factors_solve_the_sum_of_the_blocks(n, rows_of_face, kind):
    centres, pairs, sizes, rows = grid_of_patches(n, rows_of_face, seed=n)
    blocks = random_blocks(rows, 3, kind)
    elimination = Elimination.of(centres, pairs, sizes, rows)
    lu = elimination.factor(
        DIAGONAL, lambda patches: (blocks[i] for i in patches.tolist()), torch.zeros(3, dtype=kind)
    )
    matrix = dense(rows, blocks, int(sizes.sum()))
    right = torch.randn(3, int(sizes.sum()), dtype=kind)
    torch.testing.assert_close((matrix @ lu.solve(right)[..., None])[..., 0], right, rtol=1e-9, atol=1e-9)


def test_unknowns_that_the_blocks_cancel_are_named_singular():
    centres, pairs, sizes, rows = grid_of_patches(2, 1, seed=1)
    size = int(sizes.sum())
    blocks = [torch.zeros(1, len(r), len(r), dtype=torch.float64) for r in rows]
    for r, block in zip(rows, blocks, strict=True):
        block[0].diagonal()[:] = torch.where(r >= 0, DIAGONAL / 2, 0.0)
    assert size > 0
    elimination = Elimination.of(centres, pairs, sizes, rows)
    with pytest.raises(SolveError, match="undetermined"):
        elimination.factor(
            DIAGONAL,
            lambda patches: (blocks[i] for i in patches.tolist()),
            torch.zeros(1, dtype=torch.float64),
        )
