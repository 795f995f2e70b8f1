"""Exact Dirichlet values by construction: u = g + D N, where the distance D vanishes on the boundary."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators.approximator import Pullback, TrainableApproximator
from pdesolve.approximators.autodiff_jet import nested_jet
from pdesolve.approximators.multi_index import Index, Indices, binomial, lower_closure
from pdesolve.errors import UsageError

ScalarField = Callable[[Tensor], Tensor]


class Lifting(TrainableApproximator):
    """u(x) = g(x) + D(x) N(x): with D = 0 on the boundary, u equals the extension g there whatever θ is.

    Jets are Leibniz products, D^α(D N) = Σ_{β≤α} binomial(α, β) D^{α-β}D D^β N, linear in the jet of N: jets'
    Jacobians and pullbacks are those of N, combined. D and g are differentiated by nested autograd at the
    points; neither holds parameters (Lagaris, Likas & Fotiadis 1998).

    Args:
        approximator: N.
        distance: D, a smooth function of points (n, d) to (n,); ``box_distance`` or ``disk_distance``.
        extension: g, points (n, d) to (n,) or (n, u), smooth and with the prescribed boundary values; or
            those values themselves where they are constant (a number, or one per output).

    Raises:
        UsageError: If a function's values have another shape (when first evaluated).
    """

    def __init__(
        self,
        approximator: TrainableApproximator,
        distance: ScalarField,
        extension: ScalarField | float | Sequence[float] = 0.0,
    ):
        super().__init__()
        self.approximator = approximator
        self.distance = distance
        self.extension = extension
        self.inputs, self.outputs = approximator.inputs, approximator.outputs
        self.points_per_chunk = approximator.points_per_chunk

    def forward(self, x: Tensor) -> Tensor:
        """u(x), (n, u)."""
        x = self._points(x)
        return self._extension(x) + self._distance(x) * self.approximator(x)

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u as (n, u, a)."""
        x, indices = self._checked(x, indices)
        shift, product_rule = self._leibniz(x, indices)
        inner = self.approximator.jet(x, lower_closure(indices))
        return shift + torch.einsum("nab,nub->nua", product_rule, inner)

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u)/∂θ as (n, u, a, p)."""
        x, indices = self._checked(x, indices)
        _, product_rule = self._leibniz(x, indices)
        inner = self.approximator.jet_jacobian(x, lower_closure(indices))
        return torch.einsum("nab,nubp->nuap", product_rule, inner)

    def jet_and_pullback(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, Pullback]:
        """The jet (n, u, a) and the map from cotangents (n, u, a) to (p,)."""
        x, indices = self._checked(x, indices)
        shift, product_rule = self._leibniz(x, indices)
        inner, inner_pullback = self.approximator.jet_and_pullback(x, lower_closure(indices))

        def pullback(cotangent: Tensor) -> Tensor:
            return inner_pullback(torch.einsum("nab,nua->nub", product_rule, cotangent))

        return shift + torch.einsum("nab,nub->nua", product_rule, inner), pullback

    def config(self) -> dict[str, Any]:
        """Not available: distance and extension are functions, which the problem supplies again.

        Raises:
            UsageError: Always.
        """
        message = (
            "Lifting holds functions, which JSON cannot describe: store config() and state_dict() of its "
            "approximator and build the lifting around it again."
        )
        raise UsageError(message)

    def _leibniz(self, x: Tensor, indices: Indices) -> tuple[Tensor, Tensor]:
        """D^α g as (n, u, a), and the coefficients of D^β N in D^α(D N) as (n, a, b), b the lower closure."""
        closure = lower_closure(indices)
        distance = _field_jet(self._distance, x, closure)[:, 0]
        place = {beta: position for position, beta in enumerate(closure)}
        rule = x.new_zeros(len(x), len(indices), len(closure))
        for a, alpha in enumerate(indices):
            for b, beta in enumerate(closure):
                rest = tuple(i - j for i, j in zip(alpha, beta, strict=True))
                if min(rest) >= 0:
                    rule[:, a, b] = binomial(alpha, beta) * distance[:, place[rest]]
        return _field_jet(self._extension, x, indices), rule

    def _distance(self, x: Tensor) -> Tensor:
        values = self.distance(x)
        if values.shape != x.shape[:1]:
            message = (
                f"the distance returned shape {tuple(values.shape)}, expected ({len(x)},): one per point."
            )
            raise UsageError(message)
        return values[:, None]

    def _extension(self, x: Tensor) -> Tensor:
        if not callable(self.extension):
            return torch.as_tensor(self.extension).to(x).expand(len(x), self.outputs)
        values = self.extension(x)
        values = values[:, None] if values.ndim == 1 else values
        if values.shape not in ((len(x), 1), (len(x), self.outputs)):
            message = (
                f"the extension returned shape {tuple(values.shape)}, expected ({len(x)},) or "
                f"({len(x)}, {self.outputs}): one number per point and output."
            )
            raise UsageError(message)
        return values.expand(-1, self.outputs)


def box_distance(lower: Sequence[float], upper: Sequence[float]) -> ScalarField:
    """D(x) = Π_i 4 (x_i - a_i)(b_i - x_i)/(b_i - a_i)²: zero on the box's faces, one at its centre."""

    def distance(x: Tensor) -> Tensor:
        a, b = (torch.as_tensor(corner).to(x) for corner in (lower, upper))
        return (4 * (x - a) * (b - x) / (b - a) ** 2).prod(-1)

    return distance


def disk_distance(centre: Sequence[float], radius: float) -> ScalarField:
    """D(x) = 1 - |x - c|²/R²: zero on the circle (sphere), one at its centre."""

    def distance(x: Tensor) -> Tensor:
        return 1 - ((x - torch.as_tensor(centre).to(x)) ** 2).sum(-1) / radius**2

    return distance


def box_extension(value: ScalarField, lower: Sequence[float], upper: Sequence[float]) -> ScalarField:
    """Transfinite interpolation g = (1 - Π_i (1 - P_i)) f, P_i linear between the two faces of axis i.

    g agrees with f on every face and evaluates f on the faces only (Gordon & Hall 1973); 3^d - 1 evaluations.

    Args:
        value: The prescribed boundary values f, points (n, d) on the boundary to (n,).
        lower: Lower corner a.
        upper: Upper corner b.
    """
    axes = range(len(lower))
    subsets = [subset for size in range(1, len(lower) + 1) for subset in combinations(axes, size)]

    def extension(x: Tensor) -> Tensor:
        a, b = (torch.as_tensor(corner).to(x) for corner in (lower, upper))
        fraction = (x - a) / (b - a)
        total = torch.zeros_like(x[:, 0])
        for subset in subsets:
            for ends in product((0, 1), repeat=len(subset)):
                columns = list(x.unbind(-1))
                weight = torch.full_like(x[:, 0], (-1.0) ** (len(subset) + 1))
                for axis, end in zip(subset, ends, strict=True):
                    columns[axis] = (b if end else a)[axis].expand(len(x))
                    weight = weight * (fraction[:, axis] if end else 1 - fraction[:, axis])
                total = total + weight * value(torch.stack(columns, dim=-1))
        return total

    return extension


def _field_jet(field: Callable[[Tensor], Tensor], x: Tensor, indices: Indices) -> Tensor:
    """D^α of a field without parameters as (n, u, a), detached."""
    with torch.enable_grad():
        points = x.detach().clone().requires_grad_()
        values = field(points)
        if not values.requires_grad:  # constant, but its derivatives are still zero
            values = values + 0 * points[:, :1]
        return nested_jet(values, points, indices).detach()
