"""The partitioned mixture: jets are derivatives, patches keep to themselves, outside is NaN."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pdesolve.patches import mixture as partitioned_mixture
from pdesolve.patches.basis import basis_size, basis_table
from pdesolve.patches.mixture import (
    PartitionedMixture,
    default_sigma,
)
from pdesolve.patches.partition import Partition
from pdesolve.patches.rotation import rotate_indices, rotation_key
from pdesolve.statement.calculus import multi_indices

STEP = 1e-3


def rotation_of(dimension: int, seed: int = 0) -> Tensor:
    """A random rotation, or the identity for seed 0."""
    if seed == 0 or dimension == 1:
        return torch.eye(dimension, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64))[0]


def random_mixture(dimension: int, outputs: int = 2, rotation: Tensor | None = None) -> PartitionedMixture:
    """Random coefficients on a randomly split grid with random orders."""
    generator = np.random.default_rng(dimension)
    partition = Partition.grid([[0.0, 0.5, 1.2]] * dimension)
    partition, _ = partition.split(generator.random((len(partition), dimension)) < 0.4)
    q = generator.integers(2, 6, len(partition))
    size = sum(outputs * basis_size(dimension, int(k)) for k in q)
    return PartitionedMixture(
        partition,
        np.arange(len(partition)),
        torch.from_numpy(partition.centre),
        torch.from_numpy(partition.half),
        q,
        default_sigma(np.full(dimension, 1.2)),
        rotation_of(dimension) if rotation is None else rotation,
        outputs,
        torch.from_numpy(generator.standard_normal(size)),
    )


def points_inside_patches(
    mixture: PartitionedMixture, n: int = 60, share: float = 0.8
) -> tuple[Tensor, np.ndarray]:
    """Points x (n, d) away from faces, and the patch of each."""
    generator = np.random.default_rng(3)
    patch = generator.integers(0, len(mixture.partition), n)
    t = torch.from_numpy(generator.uniform(-share, share, (n, mixture.dimension)))
    y = mixture.centre[patch] + mixture.half[patch] * t
    return y @ mixture.rotation.T, patch


def by_definition(
    mixture: PartitionedMixture, patch: np.ndarray, y: Tensor, indices: tuple[tuple[int, ...], ...]
) -> Tensor:
    """Σ_j c_j D^β φ_j (n, u, a) at y by given patches, one point after the other."""
    grid_indices, transform = rotate_indices(indices, rotation_key(mixture.rotation))
    rows = []
    for e, point in zip(patch, y, strict=True):
        half = mixture.half[e : e + 1]
        t = ((point - mixture.centre[e]) / half)[None]
        table = basis_table(t, half, mixture.sigma, int(mixture.q[e]), grid_indices)[:, 0, 0]
        c = mixture.coefficients[mixture.layout.of(torch.tensor([e]))[0]]
        rows.append(c.view(mixture.outputs, -1) @ table.T)
    values = torch.stack(rows)
    return values if transform is None else values @ transform.T


def by_finite_differences(mixture: PartitionedMixture, x: Tensor, index: tuple[int, ...]) -> Tensor:
    """Central differences of fourth order, axis after axis."""
    if not any(index):
        return mixture(x)
    axis = next(i for i, order in enumerate(index) if order)
    lower = tuple(order - (i == axis) for i, order in enumerate(index))
    step = torch.zeros(x.shape[1], dtype=x.dtype)
    step[axis] = STEP
    f = [by_finite_differences(mixture, x + k * step, lower) for k in (-2, -1, 1, 2)]
    return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * STEP)


@pytest.mark.parametrize(("dimension", "seed"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)])
def test_jets_are_the_derivatives_of_the_values(dimension, seed):
    mixture = random_mixture(dimension, rotation=rotation_of(dimension, seed))
    x, _ = points_inside_patches(mixture)
    indices = multi_indices(dimension, 2)
    jet = mixture.jet(x, indices)
    for a, index in enumerate(indices):
        expected = by_finite_differences(mixture, x, index)
        scale = float(expected.abs().max())
        assert torch.allclose(jet[:, :, a], expected, rtol=1e-6, atol=1e-7 * scale)


@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(("dimension", "seed"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)])
def test_jets_are_sums_of_coefficients_times_derivatives_of_the_basis(dimension, seed, outputs, n):
    mixture = random_mixture(dimension, outputs, rotation_of(dimension, seed))
    x, patch = points_inside_patches(mixture, n, share=1.5)  # A patch may be asked beyond its faces.
    y, indices = x @ mixture.rotation, multi_indices(dimension, 2)[::-1]
    expected = by_definition(mixture, patch, y, indices)
    found = mixture.jet_on(patch, y, indices)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-13 * float(expected.abs().max()))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_value_does_not_depend_on_how_many_points_its_patch_serves(dimension, monkeypatch):
    monkeypatch.setattr(partitioned_mixture, "CHUNK", 5_000)
    mixture = random_mixture(dimension)
    crowd, _ = points_inside_patches(mixture, 500)
    crowd[100:] = crowd[0] + 1e-3 * (crowd[100:] - crowd[0])  # nearly all in one patch
    indices = multi_indices(dimension, 1)
    alone = torch.cat([mixture.jet(x[None], indices) for x in crowd])
    assert torch.allclose(mixture.jet(crowd, indices), alone, rtol=1e-12, atol=1e-12)


def test_no_points_have_no_jets():
    mixture = random_mixture(2)
    assert mixture.jet(torch.zeros(0, 2, dtype=torch.float64), ((0, 0), (1, 0))).shape == (0, 2, 2)


@pytest.mark.parametrize("counts", [[1] * 50, [1000], [1, 2, 3, 70, 200], [64] * 9, [5000, *[1] * 3000]])
def test_blocks_hold_every_point_once_beside_others_of_its_patch(counts):
    patch = np.repeat(3 * np.arange(len(counts)), counts)
    served, place, used = partitioned_mixture._blocks(patch)
    assert (np.sort(place[used]) == np.arange(len(patch))).all()
    assert (patch[place] == served[:, None]).all()
    points = place.size + partitioned_mixture.OVERHEAD * len(place)
    assert points <= (1 + partitioned_mixture.OVERHEAD) * len(patch)  # what blocks of one would take


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_every_point_is_served_by_the_patch_it_lies_in(dimension):
    mixture = random_mixture(dimension, rotation=rotation_of(dimension, 2))
    x, patch = points_inside_patches(mixture)
    assert (mixture.patch_of(x @ mixture.rotation) == patch).all()
    alone = torch.zeros_like(mixture.coefficients)
    columns = mixture.layout.of(torch.tensor([patch[0]]))[0]
    alone[columns] = mixture.coefficients[columns]
    found = mixture.with_coefficients(alone)(x)
    mine = torch.from_numpy(patch == patch[0])
    assert torch.equal(found[mine], mixture(x)[mine])
    assert bool((found[~mine] == 0).all())


def test_values_are_nan_outside_all_patches_and_finite_inside():
    mixture = random_mixture(2)
    outside = torch.tensor([[-0.1, 0.5], [0.5, 1.3], [9.0, 9.0]], dtype=torch.float64)
    assert bool(mixture(outside).isnan().all())
    middle = torch.from_numpy(mixture.partition.centre)
    assert bool(mixture(middle).isfinite().all())
    kept = np.arange(len(mixture.q)) > 0
    holed = replace(
        mixture,
        partition=mixture.partition.keep(kept),
        host=np.arange(kept.sum()),
        q=mixture.q[kept],
        centre=mixture.centre[1:],
        half=mixture.half[1:],
        coefficients=mixture.coefficients[mixture.layout.offsets[1] :],
    )
    assert bool(holed(middle[:1]).isnan().all())
    assert torch.equal(holed(middle[1:]), mixture(middle[1:]))


def test_the_jet_is_linear_in_the_coefficients():
    mixture = random_mixture(2, rotation=rotation_of(2, 1))
    other = torch.randn(
        len(mixture.coefficients), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    x, _ = points_inside_patches(mixture)
    indices = ((0, 0), (2, 0), (1, 1))
    both = mixture.with_coefficients(2 * mixture.coefficients - 3 * other).jet(x, indices)
    expected = 2 * mixture.jet(x, indices) - 3 * mixture.with_coefficients(other).jet(x, indices)
    assert torch.allclose(both, expected, rtol=1e-10, atol=1e-10)


def test_a_merged_cell_is_served_by_its_host():
    mixture = random_mixture(2, outputs=1)
    guest, host = 1, 0
    hosts = mixture.host.copy()
    hosts[guest] = host
    size = sum(basis_size(2, int(q)) for e, q in enumerate(mixture.q) if e != guest)
    merged = replace(mixture, host=hosts, coefficients=torch.ones(size, dtype=torch.float64))
    assert merged.layout.total == size
    x = mixture.centre[guest : guest + 1]
    expected = merged.jet_on(np.array([host]), x, ((0, 0),))[:, :, 0]
    assert torch.equal(merged(x), expected)
    assert bool(merged(x).isfinite().all())


def test_a_state_rebuilds_the_same_mixture(tmp_path):
    mixture = random_mixture(3, rotation=rotation_of(3, 1))
    torch.save(mixture.state(), tmp_path / "state.pt")
    rebuilt = PartitionedMixture.from_state(torch.load(tmp_path / "state.pt", weights_only=True))
    x, _ = points_inside_patches(mixture)
    indices = ((0, 0, 0), (1, 0, 1))
    assert torch.equal(rebuilt.jet(x, indices), mixture.jet(x, indices))
    assert rebuilt.partition.periodic == mixture.partition.periodic


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_rotated_multi_indices_reproduce_derivatives_of_a_polynomial(dimension, seed):
    rotation = rotation_of(dimension, seed)
    generator = torch.Generator().manual_seed(7)
    wave = torch.randn(dimension, generator=generator, dtype=torch.float64)  # of (wave·y + 1)⁵
    x = torch.randn(9, dimension, generator=generator, dtype=torch.float64)

    def derivative(along: Tensor, at: Tensor, index: tuple[int, ...]) -> Tensor:
        """D^index of (along·at + 1)⁵."""
        k = sum(index)
        power = math.factorial(5) / math.factorial(5 - k) * (at @ along + 1) ** (5 - k)
        return power * math.prod(float(a) ** i for a, i in zip(along, index, strict=True))

    indices = tuple(i for i in multi_indices(dimension, 4) if sum(i) in (1, 2, 4))
    betas, matrix = rotate_indices(indices, rotation_key(rotation))
    grid = torch.stack([derivative(wave, x @ rotation, beta) for beta in betas], dim=1)
    expected = torch.stack([derivative(rotation @ wave, x, index) for index in indices], dim=1)
    assert torch.allclose(grid @ matrix.T, expected, rtol=1e-10, atol=1e-12 * float(expected.abs().max()))


def test_no_rotation_leaves_multi_indices_alone():
    indices = ((2, 0), (1, 1))
    assert rotate_indices(indices, rotation_key(torch.eye(2))) == (indices, None)


def test_the_laplacian_is_the_same_in_every_frame():
    c, s = math.cos(0.3), math.sin(0.3)
    betas, matrix = rotate_indices(((2, 0), (0, 2)), ((c, -s), (s, c)))
    laplacian = dict(zip(betas, matrix.sum(0).tolist(), strict=True))
    assert laplacian == pytest.approx({(2, 0): 1.0, (1, 1): 0.0, (0, 2): 1.0}, abs=1e-15)


@pytest.mark.slow
def test_a_million_points_take_seconds_and_not_minutes():
    side = np.linspace(0, 1, 9)
    partition = Partition.grid([side, side])
    q = np.full(len(partition), 12)
    generator = torch.Generator().manual_seed(0)
    mixture = PartitionedMixture(
        partition,
        np.arange(len(q)),
        torch.from_numpy(partition.centre),
        torch.from_numpy(partition.half),
        q,
        torch.ones(2, dtype=torch.float64),
        torch.eye(2, dtype=torch.float64),
        1,
        torch.randn(len(q) * basis_size(2, 12), generator=generator, dtype=torch.float64),
    )
    x = torch.rand(1_000_000, 2, generator=generator, dtype=torch.float64)
    mixture(x[:1000])
    begin = time.process_time()
    values = mixture(x)
    assert bool(values.isfinite().all())
    assert time.process_time() - begin < 20.0  # of the processor, a second; point by point it would be hours
