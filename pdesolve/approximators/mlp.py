"""The multilayer perceptron of physics-informed neural networks, and the stack of GMNM layers that has its shape."""

from collections.abc import Sequence
from itertools import pairwise
from math import pi, sqrt
from typing import Any

import torch

from pdesolve.approximators.approximator import as_dtype, as_floats, dtype_name
from pdesolve.approximators.taylor_network import FixedLinear, TaylorNetwork
from pdesolve.approximators.univariate import Gaussian, Sine, Tanh
from pdesolve.errors import UsageError

ACTIVATIONS: dict[str, type[Tanh] | type[Sine] | type[Gaussian]] = {
    "tanh": Tanh,
    "sine": Sine,
    "gaussian": Gaussian,
}


class MLP(TaylorNetwork):
    """u(x) = W_L f(… f(W_1 x̂ + b_1) …) + b_L, x̂ the point taken from [lower, upper] to [-1, 1].

    Weights start by Glorot & Bengio (2010) for tanh, as Raissi et al. (2019) do, and by Sitzmann et al.
    (2020) for sine, whose first layer is multiplied by ``frequency``; biases start at zero for tanh.

    With f = exp(-½h²) every unit is a Gaussian of one projection, exp(-½ (w·y + b)²), and every layer a GMNM layer of
    rank one whose weights are those of the next: a stack of mixtures, for compositions. Weights start as for tanh,
    those of the first layer uniform on [-``frequency``, ``frequency``], and biases uniform on [-1, 1].

    With ``features`` = m > 0 the network sees Fourier features cos 2πBx̂, sin 2πBx̂ in place of x̂, the m rows of
    B drawn from N(0, ``feature_scale``²) and kept (Tancik et al. 2020, arXiv 2006.10739, eq. 5 with a = 1). Without
    hidden layers that is a sum of random waves, linear in all that is trained (Rahimi & Recht 2007).

    Args:
        inputs: Coordinates d.
        outputs: Unknowns u.
        hidden: Widths of the hidden layers.
        activation: ``"tanh"``, ``"sine"`` or ``"gaussian"``.
        lower: Lower corner of the points' bounding box; no normalisation without it.
        upper: Upper corner.
        frequency: Scale of the first layer's weights (not for tanh).
        seed: Of the initial weights.
        dtype: ``float64`` (default) or ``float32``.
        features: Fourier frequencies m; 0: none.
        feature_scale: Their standard deviation along each axis, in waves per half width of the domain.

    Raises:
        UsageError: If the activation is unknown or the bounds do not fit.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        hidden: Sequence[int] = (64, 64, 64, 64),
        activation: str = "tanh",
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        frequency: float = 1.0,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
        features: int = 0,
        feature_scale: float = 0.5,
    ):
        dtype = as_dtype(dtype)
        super().__init__(inputs, outputs, lower, upper, dtype)
        if activation not in ACTIVATIONS:
            message = f"received activation {activation!r}, expected one of {', '.join(sorted(ACTIVATIONS))}."
            raise UsageError(message)
        self._settings = {
            "hidden": [int(width) for width in hidden],
            "activation": activation,
            "lower": as_floats(lower),
            "upper": as_floats(upper),
            "frequency": float(frequency),
            "seed": int(seed),
            "features": int(features),
            "feature_scale": float(feature_scale),
        }
        generator = torch.Generator().manual_seed(seed)
        if features:
            self.steps.append(_fourier_map(inputs, features, feature_scale, generator).to(dtype))
            self.steps.append(Sine())
        widths = [2 * features or inputs, *hidden, outputs]
        for fan_in, fan_out in pairwise(widths[:-1]):
            self.steps.append(torch.nn.Linear(fan_in, fan_out, dtype=dtype))
            self.steps.append(ACTIVATIONS[activation]())
        self.steps.append(torch.nn.Linear(widths[-2], outputs, dtype=dtype))
        self._initialise(activation, frequency, generator)
        self.is_linear = not hidden

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            **self._settings,
            "dtype": dtype_name(self.shift.dtype),
        }

    @torch.no_grad()
    def _initialise(self, activation: str, frequency: float, generator: torch.Generator) -> None:
        layers = [step for step in self.steps if isinstance(step, torch.nn.Linear)]
        for position, layer in enumerate(layers):
            fan_out, fan_in = layer.weight.shape
            if activation == "sine":
                # Sitzmann et al. 2020, §3.2: arguments of the sines are of variance one in every layer but the first.
                bound = sqrt(6 / fan_in)
                bias_bound = 1 / sqrt(fan_in)
            else:
                # Glorot & Bengio 2010: variances neither grow nor fall from layer to layer, forwards and backwards.
                bound = sqrt(6 / (fan_in + fan_out))
                # A Gaussian is even: at zero its slope and those of all units before it would be zero.
                bias_bound = 1.0 if activation == "gaussian" else 0.0
            if position == 0 and activation != "tanh":
                bound = frequency
            # Drawn in float64 whatever the dtype, so that both start at the same point.
            for tensor, limit in ((layer.weight, bound), (layer.bias, bias_bound)):
                draw = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
                tensor.copy_((2 * draw - 1) * limit)


def _fourier_map(inputs: int, features: int, scale: float, generator: torch.Generator) -> FixedLinear:
    """x̂ ↦ (2πBx̂ + π/2, 2πBx̂), whose sines are the features."""
    frequencies = torch.randn(features, inputs, generator=generator, dtype=torch.float64)
    weight = 2 * pi * scale * frequencies.repeat(2, 1)
    # A cosine is a sine a quarter of a turn further on, so that one activation serves for both.
    bias = torch.tensor([pi / 2, 0.0], dtype=torch.float64).repeat_interleave(features)
    return FixedLinear(weight, bias)
