"""Fourier references against exact solutions: orders, systems, interpolation, cache."""

import numpy as np
import pytest
import torch

from pdesolve import Interval, TimeInterval
from pdesolve.references import spectral as module
from pdesolve.references.fourier import PeriodicSystem, march_periodic, phi_functions
from pdesolve.references.spectral import SpectralReference, compute, local_weights, on_finer_grid

PI = torch.pi


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PDESOLVE_CACHE", str(tmp_path / "cache"))


def scattered(a, b, duration, n=400):
    generator = torch.Generator().manual_seed(0)
    x, t = torch.rand(2, n, dtype=torch.float64, generator=generator)
    return a + (b - a) * x, duration * t


def soliton(x, t, c=64.0, period=2.0):
    """3c sech²(½ √c (x - ct)) solves u_t + u u_x + u_xxx = 0 on the line; its periodic images are e^(-√c) of it."""
    s = torch.remainder(x - c * t + period / 2, period) - period / 2
    return 3 * c / torch.cosh(c**0.5 * s / 2) ** 2


def burgers(x, t, nu=0.05):
    """Cole–Hopf for the heat solution φ = 2 + e^(-νt) cos x: u = -2ν φ_x/φ."""
    decay = torch.exp(-nu * torch.as_tensor(t, dtype=torch.float64))
    return 2 * nu * decay * torch.sin(x) / (2 + decay * torch.cos(x))


def test_phi_functions_satisfy_their_recurrence_across_the_unit_circle():
    z = np.exp(1j * np.linspace(0, 6, 50)) * np.linspace(0.2, 3, 50)
    one, two, three = phi_functions(z)
    assert np.abs(z * one + 1 - np.exp(z)).max() < 1e-14
    assert np.abs(z * two + 1 - one).max() < 1e-15 * 10
    assert np.abs(z * three + 0.5 - two).max() < 1e-15 * 10


def test_a_linear_equation_is_solved_to_rounding_in_one_step_per_stored_time():
    system = PeriodicSystem((0, 2 * PI), 1.0, torch.sin, lambda d: 0.1 * d**2 - 3 * d)
    values = march_periodic(system, 16, 5, 1)
    x = system.grid(16)
    for j, t in enumerate(np.linspace(0, 1, 6)):
        assert np.abs(values[j, 0] - np.exp(-0.1 * t) * np.sin(x - 3 * t)).max() < 1e-14


def test_steps_are_of_the_fourth_order_and_their_extrapolation_of_the_fifth():
    system = PeriodicSystem(
        (0, 2 * PI), 1.0, lambda x: burgers(x, 0.0), lambda d: 0.05 * d**2, lambda u: -(u**2) / 2
    )
    exact = burgers(torch.from_numpy(system.grid(64)), 1.0).numpy()
    ends = [march_periodic(system, 64, 1, n)[-1, 0] for n in (1, 2, 4)]
    error = [np.abs(u - exact).max() for u in ends]
    assert error[0] / error[1] > 12
    assert error[1] / error[2] > 12
    extrapolated = ends[2] + (ends[2] - ends[1]) / 15
    assert np.abs(extrapolated - exact).max() < 0.5 * error[2]


def test_burgers_meets_the_accuracy_it_states_at_any_point():
    wanted = 1e-11
    u = SpectralReference(
        Interval(0, 2 * PI) * TimeInterval(0, 2),
        lambda x: burgers(x, 0.0),
        linear=lambda d: 0.05 * d**2,
        flux=lambda u: -(u**2) / 2,
        accuracy=wanted,
    )
    x, t = scattered(0, 2 * PI, 2)
    exact = burgers(x, t)
    assert u.accuracy() <= wanted
    assert float((u(x, t) - exact).norm() / exact.norm()) < 3 * wanted


@pytest.mark.slow
def test_a_kdv_soliton_travels_unchanged():
    c = 400.0
    u = SpectralReference(
        Interval(-1, 1) * TimeInterval(0, 1e-3),
        lambda x: soliton(x, 0.0, c),
        linear=lambda d: -(d**3),
        flux=lambda u: -(u**2) / 2,
        accuracy=1e-9,
    )
    x, t = scattered(-1, 1, 1e-3)
    exact = soliton(x, t, c)
    assert u.accuracy() <= 1e-9
    assert float((u(x, t) - exact).norm() / exact.norm()) < 1e-8


def test_components_of_a_complex_or_coupled_system_come_back_in_their_order():
    domain = Interval(0, 2 * PI) * TimeInterval(0, 1)
    x, t = scattered(0, 2 * PI, 1)
    plane = SpectralReference(
        domain, lambda x: torch.exp(1j * x), lambda d: 0.5j * d**2, source=lambda h: 1j * abs(h) ** 2 * h
    )
    assert float((plane(x, t) - torch.exp(1j * (x + t / 2))).abs().max()) < 1e-10
    turning = SpectralReference(
        domain, lambda x: (torch.sin(x), 0 * x), lambda d: (0 * d, 0 * d), source=lambda u, v: (-v, u)
    )
    exact = torch.stack([torch.sin(x) * torch.cos(t), torch.sin(x) * torch.sin(t)], dim=1)
    assert float((turning.components(x, t) - exact).abs().max()) < 1e-10


def test_a_kink_is_met_by_stored_times_that_crowd_at_the_start():
    """Heat equation from |x| on (-π, π): a cosine series, exact for every mode."""
    u = SpectralReference(
        Interval(-PI, PI) * TimeInterval(0, 1), torch.abs, lambda d: 0.01 * d**2, accuracy=1e-5, grading=2
    )
    x, t = scattered(-PI, PI, 1)
    k = torch.arange(1, 4000, 2, dtype=torch.float64)
    series = torch.cos(x[:, None] * k) * torch.exp(-0.01 * k**2 * t[:, None]) / k**2
    exact = PI / 2 - 4 / PI * series.sum(1)
    assert float((u(x, t) - exact).norm() / exact.norm()) < 3e-5


@pytest.mark.parametrize("size", [4, 12, 16])
def test_local_interpolation_is_exact_for_polynomials_below_its_size(size):
    position = np.linspace(0, 39, 97)
    first, weight = local_weights(position, 40, size)
    nodes = (first[:, None] + np.arange(size)) / 40
    assert np.abs((weight * nodes ** (size - 1)).sum(1) - (position / 40) ** (size - 1)).max() < 1e-11
    assert np.abs(weight.sum(1) - 1).max() < 1e-11


def test_a_finer_grid_carries_the_same_trigonometric_polynomial():
    x = 2 * np.pi * np.arange(8) / 8
    values = np.sin(3 * x) + np.cos(x)
    fine = 2 * np.pi * np.arange(32) / 32
    assert np.abs(on_finer_grid(values, 4) - np.sin(3 * fine) - np.cos(fine)).max() < 1e-14


def test_a_reference_is_computed_once_and_kept_for_the_next_run(monkeypatch, tmp_path):
    def make(speed):
        return SpectralReference(
            Interval(0, 1) * TimeInterval(0, 1), lambda x: x * (1 - x), lambda d: speed * d**2
        )

    calls = []
    monkeypatch.setattr(module, "compute", lambda *a: calls.append(a) or compute(*a[:1], 1e-3, *a[2:]))
    x, t = scattered(0, 1, 1)
    first = make(0.1)
    assert not calls
    values = first(x, t)
    again = make(0.1)
    assert torch.equal(values, again(x, t))
    assert again.computed.accuracy == first.computed.accuracy
    assert len(calls) == 1
    assert not torch.equal(values, make(0.2)(x, t))
    assert len(calls) == 2
    files = list((tmp_path / "cache").iterdir())
    assert {file.suffix for file in files} == {".npz"}
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    assert torch.equal(values, make(0.1)(x, t))
    assert len(calls) == 3


def test_a_cache_that_cannot_be_written_is_no_obstacle(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PDESOLVE_CACHE", str(tmp_path / "file" / "below"))
    u = SpectralReference(Interval(0, 1) * TimeInterval(0, 1), torch.zeros_like, lambda d: d**2)
    x, t = scattered(0, 1, 1)
    assert float(u(x, t).abs().max()) == 0


def test_interpolation_of_zeros_is_exact():
    assert module.between_times(np.zeros((65, 1, 8))) == 0.0


@pytest.mark.parametrize("high", [0.0, 1e-6])
def test_dispersed_waves_between_stored_times_are_seen_beside_a_smooth_one(high):
    def wave(t):
        x = 2 * np.pi * np.arange(64) / 64
        return np.exp(1j * (x - 3 * t)) + high * np.exp(1j * (20 * x - 400 * t))

    stored = np.stack([wave(t)[None] for t in np.linspace(0, 1, 97)])
    first, weight = local_weights(np.arange(96) + 0.5, 97, module.STENCIL)
    found = sum(weight[:, j, None, None] * stored[first + j] for j in range(module.STENCIL))
    true = np.stack([wave(t)[None] for t in (np.arange(96) + 0.5) / 96])
    error = np.linalg.norm(found - true) / np.linalg.norm(true)
    assert error <= 2 * module.between_times(stored) + 1e-14
    assert module.between_times(stored) < 10 * max(error, 1e-13)
