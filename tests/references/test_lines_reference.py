"""References by the method of lines against exact solutions."""

import numpy as np
import pytest
import torch
from torch import pi, sin

from pdesolve import Rectangle, TimeInterval
from pdesolve.references.lines import Lines, LinesReference, second_derivative

DOMAIN = Rectangle((1, -1), (3, 0)) * TimeInterval(2, 3)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of these tests only."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PDESOLVE_CACHE", str(folder))
        yield folder


def mode(x, y):
    """A function that vanishes on the boundary of the rectangle; Δ = -5π²/4."""
    return sin(pi * (x - 1) / 2) * sin(pi * y)


def nonlinear(w, laplacian):
    """Such that e^(-(t - 2)/10) times that mode solves it."""
    return (laplacian * (1 + w**2) / (1.25 * pi**2) + w**3) / 10


def exact(x, y, t):
    return mode(x, y) * torch.exp((2 - t) / 10)


def scattered(n=2000):
    x, y, t = torch.rand(3, n, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return 1 + 2 * x, y - 1, 2 + t


def test_second_derivatives_are_exact_for_polynomials():
    x = np.cos(np.pi * np.arange(9) / 8)
    assert np.abs(second_derivative(8) @ x**8 - 56 * x**6).max() < 1e-11


def reference():
    return LinesReference(DOMAIN, mode, nonlinear, value=lambda w: w**3, accuracy=1e-6)


@pytest.mark.slow
def test_a_transformed_nonlinear_solution_is_found_as_well_as_the_reference_says():
    u, known = reference(), exact(*scattered()) ** 3
    assert float((u(*scattered()) - known).norm() / known.norm()) < u.accuracy() <= 1e-6


@pytest.mark.slow
def test_values_on_walls_and_at_both_ends_are_those_of_the_problem():
    u, ends = reference(), torch.tensor([2.0, 3.0], dtype=torch.float64)
    assert float(u(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -0.3]), ends).abs().max()) < 1e-14
    found = u(torch.full_like(ends, 2.0), torch.full_like(ends, -0.5), ends)
    assert torch.allclose(found, -torch.exp((2 - ends) * 0.3), atol=1e-6)


@pytest.mark.slow
def test_it_is_computed_once_and_kept(cache, monkeypatch):
    values = reference()(*scattered())
    assert len(list(cache.iterdir())) >= 1
    monkeypatch.setattr(LinesReference, "_compute", lambda _: pytest.fail("computed again"))
    assert torch.equal(reference()(*scattered()), values)


@pytest.mark.slow
def test_initial_values_that_do_not_vanish_on_the_walls_form_a_layer():
    """Heat equation from w = 1 on a square: a product of sine series."""
    u = LinesReference(
        Rectangle((0, 0), (1, 1)) * TimeInterval(0, 1),
        lambda x, y: 1 + 0 * x * y,
        lambda w, laplacian: 0.002 * laplacian + 0 * w,
        accuracy=1e-3,
    )
    x, y, t = torch.rand(3, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    k = torch.arange(1, 400, 2, dtype=torch.float64)
    decay = torch.exp(-0.002 * (pi * k) ** 2 * t[:, None]) * 4 / (pi * k)
    series = [(sin(pi * k * s[:, None]) * decay).sum(1) for s in (x, y)]
    assert float((u(x, y, t) - series[0] * series[1]).norm() / (series[0] * series[1]).norm()) < 1e-3


def test_a_march_that_blows_up_is_no_reference():
    lines = Lines(np.array([[0.0, 0.0], [1.0, 1.0]]), 1.0, lambda x, y: 10 + 0 * x * y, lambda w, _: w**2)
    assert np.isnan(lines.march(8)[-1]).all()
