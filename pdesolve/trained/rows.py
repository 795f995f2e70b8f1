"""Groups of residual rows at fixed points: jets at the points → rows, and the derivative of that map.

A group holds everything pointwise of one term, r_nm = w_nm F_m(jet at point n). Statements that tie points
together (periodic ends, integrals) add a matrix C over the points: r = C (w F).

Letters: n points, d coordinates, s slots (unknown, multi-index), m residuals per point, κ identified
parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.residual import ResidualOperator, Slot

Linearised = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of one term.

    Attributes:
        name: for messages and history.
        kind: kind of the term, or "periodic", "integral", "observation".
        points: (n, d).
        slots: the derivatives that enter.
        function: (jets (n, s), κ) → F (n, m), ∂F/∂jet (n, m, s), ∂F/∂κ (n, m, κ) or None.
        weights: w, (n, m).
        combine: C, (rows, n), or None where every point has its own rows.
        linear: whether F is affine in the jets.
    """

    name: str
    kind: str
    points: Tensor
    slots: tuple[Slot, ...]
    function: Callable[[Tensor, Mapping[str, Tensor]], Linearised]
    weights: Tensor
    combine: Tensor | None = None
    linear: bool = True

    def residual(self, jets: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """r, flattened: (rows · m,)."""
        return self.gather(self.weights * self.function(jets, parameters)[0]).reshape(-1)

    def gather(self, rows: Tensor) -> Tensor:
        """C applied to rows (n, …)."""
        if self.combine is None:
            return rows
        return torch.tensordot(self.combine, rows, dims=1)

    def scatter(self, rows: Tensor) -> Tensor:
        """Cᵀ applied to rows (rows, …)."""
        if self.combine is None:
            return rows
        return torch.tensordot(self.combine.T, rows, dims=1)

    def scaled(self, factor: Tensor | float) -> Group:
        """The same rows times a factor, one or one per residual (m,)."""
        return replace(self, weights=self.weights * factor)


def row_operator(group: Group, dF: Tensor, indices: Sequence[MultiIndex], sizes: Tensor) -> Tensor:
    """What rows F take from each derivative of each û = u / U: ∂F_m/∂(D^α u_o) U_o, (n, m, u, a).

    Args:
        group: whose slots name the derivatives.
        dF: ∂F/∂jet, (n, m, s).
        indices: the derivatives α, each once.
        sizes: U, (u,).
    """
    operator = dF.new_zeros(*dF.shape[:2], len(sizes), len(indices))
    for s, (unknown, alpha) in enumerate(group.slots):
        operator[:, :, unknown, indices.index(alpha)] += dF[:, :, s] * float(sizes[unknown])
    return operator


def operator_function(
    operator: ResidualOperator, points: Tensor, normals: Tensor | None, names: tuple[str, ...]
) -> Callable[[Tensor, Mapping[str, Tensor]], Linearised]:
    """The function of a group from a compiled term; an affine one is evaluated once and then tabulated."""
    if operator.linear and not names:
        zero = points.new_zeros(len(points), len(operator.slots))
        constant, table = operator.linearise(points, zero, normals)
        return affine_function(table, constant)

    def function(jets: Tensor, parameters: Mapping[str, Tensor]) -> Linearised:
        F, dF = operator.linearise(points, jets, normals, parameters)
        if names:
            dκ = operator.parameter_sensitivity(points, jets, normals, parameters)
        else:
            dκ = None
        return F, dF, dκ

    return function


def affine_function(table: Tensor, constant: Tensor) -> Callable[[Tensor, Mapping[str, Tensor]], Linearised]:
    """F = A jet + b with A (n, m, s) and b (n, m)."""

    def function(jets: Tensor, parameters: Mapping[str, Tensor]) -> Linearised:
        del parameters
        return constant + torch.einsum("nms,ns->nm", table, jets), table, None

    return function
