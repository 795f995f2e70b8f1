import math

import numpy as np
import pytest
import scipy.stats
import torch
from contract import ApproximatorContract, assert_close

from pdesolve.approximators import GaussianMixture
from pdesolve.approximators.gaussian_kinds import KINDS
from pdesolve.errors import UsageError

CASES = [(kind, outputs, skip) for kind in KINDS for outputs, skip in ((1, False), (2, True))]


def rank_of(kind, rank=1):
    return rank if kind == "low-rank" else None


def perturbed(mixture, seed=5, size=0.3):
    """Nothing aligned with the axes, nothing equal by construction."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in mixture.parameters():
            p.add_((size * torch.randn(p.shape, generator=generator, dtype=torch.float64)).to(p))
    return mixture


@pytest.mark.parametrize(("kind", "outputs", "skip"), CASES)
class TestGaussianMixture(ApproximatorContract):
    @pytest.fixture(autouse=True)
    def _case(self, kind, outputs, skip):
        self.case = kind, outputs, skip

    def make(self, seed=0, dtype="float64"):
        kind, outputs, skip = self.case
        mixture = GaussianMixture(2, outputs, 5, kind, rank_of(kind), skip, seed=seed, dtype=dtype)
        return perturbed(mixture)

    def test_jets_are_linear_in_the_linear_coefficients(self, approximator, x):
        basis = approximator.basis_jet(x, self.indices)
        jet = torch.einsum("nba,bu->nua", basis, approximator.linear_coefficients)
        assert_close(jet, approximator.jet(x, self.indices))
        approximator.set_linear_coefficients(torch.zeros_like(approximator.linear_coefficients))
        assert not approximator.jet(x, self.indices).any()


def points(n, d):
    return 2 * torch.rand(n, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1


def unit_coefficients(mixture):
    with torch.no_grad():
        mixture.coefficients.fill_(1.0)
    return mixture


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_mahalanobis_form_is_the_multivariate_normal_up_to_its_constant(d):
    mixture = unit_coefficients(perturbed(GaussianMixture(d, components=1, kind="full")))
    x, a = points(20, d), mixture.projections[0].detach()
    covariance = torch.linalg.inv(a.T @ a).numpy()
    normal = scipy.stats.multivariate_normal(mixture.centres[0].detach().numpy(), covariance)
    constant = math.sqrt((2 * math.pi) ** d * np.linalg.det(covariance))
    np.testing.assert_allclose(mixture(x)[:, 0].detach(), constant * normal.pdf(x.numpy()), rtol=1e-10)


@pytest.mark.parametrize("d", [1, 2, 10])
def test_ridge_form_is_the_normal_of_the_projection_up_to_its_constant(d):
    mixture = unit_coefficients(perturbed(GaussianMixture(d, components=1, kind="ridge")))
    x, w = points(20, d), mixture.directions[0].detach()
    # w·x is normal around b with variance one, so the density in t = w·x/|w| has width 1/|w|.
    width = 1 / float(w.norm())
    normal = scipy.stats.norm(mixture.offsets[0].item() * width, width)
    projection = ((x @ w) * width).numpy()
    expected = math.sqrt(2 * math.pi) * width * normal.pdf(projection)
    np.testing.assert_allclose(mixture(x)[:, 0].detach(), expected, rtol=1e-10)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["full", "low-rank"])
def test_laplacian_of_a_gaussian_is_the_closed_form(kind, d):
    mixture = unit_coefficients(perturbed(GaussianMixture(d, components=1, kind=kind, rank=rank_of(kind))))
    x, a = points(20, d), mixture.projections[0].detach()
    p = a.T @ a
    g = mixture(x).detach()
    pushed = (x - mixture.centres[0].detach()) @ p
    expected = (pushed.square().sum(-1, keepdim=True) - p.trace()) * g
    assert_close(mixture.laplacian_and_pullback(x)[0], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_in_five_dimensions_equal_nested_autograd(kind):
    from pdesolve.approximators.autodiff_jet import nested_jet

    mixture = perturbed(GaussianMixture(5, 2, 4, kind, rank_of(kind, 3), skip=True))
    indices = ((1, 0, 1, 0, 2), (0, 2, 0, 0, 0), (1, 1, 1, 1, 0), (0, 0, 0, 0, 4))
    x = points(3, 5).requires_grad_()
    assert_close(mixture.jet(x, indices), nested_jet(mixture(x), x, indices))


def test_kinds_nest():
    isotropic = GaussianMixture(2, 1, 6, "isotropic")
    diagonal, full = (GaussianMixture(2, 1, 6, kind) for kind in ("diagonal", "full"))
    widths = torch.exp(isotropic.log_widths.detach())[:, None].expand(-1, 2)
    for mixture in (diagonal, full):
        mixture.place(isotropic.centres.detach(), widths)
        mixture.set_linear_coefficients(isotropic.coefficients.detach())
        assert_close(mixture.jet(points(9, 2), [(2, 1)]), isotropic.jet(points(9, 2), [(2, 1)]))


def test_low_rank_is_constant_where_it_does_not_project():
    mixture = perturbed(GaussianMixture(3, 1, 1, "low-rank", rank=2))
    a = mixture.projections[0].detach()
    null = torch.linalg.svd(a).Vh[-1]
    x = points(6, 3)
    assert_close(mixture(x + 5 * null), mixture(x))


def test_grid_covers_the_box_with_widths_in_spacings():
    mixture = GaussianMixture.on_grid((0, 0), (3, 1), per_axis=(4, 3), width_factor=2.0, kind="diagonal")
    assert mixture.components == 12
    assert mixture.centres.amin(0).tolist() == [0.0, 0.0]
    assert mixture.centres.amax(0).tolist() == [3.0, 1.0]
    expected = torch.tensor([2.0, 1.0], dtype=torch.float64).expand(12, 2)
    torch.testing.assert_close(torch.exp(mixture.log_widths.detach()), expected)
    assert not mixture(points(4, 2)).any()


def test_grid_margin_reaches_beyond_the_box():
    mixture = GaussianMixture.on_grid((0, 0), (1, 2), per_axis=5, margin=0.1)
    torch.testing.assert_close(mixture.centres.amin(0).tolist(), [-0.1, -0.2])
    torch.testing.assert_close(mixture.centres.amax(0).tolist(), [1.1, 2.2])


def test_a_single_centre_sits_in_the_middle():
    mixture = GaussianMixture.on_grid((0, 0), (2, 6), per_axis=(1, 3), width_factor=1.0, kind="full")
    assert mixture.centres.tolist() == [[1.0, 0.0], [1.0, 3.0], [1.0, 6.0]]
    expected = torch.diag(torch.tensor([1 / 2, 1 / 3], dtype=torch.float64)).expand(3, 2, 2)
    torch.testing.assert_close(mixture.projections.detach(), expected)


def test_poisson_by_linear_least_squares_on_the_grid_reaches_eight_digits():
    # -Δu = 2π² sin πx sin πy on the unit square, 14 × 14 Gaussians reaching 0.1 outside, 4 spacings wide.
    mixture = GaussianMixture.on_grid((0, 0), (1, 1), per_axis=14, width_factor=4.0, margin=0.1)
    s = (torch.arange(24, dtype=torch.float64) + 0.5) / 24
    interior = torch.cartesian_prod(s, s)
    zero, one = torch.zeros_like(s), torch.ones_like(s)
    edges = torch.cat([torch.stack(pair, -1) for pair in ((s, zero), (s, one), (zero, s), (one, s))])

    def exact(x):
        return torch.sin(math.pi * x).prod(-1)

    rows = -mixture.basis_jet(interior, [(2, 0), (0, 2)]).sum(-1).detach()
    boundary = 100 * mixture.basis_jet(edges, [(0, 0)])[..., 0].detach()
    right = torch.cat([2 * math.pi**2 * exact(interior), torch.zeros(len(edges), dtype=torch.float64)])
    solution = torch.linalg.lstsq(torch.cat([rows, boundary]), right[:, None], rcond=1e-14, driver="gelsd")
    mixture.set_linear_coefficients(solution.solution)
    error = mixture(interior)[:, 0] - exact(interior)
    assert error.norm() < 1e-8 * exact(interior).norm()


def test_it_is_a_layer_like_any_other():
    layer = GaussianMixture(2, 3, 16, kind="ridge")
    network = torch.nn.Sequential(layer, torch.nn.Linear(3, 1, dtype=torch.float64))
    network(points(8, 2)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "round"}, "received kind 'round', expected one of isotropic, diagonal"),
        ({"kind": "low-rank"}, "'low-rank' needs a rank between 1 and 2"),
        ({"kind": "full", "rank": 1}, "the other kinds none"),
        ({"lower": (0, 0), "upper": (1,)}, "expected 2 numbers each, lower below upper"),
        ({"dtype": "float16"}, "expected float64"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_a_sentence(settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        GaussianMixture(2, **settings)


def test_a_ridge_has_no_place_on_a_grid():
    with pytest.raises(UsageError, match="expected isotropic, diagonal or full"):
        GaussianMixture.on_grid((0, 0), (1, 1), 4, kind="ridge")
