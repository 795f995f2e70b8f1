"""The contract of every approximator, as one battery to inherit: ``class TestMLP(ApproximatorContract)``."""

import json
from abc import ABC, abstractmethod

import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from pdesolve.approximators import Approximator, TrainableApproximator
from pdesolve.approximators.autodiff_jet import nested_jet
from pdesolve.errors import UsageError

INDICES_2D = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (2, 1), (0, 3), (4, 0), (2, 2), (1, 3))
EPSILON = torch.finfo(torch.float64).eps


def assert_close(actual, expected, digits_lost=5):
    """Equal up to rounding, relative to the largest entry."""
    actual, expected = actual.detach(), expected.detach()
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(actual, expected, rtol=0, atol=10**digits_lost * EPSILON * scale)


class ApproximatorContract(ABC):
    """Inherit and write ``make``, a map of two coordinates to any number of outputs on [-1, 1]²."""

    indices = INDICES_2D

    @abstractmethod
    def make(self, seed=0, dtype="float64") -> TrainableApproximator: ...

    @pytest.fixture
    def approximator(self):
        return self.make()

    @pytest.fixture
    def x(self):
        return self.points(7)

    def points(self, n):
        return 2 * torch.rand(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1

    def cotangent(self, approximator, n, derivatives):
        generator = torch.Generator().manual_seed(2)
        return torch.randn(n, approximator.outputs, derivatives, generator=generator, dtype=torch.float64)

    def test_it_follows_the_protocol(self, approximator):
        assert isinstance(approximator, Approximator)

    def test_jets_equal_nested_autograd(self, approximator, x):
        points = x.clone().requires_grad_()
        reference = nested_jet(approximator(points), points, self.indices)
        assert_close(approximator.jet(x, self.indices), reference)

    def test_jets_without_a_graph_equal_jets_with_one(self, approximator, x):
        with torch.no_grad():
            jet = approximator.jet(x, self.indices)
        assert not jet.requires_grad
        assert_close(jet, approximator.jet(x, self.indices))

    def test_the_value_is_the_derivative_of_order_zero(self, approximator, x):
        assert_close(approximator.jet(x, [(0, 0)])[..., 0], approximator(x))

    def test_mixed_derivatives_are_the_ones_of_shifted_points(self, approximator, x):
        h = 1e-4
        shift = torch.tensor([0.0, h], dtype=torch.float64)
        difference = (approximator.jet(x + shift, [(1, 0)]) - approximator.jet(x - shift, [(1, 0)])) / (2 * h)
        torch.testing.assert_close(approximator.jet(x, [(1, 1)]), difference, rtol=1e-5, atol=1e-5)

    def test_jacobian_equals_autograd_through_nested_autograd(self, approximator, x):
        points = x.clone().requires_grad_()
        reference = nested_jet(approximator(points), points, self.indices)
        assert_close(approximator.jet_jacobian(x, self.indices), rows(reference, approximator))

    def test_jets_are_differentiable_in_the_parameters(self, approximator, x):
        jacobian = rows(approximator.jet(x, self.indices), approximator)
        assert_close(approximator.jet_jacobian(x, self.indices), jacobian)

    def test_jacobian_predicts_a_small_step_in_the_parameters(self, approximator, x):
        θ = parameters_to_vector(approximator.parameters()).detach()
        jacobian = approximator.jet_jacobian(x, self.indices).detach()
        direction = torch.randn(len(θ), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        jets = []
        for step in (1e-5, -1e-5):
            vector_to_parameters(θ + step * direction, approximator.parameters())
            jets.append(approximator.jet(x, self.indices).detach())
        expected = jacobian @ direction
        difference = (jets[0] - jets[1]) / 2e-5
        torch.testing.assert_close(difference, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))

    def test_pullback_is_the_transposed_jacobian(self, approximator, x):
        cotangent = self.cotangent(approximator, len(x), len(self.indices))
        jet, pullback = approximator.jet_and_pullback(x, self.indices)
        expected = torch.einsum("nua,nuap->p", cotangent, approximator.jet_jacobian(x, self.indices))
        assert_close(jet, approximator.jet(x, self.indices).detach())
        assert_close(pullback(cotangent), expected)
        assert_close(pullback(2 * cotangent), 2 * expected)  # it can be called again

    def test_rows_are_combinations_of_the_jacobian(self, approximator):
        n = approximator.points_per_chunk + 3
        x, shape = self.points(n), (n, 3, approximator.outputs, len(self.indices))
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        weights[:, 1, :, 2:] = 0
        expected = torch.einsum("nmua,nuap->nmp", weights, approximator.jet_jacobian(x, self.indices))
        assert_close(approximator.row_jacobian(x, self.indices, weights), expected)

    def test_a_derivative_asked_for_twice_counts_twice(self, approximator, x):
        indices = ((2, 0), (0, 0), (2, 0))
        cotangent = self.cotangent(approximator, len(x), 3)
        jet, pullback = approximator.jet_and_pullback(x, indices)
        assert torch.equal(jet[..., 0], jet[..., 2])
        expected = torch.einsum("nua,nuap->p", cotangent, approximator.jet_jacobian(x, indices))
        assert_close(pullback(cotangent), expected)

    def test_laplacian_is_the_sum_of_pure_second_derivatives(self, approximator, x):
        pure = ((2, 0), (0, 2))
        laplacian, pullback = approximator.laplacian_and_pullback(x)
        cotangent = self.cotangent(approximator, len(x), 1)[..., 0]
        jacobian = approximator.jet_jacobian(x, pure).sum(2)
        assert_close(laplacian, approximator.jet(x, pure).sum(-1).detach())
        assert_close(pullback(cotangent), torch.einsum("nu,nup->p", cotangent, jacobian))

    def test_points_are_independent_of_their_company(self, approximator):
        n = approximator.points_per_chunk + 3
        x, indices = self.points(n), ((0, 0), (1, 1))
        picked = [0, approximator.points_per_chunk - 1, n - 1]
        cotangent = self.cotangent(approximator, n, 2)
        with torch.no_grad():
            assert_close(approximator.jet(x, indices)[picked], approximator.jet(x[picked], indices))
        jacobian = approximator.jet_jacobian(x, indices)
        assert_close(jacobian[picked], approximator.jet_jacobian(x[picked], indices))
        vjp = approximator.jet_vjp(x, indices, cotangent)
        assert_close(vjp, torch.einsum("nua,nuap->p", cotangent, jacobian))

    def test_configuration_and_state_restore_it_to_the_bit(self, approximator, x):
        with torch.no_grad():
            for parameter in approximator.parameters():
                parameter.add_(0.1)
        config = json.loads(json.dumps(approximator.config()))
        restored = type(approximator)(**config)
        restored.load_state_dict(approximator.state_dict())
        assert torch.equal(restored.jet(x, self.indices), approximator.jet(x, self.indices))

    def test_a_seed_fixes_the_parameters(self):
        first, again, other = (parameters_to_vector(self.make(seed).parameters()) for seed in (3, 3, 4))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_single_precision_agrees_to_single_precision(self, approximator, x):
        single = self.make(dtype="float32")
        indices = ((0, 0), (1, 0), (1, 1), (0, 2))
        for result in (single.jet(x, indices), single.jet_jacobian(x, indices), single(x)):
            assert result.dtype == torch.float32
        jet, reference = single.jet(x, indices).detach().double(), approximator.jet(x, indices).detach()
        torch.testing.assert_close(jet, reference, rtol=1e-3, atol=1e-4 * float(reference.abs().max()))

    @pytest.mark.parametrize("distance", [3.0, 1e3, 1e6])
    def test_everything_is_finite_far_outside(self, approximator, distance):
        x = distance * torch.tensor([[1.0, 1.0], [-1.0, 0.3], [0.0, -1.0]], dtype=torch.float64)
        assert approximator.jet(x, self.indices).isfinite().all()
        assert approximator.jet_jacobian(x, self.indices).isfinite().all()

    def test_points_of_another_dimension_are_refused(self, approximator):
        with pytest.raises(UsageError, match=r"received points of shape \(5, 3\), expected \(n, 2\)"):
            approximator.jet(torch.zeros(5, 3, dtype=torch.float64), [(0, 0)])

    def test_derivatives_of_another_dimension_are_refused(self, approximator, x):
        with pytest.raises(UsageError, match="does not fit 2 coordinates"):
            approximator.jet(x, [(1, 0, 0)])


def rows(jet, approximator):
    """∂jet/∂θ by one reverse pass per entry, (n, u, a, p)."""
    basis = torch.eye(jet.numel(), dtype=jet.dtype).reshape(-1, *jet.shape)
    parameters = list(approximator.parameters())
    gradients = torch.autograd.grad(jet, parameters, basis, is_grads_batched=True, materialize_grads=True)
    return torch.cat([gradient.flatten(1) for gradient in gradients], dim=-1).reshape(*jet.shape, -1)
