"""A solution as a function of torch: points ↦ values, with gradients of every order by the points.

    ∂/∂x_k D^α u = D^(α + e_k) u

The backward pass of a jet is the next jet, in closed form, so that gradients of gradients are there, too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.solution.coordinates import closed

Indices = tuple[tuple[int, ...], ...]


class Differentiable(torch.nn.Module):
    """Points (…, d) ↦ values (…, u), in the kind of number and on the device of the points.

    Gradients by the points are the derivatives of the solution; outside the closed domain, values and gradients are
    NaN. There are no trainable parameters: the solution is what it is.
    """

    def __init__(self, solution: Any):
        super().__init__()
        self.solution = solution

    def forward(self, points: Tensor) -> Tensor:
        """Values.

        Raises:
            UsageError: the points are no tensor of floats (…, d).
        """
        d = self.solution.problem.domain.dimension
        if not isinstance(points, Tensor) or not points.is_floating_point() or points.shape[-1:] != (d,):
            kind = type(points).__name__
            if isinstance(points, Tensor):
                kind = f"tensor {tuple(points.shape)} of {points.dtype}"
            names = ", ".join(self.solution.problem.coordinates)
            message = f"received a {kind}; expected a tensor of floats (…, {d}), its columns {names}"
            raise UsageError(message)
        flat = points.reshape(-1, d).to("cpu", torch.float64)
        values = jet_of(self.solution, flat, ((0,) * d,))[:, :, 0]
        return values.to(points).reshape(*points.shape[:-1], values.shape[1])


def jet_of(solution: Any, points: Tensor, indices: Indices) -> Tensor:
    """Derivatives (n, u, a) at points (n, d), through which torch can differentiate."""
    return _Jet.apply(points, solution, indices)


class _Jet(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, points: Tensor, solution: Any, indices: Indices) -> Tensor:
        context.solution = solution
        context.indices = indices
        context.save_for_backward(points)
        values = solution.jet(points, indices).to(torch.float64)
        # Patches may reach beyond a curved boundary, where the equation was never held.
        outside = ~closed(solution.problem.domain, points)
        values[outside] = torch.nan
        return values

    @staticmethod
    def backward(context: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (points,) = context.saved_tensors
        d = points.shape[1]
        further = tuple(_raised(index, k) for index in context.indices for k in range(d))
        # Again through this function: where a graph is asked for, the gradient is differentiable in its turn.
        derivatives = jet_of(context.solution, points, further)
        derivatives = derivatives.reshape(*derivatives.shape[:2], len(context.indices), d)
        return torch.einsum("nua,nuad->nd", upstream[0], derivatives), None, None


def _raised(index: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(order + (k == axis) for k, order in enumerate(index))
