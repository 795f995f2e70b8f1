"""Jets of any torch module by nested automatic differentiation: slow, general, and the tests' reference."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.func import jacrev

from pdesolve.approximators.approximator import TrainableApproximator, pointwise_jacobian
from pdesolve.approximators.multi_index import Index, lowered
from pdesolve.errors import UsageError


class AutodiffJet(TrainableApproximator):
    """Wraps a module (n, d) → (n, u) that treats points independently (no batch normalisation).

    D^α u is reached by one reverse pass per order: D^{α+e_i} u = ∂(Σ_n D^α u_n)/∂x_i.
    """

    def __init__(self, module: torch.nn.Module, inputs: int, outputs: int = 1):
        super().__init__()
        self.module = module
        self.inputs = inputs
        self.outputs = outputs

    def forward(self, x: Tensor) -> Tensor:
        """The module's own output, (n, u)."""
        return self.module(self._points(x))

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u_θ as (n, u, a) by nested autograd."""
        x, indices = self._checked(x, indices)
        keep_graph = torch.is_grad_enabled()
        # The derivatives need a graph, also where the caller wants none of the result.
        with torch.enable_grad():
            if x.requires_grad:
                points = x
            else:
                points = x.detach().clone().requires_grad_()
            jet = nested_jet(self.module(points), points, indices)
        if keep_graph:
            return jet
        return jet.detach()

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u_θ)/∂θ as (n, u, a, p) by nested ``torch.func`` transforms."""
        x, indices = self._checked(x, indices)
        return pointwise_jacobian(self.module, lambda module, point: point_jet(module, point, indices), x)

    def config(self) -> dict[str, Any]:
        """Not available: an arbitrary module has no JSON-able description.

        Raises:
            UsageError: Always.
        """
        message = (
            "AutodiffJet wraps an arbitrary module, which JSON cannot describe: put its class into a file and take "
            'ForeignNetwork("my_module.py:MyNet", …), which is saved, or save it with torch.save.'
        )
        raise UsageError(message)


def nested_jet(values: Tensor, x: Tensor, indices: Iterable[Index]) -> Tensor:
    """D^α of ``values`` (n, u), a function of ``x`` (n, d) that requires grad, as (n, u, a)."""
    outputs = [_nested_derivatives(values[:, o], x, tuple(indices)) for o in range(values.shape[1])]
    return torch.stack(outputs, dim=1)


def _nested_derivatives(value: Tensor, x: Tensor, indices: tuple[Index, ...]) -> Tensor:
    gradients: dict[Index, Tensor] = {}

    def gradient(index: Index) -> Tensor:
        # One pass gives the derivatives along all axes; kept, since u_xy and u_xx both begin with u_x.
        if index not in gradients:
            gradients[index] = torch.autograd.grad(
                derivative(index).sum(), x, create_graph=True, allow_unused=True, materialize_grads=True
            )[0]
        return gradients[index]

    def derivative(index: Index) -> Tensor:
        axis = next((i for i, order in enumerate(index) if order), None)
        if axis is None:
            return value
        lower = derivative(lowered(index, axis))
        # A polynomial that has run out of derivatives
        if not lower.requires_grad:
            return torch.zeros_like(value)
        return gradient(lowered(index, axis))[:, axis]

    return torch.stack([derivative(index) for index in indices], dim=-1)


def point_jet(module: torch.nn.Module, point: Tensor, indices: tuple[Index, ...]) -> Tensor:
    """D^α at one point (d,) as (u, a), composed of ``torch.func`` transforms."""

    def derivative(index: Index):
        axis = next((i for i, order in enumerate(index) if order), None)
        if axis is None:
            return lambda at: module(at[None])[0]  # modules map batches of points
        return lambda at: jacrev(derivative(lowered(index, axis)))(at)[:, axis]

    return torch.stack([derivative(index)(point) for index in indices], dim=-1)
