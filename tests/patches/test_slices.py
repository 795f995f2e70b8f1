"""Slices of cut patches: what they integrate over the part inside the domain."""

import numpy as np
import pytest
import torch

from pdesolve import Annulus, Ball, Disk, Polygon, Rectangle
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame
from pdesolve.patches.partition import Partition
from pdesolve.patches.points.slices import sliced_points

# A tooth that ends between any two of the samples by which faces are clipped.
COMB = Polygon([(0, 0), (1, 0), (1, 1), (0.503, 0.5), (0.5, 1), (0, 1)])


def integral(domain, f, degree=24):
    """∫ f by slices of 5 x 5 patches, all of which count as cut."""
    frame = Frame.of(domain)
    breaks = [list(np.linspace(a, b, 6)) for a, b in zip(frame.lower, frame.upper, strict=True)]
    patches = Patches.over(frame, Partition.grid(breaks))[0]
    patches.cut[:] = True
    total = 0.0
    for points in sliced_points(patches, np.full(len(patches), degree), lambda q: q + 1, 10):
        weight = points.weight**2 * torch.from_numpy(patches.half[points.cells].prod(1))[:, None]
        total += float((weight * f(points.y @ frame.rotation.T)).sum())
    return total


@pytest.mark.parametrize(
    "domain",
    [Disk((0.1, 0.2), 1), Annulus((0, 0), 1, 2), Disk((0, 0), 1) | Rectangle((0.3, 0.2), (2, 0.5)), COMB],
)
def test_waves_shorter_than_a_patch_are_integrated_as_by_the_rule_of_the_domain(domain):
    f = lambda x: torch.cos(30 * x[..., 0] + 9 * x[..., 1]) + x[..., 1] ** 2  # noqa: E731
    rule = domain.rule(80)
    assert integral(domain, f) == pytest.approx(float(rule.weights @ f(rule.points)), abs=1e-7)


def test_the_volume_of_a_ball():
    assert integral(Ball((0, 0, 0), 1), lambda x: torch.ones_like(x[..., 0]), 8) == pytest.approx(
        4 / 3 * np.pi, rel=1e-3
    )
