"""Networks whose jets come by nested autodiff: their forward pass is all there is to write."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators.approximator import (
    TrainableApproximator,
    as_dtype,
    as_floats,
    dtype_name,
    pointwise_jacobian,
)
from pdesolve.approximators.autodiff_jet import nested_jet, point_jet
from pdesolve.approximators.multi_index import Index
from pdesolve.approximators.taylor_network import normalisation


class NestedNetwork(TrainableApproximator):
    """u(x) = W φ(x̂) + b, x̂ the point taken from [lower, upper] to [-1, 1]; subclasses write φ as ``features``.

    Args:
        inputs: Coordinates d.
        outputs: Unknowns u.
        width: Features.
        lower: Lower corner of the points' bounding box; no normalisation without it.
        upper: Upper corner.
        seed: Of the initial parameters.
        dtype: ``float64`` (default) or ``float32``.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        width: int = 16,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
    ):
        super().__init__()
        dtype = as_dtype(dtype)
        self.inputs = inputs
        self.outputs = outputs
        self.width = width
        shift, scale = normalisation(inputs, lower, upper)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self._settings = {
            "inputs": inputs,
            "outputs": outputs,
            "width": width,
            "lower": as_floats(lower),
            "upper": as_floats(upper),
            "seed": int(seed),
            "dtype": dtype_name(dtype),
        }
        # Drawn in float64 whatever the dtype, so that both start at the same point.
        generator = torch.Generator().manual_seed(seed)
        self.initialise(generator)
        # Outputs begin with variance one, whatever the width (LeCun et al. 1998).
        self.weight = torch.nn.Parameter(normal(generator, outputs, self.size()) / self.size() ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(outputs, dtype=torch.float64))
        self.to(dtype)

    def initialise(self, generator: torch.Generator) -> None:
        """Make the parameters of φ."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """φ at normalised points (n, d), (n, size)."""
        raise NotImplementedError

    def size(self) -> int:
        """How many features there are."""
        return self.width

    def forward(self, x: Tensor) -> Tensor:
        """u_θ(x), (n, u)."""
        return torch.nn.functional.linear(
            self.features((self._points(x) - self.shift) * self.scale), self.weight, self.bias
        )

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u_θ as (n, u, a) by nested autograd."""
        x, indices = self._checked(x, indices)
        keep_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            if x.requires_grad:
                points = x
            else:
                points = x.detach().clone().requires_grad_()
            jet = nested_jet(self(points), points, indices)
        if keep_graph:
            return jet
        return jet.detach()

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u_θ)/∂θ as (n, u, a, p) by nested ``torch.func`` transforms."""
        x, indices = self._checked(x, indices)
        return pointwise_jacobian(self, lambda module, point: point_jet(module, point, indices), x)

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return dict(self._settings)

    @torch.no_grad()
    def scale_outputs(self, sizes: Tensor) -> None:
        """Multiply the outputs, by one number each."""
        self.weight.mul_(sizes.to(self.weight)[:, None])
        self.bias.mul_(sizes.to(self.bias))


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    """Numbers from [-1, 1)."""
    return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Numbers from N(0, 1)."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
