"""The multifrontal factor solves what the dense factor solves, at the cost that the dissection promises."""

import numpy as np
import pytest
import torch
from block_matrices import (
    chain_pairs,
    dense,
    grid_centres,
    grid_pairs,
    random_layout,
    random_rows,
)

from pdesolve.errors import SolveError
from pdesolve.least_squares import block_cholesky
from pdesolve.least_squares.block_cholesky import BlockCholesky, nested_dissection
from pdesolve.least_squares.row_blocks import Columns

GRIDS = {
    "one": (1,),
    "chain": (40,),
    "square": (9, 8),
    "strip": (2, 30),
    "cube": (4, 5, 4),
}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS)
def grid(request, monkeypatch):
    """Small leaves, so that small matrices are dissected, too."""
    monkeypatch.setattr(block_cholesky, "LEAF_COLUMNS", 12)
    return request.param


def gram_of(rows, layout: Columns):
    return [part for block in rows for part in block.gram(torch.ones(layout.total, dtype=torch.float64))]


def test_solve_agrees_with_the_dense_solve(grid):
    layout = random_layout(int(np.prod(grid)))
    rows = random_rows(layout, grid_pairs(grid))
    matrix = dense(rows, layout)
    b = torch.randn(layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = BlockCholesky(layout, grid_centres(grid), gram_of(rows, layout)).solve(b)
    assert torch.allclose(x, torch.linalg.solve(matrix.T @ matrix, b), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_solve_needs_no_geometry_to_be_right(seed, monkeypatch):
    monkeypatch.setattr(block_cholesky, "LEAF_COLUMNS", 12)
    generator = np.random.default_rng(seed)
    pairs = np.unique(np.sort(generator.integers(0, 30, (45, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs[::2] = pairs[::2, ::-1]  # either order of a pair
    layout = random_layout(30, seed)
    rows = random_rows(layout, pairs, seed=seed)
    matrix = dense(rows, layout)
    b = torch.randn(layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = BlockCholesky(layout, generator.random((30, 2)), gram_of(rows, layout)).solve(b)
    assert torch.allclose(x, torch.linalg.solve(matrix.T @ matrix, b), rtol=1e-9, atol=1e-10)


def test_groups_at_one_place_are_one_front(monkeypatch):
    monkeypatch.setattr(block_cholesky, "LEAF_COLUMNS", 4)
    fronts = nested_dissection(np.zeros((5, 2)), chain_pairs(5), np.full(5, 3))
    assert [sorted(f.own.tolist()) for f in fronts] == [[0, 1, 2, 3, 4]]


def test_every_group_is_eliminated_once(grid):
    count = int(np.prod(grid))
    fronts = nested_dissection(grid_centres(grid), grid_pairs(grid), np.full(count, 4))
    assert sorted(np.concatenate([f.own for f in fronts]).tolist()) == list(range(count))


def test_children_come_before_parents_and_have_one_parent(grid):
    fronts = nested_dissection(grid_centres(grid), grid_pairs(grid), np.full(int(np.prod(grid)), 4))
    children = [child for front in fronts for child in front.children]
    assert sorted(children) == list(range(len(fronts) - 1))
    assert all(child < position for position, front in enumerate(fronts) for child in front.children)


def test_a_front_touches_only_itself_and_later_groups(grid):
    pairs = grid_pairs(grid)
    count = int(np.prod(grid))
    fronts = nested_dissection(grid_centres(grid), pairs, np.full(count, 4))
    rank = np.empty(count, dtype=int)
    for position, front in enumerate(fronts):
        rank[front.own] = position
    for position, front in enumerate(fronts):
        assert (rank[front.border] > position).all()
        for a, b in np.concatenate([pairs, pairs[:, ::-1]]).tolist():
            if rank[a] == position and rank[b] != position:
                assert rank[b] < position or b in front.border


def test_parts_left_and_right_of_a_separator_share_no_entry(grid):
    pairs = grid_pairs(grid)
    fronts = nested_dissection(grid_centres(grid), pairs, np.full(int(np.prod(grid)), 4))

    def below(position):
        mine = set(fronts[position].own.tolist())
        return mine.union(*(below(child) for child in fronts[position].children))

    for front in fronts:
        if len(front.children) == 2:
            left, right = (below(child) for child in front.children)
            assert not any(
                (a in left and b in right) or (a in right and b in left) for a, b in pairs.tolist()
            )


def entries(shape: tuple[int, ...], k: int) -> int:
    layout = Columns(torch.full((int(np.prod(shape)),), k))
    rows = random_rows(layout, grid_pairs(shape))
    return BlockCholesky(layout, grid_centres(shape), gram_of(rows, layout)).entries


def test_the_factor_of_a_chain_grows_linearly():
    small, large = entries((50,), 20), entries((200,), 20)
    assert large / small < 4.5
    assert large < 1.1 * 200 * 20 * block_cholesky.LEAF_COLUMNS


def test_the_factor_in_the_plane_grows_like_n_log_n():
    small, large = entries((8, 8), 20), entries((24, 24), 20)
    assert large / small < 9 * 1.9  # n log n: 9 log(576)/log(64) = 13.8; a banded factor: 27


def test_what_is_singular_by_rounding_is_factored_with_a_small_shift():
    layout = Columns(torch.tensor([3, 3]))
    a = torch.ones(6, 6, dtype=torch.float64)
    blocks = [
        (torch.tensor([i]), torch.tensor([j]), a[None, :3, :3].clone()) for i, j in ((0, 0), (0, 1), (1, 1))
    ]
    factor = BlockCholesky(layout, np.array([[0.0], [1.0]]), blocks)
    assert 0 < factor.shift <= 1e-10
    b = torch.ones(6, dtype=torch.float64)
    assert torch.allclose(a @ factor.solve(b), b, rtol=1e-4)


def test_non_finite_entries_are_refused_with_a_sentence():
    layout = Columns(torch.tensor([2]))
    block = torch.full((1, 2, 2), torch.nan, dtype=torch.float64)
    with pytest.raises(SolveError, match="not positive definite"):
        BlockCholesky(layout, np.zeros((1, 1)), [(torch.tensor([0]), torch.tensor([0]), block)])
