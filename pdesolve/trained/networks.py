"""The approximators that can be trained, by name: `mlp-sine`, `kan-chebyshev`, or a class of the user's own.

Each is built for a width, which is chosen so that the number of parameters is the one asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators import (
    KAN,
    MLP,
    ForeignNetwork,
    GaborNet,
    GaussianMixture,
    GaussianNetwork,
    GivenNetwork,
    GMLayer,
    TrainableApproximator,
)
from pdesolve.approximators.taylor_network import TaylorNetwork
from pdesolve.errors import UsageError

# (inputs, outputs, width, lower=, upper=, seed=, dtype=)
Build = Callable[..., TrainableApproximator]
WIDEST = 4096


def _mlp(inputs: int, outputs: int, width: int, depth: int = 3, **common: Any) -> MLP:
    return MLP(inputs, outputs, hidden=_layers(width, depth), **common)


def _kan(inputs: int, outputs: int, width: int, depth: int = 2, **common: Any) -> KAN:
    return KAN(inputs, outputs, hidden=_layers(width, depth), **common)


def _fourier(
    inputs: int, outputs: int, width: int, depth: int = 2, frequency: float = 0.5, **common: Any
) -> MLP:
    hidden = _layers(width, depth)
    features = max(1, hidden[0] // 2)
    return MLP(inputs, outputs, hidden, features=features, feature_scale=frequency, **common)


def _random_waves(inputs: int, outputs: int, width: int, frequency: float = 0.3, **common: Any) -> MLP:
    return MLP(inputs, outputs, (), features=width, feature_scale=frequency, **common)


def _layers(width: int, depth: int) -> tuple[int, ...]:
    """A total width as `depth` nearly equal ones, the larger first: so sizes come in small steps."""
    return tuple(max(1, (width + depth - 1 - layer) // depth) for layer in range(depth))


def _mixture(inputs: int, outputs: int, width: int, **common: Any) -> GaussianMixture:
    return GaussianMixture(inputs, outputs, components=width, **common)


NETWORKS: Mapping[str, Build] = {
    "gmnm-isotropic": partial(_mixture, kind="isotropic"),
    "gmnm-diagonal": partial(_mixture, kind="diagonal"),
    "gmnm-full": partial(_mixture, kind="full"),
    "gmnm-ridge": partial(_mixture, kind="ridge"),
    "mlp-tanh": _mlp,
    # Sitzmann et al. 2020 multiply the first layer by 30, for images on [-1, 1]²; that is far above the wave
    # numbers of equations, and 5 is above most of them.
    "mlp-sine": partial(_mlp, activation="sine", frequency=5.0),
    "mlp-fourier": _fourier,
    "kan-spline": _kan,
    "kan-chebyshev": partial(_kan, basis="chebyshev"),
    "kan-gaussian": partial(_kan, basis="gaussian", grid=8),
    "random-waves": _random_waves,
    "gabor": GaborNet,
    "gm-layer": GMLayer,
    "gmnm-mlp": GaussianNetwork,
    "gmnm-stacked": partial(_mlp, activation="gaussian"),
}
# What may be set beside the size, with what it means; the papers' values are the defaults.
SHAPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("gmnm-isotropic", "gmnm-diagonal", "gmnm-full", "gmnm-ridge"), ("width_factor",)),
    "mlp-tanh": ("depth",),
    "gmnm-stacked": ("depth", "frequency"),
    "mlp-sine": ("depth", "frequency"),
    "mlp-fourier": ("depth", "frequency"),
    "random-waves": ("frequency",),
    "kan-spline": ("depth", "grid", "degree"),
    "kan-chebyshev": ("depth", "degree"),
    "kan-gaussian": ("depth", "grid"),
}


def check_network(name: str) -> None:
    """See that there is an approximator of that name.

    Raises:
        UsageError: there is none; the message lists the known ones.
    """
    if name not in NETWORKS and ".py:" not in name:
        message = (
            f"there is no approximator {name!r}; they are {', '.join(NETWORKS)}, or my_module.py:MyNet for a "
            "torch.nn.Module of your own"
        )
        raise UsageError(message)


def build_network(
    build: Build,
    parameters: int,
    inputs: int,
    outputs: int,
    bounds: Tensor,
    seed: int,
    dtype: torch.dtype,
) -> TrainableApproximator:
    """The approximator whose number of parameters is nearest to the one asked for.

    Args:
        build: makes one of a given width.
        parameters: wanted.
        inputs: coordinates d.
        outputs: unknowns u.
        bounds: lower and upper corner of the domain, (2, d).
        seed: of the initial parameters.
        dtype: float64 or float32.
    """
    lower, upper = (corner.tolist() for corner in bounds)
    common = {"lower": lower, "upper": upper, "seed": seed, "dtype": dtype}

    def size(width: int) -> int:
        return sum(p.numel() for p in build(inputs, outputs, width, **common).parameters())

    # size(low) < parameters ≤ size(high), where sizes reach that far
    low = 1
    high = 2
    while size(high) < parameters and high < WIDEST:
        low = high
        high = 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if size(middle) < parameters:
            low = middle
        else:
            high = middle
    width = min((low, high), key=lambda width: abs(math.log(max(1, size(width)) / parameters)))
    return build(inputs, outputs, width, **common)


def builder(name: Any, **shape: Any) -> Build:
    """What builds the approximator of that name: one of `NETWORKS`, "file.py:Class", or a module or what makes one.

    Args:
        name: of the approximator.
        shape: what `SHAPES` lists for it; left out: as its paper has it.

    Raises:
        UsageError: there is no such approximator, it has no such setting, or the file cannot be loaded.
    """
    if not isinstance(name, str):
        if shape:
            message = (
                f"{', '.join(shape)} shape approximators with a name; give them to your own where you make it"
            )
            raise UsageError(message)
        return partial(GivenNetwork, name)
    check_network(name)
    known = SHAPES.get(name, ())
    for key in shape:
        if key not in known:
            message = f"{name} has no {key}; what can be set of its shape: {', '.join(known) or 'nothing'}"
            raise UsageError(message)
    return partial(NETWORKS.get(name) or partial(ForeignNetwork, name), **shape)


@torch.no_grad()
def fold_sizes(network: TrainableApproximator, sizes: Tensor) -> None:
    """Multiply the last linear map by U, so that the approximator of û = u / U becomes one of u."""
    if isinstance(network, GaussianMixture):
        network.set_linear_coefficients(network.linear_coefficients * sizes.to(network.coefficients))
    elif isinstance(network, TaylorNetwork):
        last: Any = network.steps[-1]
        last.weight.mul_(sizes.to(last.weight)[:, None])
        if last.bias is not None:
            last.bias.mul_(sizes.to(last.bias))
    else:
        scaled: Any = network
        scaled.scale_outputs(sizes)
