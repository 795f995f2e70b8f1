"""The condensed factor solves what the dense factor solves, at the cost that the dissection promises."""

import numpy as np
import pytest
import torch
from block_matrices import dense, grid_centres, grid_pairs, random_layout, random_rows

from pdesolve.errors import OutOfMemoryError, OutOfTimeError, SolveError
from pdesolve.least_squares.sparse import dissection, hands, multifrontal
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.least_squares.sparse.dissection import Faces, nested_dissection
from pdesolve.least_squares.sparse.hands import Threads
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks
from pdesolve.least_squares.sparse.side_by_side import side_by_side, threads_for_pieces
from pdesolve.runs.deadline import check_deadline, enforced

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
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 12)
    return request.param


def faces_of(grid) -> Faces:
    pairs = np.asarray(grid_pairs(grid)).reshape(-1, 2)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return Faces(pairs, np.full(len(pairs), 4))


def factor(layout, centres, rows):
    return CondensedCholesky(layout, centres, rows, torch.ones(layout.total, dtype=torch.float64))


def test_solve_agrees_with_the_dense_solve(grid):
    layout = random_layout(int(np.prod(grid)))
    rows = random_rows(layout, grid_pairs(grid))
    matrix = dense(rows, layout)
    b = torch.randn(layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = factor(layout, grid_centres(grid), rows).solve(b)
    assert torch.allclose(x, torch.linalg.solve(matrix.T @ matrix, b), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_solve_needs_no_geometry_to_be_right(seed, monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 12)
    generator = np.random.default_rng(seed)
    pairs = np.sort(generator.integers(0, 30, (45, 2)), axis=1)  # some of them twice
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pairs[::2] = pairs[::2, ::-1]  # either order of a pair
    layout = random_layout(30, seed)
    rows = random_rows(layout, pairs, seed=seed)
    matrix = dense(rows, layout)
    b = torch.randn(layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = factor(layout, generator.random((30, 2)), rows).solve(b)
    assert torch.allclose(x, torch.linalg.solve(matrix.T @ matrix, b), rtol=1e-9, atol=1e-10)


def test_a_patch_that_is_its_own_neighbour_has_rows_of_one_patch():
    """A periodic axis one cell wide: both sides of the face belong to the same patch."""
    generator = torch.Generator().manual_seed(0)
    layout, at = Columns(torch.tensor([4, 4])), torch.tensor([0, 1])
    own, left, right = (torch.randn(2, 6, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    rows = [RowBlocks.make(layout, (at,), (own,)), RowBlocks.make(layout, (at, at), (left, right))]
    matrix = torch.block_diag(*own, *[]), torch.block_diag(*(left + right))
    stacked = torch.cat(matrix)
    b = torch.randn(8, generator=generator, dtype=torch.float64)
    x = factor(layout, np.array([[0.0], [1.0]]), rows).solve(b)
    assert torch.allclose(x, torch.linalg.solve(stacked.T @ stacked, b), rtol=1e-9)


def test_patches_at_one_place_are_one_front(monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 4)
    pairs = np.stack([np.arange(4), np.arange(1, 5)], axis=1)
    fronts = nested_dissection(np.zeros((5, 2)), Faces(pairs, np.full(4, 3)))
    assert [sorted(f.own.tolist()) for f in fronts] == [[0, 1, 2, 3]]


def test_every_face_is_eliminated_once_and_every_patch_enters_once(grid):
    faces = faces_of(grid)
    fronts = nested_dissection(grid_centres(grid), faces)
    assert sorted(np.concatenate([f.own for f in fronts]).tolist()) == list(range(len(faces.sizes)))
    assert sorted(np.concatenate([f.patches for f in fronts]).tolist()) == list(range(int(np.prod(grid))))


def test_children_come_before_parents_and_have_one_parent(grid):
    fronts = nested_dissection(grid_centres(grid), faces_of(grid))
    children = [child for front in fronts for child in front.children]
    assert sorted(children) == list(range(len(fronts) - 1))
    assert all(child < position for position, front in enumerate(fronts) for child in front.children)


def test_the_border_of_a_front_is_what_joins_its_patches_to_the_rest(grid):
    faces = faces_of(grid)
    fronts = nested_dissection(grid_centres(grid), faces)

    def below(position):
        front = fronts[position]
        return set(front.patches.tolist()).union(*(below(child) for child in front.children))

    for position, front in enumerate(fronts):
        inside = np.isin(faces.pairs, list(below(position)))
        assert set(front.border.tolist()) == set(np.flatnonzero(inside.sum(axis=1) == 1).tolist())
        assert inside[front.own].all()


def entries(shape: tuple[int, ...], k: int) -> int:
    layout = Columns(torch.full((int(np.prod(shape)),), k))
    return factor(layout, grid_centres(shape), random_rows(layout, grid_pairs(shape))).entries


def test_the_factor_of_a_chain_grows_linearly():
    small, large = entries((50,), 20), entries((200,), 20)
    assert large / small < 4.5


def test_the_factor_in_the_plane_grows_like_n_log_n():
    small, large = entries((8, 8), 20), entries((24, 24), 20)
    assert large / small < 9 * 1.9  # n log n: 9 log(576)/log(64) = 13.8; a banded factor: 27


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e7])
def test_nearly_dependent_columns_of_a_patch_are_factored_as_by_an_orthogonal_factorisation(condition):
    layout = random_layout(6)
    rows = random_rows(layout, grid_pairs((6,)))
    mix = torch.eye(layout.total, dtype=torch.float64)
    for first, size in zip(layout.offsets.tolist(), layout.sizes.tolist(), strict=True):
        columns = slice(first, first + size)
        mix[columns, columns] += (1 - 1 / condition) * (
            torch.ones(size, size, dtype=torch.float64) / size - torch.eye(size)
        )
    skewed = [
        RowBlocks(
            block.groups,
            tuple(
                torch.stack([m[i] @ mix[c[i]][:, c[i]] for i in range(len(m))])
                for m, c in zip(block.matrices, block.columns, strict=True)
            ),
            block.columns,
        )
        for block in rows
    ]
    r = torch.linalg.qr(dense(skewed, layout))[1]
    w = torch.randn(layout.total, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    # M⁻¹ Rᵀ w = R⁻¹ w where M = RᵀR; in the norm of M all directions count, also those that are nearly lost.
    found = r @ factor(layout, grid_centres((6,)), skewed).solve(r.mT @ w)
    assert float((found - w).norm() / w.norm()) < 1e-3


def test_what_is_singular_by_rounding_is_factored_with_a_small_shift():
    layout = Columns(torch.tensor([3, 3]))
    ones = torch.ones(1, 2, 3, dtype=torch.float64)
    rows = [RowBlocks.make(layout, (torch.tensor([0]), torch.tensor([1])), (ones, ones))]
    found = factor(layout, np.array([[0.0], [1.0]]), rows)
    assert 0 < found.shift <= 1e-10
    b = torch.ones(6, dtype=torch.float64)
    assert torch.allclose(2 * torch.ones(6, 6, dtype=torch.float64) @ found.solve(b), b, rtol=1e-4)


def test_non_finite_entries_are_refused_with_a_sentence():
    layout = Columns(torch.tensor([2]))
    rows = [
        RowBlocks.make(layout, (torch.tensor([0]),), (torch.full((1, 2, 2), torch.nan, dtype=torch.float64),))
    ]
    with pytest.raises(SolveError, match="not positive definite"):
        factor(layout, np.zeros((1, 1)), rows)


def test_a_factor_that_does_not_fit_is_refused_before_it_is_formed(monkeypatch):
    monkeypatch.setattr(hands, "available_memory", lambda _: 1e4)
    monkeypatch.setattr(hands, "SMALL", 1e4)
    layout = Columns(torch.full((16,), 20))
    with pytest.raises(OutOfMemoryError, match="320 unknowns needs"):
        factor(layout, grid_centres((4, 4)), random_rows(layout, grid_pairs((4, 4))))


@pytest.mark.parametrize("faces", [True, False])
@pytest.mark.parametrize("rhs", [(), (3,)])
def test_equal_patches_are_condensed_once(faces, rhs):
    """A periodic chain of one matrix has one factor, as have patches that nothing joins."""
    generator = torch.Generator().manual_seed(0)
    layout, cells = Columns(torch.full((6,), 5)), torch.arange(6)
    equation, left, right = torch.randn(3, 8, 5, generator=generator, dtype=torch.float64)
    rows = [RowBlocks.make(layout, (cells,), (equation.expand(6, -1, -1),))]
    if faces:
        ends = (cells, cells.roll(-1))
        rows.append(RowBlocks.make(layout, ends, (left.expand(6, -1, -1), right.expand(6, -1, -1))))
    found = factor(layout, np.arange(6.0)[:, None], rows)
    assert [len(batch.lower) for batch in found.parts[0].batches] == [1]
    matrix, b = dense(rows, layout), torch.randn(30, *rhs, generator=generator, dtype=torch.float64)
    assert torch.allclose(found.solve(b), torch.linalg.solve(matrix.T @ matrix, b), rtol=1e-9, atol=1e-10)


class Cut(Threads):
    """As many subtrees as asked for."""

    def __init__(self, number):
        self.number = number

    def subtrees(self, _):
        return self.number


def test_any_cut_of_the_tree_solves_the_same(grid):
    layout = random_layout(int(np.prod(grid)))
    rows = random_rows(layout, grid_pairs(grid))
    scale = torch.ones(layout.total, dtype=torch.float64)
    b = torch.randn(layout.total, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = factor(layout, grid_centres(grid), rows).solve(b)
    for number in (2, 5, 1000):
        found = CondensedCholesky(layout, grid_centres(grid), rows, scale, hands=Cut(number))
        assert len(found.parts) <= number
        assert torch.allclose(found.solve(b), whole, rtol=1e-10, atol=1e-11)


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 12)
    monkeypatch.setattr(multifrontal, "PANEL", 7)
    monkeypatch.setattr(multifrontal, "BLOCK", 5)
    layout = random_layout(72)
    rows = random_rows(layout, grid_pairs((9, 8)))
    scale = torch.ones(layout.total, dtype=torch.float64)
    b = torch.randn(layout.total, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(CondensedCholesky(layout, grid_centres((9, 8)), rows, scale, hands=Cut(5)).solve(b))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_time_that_is_over_is_heard_on_other_threads():
    def over():
        return "over"

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with enforced(over), threads_for_pieces(), pytest.raises(OutOfTimeError, match="over"):
            side_by_side(lambda _: check_deadline(), [1, 2])
    finally:
        torch.set_num_threads(before)
