"""Data in time: what is narrow is found, what jumps is located, and steps end there."""

import math

import numpy as np
import pytest
import torch

from pdesolve.marching.breaks import resolve


def test_smooth_data_need_one_interval():
    found = resolve(lambda t: torch.stack([torch.sin(t), 1 + t], 1), 0.0, 1.0, 1e-6)
    assert found.borders.tolist() == [0.0, 1.0]
    assert found.furthest(0.0, 1.0) == 1.0


@pytest.mark.parametrize("at", [0.3, 0.5, 1 / 3, math.pi / 4, 1e-3])
def test_a_jump_is_located_to_rounding(at):
    found = resolve(lambda t: torch.where(t < at, 1.0, 2.0)[:, None].double(), 0.0, 1.0, 1e-6)
    assert len(found.jumps) == 1
    assert found.jumps[0] == pytest.approx(at, abs=1e-12)
    assert found.furthest(0.0, 1.0) == found.jumps[0]
    # To either side nothing is refined.
    assert len(found.borders) == 3


@pytest.mark.parametrize("width", [1e-1, 1e-2, 1e-3, 2e-4])
def test_a_narrow_pulse_is_found_and_resolved(width):
    centre = 0.8317
    found = resolve(lambda t: torch.exp(-(((t - centre) / width) ** 2))[:, None], 0.0, 1.0, 1e-6)
    lengths = np.diff(found.borders)
    assert lengths[np.searchsorted(found.borders, centre) - 1] < 3 * width
    assert lengths.max() > 0.2
    t = 0.0
    while t < 1:  # no step jumps over it
        end = found.furthest(t, 1.0)
        assert not (t < centre - 3 * width and end > centre + 3 * width)
        t = end


def test_times_of_a_step_keep_to_their_side_of_a_jump():
    found = resolve(lambda t: torch.where(t < 0.25, 1.0, 2.0)[:, None].double(), 0.0, 1.0, 1e-6)
    jump = float(found.jumps[0])
    assert float(found.within(torch.tensor([jump], dtype=torch.float64), 0.0, jump)) < 0.25
    assert float(found.within(torch.tensor([jump], dtype=torch.float64), jump, 1.0)) >= 0.25
