"""The narrow waist on the approximator's side: parameters θ → jet, and the derivatives of that map."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.func import functional_call, jacrev, vmap

from pdesolve.approximators.multi_index import Index, checked_indices, laplacian_indices
from pdesolve.errors import UsageError

Pullback = Callable[[Tensor], Tensor]


@runtime_checkable
class Approximator(Protocol):
    """Maps parameters θ to jets of u_θ: values and partial derivatives at points.

    Letters: n points, d coordinates, u outputs, a derivatives of the jet, p parameters.
    """

    outputs: int

    def __call__(self, x: Tensor) -> Tensor:
        """u_θ at points (n, d), as (n, u)."""

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u_θ as (n, u, a), one α per entry of ``indices``."""

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u_θ)/∂θ as (n, u, a, p)."""

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments: ``cls(**config)`` + ``load_state_dict`` restores it."""


class TrainableApproximator(torch.nn.Module, ABC):
    """A torch module with jets: subclasses write ``jet``; derivatives with respect to θ have defaults.

    θ is the concatenation of ``parameters()``, the order of ``torch.nn.utils.parameters_to_vector``.
    """

    inputs: int
    outputs: int
    # Whether u_θ is linear in all of θ
    is_linear = False
    # Working sets of this many points stay in cache; callers may loop in such chunks
    points_per_chunk = 512

    @abstractmethod
    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u_θ at points (n, d) as (n, u, a), differentiable by autograd with respect to θ."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u_θ)/∂θ at points (n, d) as (n, u, a, p), here by vectorised reverse mode, point by point."""
        x, indices = self._checked(x, indices)
        return pointwise_jacobian(self, lambda module, point: module.jet(point[None], indices)[0], x)

    def row_jacobian(self, x: Tensor, indices: Iterable[Index], weights: Tensor) -> Tensor:
        """Σ_ua weights_nmua ∂(D^α u_θ)_nu/∂θ as (n, m, p): the Jacobian of m combinations of the jet at each point.

        Rows of equations are such combinations, and there are fewer of them than derivatives.

        Args:
            x: points (n, d).
            indices: the derivatives, a of them.
            weights: (n, m, u, a).
        """
        indices = tuple(indices)
        # In chunks: the whole table (n, u, a, p) is the largest array of a training, and the sum is a small one.
        size = self.points_per_chunk
        parts = [
            torch.einsum("nmua,nuap->nmp", w, self.jet_jacobian(points, indices).detach())
            for points, w in zip(x.split(size), weights.split(size), strict=True)
        ]
        return torch.cat(parts)

    def jet_and_pullback(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, Pullback]:
        """The jet (n, u, a) and the map from cotangents (n, u, a) to (p,): w ↦ Σ_nua w_nua ∂jet_nua/∂θ.

        One forward pass serves both, which is what the gradient of a loss needs. The results carry no
        autograd graph.
        """
        with torch.enable_grad():
            jet = self.jet(x, indices)
        parameters = list(self.parameters())
        # A layer that its owner has frozen has derivatives of zero, so that θ keeps its length.
        free = [p for p in parameters if p.requires_grad]

        def pullback(cotangent: Tensor) -> Tensor:
            gradients = dict(
                zip(
                    free,
                    torch.autograd.grad(jet, free, cotangent, retain_graph=True, materialize_grads=True),
                    strict=True,
                )
            )
            return torch.cat([gradients.get(p, torch.zeros_like(p)).reshape(-1) for p in parameters])

        return jet.detach(), pullback

    def jet_vjp(self, x: Tensor, indices: Iterable[Index], cotangent: Tensor) -> Tensor:
        """Σ_nua cotangent_nua ∂(D^α u_θ)_nu/∂θ as (p,), in chunks of points."""
        indices = tuple(indices)
        chunks = zip(x.split(self.points_per_chunk), cotangent.split(self.points_per_chunk), strict=True)
        parts = [self.jet_and_pullback(points, indices)[1](weights) for points, weights in chunks]
        return torch.stack(parts).sum(0)

    def laplacian_and_pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Δu_θ as (n, u) and the map from cotangents (n, u) to (p,)."""
        indices = laplacian_indices(self.inputs)
        jet, pullback = self.jet_and_pullback(x, indices)
        return jet.sum(-1), lambda weights: pullback(weights[..., None].expand(-1, -1, len(indices)))

    def _checked(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, tuple[Index, ...]]:
        return self._points(x), checked_indices(indices, self.inputs)

    def _points(self, x: Tensor) -> Tensor:
        """Points in the parameters' dtype and on their device."""
        if x.ndim != 2 or x.shape[1] != self.inputs:
            message = (
                f"{type(self).__name__} received points of shape {tuple(x.shape)}, expected "
                f"(n, {self.inputs}): one row per point, one column per coordinate."
            )
            raise UsageError(message)
        return x.to(next(self.parameters()))

    def _parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())


def pointwise_jacobian(
    module: torch.nn.Module, function: Callable[[Any, Tensor], Tensor], x: Tensor
) -> Tensor:
    """∂function(module, point)/∂θ for every point, (n, u, a, p), by ``torch.func`` in chunks.

    ``function`` maps the module and one point (d,) to (u, a), in plain torch operations.
    """
    evaluation = _Evaluation(module, function)
    values = {name: p.detach() for name, p in evaluation.named_parameters()}
    jacobian = vmap(
        jacrev(lambda θ, point: functional_call(evaluation, θ, (point,))), (None, 0), chunk_size=512
    )
    # A block for each parameter, in the order of θ.
    blocks = jacobian(values, x)
    return torch.cat([block.reshape(*block.shape[:3], -1) for block in blocks.values()], dim=-1)


class _Evaluation(torch.nn.Module):
    """Makes a function of a module the ``forward`` that ``functional_call`` wants."""

    def __init__(self, module: torch.nn.Module, function: Callable[[Any, Tensor], Tensor]):
        super().__init__()
        self.module = module
        self.function = function

    def forward(self, point: Tensor) -> Tensor:
        return self.function(self.module, point)


def as_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """A floating dtype from itself or its name, ``"float64"``.

    Raises:
        UsageError: If it is neither float32 nor float64.
    """
    if isinstance(dtype, str):
        result = getattr(torch, dtype, None)
    else:
        result = dtype
    if result not in (torch.float32, torch.float64):
        message = f"received dtype {dtype!r}, expected float64 (the default) or float32."
        raise UsageError(message)
    return result


def as_floats(values: Iterable[float] | None) -> list[float] | None:
    """Numbers as JSON holds them; None stays None."""
    if values is None:
        return None
    return [float(value) for value in values]


def dtype_name(dtype: torch.dtype) -> str:
    """The name that ``as_dtype`` reads."""
    return str(dtype).removeprefix("torch.")
