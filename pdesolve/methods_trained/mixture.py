"""The GMNM network trained as what it is: linear in its coefficients, nonlinear in centres and widths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.calculus import MultiIndex
from pdesolve.least_squares.variable_projection import SeparableProblem
from pdesolve.methods_trained.rows import Group

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
        self.mixture, self.sizes = mixture, sizes
        unit = {**mixture.config(), "outputs": 1}
        self._unit = GaussianMixture(**unit).to(mixture.coefficients)
        with torch.no_grad():
            self._unit.coefficients.fill_(1.0)
        self.replace_groups(groups)

    def replace_groups(self, groups: Sequence[Group]) -> None:
        """Take rows at other points; a problem made before then needs `refresh`."""
        self.groups = tuple(groups)
        self._tables = [group.function(_zero_jets(group), {}) for group in self.groups]

    def problem(self, ridge: float) -> SeparableProblem:
        """The separable least-squares problem; Kaufman's Jacobian is half the work and loses nothing here."""
        return SeparableProblem(
            self.basis, self.basis_jacobian, self._target(), self._fixed(), kaufman=True, ridge=ridge
        )

    def refresh(self, problem: SeparableProblem) -> None:
        """Give a problem the right-hand side and fixed columns of the present groups."""
        problem.replace_target(self._target(), self._fixed())

    def _target(self) -> Tensor:
        """y, (rows,)."""
        parts = zip(self.groups, self._tables, strict=True)
        return torch.cat([-g.gather(g.weights * F).reshape(-1) for g, (F, _, _) in parts])

    @property
    def alpha(self) -> Tensor:
        """The mixture's present shape parameters, (k · q,)."""
        shapes = [p.detach().reshape(len(p), -1) for p in self._shape_parameters()]
        return torch.cat(shapes, dim=1).reshape(-1)

    def set_alpha(self, alpha: Tensor) -> None:
        """Write α into the mixture."""
        for module in (self.mixture, self._unit):
            table, start = alpha.reshape(module.components, -1), 0
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    if name not in LINEAR:
                        width = parameter[0].numel()
                        parameter.copy_(table[:, start : start + width].reshape(parameter.shape))
                        start += width

    def set_solution(self, alpha: Tensor, coefficients: Tensor, fixed: Tensor) -> None:
        """Write α, coefficients (k, u) and skip, flattened, into the mixture."""
        self.set_alpha(alpha)
        rows = [coefficients, fixed.reshape(-1, coefficients.shape[1])] if len(fixed) else [coefficients]
        self.mixture.set_linear_coefficients(torch.cat(rows))

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

    def basis_jacobian(self, alpha: Tensor) -> Tensor:
        """∂Φ_ku/∂α_kq, (rows, k, u, q)."""
        self.set_alpha(alpha)
        blocks = []
        for group, (_, dF, _) in zip(self.groups, self._tables, strict=True):
            indices = group_indices(group)
            table = self._unit.jet_jacobian(group.points, indices)[:, 0]  # n a p
            table = self._by_component(table)  # n a k q
            blocks.append(self._rows(group, dF, indices, table.movedim(1, -1)))  # n k q a → rows k q u
        return torch.cat(blocks).transpose(2, 3)

    @torch.no_grad()
    def _columns(self, group: Group) -> Tensor:
        """All columns of one group, those of skip last, (rows, b, u)."""
        indices = group_indices(group)
        table = self.mixture.basis_jet(group.points, indices)  # n b a
        dF = self._tables[self.groups.index(group)][1]
        return self._rows(group, dF, indices, table)

    def _rows(self, group: Group, dF: Tensor, indices: tuple[MultiIndex, ...], table: Tensor) -> Tensor:
        """Σ_s w ∂F/∂u_s U D^{α(s)}φ for tables (n, …, a) of φ, put for each unknown: (rows, …, u)."""
        n, m = dF.shape[:2]
        operator = dF.new_zeros(n, m, len(self.sizes), len(indices))
        for s, (unknown, alpha) in enumerate(group.slots):
            operator[:, :, unknown, indices.index(alpha)] += dF[:, :, s] * float(self.sizes[unknown])
        operator = operator * group.weights[:, :, None, None]
        flat = table.reshape(n, -1, len(indices))
        rows = group.gather(torch.einsum("nmua,nba->nmbu", operator, flat))
        return rows.reshape(-1, *table.shape[1:-1], len(self.sizes))

    def _by_component(self, table: Tensor) -> Tensor:
        """Columns of the shape parameters (…, p) in the order of α, (…, k, q)."""
        parts, start = [], 0
        for name, parameter in self._unit.named_parameters():
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
