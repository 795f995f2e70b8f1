"""The coalesced basis: right derivatives, nested, orthonormal in the limit, the span of real Gaussians."""

import itertools
import math

import pytest
import torch
from numpy.polynomial import Legendre, Polynomial
from torch import Tensor

from pdesolve.patches.basis import (
    basis_size,
    basis_table,
    degrees,
    envelope_table,
    factor_table,
    legendre_table,
)
from pdesolve.patches.points.grids import gauss_grid
from pdesolve.quadrature import gauss_legendre

FLAT = 1e9  # an envelope as good as constant


def values(t: Tensor, q: int, s: float) -> Tensor:
    """Basis values (n, k) on one reference patch."""
    d = t.shape[1]
    one = torch.ones(1, d, dtype=t.dtype)
    return basis_table(t[None], one, torch.full((d,), s, dtype=t.dtype), q, ((0,) * d,))[0, 0]


def repeated_gradient(y: Tensor, value: Tensor, index: tuple[int, ...]) -> Tensor:
    """D^index of a scalar per point by nested reverse passes."""
    for axis, order in enumerate(index):
        for _ in range(order):
            (gradient,) = torch.autograd.grad(value.sum(), y, create_graph=True)
            value = gradient[..., axis]
    return value


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_degrees_are_all_below_the_order_and_counted_by_the_binomial(dimension):
    for q in range(1, 8):
        found = degrees(dimension, q)
        expected = {j for j in itertools.product(range(q), repeat=dimension) if sum(j) < q}
        assert set(found) == expected
        assert len(found) == len(expected) == basis_size(dimension, q)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_basis_of_order_q_begins_that_of_the_next(dimension):
    t = torch.rand(7, dimension, dtype=torch.float64) * 2 - 1
    for q in range(1, 7):
        assert degrees(dimension, q + 1)[: basis_size(dimension, q)] == degrees(dimension, q)
        assert torch.equal(values(t, q + 1, 2.0)[:, : basis_size(dimension, q)], values(t, q, 2.0))


@pytest.mark.parametrize("q", [1, 2, 3, 9, 17])
def test_legendre_polynomials_and_derivatives_agree_with_numpy(q):
    t = torch.linspace(-1, 1, 9, dtype=torch.float64)
    table = legendre_table(t, q, 4)
    for j in range(q):
        polynomial = math.sqrt(j + 0.5) * Legendre.basis(j)
        for k in range(5):
            expected = torch.from_numpy(polynomial.deriv(k)(t.numpy()))
            assert torch.allclose(
                table[k, :, j], expected, rtol=1e-10, atol=1e-9 * float(expected.abs().max())
            )


@pytest.mark.parametrize("s", [0.4, 1.0, 5.0])
def test_envelope_derivatives_agree_with_autograd(s):
    t = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    width = torch.tensor(s, dtype=torch.float64)
    table = envelope_table(t, width, 5)
    value = torch.exp(-(t**2) / (2 * s**2))
    for k in range(6):
        assert torch.allclose(table[k], value, rtol=1e-11, atol=1e-11)
        (value,) = torch.autograd.grad(value.sum(), t, create_graph=True)


def plain_basis(t: Tensor, s: Tensor, q: int) -> Tensor:
    """The definition, written with operations that autograd follows: (..., k)."""
    columns = []
    for j in degrees(t.shape[-1], q):
        column = torch.exp(-(t**2 / (2 * s**2)).sum(-1))
        for axis, degree in enumerate(j):
            series = math.sqrt(degree + 0.5) * Legendre.basis(degree).convert(kind=Polynomial)
            column = column * sum(float(c) * t[..., axis] ** i for i, c in enumerate(series.coef))
        columns.append(column)
    return torch.stack(columns, dim=-1)


@pytest.mark.parametrize("index", [(0, 0), (0, 2), (2, 1), (4, 0)])
def test_basis_derivatives_agree_with_autograd_in_physical_coordinates(index):
    generator = torch.Generator().manual_seed(0)
    half = torch.tensor([[0.5, 0.2], [2.0, 0.7]], dtype=torch.float64)
    centre = torch.tensor([[1.0, -3.0], [0.2, 5.0]], dtype=torch.float64)
    sigma = torch.tensor([0.9, 1.4], dtype=torch.float64)
    t = torch.rand(2, 6, 2, generator=generator, dtype=torch.float64) * 2 - 1
    found = basis_table(t, half, sigma, 5, (index, (0, 0)))[0]
    y = (centre[:, None] + half[:, None] * t).requires_grad_()
    plain = plain_basis((y - centre[:, None]) / half[:, None], (sigma / half)[:, None], 5)
    for k in range(basis_size(2, 5)):
        expected = repeated_gradient(y, plain[..., k], index).detach()
        assert torch.allclose(found[..., k], expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max() + 1))


def test_derivatives_do_not_depend_on_what_else_is_asked_for():
    t = torch.rand(1, 5, 3, dtype=torch.float64)
    half, sigma = torch.full((1, 3), 0.3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    many = basis_table(t, half, sigma, 5, ((0, 0, 0), (2, 1, 0), (0, 0, 3)))
    assert torch.equal(many[1], basis_table(t, half, sigma, 5, ((2, 1, 0),))[0])


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_basis_is_orthonormal_where_the_envelope_is_flat(dimension):
    q = 6
    t, w = gauss_grid(dimension, q)
    table = values(t, q, FLAT)
    gram = table.T @ (w[:, None] * table)
    assert torch.allclose(gram, torch.eye(len(gram), dtype=torch.float64), atol=1e-13)


def test_the_gram_matrix_tends_to_the_identity_like_one_over_the_width_squared():
    t, w = gauss_grid(1, 40)
    gaps = []
    for s in (4.0, 8.0, 16.0):
        table = values(t, 8, s)
        gaps.append(float((table.T @ (w[:, None] * table) - torch.eye(8)).norm()))
    assert 3.5 < gaps[0] / gaps[1] < 4.5
    assert 3.5 < gaps[1] / gaps[2] < 4.5


def explicit_gaussians(t: Tensor, count: int, s: float) -> Tensor:
    """exp(-(t - μ_j)²/2s²) with equispaced centres on the patch, (n, count)."""
    centres = torch.linspace(-1, 1, count, dtype=torch.float64)
    return torch.exp(-((t - centres) ** 2) / (2 * s**2))


def largest_angle(a: Tensor, b: Tensor) -> float:
    """Largest principal angle between column spaces, by its sine (accurate for small angles)."""
    qa, qb = (torch.linalg.qr(m)[0] for m in (a, b))
    return float(torch.linalg.matrix_norm(qb - qa @ (qa.T @ qb), ord=2))


def weighted(s: float, count: int = 8) -> tuple[Tensor, Tensor]:
    x, w = gauss_legendre(60)
    root = w.sqrt()[:, None]
    return root * explicit_gaussians(x[:, None], count, s), root * values(x[:, None], count, s)


def test_eight_gaussians_and_the_coalesced_basis_span_nearly_the_same_space():
    angles = {s: largest_angle(*weighted(s)) for s in (0.7, 1.0, 1.4, 2.0)}
    assert angles[1.0] < 2e-2
    assert angles[2.0] < 1.5e-3
    assert angles[0.7] > 3 * angles[1.0] > 9 * angles[1.4] > 27 * angles[2.0]


def test_the_coalesced_basis_is_well_conditioned_where_the_gaussians_are_not():
    gaussians, coalesced = weighted(2.0)
    assert torch.linalg.cond(gaussians) > 1e11
    assert torch.linalg.cond(coalesced) < 6


def test_a_factor_of_one_axis_is_the_envelope_times_legendre():
    t = torch.linspace(-1, 1, 11, dtype=torch.float64)
    s = torch.tensor(0.8, dtype=torch.float64)
    expected = envelope_table(t, s, 0)[0][:, None] * legendre_table(t, 5, 0)[0]
    assert torch.allclose(factor_table(t, s, 5, 2)[0], expected, rtol=1e-15)
