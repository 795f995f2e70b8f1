"""Gaussian mixtures as layers: the formulas by plain loops, limits, invariances, and what torch expects of a layer."""

import copy
import math

import pytest
import torch

from pdesolve.errors import UsageError
from pdesolve.nn import (
    GMNM,
    GaussianExpansion,
    GMLayer,
    GMNMActivation,
    GMNMFeedForward,
    GMNMGate,
    GMNMHead,
    UnivariateMixtureNeurons,
)

LAYERS = {
    "GMNM": lambda: GMNM(3, 2, components=4, rank=2, skip=True),
    "GMNM of full rank": lambda: GMNM(3, 2, components=4, bias=False),
    "head": lambda: GMNMHead(3, 2, components=4, rank=1),
    "feed-forward": lambda: GMNMFeedForward(3, components=4, rank=2),
    "gate": lambda: GMNMGate(3, 2, components=4, rank=2),
    "activation": lambda: GMNMActivation(3, components=5),
    "GM layer": lambda: GMLayer(3, 2, components=4),
    "GM layer, paper": lambda: GMLayer(3, 2, components=5, start="paper"),
    "univariate": lambda: UnivariateMixtureNeurons(3, 2),
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def points(*shape):
    return torch.randn(*shape, 3, dtype=torch.float64)


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


# ---------------------------------------------------------------- what every layer keeps to


def test_leading_axes_of_any_number_are_points(layer):
    layer, x = layer.double(), points(2, 5)
    y = layer(x)
    assert y.shape[:-1] == (2, 5)
    torch.testing.assert_close(layer(x[1, 3]), y[1, 3])
    assert layer(x[:, :0]).shape == (2, 0, y.shape[-1])


def test_derivatives_are_those_of_finite_differences(layer):
    layer, x = layer.double(), points(4).requires_grad_()
    names, values = zip(*layer.named_parameters(), strict=True)
    assert torch.autograd.gradcheck(
        lambda x, *ps: torch.func.functional_call(layer, dict(zip(names, ps, strict=True)), x), (x, *values)
    )


def test_a_state_is_loaded_into_another_start(layer):
    x = points(4).float()
    other = copy.deepcopy(layer)
    for part in other.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x), layer(x))


def test_the_exported_program_computes_the_same(layer):
    x = points(4).float()
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    more = points(7).float()
    torch.testing.assert_close(program.module()(more), layer(more))


def test_it_computes_in_the_dtype_of_its_parameters(layer):
    for dtype in (torch.float64, torch.bfloat16):
        assert layer.to(dtype)(points(4).to(dtype)).dtype == dtype
    assert layer.to("meta")(torch.empty(4, 3, device="meta", dtype=torch.bfloat16)).device.type == "meta"


def test_inputs_that_do_not_fit_get_a_sentence(layer):
    with pytest.raises(UsageError, match=r"received a tensor \(4, 5\); expected \(…, 3\)"):
        layer(torch.zeros(4, 5))


# ---------------------------------------------------------------- GMNM


@torch.no_grad()
def test_the_layer_is_its_formula():
    layer, x = GMNM(3, 2, components=4, rank=2, skip=True, dtype=torch.float64), points(5)
    torch.nn.init.normal_(layer.skip)
    torch.nn.init.normal_(layer.bias)
    for point, value in zip(x, layer(x), strict=True):
        expected = layer.skip @ point + layer.bias
        for k in range(4):
            z = layer.projections[k] @ (point - layer.centres[k])
            expected = expected + layer.weight[:, k] * math.exp(-0.5 * float(z @ z))
        torch.testing.assert_close(value, expected)


@torch.no_grad()
def test_at_full_rank_it_is_any_quadratic_form_and_at_rank_one_a_ridge():
    x = points(6)
    full = GMNM(3, 1, components=1, dtype=torch.float64)
    form = full.projections[0].T @ full.projections[0]
    gap = x - full.centres[0]
    quadratic = torch.exp(-0.5 * torch.einsum("ni,ij,nj->n", gap, form, gap))
    torch.testing.assert_close(full.features(x)[:, 0], quadratic)
    ridge = GMNM(3, 1, components=1, rank=1, dtype=torch.float64)
    along = torch.linalg.svd(ridge.projections[0]).Vh[1:]  # directions it does not see
    torch.testing.assert_close(ridge(x + torch.randn(6, 2, dtype=torch.float64) @ along), ridge(x))


@torch.no_grad()
def test_it_does_not_change_under_rotated_projections_permuted_components_and_moved_frames():
    layer, x = GMNM(3, 2, components=4, rank=2, dtype=torch.float64), points(6)
    before = layer(x)
    turn = torch.linalg.qr(torch.randn(4, 2, 2, dtype=torch.float64)).Q
    layer.projections.copy_(turn @ layer.projections)
    layer.shifts.copy_((turn @ layer.shifts[..., None]).squeeze(-1))
    torch.testing.assert_close(layer(x), before)
    order = torch.tensor([2, 0, 3, 1])
    for parameter in (layer.projections, layer.shifts):
        parameter.copy_(parameter[order])
    layer.weight.copy_(layer.weight[:, order])
    torch.testing.assert_close(layer(x), before)
    move = torch.tensor([0.3, -2.0, 1.0], dtype=torch.float64)
    layer.shifts.add_(layer.projections @ move)
    torch.testing.assert_close(layer(x + move), before)


@pytest.mark.parametrize(("features", "rank"), [(2, 1), (40, 4), (40, 40), (300, 8)])
@torch.no_grad()
def test_outputs_begin_with_mean_square_one_whatever_width_and_rank(features, rank):
    layer = GMNM(features, 2000, components=400, rank=rank)
    square = float(layer(torch.randn(500, features)).square().mean())
    assert 0.8 < square < 1.25


@torch.no_grad()
def test_far_from_its_centres_only_the_linear_part_is_left():
    head = GMNM(3, 2, components=4, skip=True, dtype=torch.float64)
    torch.nn.init.normal_(head.skip)
    x = 1e4 * points(5)
    torch.testing.assert_close(head(x), x @ head.skip.T + head.bias)


@pytest.mark.parametrize(
    ("sizes", "word"),
    [
        ({"components": 0}, "components=0"),
        ({"components": 2.5}, "components=2.5"),
        ({"components": True}, "components=True"),
        ({"rank": 4}, "rank=4 of 3 inputs"),
        ({"rank": 0}, "rank=0"),
    ],
)
def test_sizes_that_make_no_layer_are_refused(sizes, word):
    with pytest.raises(UsageError, match=word):
        GMNM(3, 2, **{"components": 4, **sizes})


def test_whole_numbers_are_refused_with_what_to_try():
    with pytest.raises(UsageError, match=r"int64.*x\.float"):
        GMNM(3, 2, 4)(torch.ones(4, 3, dtype=torch.int64))


def test_it_prints_what_it_is():
    assert "components=4, rank=2, bias=False, skip=False" in repr(GMNM(3, 2, 4, rank=2, bias=False))


# ---------------------------------------------------------------- the others


@torch.no_grad()
def test_a_feed_forward_block_without_weights_is_the_identity():
    block, x = GMNMFeedForward(3, components=4), torch.randn(5, 3)
    torch.nn.init.zeros_(block.mixture.weight)
    assert torch.equal(block(x), x)


@torch.no_grad()
def test_a_gate_is_the_product_of_a_linear_map_and_a_mixture():
    gate, x = GMNMGate(3, 2, components=4), torch.randn(5, 3)
    assert torch.equal(gate(x), gate.value(x) * gate.gate(x))


@pytest.mark.parametrize("like", [torch.nn.functional.gelu, torch.tanh, torch.relu])
@torch.no_grad()
def test_an_activation_begins_as_the_one_it_replaces(like):
    x = torch.linspace(-3, 3, 101)[:, None].expand(-1, 4)
    errors = [float((GMNMActivation(4, k, like)(x) - like(x)).abs().max()) for k in (8, 24)]
    assert errors[0] < 0.15
    assert errors[1] < 0.5 * errors[0]


@torch.no_grad()
def test_the_gaussian_mixture_layer_tends_to_rectifiers_as_its_widths_vanish():
    layer, x = GMLayer(3, 2, components=4, start="paper").double(), points(5)
    layer.log_widths.fill_(-30.0)
    rectified = (x @ layer.means[:, :3].T + layer.means[:, 3]).clamp_min(0)
    torch.testing.assert_close(layer(x), rectified @ layer.weight.T / 2 + layer.bias)  # √K = 2


def test_the_papers_learning_rates_cover_every_parameter_once():
    layer = GMLayer(3, 2, components=5, start="paper")
    groups = layer.groups()
    assert [group["lr"] for group in groups] == [1.0, 0.1]
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for p in layer.parameters()}
    with pytest.raises(UsageError, match="even or paper"):
        GMLayer(3, 2, start="papers")


@torch.no_grad()
def test_a_neuron_is_the_log_density_of_a_mixture_over_its_inputs():
    layer, x = UnivariateMixtureNeurons(3, 2).double(), points(4)
    torch.nn.init.normal_(layer.logits)
    torch.nn.init.normal_(layer.log_widths)
    normal = torch.distributions.Normal(layer.means, layer.log_widths.exp())
    density = (layer.logits.softmax(-1) * normal.log_prob(x[:, None, :]).exp()).sum(-1)
    torch.testing.assert_close(layer(x), density.log())


# ---------------------------------------------------------------- the expansion


def test_weights_in_one_pass_have_a_likelihood_that_each_further_pass_raises():
    x = torch.randn(500, 2, dtype=torch.float64) @ torch.tensor([[1.0, 0.4], [0.0, 0.3]]).double()
    axis = torch.linspace(-3, 3, 9, dtype=torch.float64)
    expansion = GaussianExpansion(torch.cartesian_prod(axis, axis), 0.75)
    likelihoods = [float(expansion(x).mean())]
    likelihoods += [float(expansion.fit(x)(x).mean()) for _ in range(3)]
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[1] > likelihoods[0] + 0.5
    assert float(expansion.weights.sum()) == pytest.approx(1)


def test_an_expansion_is_a_density_and_samples_follow_it():
    expansion = GaussianExpansion(torch.tensor([-1.0, 0.5, 2.0]).double(), 0.5)
    expansion.fit(torch.tensor([[-1.0], [2.0], [2.1]]).double())
    grid = torch.linspace(-6, 7, 2001, dtype=torch.float64)[:, None]
    assert float(torch.trapezoid(expansion(grid).exp(), grid[:, 0])) == pytest.approx(1, abs=1e-9)
    mean = float(expansion.weights @ expansion.means[:, 0])
    assert float(expansion.sample(20_000).mean()) == pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: GaussianExpansion(torch.zeros(2, 1), 0.0), "width=0"),
        (lambda: GaussianExpansion(torch.full((2, 1), math.nan), 1.0), "finite"),
        (lambda: GaussianExpansion(torch.zeros(2, 1), 1.0).fit(torch.zeros(0, 1)), "at least one"),
        (lambda: GaussianExpansion(torch.zeros(2, 1), 1.0)(torch.zeros(3, 2)), r"expected \(…, 1\)"),
    ],
)
def test_an_expansion_refuses_what_it_cannot_use(call, word):
    with pytest.raises(UsageError, match=word):
        call()
