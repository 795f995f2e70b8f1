"""Patches cover the domain, and their points stay inside it and carry its measure."""

import numpy as np
import pytest
import torch

from pdesolve.geometry import Ball, Box, Disk, Interval, Polygon, Rectangle, TimeInterval
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame
from pdesolve.patches.partition import Partition
from pdesolve.patches.points.faces import face_points
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.patches.points.interior import interior_points

SQUARE = Rectangle((0, 0), (1, 1))
WIDE = Rectangle((-0.5, -0.5), (0.5, 0.5))
HOLES = [Disk((x, y), 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]
TILTED = Polygon([(0, 0), (2, 1), (1, 3), (-1, 2)])
UNCUT = {
    "interval": Interval(-1, 2),
    "square": SQUARE,
    "box": Box((0, 0, -1), (1, 2, 0.5)),
    "l-shape": Rectangle((-1, -1), (1, 1)) - Rectangle((0, -1), (1, 0)),
    "tilted square": TILTED,
    "interval in time": Interval(0, 1) * TimeInterval(0, 1e-3),
    "square in time": SQUARE * TimeInterval(1, 2),
}
CUT = {
    "disk": Disk((0.1, 0.2), 0.7),
    "annulus": Disk((0, 0), 1) - Disk((0, 0), 0.4),
    "four holes": WIDE - HOLES[0] - HOLES[1] - HOLES[2] - HOLES[3],
    "two islands": SQUARE | Disk((3, 0), 0.5),
    "triangle": Polygon([(0.1, 0), (1.3, 0.4), (0.2, 1.1)]),
    "disk in time": Disk((0, 0), 1) * TimeInterval(0, 1e-2),
    "ball": Ball((0, 0.1, 0.2), 0.8),
    "cube less ball": Box((0, 0, 0), (1, 1, 1)) - Ball((0.5, 0.5, 0.5), 0.3),
}
ALL = UNCUT | CUT


def patches_over(domain, cells: int | None = None) -> Patches:
    frame = Frame.of(domain)
    if cells is None:
        cells = 3 if domain.dimension == 3 else 5
    return Patches.over(frame, Partition.grid(frame.breaks(cells)))[0]


def orders(patches: Patches, q: int = 6) -> np.ndarray:
    return np.full(len(patches), q)


def volume(patches: Patches, per_axis: int) -> float:
    total = 0.0
    for batch in interior_points(patches, orders(patches), lambda _: per_axis, 100):
        half = torch.from_numpy(patches.half[batch.cells]).prod(1)
        total += float((batch.weight**2 * half[:, None]).sum())
    return total


@pytest.fixture(params=ALL.values(), ids=ALL)
def domain(request):
    return request.param


@pytest.mark.parametrize("name", UNCUT)
def test_uncut_cells_tile_the_domain_exactly(name):
    patches = patches_over(UNCUT[name])
    assert not patches.cut.any()
    assert (2 * patches.half).prod(1).sum() == pytest.approx(UNCUT[name].measure, rel=1e-9)
    assert volume(patches, 4) == pytest.approx(UNCUT[name].measure, rel=1e-9)


@pytest.mark.parametrize("name", CUT)
def test_no_cell_with_a_part_of_the_domain_is_lost(name):
    domain = CUT[name]
    patches = patches_over(domain)
    x = domain.sample(4000 if domain.dimension < 3 else 1500, sampler="uniform", seed=0)
    cell = patches.partition.locate((x @ patches.frame.rotation).numpy())
    assert (cell >= 0).all()
    assert (patches.cut[cell]).any()


@pytest.mark.parametrize("name", CUT)
def test_weights_of_cut_cells_approximate_the_measure(name):
    domain = CUT[name]
    clipped = volume(patches_over(domain), 12) / domain.measure - 1
    assert abs(clipped) < (8e-3 if domain.dimension == 2 else 2e-2)


def test_points_of_positive_weight_lie_inside(domain):
    patches = patches_over(domain)
    for batch in interior_points(patches, orders(patches), lambda q: q, 7):
        assert (batch.weight >= 0).all()
        x = batch.y[batch.weight > 0] @ patches.frame.rotation.T
        assert bool((domain.level(x) < 0).all())
        padded = batch.y[batch.weight == 0]
        assert bool(padded.isfinite().all())


def test_every_patch_gets_its_points_once(domain):
    patches = patches_over(domain)
    batches = interior_points(patches, orders(patches), lambda q: q, 7)
    assert sorted(np.concatenate([b.cells for b in batches]).tolist()) == list(range(len(patches)))
    for batch in batches:
        assert (batch.weight > 0).any(dim=1).all()
        t = (batch.y - torch.from_numpy(patches.centre[batch.cells])[:, None]) / torch.from_numpy(
            patches.half[batch.cells]
        )[:, None]
        assert float(t.abs().max()) <= 1 + 1e-12
        if batch.congruent:
            assert float((t - t[:1]).abs().max()) < 1e-9


def test_local_frames_lie_within_their_cells_and_reach_all_of_the_inside(domain):
    patches = patches_over(domain)
    lower, upper = patches.partition.bounds
    slack = 1e-12 * patches.frame.extent
    assert (patches.centre - patches.half >= lower - slack).all()
    assert (patches.centre + patches.half <= upper + slack).all()
    y = (domain.sample(2000, seed=3) @ patches.frame.rotation).numpy()
    cell = patches.partition.locate(y)
    y, cell = y[cell >= 0], cell[cell >= 0]
    beyond = np.abs(y - patches.centre[cell]) / patches.half[cell]
    assert beyond.max() < 1.15  # between two samples of the classification


@pytest.mark.parametrize("q", [2, 5])
@pytest.mark.parametrize("dimension", [0, 1, 2, 3])
def test_tensor_gauss_rules_integrate_polynomials_exactly(dimension, q):
    t, w = gauss_grid(dimension, q)
    assert float(w.sum()) == pytest.approx(2.0**dimension, rel=1e-14)
    for power in range(2 * q):
        exact = (0.0 if power % 2 else 2 / (power + 1)) ** dimension
        assert float(w @ (t**power).prod(1)) == pytest.approx(exact, abs=1e-13)


def test_break_points_fall_on_the_planes_of_the_boundary():
    l_shape = Rectangle((-1, -1), (1, 1)) - Rectangle((0.137, -1), (1, 0.3))
    x, y = Frame.of(l_shape).breaks(4)
    assert np.abs(x - 0.137).min() < 1e-12
    assert np.abs(y - 0.3).min() < 1e-12
    assert not patches_over(l_shape).cut.any()


def test_both_walls_of_a_narrow_channel_are_planes_of_the_grid_and_a_small_step_is_not():
    """Of a cell wider than a channel, the part of a face in the channel is not seen: nothing joined both ends."""
    low, high = 0.497, 0.507
    channel = [
        (0, 0),
        (1, 0),
        (1, low),
        (2, low),
        (2, 0),
        (3, 0),
        (3, 1),
        (2, 1),
        (2, high),
        (1, high),
        (1, 1),
        (0, 1),
    ]
    planes = Frame.of(Polygon(channel)).breaks(3)[1]
    assert set(planes) >= {0.0, low, high, 1.0}
    wall = Rectangle((0, 0), (1, 1)) - Rectangle((0.3, low), (0.7, high))
    assert set(Frame.of(wall).breaks(3)[1]) >= {low, high}
    step = Polygon([(0, 0), (1, 0), (1, low), (2, low), (2, high), (3, high), (3, 1), (0, 1)])
    assert np.diff(Frame.of(step).breaks(3)[1]).min() > 0.1


def test_a_periodic_axis_has_at_least_two_cells():
    frame = Frame.of(SQUARE)
    assert [len(b) - 1 for b in frame.breaks(1, periodic=(0,))] == [2, 1]


def test_a_rotated_square_is_uncut_in_its_frame():
    frame = Frame.of(TILTED)
    assert torch.allclose(frame.rotation @ frame.rotation.T, torch.eye(2, dtype=torch.float64), atol=1e-14)
    assert np.allclose(frame.extent, 5**0.5, atol=1e-12)


# ---------------------------------------------------------------- faces


def test_face_points_lie_on_the_common_face_of_two_patches(domain):
    patches = patches_over(domain)
    lower, upper = patches.partition.bounds
    slack = 1e-9 * patches.frame.extent
    for batch in face_points(patches, orders(patches), 50):
        y = batch.y[batch.weight > 0].numpy()
        which = torch.nonzero(batch.weight > 0)[:, 0].numpy()
        for cells in (batch.minus[which], batch.plus[which]):
            assert (y >= lower[cells] - slack).all()
            assert (y <= upper[cells] + slack).all()
        assert np.allclose(y[:, batch.axis], upper[batch.minus[which], batch.axis], rtol=0, atol=slack.max())
        assert bool((domain.level(torch.from_numpy(y) @ patches.frame.rotation.T) <= 1e-9).all())


@pytest.mark.parametrize("name", ["disk", "annulus", "four holes", "triangle"])
def test_faces_in_the_plane_are_cut_exactly_where_the_boundary_crosses(name):
    domain = CUT[name]
    patches = patches_over(domain)
    per_line: dict[tuple[int, float], float] = {}
    for batch in face_points(patches, orders(patches), 50):
        other = 1 - batch.axis
        faces = {(int(m), int(p)) for m, p in zip(batch.minus, batch.plus, strict=True)}
        assert faces
        length = (batch.weight**2).sum(1)
        half = torch.from_numpy(patches.partition.half[batch.minus][:, other])
        for line, part in zip(batch.y[:, 0, batch.axis].tolist(), (length * half).tolist(), strict=True):
            key = batch.axis, round(line, 9)
            per_line[key] = per_line.get(key, 0.0) + part
    assert per_line
    for (axis, line), found in per_line.items():
        s = torch.linspace(0, 1, 200_001, dtype=torch.float64)[:-1] + 2.5e-6
        y = torch.full((len(s), 2), line, dtype=torch.float64)
        y[:, 1 - axis] = patches.frame.lower[1 - axis] + patches.frame.extent[1 - axis] * s
        inside = (domain.level(y @ patches.frame.rotation.T) < 0).double().mean()
        assert found == pytest.approx(float(inside) * patches.frame.extent[1 - axis], abs=3e-5)


def test_a_hanging_face_is_collocated_on_the_finer_side():
    patches = patches_over(SQUARE, 2)
    partition, _ = patches.partition.split(np.array([[True, True], *[[False, False]] * 3]))
    refined, _ = Patches.over(patches.frame, partition)
    pairs = [
        (int(m), int(p))
        for batch in face_points(refined, orders(refined), 50)
        for m, p in zip(batch.minus, batch.plus, strict=True)
    ]
    sizes = refined.half.max(axis=1)
    assert len(pairs) == len(set(pairs)) == 4 + 4 + 2  # in the split cell, from it to two neighbours, others
    assert sum(sizes[a] != sizes[b] for a, b in pairs) == 4


def test_equal_cells_share_a_batch_and_cut_ones_stay_apart():
    patches = patches_over(CUT["four holes"])
    for batch in interior_points(patches, orders(patches), lambda q: q, 1000):
        assert len(set(patches.cut[batch.cells].tolist())) == 1
        assert batch.congruent != bool(patches.cut[batch.cells[0]])


def test_facing_walls_that_differ_by_rounding_are_one_plane():
    """A column of 5e-17 between them made normal equations that are not positive definite."""
    plate = Rectangle((0, 0), (1, 1))
    for lower, upper in (((0.1, 0.1), (0.1 + 0.2, 0.4)), ((0.1, 0.6), (0.3, 0.9)), ((0.31, 0.1), (0.5, 0.9))):
        plate = plate - Rectangle(lower, upper)
    planes = Frame.of(plate).breaks(3)[0]
    assert float(np.diff(planes).min()) == pytest.approx(0.01)
