"""Jumps of any size above rounding are found at their place; smooth and singular functions have none."""

import pytest
import torch
from torch import exp, sigmoid, sin

from pdesolve.statement.breaks import breaks_along, lines_along

PLACE = 0.3717
LOWER = torch.zeros(1, dtype=torch.float64)
POINTS = lines_along(LOWER, LOWER + 1, 0, 1, 4096)


def found(function, least=1e-10, thin=2e-5):
    one_part = lambda x: torch.zeros(len(x))  # noqa: E731
    return breaks_along(lambda x: function(x[:, 0])[:, None], POINTS, 0, one_part, least, thin)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9])
def test_a_jump_beside_a_slope_is_found_with_its_place_and_size(size):
    jumps = found(lambda x: 1 + sin(3 * x) + size * (x > PLACE)).jumps
    nearby = 1 + torch.sin(torch.tensor(3 * PLACE))
    assert len(jumps.width)
    assert float((jumps.start[:, 0] - PLACE).abs().max()) < 1e-11
    torch.testing.assert_close(
        jumps.jump.max(), (size / (nearby + size)).double(), rtol=0.01 + 1e-6 / size**0.5, atol=1e-15
    )


@pytest.mark.parametrize("slope", [1.0, 1e-3, 1e-5])
def test_a_bend_is_no_jump_and_its_place_is_known(slope):
    seen = found(lambda x: 1 + slope * (x - PLACE).abs())
    assert not len(seen.jumps.width)
    assert not len(seen.layers.width)
    nearest = (seen.bends.start[:, 0] + seen.bends.width / 2 - PLACE).abs()
    assert bool((nearest <= seen.bends.width).all())
    assert len(nearest)


@pytest.mark.parametrize("width", [1e-9, 1e-7])
def test_a_change_within_next_to_nothing_is_a_layer(width):
    seen = found(lambda x: 1 + 1e-4 * sigmoid((x - PLACE) / width))
    assert not len(seen.jumps.width)
    assert float(seen.layers.jump.max()) == pytest.approx(1e-4, rel=1e-3)


SMOOTH = {
    "waves": lambda x: 2 + sin(60 * x),
    "many decades": lambda x: exp(20 * x),
    "root at an end": lambda x: x.sqrt(),
    "tenth power at an end": lambda x: x**0.1,
    "nearly degenerate": lambda x: 1e-6 + (x - 0.5) ** 2,
    "noise": lambda x: 2 + sin(3 * x) + 1e-9 * sin(1e12 * x),
    "a wide layer": lambda x: 1 + sigmoid((x - PLACE) / 1e-3),
    "tails that are steps of rounding": lambda x: (1 - torch.tanh((x - PLACE) / 0.02) ** 2) / 0.02,
    "tails of what is hardly met": lambda x: (1 - torch.tanh((x - PLACE) / 1e-4) ** 2) / 1e-4,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_what_is_smooth_or_noise_has_neither_jumps_nor_layers(name):
    seen = found(SMOOTH[name])
    assert not len(seen.jumps.width)
    assert not len(seen.layers.width)


def test_nothing_is_looked_for_across_two_parts_of_a_domain():
    parts = lambda x: (x[:, 0] > PLACE).long()  # noqa: E731
    step = lambda x: torch.where(x[:, :1] > PLACE, 2.0, 1.0).double()  # noqa: E731
    assert not len(breaks_along(step, POINTS, 0, parts, 1e-10).jumps.width)


@pytest.mark.parametrize("size", [1e-3, 1e-9])
def test_a_jump_of_what_is_small_here_and_large_elsewhere_is_found(size):
    jumps = found(lambda x: 1 / torch.cosh(50 * x) + size * (x > PLACE)).jumps
    assert float((jumps.start[:, 0] - PLACE).abs().min()) < 1e-11
