"""Row blocks do what the dense matrix does."""

import pytest
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.row_blocks import (
    MANY_COLUMNS,
    Columns,
    RowBlocks,
    lower_gram,
    squared_norm,
)

LAYOUT = Columns(torch.tensor([3, 2, 3, 2, 3]))


def random_rows(groups: list[list[int]], rows: int, seed: int = 0) -> RowBlocks:
    """b blocks of `rows` rows; groups[i] holds the i-th group of every block."""
    generator = torch.Generator().manual_seed(seed)
    matrices = [
        torch.randn(len(g), rows, int(LAYOUT.sizes[g[0]]), generator=generator, dtype=torch.float64)
        for g in groups
    ]
    return RowBlocks.make(LAYOUT, tuple(torch.tensor(g) for g in groups), tuple(matrices))


def dense(block: RowBlocks, layout: Columns = LAYOUT) -> Tensor:
    """The same rows as a matrix (b m, p)."""
    b, m, _ = block.matrices[0].shape
    matrix = torch.zeros(b, m, layout.total, dtype=torch.float64)
    for values, columns in zip(block.matrices, block.columns, strict=True):
        for e in range(b):
            matrix[e][:, columns[e]] += values[e]
    return matrix.reshape(b * m, -1)


BLOCKS = {
    "one patch": [[0, 2, 4]],
    "two patches of equal size": [[0, 2], [2, 4]],
    "two patches of different sizes": [[0, 2, 4], [1, 1, 3]],
    "a patch and itself": [[0, 2], [0, 4]],  # a periodic cell is its own neighbour
}


@pytest.fixture(params=BLOCKS.values(), ids=BLOCKS)
def block(request):
    return random_rows(request.param, 4)


def test_groups_own_consecutive_columns():
    assert LAYOUT.total == 13
    assert LAYOUT.offsets.tolist() == [0, 3, 5, 8, 10]
    assert LAYOUT.of(torch.tensor([1, 3])).tolist() == [[3, 4], [8, 9]]
    assert LAYOUT.of(torch.tensor([], dtype=torch.long)).shape == (0, 0)


def test_products_agree_with_the_dense_matrix(block):
    a = dense(block)
    x = torch.randn(LAYOUT.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(block.apply(x).flatten(), a @ x, rtol=1e-13, atol=1e-13)
    r = torch.randn(
        block.matrices[0].shape[:2], generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    out = torch.ones(LAYOUT.total, dtype=torch.float64)
    block.add_transposed(r, out)
    assert torch.allclose(out, 1 + a.T @ r.flatten(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("groups", list(BLOCKS.values())[:3], ids=list(BLOCKS)[:3])
def test_squared_norms_are_those_of_the_columns(groups):
    block = random_rows(groups, 4)
    norms = torch.zeros(LAYOUT.total, dtype=torch.float64)
    block.add_squared_norms(norms)
    assert torch.allclose(norms, dense(block).square().sum(0), rtol=1e-13)


def test_rows_of_a_patch_with_itself_merge_into_rows_of_one_patch(block):
    parts = block.merged()
    assert all(
        len(set(map(int, pair))) == 2
        for part in parts
        if len(part.groups) == 2
        for pair in zip(*part.groups, strict=True)
    )
    gram = sum(dense(part).T @ dense(part) for part in parts)
    assert torch.allclose(gram, dense(block).T @ dense(block), rtol=1e-13, atol=1e-13)


def test_the_squared_norm_runs_over_all_blocks():
    assert squared_norm([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])]) == 14.0


@pytest.mark.parametrize("columns", [5, MANY_COLUMNS, MANY_COLUMNS + 3])
def test_lower_triangles_of_gram_matrices_are_those_of_the_products(columns):
    m = torch.randn(2, 40, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(lower_gram(m).tril(), (m.mT @ m).tril(), rtol=0, atol=1e-12)
