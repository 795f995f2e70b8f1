import numpy as np
import pytest
import torch
from contract import ApproximatorContract, assert_close
from scipy.interpolate import BSpline

from pdesolve.approximators import KAN
from pdesolve.approximators.spline_basis import ChebyshevBasis, GaussianBasis, SplineBasis
from pdesolve.errors import UsageError


@pytest.mark.parametrize(
    ("basis", "outputs"), [("spline", 1), ("spline", 2), ("chebyshev", 2), ("gaussian", 2)]
)
class TestKAN(ApproximatorContract):
    @pytest.fixture(autouse=True)
    def _case(self, basis, outputs):
        self.case = basis, outputs

    def make(self, seed=0, dtype="float64"):
        basis, outputs = self.case
        bounds = {"lower": (-1.5, -1), "upper": (1, 2)}
        return KAN(2, outputs, (3, 3), basis, grid=4, **bounds, seed=seed, dtype=dtype)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_splines_equal_scipys(degree):
    basis = SplineBasis(intervals=6, degree=degree, half_width=1.5)
    h = torch.linspace(-1.4, 1.45, 41, dtype=torch.float64)
    spacing = 3 / 6
    knots = -1.5 + spacing * np.arange(-degree, 6 + degree + 1)
    values = basis.derivatives(h[:, None], 2)
    for k, ours in enumerate(values):
        for j in range(6 + degree):
            element = BSpline.basis_element(knots[j : j + degree + 2], extrapolate=False)
            if k > degree:
                theirs = np.zeros(len(h))
            else:
                theirs = np.nan_to_num(element.derivative(k)(h.numpy()) if k else element(h.numpy()))
            np.testing.assert_allclose(ours[:, 0, 1 + j], theirs, atol=1e-11)


def test_splines_sum_to_one_on_the_grid_and_fade_to_zero_outside():
    basis = SplineBasis(intervals=5, degree=3, half_width=1.0)
    inside = torch.linspace(-1, 1, 101, dtype=torch.float64)[:, None]
    total = [values[..., 1:].sum(-1) for values in basis.derivatives(inside[:-1], 2)]
    assert_close(total[0], torch.ones_like(total[0]))
    assert_close(total[1], torch.zeros_like(total[1]))
    outside = torch.tensor([[-1 - 1.2], [1 + 1.2], [50.0]], dtype=torch.float64)
    assert not basis.derivatives(outside, 0)[0][..., 1:].any()


def test_splines_have_two_continuous_derivatives_at_the_grids_ends():
    basis = SplineBasis(intervals=5, degree=3)
    around = torch.tensor([[-1 - 1e-9], [-1 + 1e-9], [1 - 1e-9], [1 + 1e-9]], dtype=torch.float64)
    for values in basis.derivatives(around, 2):
        torch.testing.assert_close(values[0], values[1], rtol=0, atol=1e-5)
        torch.testing.assert_close(values[2], values[3], rtol=0, atol=1e-5)


def test_chebyshev_polynomials_are_cosines_of_multiple_angles():
    angle = torch.linspace(0.1, 3.0, 17, dtype=torch.float64)
    values = ChebyshevBasis(7).derivatives(torch.cos(angle)[:, None], 1)
    j = torch.arange(1, 8, dtype=torch.float64)
    assert_close(values[0][:, 0], torch.cos(j * angle[:, None]))
    assert_close(values[1][:, 0], j * torch.sin(j * angle[:, None]) / torch.sin(angle)[:, None])


def test_gaussians_of_the_basis_are_those_on_paper():
    basis, h = GaussianBasis(5, half_width=2.0), torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]
    value, slope, bend = basis.derivatives(h, 2)
    assert value.shape == (7, 1, basis.size)
    y = h - torch.arange(-2.0, 3.0, dtype=torch.float64)  # the spacing is one
    assert_close(value[:, 0, 1:], torch.exp(-(y**2)))
    assert_close(slope[:, 0, 1:], -2 * y * torch.exp(-(y**2)))
    assert_close(bend[:, 0, 1:], (4 * y**2 - 2) * torch.exp(-(y**2)))


def test_one_layer_of_chebyshev_edges_represents_separable_polynomials():
    # x³ + y² = (T_3 + 3 T_1)(x)/4 + (T_2(y) + 1)/2
    network = KAN(2, 1, hidden=(), basis="chebyshev", degree=3)
    linear = network.steps[-1]
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[0.75, 0, 0.25, 0, 0.5, 0]]))
        linear.bias.fill_(0.5)
    x = torch.rand(9, 2, dtype=torch.float64)
    expected = torch.stack([x[:, 0] ** 3 + x[:, 1] ** 2, 6 * x[:, 0]], -1)
    assert_close(network.jet(x, [(0, 0), (2, 0)])[:, 0], expected)


def test_wrong_settings_are_refused():
    with pytest.raises(
        UsageError, match="received basis 'fourier', expected one of spline, chebyshev, gaussian"
    ):
        KAN(2, basis="fourier")
    with pytest.raises(UsageError, match="at least one interval"):
        KAN(2, grid=0)
