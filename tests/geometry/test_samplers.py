import pytest
import torch
from shapes import ALL, PLANE_SETS, SIMPLE, SOLID_SETS

from pdesolve.errors import UsageError
from pdesolve.geometry import Box, Disk, Interval, Rectangle, TimeInterval

SAMPLERS = ["uniform", "sobol", "gauss", "chebyshev", "boundary-fitted"]
SOME = {
    k: ALL[k] for k in ("interval", "ball", "arrow", "four holes", "two islands", "disk in time", "cavity")
}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("domain", SOME.values(), ids=SOME.keys())
def test_samples_are_strictly_inside_and_about_as_many_as_asked(domain, sampler):
    x = domain.sample(500, sampler, seed=3)
    assert (domain.level(x) < 0).all()
    assert 150 < len(x) < 1000
    if sampler in ("uniform", "sobol"):
        assert len(x) == 500


@pytest.mark.parametrize("sampler", ["uniform", "sobol"])
def test_samples_repeat_with_their_seed_and_differ_between_seeds(sampler):
    disk = Disk((0, 0), 1)
    first, again, other = (disk.sample(100, sampler, seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("domain", PLANE_SETS.values(), ids=PLANE_SETS.keys())
def test_sobol_means_approach_integrals(domain):
    x, w = domain.rule(20)
    mean = (w[:, None] * x).sum(dim=0) / w.sum()
    size = float((domain.bounds[1] - domain.bounds[0]).max())
    assert torch.allclose(domain.sample(4000).mean(dim=0), mean, atol=1e-2 * size)


def test_boundary_fitted_points_keep_half_a_spacing():
    domain = PLANE_SETS["four holes"]
    x = domain.sample(1000, "boundary-fitted")
    spacing = (domain.measure / 1000) ** 0.5
    assert (domain.level(x) <= -0.45 * spacing).all()


def test_gauss_samples_of_a_rectangle_are_the_tensor_grid():
    assert len(Rectangle((0, 0), (2, 1)).sample(100, "gauss")) == 100


def test_a_high_dimensional_box_can_be_sampled():
    assert Box((0,) * 8, (1,) * 8).sample(300).shape == (300, 8)


def test_an_unknown_sampler_is_named_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no sampler 'grid'; the samplers are uniform, sobol, gauss"):
        Interval(0, 1).sample(10, "grid")


@pytest.mark.parametrize("n", [0, -3, 2.5])
def test_a_count_that_is_no_positive_number_is_refused(n):
    with pytest.raises(UsageError, match="at least 1"):
        Interval(0, 1).sample(n)


@pytest.mark.parametrize("domain", (SIMPLE | PLANE_SETS | SOLID_SETS).values())
def test_boundary_samples_lie_on_the_boundary_with_outward_normals(domain):
    sample = domain.boundary.sample(domain, 200, seed=1)
    scale = 1e-6 * float((domain.bounds[1] - domain.bounds[0]).min())
    assert (domain.level(sample.points).abs() < 1e-3 * scale).all()
    moved = sample.points + scale * sample.normals
    assert (domain.level(moved) > 0).float().mean() > 0.98  # corners apart
    measure = float(domain.boundary.rule(domain, 8).weights.sum())
    assert float(sample.weights.sum()) == pytest.approx(measure, rel=3e-2)
    if domain.dimension == 2:
        assert len(sample.points) == 200


def test_boundary_samples_of_a_circle_are_equally_spaced():
    x = Disk((0, 0), 1).boundary.sample(Disk((0, 0), 1), 50).points
    gaps = (x - x.roll(1, dims=0)).norm(dim=1)
    assert torch.allclose(gaps, gaps[:1].expand(50), atol=1e-12)


def test_boundary_samples_repeat_with_their_seed():
    cylinder = Disk((0, 0), 1) * TimeInterval(0, 1)
    first, again, other = (cylinder.boundary.sample(cylinder, 60, seed).points for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
