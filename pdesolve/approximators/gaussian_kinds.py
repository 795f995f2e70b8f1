"""The shapes of a mixture's components: what the projection A_k is, and what its parameters' derivatives are.

Every kind offers, for one set of shape parameters and points x (n, d):

    value(parameters, x)                       φ as (n, k), for a plain forward pass
    table(parameters, x, indices)              φ's derivatives as ``Components``
and on the components
    derivative(α) and combined(weights) (n, k),
    rows(weights) {name: (n, k, …)},  gradient(weights) {name: (k, …)}.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor

from pdesolve.approximators.gaussian_moments import (
    Derivatives,
    WeightedMoments,
    gaussian_derivatives,
    weighted_sum,
)
from pdesolve.approximators.multi_index import Index, Indices, lower_closure, lowered

Parameters = Mapping[str, Tensor]
# Log of a width below the spacing of floating-point numbers
NARROWEST = -40.0


class Components(ABC):
    """Derivatives of all components at some points."""

    @abstractmethod
    def derivative(self, alpha: Index) -> Tensor:
        """D^α φ_k, (n, k)."""

    def combined(self, weights: Derivatives) -> Tensor:
        """Σ_α w_α D^α φ_k, (n, k)."""
        return weighted_sum([(1, weight, self.derivative(alpha)) for alpha, weight in weights.items()])

    @abstractmethod
    def rows(self, weights: Derivatives) -> dict[str, Tensor]:
        """Σ_α w_α ∂D^α φ_k/∂(shape parameters of component k), (n, k, …) by name; weights (n, k) or (n, 1)."""

    @abstractmethod
    def gradient(self, weights: Derivatives) -> dict[str, Tensor]:
        """The same summed over the points, (k, …)."""


class GaussianKind(ABC):
    """A shape of components."""

    @abstractmethod
    def value(self, parameters: Parameters, x: Tensor) -> Tensor:
        """φ_k(x), (n, k)."""

    @abstractmethod
    def table(self, parameters: Parameters, x: Tensor, indices: Indices) -> Components:
        """Derivatives for ``indices`` and their lower closure."""


class AxisAligned(GaussianKind):
    """y_k = (x - μ_k)/s_k, one width per axis (``diagonal``) or in all (``isotropic``); log s is kept."""

    def value(self, parameters: Parameters, x: Tensor) -> Tensor:
        """exp(-½ Σ_i (x_i - μ_i)²/s_i²), (n, k)."""
        inverse = _columns(torch.exp(-_bounded(parameters["log_widths"])), x.shape[1])
        y = [(x[:, i, None] - parameters["centres"][:, i]) * inverse[i] for i in range(x.shape[1])]
        return torch.exp(-0.5 * _dot(y, y))

    def table(self, parameters: Parameters, x: Tensor, indices: Indices) -> Components:
        """Hermite recursion along each axis."""
        return _AxisAlignedComponents(parameters, x, indices)


class _AxisAlignedComponents(Components):
    def __init__(self, parameters: Parameters, x: Tensor, indices: Indices):
        d = x.shape[1]
        self.isotropic = parameters["log_widths"].ndim == 1
        self.precision = _columns(torch.exp(-2 * _bounded(parameters["log_widths"])), d)
        self.xi = [x[:, i, None] - parameters["centres"][:, i] for i in range(d)]
        v = [xi * p for xi, p in zip(self.xi, self.precision, strict=True)]
        g = torch.exp(-0.5 * _dot(v, self.xi))
        # P is diagonal: the recursion runs along each axis by itself.
        self.derivatives = gaussian_derivatives(
            g, v, lambda i, j: self.precision[i] if i == j else None, indices
        )

    def derivative(self, alpha: Index) -> Tensor:
        return self.derivatives[alpha]

    def rows(self, weights: Derivatives) -> dict[str, Tensor]:
        return self._named(*self._moments(weights))

    def gradient(self, weights: Derivatives) -> dict[str, Tensor]:
        centres, widths = self._moments(weights)
        return self._named([c.sum(0) for c in centres], [w.sum(0) for w in widths])

    def _moments(self, weights: Derivatives) -> tuple[list[Tensor], list[Tensor]]:
        moments = WeightedMoments(self.derivatives, self.xi, weights)
        axes = range(len(self.xi))
        centres = [self.precision[i] * moments.first(i) for i in axes]
        return centres, [self.precision[i] * moments.second(i, i) for i in axes]

    def _named(self, centres: list[Tensor], widths: list[Tensor]) -> dict[str, Tensor]:
        # ∂/∂log s of -½ ξ²/s² is ξ²/s²: the moment times the precision.
        log_widths = torch.stack(widths, dim=-1)
        if self.isotropic:
            log_widths = log_widths.sum(-1)
        return {"centres": torch.stack(centres, dim=-1), "log_widths": log_widths}


class Mahalanobis(GaussianKind):
    """y_k = A_k (x - μ_k), A_k of d rows (``full``) or fewer (``low-rank``)."""

    def value(self, parameters: Parameters, x: Tensor) -> Tensor:
        """exp(-½ |A_k (x - μ_k)|²), (n, k)."""
        y = torch.einsum("nkd,krd->nkr", x[:, None, :] - parameters["centres"], parameters["projections"])
        return torch.exp(-0.5 * y.square().sum(-1))

    def table(self, parameters: Parameters, x: Tensor, indices: Indices) -> Components:
        """The recursion for a general precision P = AᵀA."""
        return _MahalanobisComponents(parameters, x, indices)


class _MahalanobisComponents(Components):
    def __init__(self, parameters: Parameters, x: Tensor, indices: Indices):
        d = x.shape[1]
        self.projections = parameters["projections"]
        self.precision = torch.einsum("kri,krj->kij", self.projections, self.projections)
        self.xi = [x[:, i, None] - parameters["centres"][:, i] for i in range(d)]
        v = [_dot([self.precision[:, i, j] for j in range(d)], self.xi) for i in range(d)]
        g = torch.exp(-0.5 * _dot(v, self.xi))
        self.derivatives = gaussian_derivatives(g, v, lambda i, j: self.precision[:, i, j], indices)

    def derivative(self, alpha: Index) -> Tensor:
        return self.derivatives[alpha]

    def rows(self, weights: Derivatives) -> dict[str, Tensor]:
        return self._summed(weights, lambda moment: moment)

    def gradient(self, weights: Derivatives) -> dict[str, Tensor]:
        return self._summed(weights, lambda moment: moment.sum(0))

    def _summed(self, weights: Derivatives, reduce: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        moments = WeightedMoments(self.derivatives, self.xi, weights)
        first = torch.stack([reduce(moments.first(i)) for i in range(len(self.xi))], dim=-1)
        return self._named(first, self._symmetric(lambda i, j: reduce(moments.second(i, j))))

    def _symmetric(self, entry) -> Tensor:
        axes = range(len(self.xi))
        # Half of them; ξ_i ξ_j and ξ_j ξ_i are the same moment.
        upper = {(i, j): entry(i, j) for i in axes for j in axes if i <= j}
        rows = [torch.stack([upper[min(i, j), max(i, j)] for j in axes], dim=-1) for i in axes]
        return torch.stack(rows, dim=-2)

    def _named(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        return {
            "centres": torch.einsum("...kij,...kj->...ki", self.precision, first),
            "projections": -torch.einsum("krj,...kji->...kri", self.projections, second),
        }


class Ridge(GaussianKind):
    """One projection y_k = w_k·x - b_k: D^α φ = w^α f^(|α|)(y_k).

    f = exp(-½y²), and f^(m+1) = -y f^(m) - m f^(m-1).
    """

    def value(self, parameters: Parameters, x: Tensor) -> Tensor:
        """exp(-½ (w_k·x - b_k)²), (n, k)."""
        y = torch.nn.functional.linear(x, parameters["directions"], -parameters["offsets"])
        return torch.exp(-0.5 * y * y)

    def table(self, parameters: Parameters, x: Tensor, indices: Indices) -> Components:
        """The profile f and its derivatives at the projections."""
        return _RidgeComponents(parameters, x, indices)


class _RidgeComponents(Components):
    def __init__(self, parameters: Parameters, x: Tensor, indices: Indices):
        self.x = x
        self.directions = parameters["directions"]
        self.y = torch.nn.functional.linear(x, self.directions, -parameters["offsets"])
        self.f = [torch.exp(-0.5 * self.y * self.y)]
        for _ in range(max(sum(alpha) for alpha in indices)):
            self._extend()
        # w^β of each component, whatever the points: (k,), the small factor of every derivative.
        self.powers = {beta: self._power(beta) for beta in lower_closure(indices)}

    def derivative(self, alpha: Index) -> Tensor:
        return self.powers[alpha] * self.f[sum(alpha)]

    def combined(self, weights: Derivatives) -> Tensor:
        terms = [
            (1, self._combined(weights, alphas, self.powers), self.f[order])
            for order, alphas in _by_order(weights)
        ]
        return weighted_sum(terms)

    def rows(self, weights: Derivatives) -> dict[str, Tensor]:
        # ∂φ/∂b = -f'(y) and ∂φ/∂w_j = x_j f'(y), then D^α of both: orders of f first, with Σ_α w_α w^α before each.
        rise: Tensor | float = 0.0
        turns: Tensor | float = 0.0
        for order, alphas in _by_order(weights):
            rise = rise + self._combined(weights, alphas, self.powers) * self._f(order + 1)
            if order:
                slopes = {alpha: self._power_slopes(alpha) for alpha in alphas}
                turns = turns + self._combined(weights, alphas, slopes) * self.f[order][..., None]
        # There is at least one derivative
        assert isinstance(rise, Tensor)
        return {"directions": self.x[:, None, :] * rise[..., None] + turns, "offsets": -rise}

    def gradient(self, weights: Derivatives) -> dict[str, Tensor]:
        slope = torch.zeros_like(self.y)
        directions = torch.zeros_like(self.directions)
        for alpha, weight in weights.items():
            order = sum(alpha)
            slope.addcmul_(weight * self.powers[alpha], self._f(order + 1))
            if order:
                column = (weight * self.f[order]).sum(0)
                for j, times in enumerate(alpha):
                    if times:
                        directions[:, j] += times * self.powers[lowered(alpha, j)] * column
        return {"directions": directions + slope.T @ self.x, "offsets": -slope.sum(0)}

    @staticmethod
    def _combined(weights: Derivatives, alphas: list[Index], tables: Mapping[Index, Tensor]) -> Tensor:
        """Σ_α w_α (n, k) or (n, 1) times tables (k, …): (n, k, …)."""
        shape = (-1, weights[alphas[0]].shape[1], *[1] * (tables[alphas[0]].ndim - 1))
        # One product of matrices for all derivatives
        if weights[alphas[0]].shape[1] == 1:
            w = torch.cat([weights[alpha] for alpha in alphas], dim=1)
            table = torch.stack([tables[alpha].flatten() for alpha in alphas])
            return (w @ table).reshape(-1, *tables[alphas[0]].shape)
        terms = [weights[alpha].reshape(shape) * tables[alpha] for alpha in alphas]
        return torch.stack(terms).sum(0)

    def _power_slopes(self, alpha: Index) -> Tensor:
        """∂w^α/∂w_j, (k, d)."""
        zero = torch.zeros_like(self.directions[:, 0])
        slopes = [n * self.powers[lowered(alpha, j)] if n else zero for j, n in enumerate(alpha)]
        return torch.stack(slopes, dim=1)

    def _f(self, order: int) -> Tensor:
        while len(self.f) <= order:
            self._extend()
        return self.f[order]

    def _extend(self) -> None:
        m = len(self.f) - 1
        product = -self.y * self.f[m]
        self.f.append(product if m == 0 else torch.add(product, self.f[m - 1], alpha=-m))

    def _power(self, beta: Index) -> Tensor:
        factors = [self.directions[:, i] ** order for i, order in enumerate(beta) if order]
        if factors:
            return prod(factors[1:], start=factors[0])
        return torch.ones_like(self.directions[:, 0])


KINDS: dict[str, GaussianKind] = {
    "isotropic": AxisAligned(),
    "diagonal": AxisAligned(),
    "full": Mahalanobis(),
    "low-rank": Mahalanobis(),
    "ridge": Ridge(),
}


def _by_order(weights: Derivatives) -> list[tuple[int, list[Index]]]:
    """The derivatives of each order |α|."""
    # For a ridge all derivatives of one order share f^(order), the only factor that differs from point to point.
    orders = sorted({sum(alpha) for alpha in weights})
    return [(order, [alpha for alpha in weights if sum(alpha) == order]) for order in orders]


def _bounded(log_widths: Tensor) -> Tensor:
    """Widths of at least e⁻⁴⁰, so that a Gaussian that training has collapsed is zero and not infinity times zero."""
    return log_widths.clamp_min(NARROWEST)


def _columns(values: Tensor, d: int) -> list[Tensor]:
    """Per-axis columns (k,) of (k, d), or the same (k,) d times."""
    if values.ndim == 1:
        return [values] * d
    return [values[:, i] for i in range(d)]


def _dot(a: list[Tensor], b: list[Tensor]) -> Tensor:
    total = a[0] * b[0]
    for left, right in zip(a[1:], b[1:], strict=True):
        total = torch.addcmul(total, left, right)
    return total
