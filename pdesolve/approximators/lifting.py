"""Exact Dirichlet values by construction: u = g + D N, where the distance D vanishes on the boundary."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators.approximator import Pullback, TrainableApproximator
from pdesolve.approximators.autodiff_jet import nested_jet
from pdesolve.approximators.multi_index import Index, Indices, binomial, lower_closure
from pdesolve.errors import UsageError

ScalarField = Callable[[Tensor], Tensor]
# Axis and end, 0 the lower and 1 the upper
Face = tuple[int, int]


class Lifting(TrainableApproximator):
    """u(x) = g(x) + D(x) N(x): with D = 0 on the boundary, u equals the extension g there whatever θ is.

    Jets are Leibniz products, D^α(D N) = Σ_{β≤α} binomial(α, β) D^{α-β}D D^β N, linear in the jet of N: jets'
    Jacobians and pullbacks are those of N, combined. D and g are differentiated by nested autograd at the
    points; neither holds parameters (Lagaris, Likas & Fotiadis 1998).

    Args:
        approximator: N.
        distance: D, a smooth function of points (n, d) to (n,), or (n, u) where it differs from output to output;
            ``box_distance`` or ``disk_distance``.
        extension: g, points (n, d) to (n,) or (n, u), smooth and with the prescribed boundary values; or
            those values themselves where they are constant (a number, or one per output).
        stated_by_problem: Whether a problem states D and g, which can then be made again when a solution is read.

    Raises:
        UsageError: If a function's values have another shape (when first evaluated).
    """

    def __init__(
        self,
        approximator: TrainableApproximator,
        distance: ScalarField,
        extension: ScalarField | float | Sequence[float] = 0.0,
        stated_by_problem: bool = False,
    ):
        super().__init__()
        self.stated_by_problem = stated_by_problem
        self.approximator = approximator
        self.distance = distance
        self.extension = extension
        self.inputs = approximator.inputs
        self.outputs = approximator.outputs
        self.points_per_chunk = approximator.points_per_chunk

    def forward(self, x: Tensor) -> Tensor:
        """u(x), (n, u)."""
        x = self._points(x)
        return self._extension(x) + self._distance(x) * self.approximator(x)

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u as (n, u, a)."""
        x, indices = self._checked(x, indices)
        shift, rule = self._leibniz(x, indices)
        # The product rule needs all lower derivatives of N, too.
        inner = self.approximator.jet(x, lower_closure(indices))
        return shift + torch.einsum("nuab,nub->nua", rule, inner)

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u)/∂θ as (n, u, a, p)."""
        x, indices = self._checked(x, indices)
        _, rule = self._leibniz(x, indices)
        inner = self.approximator.jet_jacobian(x, lower_closure(indices))
        return torch.einsum("nuab,nubp->nuap", rule, inner)

    def jet_and_pullback(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, Pullback]:
        """The jet (n, u, a) and the map from cotangents (n, u, a) to (p,)."""
        x, indices = self._checked(x, indices)
        shift, rule = self._leibniz(x, indices)
        inner, inner_pullback = self.approximator.jet_and_pullback(x, lower_closure(indices))

        def pullback(cotangent: Tensor) -> Tensor:
            return inner_pullback(torch.einsum("nuab,nua->nub", rule, cotangent))

        return shift + torch.einsum("nuab,nub->nua", rule, inner), pullback

    def config(self) -> dict[str, Any]:
        """The kind and the arguments of N; D and g are made again from the problem.

        Raises:
            UsageError: They are functions that no problem states.
        """
        if not self.stated_by_problem:
            message = (
                "Lifting holds functions, which JSON cannot describe: store config() and state_dict() of its "
                "approximator and build the lifting around it again."
            )
            raise UsageError(message)
        return {"kind": type(self.approximator).__name__, "config": self.approximator.config()}

    def _leibniz(self, x: Tensor, indices: Indices) -> tuple[Tensor, Tensor]:
        """D^α g as (n, u, a), and the coefficients of D^β N in D^α(D N) as (n, u, a, b), b the lower closure."""
        rule = product_rule(self._distance, x, indices)
        return field_jet(self._extension, x, indices), rule.expand(-1, self.outputs, -1, -1)

    def _distance(self, x: Tensor) -> Tensor:
        values = self.distance(x)
        if values.ndim == 1:
            values = values[:, None]
        if values.shape not in ((len(x), 1), (len(x), self.outputs)):
            message = (
                f"the distance returned shape {tuple(values.shape)}, expected ({len(x)},): one per point, or one per "
                f"point and output, ({len(x)}, {self.outputs})."
            )
            raise UsageError(message)
        return values

    def _extension(self, x: Tensor) -> Tensor:
        if not callable(self.extension):
            return torch.as_tensor(self.extension).to(x).expand(len(x), self.outputs)
        values = self.extension(x)
        if values.ndim == 1:
            values = values[:, None]
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


def box_extension(
    value: ScalarField | Mapping[Face, ScalarField], lower: Sequence[float], upper: Sequence[float]
) -> ScalarField:
    """Transfinite interpolation g = (1 - Π_i (1 - P_i)) f, P_i between the prescribed faces of axis i.

    P_i is linear between two faces, and constant where there is one. g agrees with f on every prescribed face and
    evaluates f on these only (Gordon & Hall 1973); 3^d - 1 evaluations at most.

    Args:
        value: The prescribed boundary values f, points (n, d) on the boundary to (n,); or one such function for each
            prescribed face, (axis, 0) the lower and (axis, 1) the upper one, which agree where faces meet.
        lower: Lower corner a.
        upper: Upper corner b.
    """
    faces = value
    if not isinstance(faces, Mapping):
        faces = dict.fromkeys(product(range(len(lower)), (0, 1)), faces)
    # An axis with a face at one end only is not interpolated along.
    between = {axis for axis, end in faces if (axis, 1 - end) in faces}
    projections = _projections(faces)

    def extension(x: Tensor) -> Tensor:
        corners = [torch.as_tensor(corner).to(x) for corner in (lower, upper)]
        fraction = (x - corners[0]) / (corners[1] - corners[0])
        shares = (1 - fraction, fraction)  # of the two ends
        total = torch.zeros_like(x[:, 0])
        for projection in projections:
            columns = list(x.unbind(-1))
            weight = torch.full_like(x[:, 0], (-1.0) ** (len(projection) + 1))
            for axis, end in projection:
                columns[axis] = corners[end][axis].expand(len(x))
                if axis in between:
                    weight = weight * shares[end][:, axis]
            total = total + weight * faces[projection[0]](torch.stack(columns, dim=-1))
        return total

    return extension


def _projections(faces: Iterable[Face]) -> list[tuple[Face, ...]]:
    """The faces that a point can be projected to together, at most one of each axis: all sets but the empty one.

    They are the terms of 1 - Π_i (1 - P_i), with the sign (-1)^(number of faces + 1).
    """
    ends = {axis: [end for other, end in sorted(faces) if other == axis] for axis, _ in sorted(faces)}
    return [
        tuple(zip(axes, chosen, strict=True))
        for size in range(1, len(ends) + 1)
        for axes in combinations(ends, size)
        for chosen in product(*(ends[axis] for axis in axes))
    ]


def product_rule(distance: ScalarField, x: Tensor, indices: Indices) -> Tensor:
    """Coefficients of D^β N in D^α(D N), (n, u, a, b): binomial(α, β) D^{α-β} D, β in the lower closure of the α.

    Args:
        distance: D, points (n, d) to (n, u).
        x: points.
        indices: the α.
    """
    closure = lower_closure(indices)
    jet = field_jet(distance, x, closure)
    place = {beta: position for position, beta in enumerate(closure)}
    rule = x.new_zeros(len(x), jet.shape[1], len(indices), len(closure))
    for a, alpha in enumerate(indices):
        for b, beta in enumerate(closure):
            rest = tuple(i - j for i, j in zip(alpha, beta, strict=True))
            if min(rest) >= 0:  # β ≤ α: other derivatives of N do not enter
                rule[:, :, a, b] = binomial(alpha, beta) * jet[:, :, place[rest]]
    return rule


def field_jet(field: Callable[[Tensor], Tensor], x: Tensor, indices: Indices) -> Tensor:
    """D^α of a field without parameters as (n, u, a), detached."""
    with torch.enable_grad():
        points = x.detach().clone().requires_grad_()
        values = field(points)
        # Constant, but its derivatives are still zero
        if not values.requires_grad:
            values = values + 0 * points[:, :1]
        return nested_jet(values, points, indices).detach()
