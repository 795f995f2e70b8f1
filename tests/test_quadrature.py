import math

import pytest
import torch

from pdesolve.errors import UsageError
from pdesolve.quadrature import (
    bisect,
    chebyshev,
    clustered_gauss,
    cut_rule,
    distinct,
    gauss_hermite,
    gauss_legendre,
    sobol,
    tensor_rule,
)


@pytest.mark.parametrize("n", [1, 2, 7, 40, 200])
def test_gauss_legendre_is_exact_to_degree_2n_minus_1(n):
    node, weight = gauss_legendre(n, 0, 2)
    for degree in {0, 1, n, 2 * n - 1}:
        exact = 2 / (degree + 1)  # ∫_0^2 (x/2)^degree dx
        assert float((weight * (node / 2) ** degree).sum()) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("n", [3, 20, 200])
def test_gauss_hermite_has_the_moments_of_a_gaussian(n):
    node, weight = gauss_hermite(n)
    assert (weight > 0).all()
    for k, moment in enumerate([1, 0, 1 / 2, 0, 3 / 4]):
        assert float((weight * node**k).sum()) == pytest.approx(moment * math.sqrt(math.pi), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_chebyshev_weights_integrate_polynomials_of_degree_below_n(n):
    node, weight = chebyshev(n, -1, 3)
    assert (node.diff() > 0).all()
    for degree in range(n):
        exact = (3 ** (degree + 1) - (-1) ** (degree + 1)) / (degree + 1)
        assert float((weight * node**degree).sum()) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("rule", [gauss_legendre, gauss_hermite, chebyshev])
def test_a_rule_without_nodes_is_refused(rule):
    with pytest.raises(UsageError, match="at least 1"):
        rule(0)


def test_clustered_gauss_integrates_a_half_circle_spectrally():
    x, w = clustered_gauss(14, torch.tensor([-1.0]), torch.tensor([1.0]))
    assert float((w * (1 - x**2).clamp(min=0).sqrt()).sum()) == pytest.approx(math.pi / 2, abs=1e-13)


def test_a_level_that_is_zero_all_along_costs_no_search():
    """As of a surface in the plane of a face: the rule is that of the other level, with as many questions."""
    box = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    found = []
    for zeros in (0, 1):
        asked = []

        def levels(x, zeros=zeros, asked=asked):
            asked.append(len(x))
            slope = (x[:, 0] + 0.3 * x[:, 1] - 0.6)[:, None]
            return torch.cat([slope, torch.zeros(len(x), zeros, dtype=x.dtype)], dim=1)

        rule = cut_rule(levels, lambda x: x[:, 0] + 0.3 * x[:, 1] < 0.6, box, 4)
        found.append((len(asked), float(rule.weights.sum())))
    assert found[0] == found[1]
    assert found[0][1] == pytest.approx(0.45, rel=1e-4)


def test_tensor_rule_multiplies_integrals():
    rule = tensor_rule(gauss_legendre(3, 0, 1), gauss_legendre(4, 0, 2), gauss_legendre(2, 0, 3))
    x, y, z = rule.points.T
    assert rule.points.shape == (24, 3)
    assert float((rule.weights * x**2 * y**3 * z).sum()) == pytest.approx(1 / 3 * 4 * 9 / 2)


def test_sobol_points_repeat_with_their_seed_and_stay_inside():
    a, b, c = sobol(64, 3, 1), sobol(64, 3, 1), sobol(64, 3, 2)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert ((a > 0) & (a < 1)).all()


def test_bisect_finds_every_root_to_rounding():
    target = torch.tensor([0.1, 1 / 3, 0.9], dtype=torch.float64)
    zero, one = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    assert torch.allclose(bisect(lambda t: t > target, zero, one), target, atol=1e-15, rtol=0)


def test_distinct_keeps_one_of_close_values():
    values = torch.tensor([1.0, 0.0, 1.0 + 1e-13, 0.5], dtype=torch.float64)
    assert distinct(values, 1e-12).tolist() == [0.0, 0.5, 1.0]


def circle_level(x):
    return (x.norm(dim=1) - 0.7)[:, None]


def test_cut_rule_has_the_area_of_a_disk():
    box = torch.tensor([[-1.0, -1.1], [1.0, 1.0]], dtype=torch.float64)
    rule = cut_rule(circle_level, lambda x: circle_level(x)[:, 0] < 0, box, 20)
    assert float(rule.weights.sum()) == pytest.approx(math.pi * 0.49, abs=1e-10)


@pytest.mark.slow
def test_cut_rule_has_the_volume_of_a_ball():
    box = torch.tensor([[-0.7, -0.8, -1.0], [0.7, 0.75, 1.0]], dtype=torch.float64)
    rule = cut_rule(circle_level, lambda x: circle_level(x)[:, 0] < 0, box, 12)
    assert float(rule.weights.sum()) == pytest.approx(4 / 3 * math.pi * 0.343, abs=1e-8)
