"""A partition tiles its box, whatever is split; its faces are where its cells meet."""

import numpy as np
import pytest

from pdesolve.patches.merging import merge, neighbours
from pdesolve.patches.partition import MAX_LEVEL, Partition

BREAKS = {
    1: [[-1.0, 0.3, 2.0]],
    2: [[0.0, 0.4, 1.0], [-1.0, 0.5, 0.7, 2.0]],
    3: [[0.0, 1.0], [0.0, 0.3, 1.0], [2.0, 5.0]],
}
PERIODIC = [(d, axes) for d in (1, 2, 3) for axes in ([False] * d, [True] * d, [True] + [False] * (d - 1))]


def random_partition(dimension: int, periodic=None, rounds: int = 5, seed: int = 0, even=False) -> Partition:
    """Split random cells along random axes, again and again; if not even, anywhere, and merge some in between."""
    generator = np.random.default_rng(seed)
    partition = Partition.grid(BREAKS[dimension], periodic)
    for _ in range(rounds):
        mark = generator.random((len(partition), dimension)) < 0.35
        where = generator.integers(1, 8, mark.shape)
        partition, _ = partition.split(mark, None if even else where)
        axis = int(generator.integers(dimension))
        pairs = neighbours(partition, axis, generator.random(len(partition)) < 0.4)
        if not even:
            partition, _ = merge(partition, axis, pairs)
    return partition


def random_points(partition: Partition, n: int, seed: int = 1) -> np.ndarray:
    low, high = (np.array([b[i] for b in partition.breaks]) for i in (0, -1))
    return low + (high - low) * np.random.default_rng(seed).random((n, partition.dimension))


def volume(partition: Partition) -> float:
    return float(np.prod([b[-1] - b[0] for b in partition.breaks]))


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cells_tile_the_box_after_random_anisotropic_splits(dimension, seed):
    partition = random_partition(dimension, seed=seed)
    assert np.isclose((2 * partition.half).prod(axis=1).sum(), volume(partition), rtol=1e-13)
    lower, upper = partition.bounds
    x = random_points(partition, 400)
    holders = ((lower <= x[:, None]) & (x[:, None] < upper)).all(axis=2)
    assert (holders.sum(axis=1) == 1).all()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_locate_finds_the_cell_that_contains_a_point(dimension):
    partition = random_partition(dimension)
    lower, upper = partition.bounds
    x = random_points(partition, 2000)
    cell = partition.locate(x)
    assert (lower[cell] <= x).all()
    assert (x <= upper[cell]).all()
    assert (partition.locate(partition.centre) == np.arange(len(partition))).all()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_locate_covers_the_closed_box_and_nothing_beyond(dimension):
    partition = random_partition(dimension)
    low, high = (np.array([b[i] for b in partition.breaks]) for i in (0, -1))
    assert (partition.locate(np.stack([low, high])) >= 0).all()
    assert (partition.locate(np.stack([low - 1e-3, high + 1e-3])) == -1).all()
    kept = partition.keep(np.arange(len(partition)) > 0)
    assert kept.locate(partition.centre[:1])[0] == -1
    assert (kept.locate(partition.centre[1:]) == np.arange(len(kept))).all()


def test_root_break_points_are_exact_however_deep_the_cells():
    partition = Partition.grid([[0.1, 0.3, 0.7]])
    for _ in range(8):
        partition, _ = partition.split(partition.level == partition.level.max())
    lower, upper = partition.bounds
    assert {0.1, 0.3, 0.7} <= set(np.concatenate([lower, upper]).ravel().tolist())


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_children_partition_their_parent(dimension):
    partition = random_partition(dimension, rounds=2, even=True)
    mark = np.random.default_rng(5).random((len(partition), dimension)) < 0.5
    finer, parent = partition.split(mark)
    lower, upper = partition.bounds
    below, above = finer.bounds
    assert (below >= lower[parent]).all()
    assert (above <= upper[parent]).all()
    assert (np.bincount(parent) == 2 ** mark.sum(axis=1)).all()
    assert ((finer.level - partition.level[parent]) == mark[parent]).all()
    sums = np.bincount(parent, weights=finer.half.prod(axis=1)) * 2.0**dimension
    assert np.allclose(sums, (2 * partition.half).prod(axis=1), rtol=1e-13)


def test_splitting_stops_at_the_deepest_level():
    partition = Partition.grid([[0.0, 1.0]])
    for _ in range(MAX_LEVEL + 3):
        partition, _ = partition.split(partition.index == 0)
    assert partition.level.max() == MAX_LEVEL
    assert partition.half.sum() * 2 == 1.0


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_merging_puts_the_parts_of_a_cell_together_again_wherever_it_was_cut(dimension):
    before = random_partition(dimension, rounds=3)
    axis = dimension - 1
    mark = np.zeros((len(before), dimension), dtype=bool)
    mark[::2, axis] = True
    where = np.random.default_rng(2).integers(1, 8, mark.shape)
    cut, parent = before.split(mark, where)
    pairs = np.stack([np.flatnonzero(parent == cell) for cell in np.flatnonzero(mark[:, axis])])
    after, holder = merge(cut, axis, pairs)
    for a, b in zip(before.bounds, after.bounds, strict=True):
        assert (a == b).all()
    assert (holder == parent).all()


def test_merged_cells_meet_over_a_shifted_seam_as_before():
    cells = Partition.grid([[0.0, 1.0], [0.0, 1.0]], [True, True], shift=np.array([[0.0, 0.3], [0.0, 0.0]]))
    split, _ = cells.split(np.array([[False, True]]))
    merged, _ = merge(split, 1, np.array([[0, 1]]))
    assert merged.shift.tolist() == cells.shift.tolist()
    assert merged.faces.shift.tolist() == cells.faces.shift.tolist()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_neighbours_fill_a_box_within_a_root_cell_and_no_cell_is_taken_twice(dimension):
    partition = random_partition(dimension)
    lower, upper = partition.bounds
    for axis in range(dimension):
        first, second = neighbours(partition, axis, np.ones(len(partition), dtype=bool)).T
        lateral = [i for i in range(dimension) if i != axis]
        assert len(first) > 0
        assert len(np.unique(np.r_[first, second])) == 2 * len(first)
        assert (upper[first, axis] == lower[second, axis]).all()
        assert not np.isin(upper[first, axis], partition.breaks[axis]).any()
        assert (lower[first][:, lateral] == lower[second][:, lateral]).all()
        assert (upper[first][:, lateral] == upper[second][:, lateral]).all()


def test_what_is_left_beside_a_thin_cell_is_cut_again_without_finer_and_finer_levels():
    cells = Partition.grid([[0.0, 1.0]])
    for _ in range(8):
        first = np.arange(len(cells))[:, None] == int(np.argmin(cells.bounds[0]))
        cells, _ = cells.split(first, np.full((len(cells), 1), 1))
    while len(cells) > 2:
        thin = int(np.argmin(cells.bounds[0]))
        cells, _ = merge(cells, 0, neighbours(cells, 0, np.arange(len(cells)) != thin))
    deepest = int(cells.level.max())
    for _ in range(12):
        last = np.arange(len(cells))[:, None] == int(np.argmax(cells.bounds[0]))
        cells, _ = cells.split(last)
    assert len(cells) == 14
    assert cells.level.max() == deepest


def test_a_partition_with_uneven_cells_is_kept_and_made_again():
    partition = random_partition(2)
    again = Partition.from_state(partition.state())
    assert (partition.span > 1).any()
    assert (again.bounds[1] == partition.bounds[1]).all()


@pytest.mark.parametrize(("dimension", "periodic"), PERIODIC)
def test_a_face_lies_between_its_two_cells(dimension, periodic):
    partition = random_partition(dimension, periodic)
    faces, reach = partition.faces, 1e-7
    each = np.arange(len(faces))
    normal = np.zeros((len(faces), dimension))
    normal[each, faces.axis] = reach
    share = np.random.default_rng(2).uniform(0.01, 0.99, (len(faces), dimension))
    x = faces.lower + share * (faces.upper - faces.lower)
    assert (faces.lower[each, faces.axis] == faces.upper[each, faces.axis]).all()
    assert (partition.locate(x - normal) == faces.minus).all()
    assert (partition.locate(x + normal - faces.shift) == faces.plus).all()


@pytest.mark.parametrize(("dimension", "periodic"), PERIODIC)
def test_faces_and_boundary_cover_the_surface_of_every_cell(dimension, periodic):
    partition = random_partition(dimension, periodic)
    faces = partition.faces
    lower, upper = partition.bounds
    low, high = (np.array([b[i] for b in partition.breaks]) for i in (0, -1))
    for axis in range(dimension):
        lateral = [i for i in range(dimension) if i != axis]
        mine = faces.axis == axis
        area = (faces.upper - faces.lower)[mine][:, lateral].prod(axis=1)
        for side, end, at_end in ((faces.minus, upper, high), (faces.plus, lower, low)):
            covered = np.bincount(side[mine], weights=area, minlength=len(partition))
            bare = (end[:, axis] == at_end[axis]) & (not periodic[axis])
            expected = np.where(bare, 0.0, (upper - lower)[:, lateral].prod(axis=1))
            assert np.allclose(covered, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_shift_leads_over_the_period_and_only_there(dimension):
    partition = random_partition(dimension, [True] * dimension)
    faces = partition.faces
    period = np.array([b[-1] - b[0] for b in partition.breaks])
    high = np.array([b[-1] for b in partition.breaks])
    each = np.arange(len(faces))
    at_end = faces.upper[each, faces.axis] == high[faces.axis]
    assert at_end.any()
    expected = np.zeros((len(faces), dimension))
    expected[each, faces.axis] = np.where(at_end, period[faces.axis], 0.0)
    assert (faces.shift == expected).all()


def test_removed_cells_leave_no_faces_behind():
    partition = random_partition(2)
    kept = partition.keep(np.arange(len(partition)) % 3 > 0)
    faces = kept.faces
    whole = {tuple(row) for row in np.hstack([partition.faces.lower, partition.faces.upper]).tolist()}
    assert {tuple(row) for row in np.hstack([faces.lower, faces.upper]).tolist()} < whole
    assert faces.minus.max() < len(kept)
