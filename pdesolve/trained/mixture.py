"""The GMNM network trained as what it is: linear in its coefficients, nonlinear in centres and widths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.dense.variable_projection import SeparableProblem
from pdesolve.statement.calculus import MultiIndex
from pdesolve.trained.rows import Group, row_operator

LINEAR = ("coefficients", "skip")


class SeparableMixture:
    """A linear problem for a Gaussian mixture as min_{α, c} |Φ(α) c - y|.

    α gathers the shape parameters component by component, (k, q): centre and logarithmic widths, or direction
    and offset. Column (k, o) of Φ is the k-th Gaussian put in place of unknown o.

    Args:
        mixture: the approximator; its shape parameters are overwritten at every evaluation.
        groups: linear rows.
        sizes: U, sizes of the unknowns, (u,).
    """

    def __init__(self, mixture: GaussianMixture, groups: Sequence[Group], sizes: Tensor):
        self.mixture = mixture
        self.sizes = sizes
        self.replace_groups(groups)

    def replace_groups(self, groups: Sequence[Group]) -> None:
        """Take rows at other points; a problem made before then needs `refresh`."""
        self.groups = tuple(groups)
        self._operators = []
        targets = []
        for group in self.groups:
            F, dF, _ = group.function(_zero_jets(group), {})
            operator = row_operator(group, dF, group_indices(group), self.sizes)
            self._operators.append(operator * group.weights[:, :, None, None])
            targets.append(-group.gather(group.weights * F).reshape(-1))
        self.target = torch.cat(targets)

    def problem(self, ridge: float) -> SeparableProblem:
        """The separable least-squares problem; Kaufman's Jacobian is half the work and loses nothing here."""
        return SeparableProblem(
            self.basis, None, self.target, self._fixed(), kaufman=True, ridge=ridge, moved=self.moved
        )

    def refresh(self, problem: SeparableProblem) -> None:
        """Give a problem the right-hand side and fixed columns of the present groups."""
        problem.replace_target(self.target, self._fixed())

    @property
    def alpha(self) -> Tensor:
        """The mixture's present shape parameters, (k · q,)."""
        shapes = [p.detach().reshape(len(p), -1) for p in self._shape_parameters()]
        return torch.cat(shapes, dim=1).reshape(-1)

    def set_alpha(self, alpha: Tensor) -> None:
        """Write α into the mixture."""
        table = alpha.reshape(self.mixture.components, -1)
        start = 0
        with torch.no_grad():
            for parameter in self._shape_parameters():
                width = parameter[0].numel()
                parameter.copy_(table[:, start : start + width].reshape(parameter.shape))
                start += width

    def set_solution(self, alpha: Tensor, coefficients: Tensor, fixed: Tensor) -> None:
        """Write α, coefficients (k, u) and skip, flattened, into the mixture."""
        self.set_alpha(alpha)
        with torch.no_grad():
            self.mixture.coefficients.copy_(coefficients)
            if len(fixed):
                self.mixture.skip.copy_(fixed.reshape(self.mixture.skip.shape))

    @torch.no_grad()
    def values(self, problem: SeparableProblem, alpha: Tensor, points: Tensor) -> Tensor:
        """The solution at points (n, d), (n, u), of the shapes α and the coefficients that belong to them."""
        c, fixed, _ = problem.coefficients(alpha)
        self.set_solution(alpha, c, fixed)
        return self.mixture(points) * self.sizes.to(alpha)

    def basis(self, alpha: Tensor) -> Tensor:
        """Φ, (rows, k, u)."""
        self.set_alpha(alpha)
        return torch.cat([self._columns(group)[:, : self.mixture.components] for group in self.groups])

    def moved(self, alpha: Tensor, c: Tensor) -> Tensor:
        """∂(Φ c)/∂α for coefficients c (k, u), (rows, k, q)."""
        self.set_solution(alpha, c, alpha.new_zeros(0))
        blocks = []
        for group, operator in zip(self.groups, self._operators, strict=True):
            J = self.mixture.row_jacobian(group.points, group_indices(group), operator)
            blocks.append(group.gather(self._by_component(J)).flatten(0, 1))
        return torch.cat(blocks)

    def _columns(self, group: Group) -> Tensor:
        """All columns of one group, those of skip last, (rows, b, u)."""
        operator = self._operators[self.groups.index(group)]
        rows = self.mixture.row_basis(group.points, group_indices(group), operator)
        return group.gather(rows).flatten(0, 1)

    def _by_component(self, table: Tensor) -> Tensor:
        """Columns of the shape parameters (…, p) in the order of α, (…, k, q)."""
        parts = []
        start = 0
        for name, parameter in self.mixture.named_parameters():
            block = table[..., start : start + parameter.numel()]
            start += parameter.numel()
            if name not in LINEAR:
                parts.append(block.reshape(*table.shape[:-1], self.mixture.components, -1))
        return torch.cat(parts, dim=-1)

    def _fixed(self) -> Tensor | None:
        if not self.mixture.skipping:
            return None
        columns = [self._columns(group)[:, self.mixture.components :] for group in self.groups]
        return torch.cat(columns).flatten(1)

    def _shape_parameters(self):
        return [p for name, p in self.mixture.named_parameters() if name not in LINEAR]


def group_indices(group: Group) -> tuple[MultiIndex, ...]:
    """The derivatives of a group, each once."""
    return tuple(dict.fromkeys(alpha for _, alpha in group.slots))


def _zero_jets(group: Group) -> Tensor:
    return group.points.new_zeros(len(group.points), len(group.slots))
