"""Two points of each block of neighbours stand for all of them."""

import torch

from pdesolve import Interval, Rectangle
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame
from pdesolve.patches.partition import Partition
from pdesolve.patches.points.grids import gauss_grid, panel_grid
from pdesolve.patches.points.thinned import BLOCK, neighbours, thinned


def drawn(n, d=2):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, d, generator=generator, dtype=torch.float64)


def test_weights_of_the_points_that_stay_are_those_of_their_blocks():
    x = drawn(5 * BLOCK)
    weight = drawn(5 * BLOCK, 1)[:, 0]
    kept, left = thinned(x, torch.sin(9 * x), weight)
    torch.testing.assert_close(left.view(5, 2).sum(1), weight.view(5, BLOCK).sum(1))
    assert ((kept // BLOCK).view(5, 2) == torch.arange(5)[:, None]).all()


def test_what_a_single_point_sees_beside_a_slope_keeps_its_sum():
    x = drawn(3 * BLOCK)
    slope = 2 + 3 * x[:, :1] - x[:, 1:]
    values = slope.clone()
    values[BLOCK + 17] += 100.0
    kept, left = thinned(x, values, torch.ones(len(x), dtype=torch.float64))
    assert BLOCK + 17 in kept
    # The slope that is fitted gives way to it a little, and then the others are a little off.
    assert 100 <= float(left @ (values - slope)[kept].abs()) <= 150


def test_points_without_weight_are_never_kept():
    x = drawn(2 * BLOCK)
    weight = (torch.arange(2 * BLOCK) % 3 == 0).double()
    values = x.square() + 1000 * (weight == 0)[:, None]
    kept, left = thinned(x, values, weight)
    assert (weight[kept] > 0).all()
    assert (left > 0).all()


def test_a_block_is_a_box_of_its_cell():
    domain = Rectangle((0, 0), (2, 1))
    frame = Frame.of(domain, (domain,), None)
    patches, _ = Patches.over(frame, Partition.grid(frame.breaks(2)))
    (points,) = neighbours(patches, torch.arange(len(patches)).numpy(), 9, 0, len(patches))
    assert points.y.shape == (len(patches), 9 * BLOCK, 2)
    t = (points.y - torch.from_numpy(patches.centre)[:, None]) / torch.from_numpy(patches.half)[:, None]
    blocks = t.view(len(patches), 9, BLOCK, 2)
    assert (blocks.amax(2) - blocks.amin(2) <= 2 / 3).all()
    assert t.abs().max() <= 1


def test_panels_integrate_as_gauss_rules_do():
    for dimension, n in ((1, 200), (2, 20)):
        t, w = panel_grid(dimension, n)
        assert len(t) % BLOCK == 0
        assert len(t) >= n**dimension
        s, v = gauss_grid(dimension, 12)
        for power in (0, 2, 6):
            assert abs(float(w @ t.pow(power).prod(1)) - float(v @ s.pow(power).prod(1))) < 1e-12


def test_lines_have_blocks_of_their_own_length():
    line = Interval(0, 1)
    frame = Frame.of(line, (line,), None)
    patches, _ = Patches.over(frame, Partition.grid(frame.breaks(3)))
    (points,) = neighbours(patches, torch.arange(1).numpy(), 4, 0, 9)
    assert points.y.shape == (1, 4 * BLOCK, 1)
    assert float(points.y[0, :BLOCK].max()) < float(points.y[0, BLOCK : 2 * BLOCK].min())
