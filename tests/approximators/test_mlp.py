import pytest
import torch
from contract import ApproximatorContract, assert_close
from torch.nn.utils import parameters_to_vector

from pdesolve.approximators import MLP, GaussianMixture
from pdesolve.approximators.autodiff_jet import nested_jet
from pdesolve.errors import UsageError

CASES = [("tanh", 1), ("tanh", 2), ("sine", 2), ("gaussian", 2), ("fourier", 2)]


@pytest.mark.parametrize(("activation", "outputs"), CASES)
class TestMLP(ApproximatorContract):
    @pytest.fixture(autouse=True)
    def _case(self, activation, outputs):
        self.case = activation, outputs

    def make(self, seed=0, dtype="float64"):
        activation, outputs = self.case
        bounds = {"lower": (-1.5, -1), "upper": (1, 2)}
        if activation == "fourier":
            return MLP(2, outputs, (6, 5), **bounds, features=3, feature_scale=0.2, seed=seed, dtype=dtype)
        return MLP(2, outputs, (6, 5), activation, **bounds, frequency=2.0, seed=seed, dtype=dtype)


def test_fourier_features_are_cosines_and_sines_and_are_not_trained():
    network = MLP(2, 1, (4,), features=3, seed=5)
    frequencies = torch.randn(3, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64) / 2
    x = torch.rand(6, 2, dtype=torch.float64)
    angle = 2 * torch.pi * x @ frequencies.T
    features = network.steps[1](network.steps[0](x))
    assert_close(features, torch.cat([torch.cos(angle), torch.sin(angle)], 1))
    assert sum(p.numel() for p in network.parameters()) == (6 * 4 + 4) + (4 + 1)


@pytest.mark.parametrize("d", [1, 3, 5])
def test_collapsed_laplacian_equals_nested_autograd_in_any_dimension(d):
    network = MLP(d, 2, (7, 6, 5))
    x = torch.rand(4, d, dtype=torch.float64, requires_grad=True)
    pure = [tuple(2 * int(i == axis) for i in range(d)) for axis in range(d)]
    assert_close(network.laplacian_and_pullback(x)[0], nested_jet(network(x), x, pure).sum(-1).detach())


@pytest.mark.parametrize("activation", ["tanh", "gaussian"])
def test_sixth_order_is_exact_too(activation):
    network = MLP(1, 1, (5, 4), activation)
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None].requires_grad_()
    assert_close(network.jet(x, [(6,)]), nested_jet(network(x), x, [(6,)]), digits_lost=6)


def test_inputs_are_taken_to_the_unit_box():
    network = MLP(2, 1, (5,), lower=(0, 10), upper=(2, 30))
    plain = MLP(2, 1, (5,))
    corners = torch.tensor([[0.0, 10.0], [2.0, 30.0], [1.0, 20.0]], dtype=torch.float64)
    unit = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    assert_close(network(corners), plain(unit))


def test_a_linear_network_without_hidden_layers_has_no_second_derivative():
    network = MLP(2, 1, hidden=())
    x = torch.rand(3, 2, dtype=torch.float64)
    assert_close(network.jet(x, [(1, 0)])[:, 0, 0], network.steps[0].weight[0, 0].expand(3))
    assert not network.jet(x, [(2, 0)]).any()
    assert not network.jet_jacobian(x, [(2, 0)]).any()
    assert not network.laplacian_and_pullback(x)[1](torch.ones(3, 1, dtype=torch.float64)).any()


def test_jets_work_under_torch_func():
    network = MLP(2, 1, (4,))
    x = torch.rand(5, 2, dtype=torch.float64)
    single = torch.func.vmap(lambda point: network.jet(point[None], [(1, 1)])[0])(x)
    assert_close(single, network.jet(x, [(1, 1)]))


def test_unknown_activation_and_wrong_bounds_are_refused():
    with pytest.raises(UsageError, match="received activation 'relu', expected one of gaussian, sine, tanh"):
        MLP(2, activation="relu")
    with pytest.raises(UsageError, match="expected both, with 2 numbers each, or neither"):
        MLP(2, lower=(0, 0))
    with pytest.raises(UsageError, match="every upper bound must exceed its lower bound"):
        MLP(2, lower=(0, 0), upper=(1, 0))


def test_one_layer_of_gaussian_units_is_a_mixture_of_ridges():
    network = MLP(2, 1, (5,), "gaussian", seed=3)
    first, _, last = network.steps
    mixture = GaussianMixture(2, 1, components=5, kind="ridge", skip=True)
    with torch.no_grad():
        mixture.directions.copy_(first.weight)
        mixture.offsets.copy_(-first.bias)  # y = w·x - b
        mixture.coefficients.copy_(last.weight.T)
        mixture.skip.copy_(torch.stack([last.bias, torch.zeros(1), torch.zeros(1)]))
    x = torch.rand(6, 2, dtype=torch.float64)
    indices = [(0, 0), (1, 0), (1, 1), (0, 2)]
    assert_close(network.jet(x, indices), mixture.jet(x, indices))


def test_waves_without_hidden_layers_are_linear_in_all_parameters():
    network = MLP(2, 2, (), features=3)
    assert network.is_linear
    assert not MLP(2, 2, (4,)).is_linear
    x = torch.rand(5, 2, dtype=torch.float64)
    theta = parameters_to_vector(network.parameters())
    assert_close(network.jet(x, [(2, 0)]), network.jet_jacobian(x, [(2, 0)]) @ theta)
