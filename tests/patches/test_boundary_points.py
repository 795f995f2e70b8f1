"""Boundary points cover every piece once, each in the patch just inside it, weighed in units of the patch."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.geometry import Ball, Box, Disk, Interval, Point, Polygon, Rectangle, Sector, TimeInterval
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame
from pdesolve.patches.partition import Partition
from pdesolve.patches.points.boundary import boundary_points, owners
from pdesolve.patches.points.curves import intervals_in_cells
from pdesolve.patches.points.interior import Points
from pdesolve.patches.space import Space

SQUARE = Rectangle((0, 0), (1, 1))
WIDE = Rectangle((-1, -1), (1, 1))
TILTED = Polygon([(0, 0), (2, 1), (1, 3), (-1, 2)])
LINES = {
    "interval": Interval(-1, 2),
    "two intervals": Interval(0, 1) | Interval(2, 3),
}
PLANE = {
    "square": SQUARE,
    "tilted square": TILTED,
    "disk": Disk((0.1, 0.2), 0.7),
    "annulus": Disk((0, 0), 1) - Disk((0, 0), 0.4),
    "l-shape": WIDE - Rectangle((0, -1), (1, 0)),
    "bitten corner": SQUARE - Disk((1, 1), 0.5),
    "tiny hole": SQUARE - Disk((0.51, 0.52), 1e-3),
    "touching disk": SQUARE - Disk((0.5, 0.7), 0.3),
    "triangle": Polygon([(0.1, 0), (1.3, 0.4), (0.2, 1.1)]),
    "sliver": ((WIDE - Disk((0.3, 0.3), 0.2)) | Disk((1, 1), 0.3))
    & Polygon([(-2, -1), (1.2, -1.4), (0.5, 2)]),
    "interval in time": Interval(0, 1) * TimeInterval(0, 1e-3),
}
SOLID = {
    "box": Box((0, 0, -1), (1, 2, 0.5)),
    "ball": Ball((0, 0.1, 0.2), 0.8),
    "cube less ball": Box((0, 0, 0), (1, 1, 1)) - Ball((0.5, 0.5, 0.5), 0.3),
    "disk in time": Disk((0, 0), 1) * TimeInterval(0, 1e-2),
    "triangle in time": PLANE["triangle"] * TimeInterval(0, 1e-3),
}
ALL = LINES | PLANE | SOLID


def patches_over(domain, cells: int | None = None, seed: int | None = None) -> Patches:
    """Uniform cells, some of them split where a seed is given."""
    frame = Frame.of(domain)
    partition = Partition.grid(frame.breaks(cells or (3 if domain.dimension == 3 else 4)))
    if seed is not None:
        mark = np.random.default_rng(seed).random((len(partition), domain.dimension)) < 0.3
        partition, _ = partition.split(mark)
    return Patches.over(frame, partition)[0]


def whole(domain):
    """All of the boundary as places."""
    return [domain.boundary, domain.initial, domain.final] if "t" in domain.coordinates else [domain.boundary]


def points_of(patches: Patches, places, q: int = 6) -> list[Points]:
    orders = np.full(len(patches), q)
    return [batch for place in places for batch in boundary_points(patches, place, orders, 50)]


def true_area(patches: Patches, batch: Points) -> Tensor:
    """Area that each weight stands for, back from the units of its patch."""
    half = torch.from_numpy(patches.half[batch.cells])[:, None]
    stretch = (half * (batch.normals @ patches.frame.rotation)).norm(dim=2) / half.prod(2)
    return batch.weight**2 / stretch


@pytest.fixture(params=ALL.values(), ids=ALL)
def domain(request):
    return request.param


@pytest.mark.parametrize("name", [*PLANE, "box", "ball", "disk in time"])
def test_weights_add_up_to_the_area_of_the_boundary(name):
    domain = ALL[name]
    patches = patches_over(domain)
    places = whole(domain) if domain.dimension == 2 else [domain.boundary]
    found = sum(float(true_area(patches, batch).sum()) for batch in points_of(patches, places))
    expected = sum(float(piece.rule(40)[2].sum()) for place in places for piece in place.pieces_on(domain))
    assert found == pytest.approx(expected, rel=1e-9 if domain.dimension == 2 else 1e-6)


@pytest.mark.parametrize("name", ["disk in time", "triangle in time", "cube less ball"])
def test_faces_cut_by_the_boundary_keep_about_their_area(name):
    domain = ALL[name]
    patches = patches_over(domain)
    places = whole(domain)
    found = sum(float((true_area(patches, batch)).sum()) for batch in points_of(patches, places))
    expected = sum(float(piece.rule(40)[2].sum()) for place in places for piece in place.pieces_on(domain))
    assert 0.7 < found / expected < 1.1


def test_an_uncut_cell_weighs_each_of_its_sides_alike_however_stretched_it_is():
    patches = patches_over(Interval(0, 1) * TimeInterval(0, 1e-3), 3)
    sides = np.zeros(len(patches))
    for batch in points_of(patches, whole(patches.frame.domain)):
        sides[batch.cells] += (batch.weight**2).sum(1).numpy()
    assert set(np.round(sides / 2, 9)) == {0.0, 1.0, 2.0}  # none in the middle, one at sides, two at corners


def test_points_lie_on_the_boundary_with_outward_normals(domain):
    patches = patches_over(domain)
    reach = 1e-6 * float(patches.frame.extent.min())
    for batch in points_of(patches, whole(domain)):
        x = (batch.y @ patches.frame.rotation.T).flatten(0, 1)
        n = batch.normals.flatten(0, 1)
        assert torch.allclose(n.norm(dim=1), torch.ones(len(n), dtype=torch.float64), atol=1e-12)
        assert float(domain.level(x).abs().max()) < 1e-9
        assert float((domain.level(x + reach * n) > 0).double().mean()) > 0.99
        assert float((domain.level(x - reach * n) < 0).double().mean()) > 0.99


@pytest.mark.parametrize("seed", [None, 0])
def test_every_point_lies_in_the_closure_of_its_patch(domain, seed):
    patches = patches_over(domain, seed=seed)
    lower, upper = patches.partition.bounds
    slack = (2e-2 if domain is ALL["sliver"] else 1e-6) * float(patches.frame.extent.max())
    for batch in points_of(patches, whole(domain)):
        y = batch.y.numpy()
        beyond = np.maximum(lower[batch.cells][:, None] - y, y - upper[batch.cells][:, None]).max()
        assert beyond <= slack


@pytest.mark.parametrize("name", PLANE)
def test_crossings_with_cell_faces_are_found_to_rounding(name):
    patches = patches_over(PLANE[name], seed=1)
    lower, upper = patches.partition.bounds
    for piece in patches.frame.domain.pieces:
        intervals, cells = intervals_in_cells(patches, piece)
        active = piece.intervals
        ends = torch.cat([active[:, 0], active[:, 1]])
        for side in (0, 1):
            y = (piece.map(intervals[:, side : side + 1]) @ patches.frame.rotation).numpy()
            on_face = np.minimum(np.abs(y - lower[cells]), np.abs(y - upper[cells])).min(axis=1)
            at_end = (intervals[:, side, None] - ends).abs().amin(1).numpy() < 1e-6
            inner = intervals[:, side, None].sub(intervals[:, 1 - side]).abs().amin(1).numpy() < 1e-12
            size = float(patches.frame.extent.max())
            good = at_end | inner | (on_face < 1e-9 * size)
            assert good.all() or name == "sliver"


def test_a_circle_is_cut_in_few_passes(monkeypatch):
    """Bisection alone takes forty, and each of them classifies points."""
    passes = []

    def counted(*args):
        passes.append(1)
        return owners(*args)

    monkeypatch.setattr("pdesolve.patches.points.curves.owners", counted)
    patches = patches_over(PLANE["annulus"], cells=7, seed=1)
    pieces = patches.frame.domain.pieces
    for piece in pieces:
        intervals_in_cells(patches, piece)
    assert len(passes) <= 10 * len(pieces)


@pytest.mark.parametrize("name", PLANE)
def test_intervals_cover_every_piece_without_overlap(name):
    patches = patches_over(PLANE[name], seed=1)
    for piece in patches.frame.domain.pieces:
        intervals, _ = intervals_in_cells(patches, piece)
        assert bool((intervals[:, 0] < intervals[:, 1]).all())
        assert bool((intervals[1:, 0] >= intervals[:-1, 1] - 1e-12).all())
        covered = float((intervals[:, 1] - intervals[:, 0]).sum())
        assert covered == pytest.approx(
            float((piece.intervals[:, 1] - piece.intervals[:, 0]).sum()), rel=1e-6
        )


@pytest.mark.parametrize("name", ["disk", "annulus", "triangle", "ball"])
def test_no_interval_or_panel_is_longer_than_the_cell_it_lies_in(name):
    """Smooth curves then look alike in all cells, and Gauss points of the patch's order resolve data on them."""
    patches = patches_over(ALL[name])
    for batch in points_of(patches, whole(patches.frame.domain)):
        y = batch.y.numpy()
        spread = np.abs(y - patches.centre[batch.cells][:, None]) / patches.half[batch.cells][:, None]
        assert spread.max() < 1.25


def test_a_place_gets_points_of_its_own_pieces_only():
    patches = patches_over(SQUARE)
    for name, axis, value in (("left", 0, 0.0), ("right", 0, 1.0), ("bottom", 1, 0.0), ("top", 1, 1.0)):
        found = points_of(patches, [getattr(SQUARE, name)])
        assert all(bool((batch.y[..., axis] - value).abs().max() < 1e-12) for batch in found)
        assert sum(float(true_area(patches, b).sum()) for b in found) == pytest.approx(1.0)


def test_a_filtered_place_is_cut_where_the_filter_says():
    patches = patches_over(SQUARE)
    place = SQUARE.boundary.where(lambda x, y: x < 0.3217 * torch.ones_like(y))
    found = points_of(patches, [place])
    assert sum(float(true_area(patches, b).sum()) for b in found) == pytest.approx(1 + 2 * 0.3217, rel=1e-6)


def test_a_point_condition_is_one_row_in_one_patch():
    patches = patches_over(SQUARE)
    (batch,) = points_of(patches, [Point((0.3, 0.7))])
    assert batch.y.tolist() == [[[0.3, 0.7]]]
    assert batch.cells.tolist() == patches.partition.locate(np.array([[0.3, 0.7]])).tolist()


def test_both_sides_of_an_interval_are_owned_by_the_end_cells():
    patches = patches_over(LINES["two intervals"], 6)
    ends = {
        float(y): int(c)
        for b in points_of(patches, whole(patches.frame.domain))
        for c, row in zip(b.cells, b.y, strict=True)
        for y in row
    }
    assert sorted(ends) == pytest.approx([0.0, 1.0, 2.0, 3.0])
    lower, upper = patches.partition.bounds
    for y, cell in ends.items():
        assert min(abs(lower[cell, 0] - y), abs(upper[cell, 0] - y)) < 1e-12


def test_a_sliver_that_no_cell_sees_belongs_to_the_nearest_patch():
    patches = patches_over(PLANE["sliver"], 3)
    tip = torch.tensor([[0.7009, 1.0235]], dtype=torch.float64)
    assert patches.partition.locate(tip.numpy())[0] == -1
    cell = int(owners(patches, tip, torch.tensor([[0.0, 1.0]], dtype=torch.float64))[0])
    lower, upper = patches.partition.bounds
    assert lower[cell, 0] - 1e-9 <= 0.7009 <= upper[cell, 0] + 1e-9
    assert upper[cell, 1] == pytest.approx(1.0)


def test_a_lost_island_is_an_error_with_a_place_in_it():
    domain = SQUARE | Disk((2.713, 0.47), 1e-3) | Disk((5, 0.5), 0.5)
    patches = patches_over(domain, 3)
    with pytest.raises(SolveError, match=r"near \(2\.71.*raise cells"):
        points_of(patches, [domain.boundary])


def test_points_of_a_boundary_are_not_outside_the_domain_where_the_grid_is_turned():
    """At y = -1e-17 an angle that begins at zero is a full turn: one value in twenty was wrong on an edge."""
    sector = Sector((0, 0), 1, 0, 1.75 * math.pi)
    frame = Frame.of(sector)
    assert not frame.upright
    partition = Partition.grid(frame.breaks(3), [False, False])
    patches, _ = Patches.over(frame, partition)
    q = np.full(len(patches), 12)
    space = Space(patches, q, np.full((1, 2), 2))
    points = boundary_points(patches, sector.boundary, q, space.batch)
    turned = torch.cat([batch.y.reshape(-1, 2) @ frame.rotation.T for batch in points])
    kept = torch.cat([space.coordinates(batch) for batch in points])
    edge = turned[:, 1].abs() < 1e-12
    assert float(turned[edge, 1].min()) < 0
    assert float(kept[edge, 1].min()) >= 0
    torch.testing.assert_close(turned, kept, rtol=0, atol=1e-15)
