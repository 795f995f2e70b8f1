"""θ → r, J and θ → loss, gradient: where groups of rows meet an approximator.

Jets of the approximator are those of û = u / U; U are the sizes of the unknowns. θ is the approximator's flat
parameter vector followed by the parameters κ to be identified, as multiples of their starting values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from pdesolve.approximators import TrainableApproximator
from pdesolve.statement.calculus import MultiIndex
from pdesolve.trained.rows import Group, row_operator


@dataclass(frozen=True)
class _Batch:
    """Groups that need the same derivatives: one pass through the approximator serves them all."""

    indices: tuple[MultiIndex, ...]
    groups: tuple[Group, ...]

    @cached_property
    def points(self) -> Tensor:
        return torch.cat([group.points for group in self.groups])

    def split(self, values: Tensor) -> tuple[Tensor, ...]:
        return values.split([len(group.points) for group in self.groups])

    def columns(self, group: Group) -> tuple[list[int], list[int]]:
        """Where the slots of a group lie in a jet (n, u, a)."""
        return [u for u, _ in group.slots], [self.indices.index(alpha) for _, alpha in group.slots]


class System:
    """Rows of all groups as functions of one flat θ.

    Args:
        approximator: with parameters; its values are overwritten at every evaluation.
        groups: what must vanish.
        sizes: U, (u,).
        parameters: name → starting value of κ.
    """

    def __init__(
        self,
        approximator: TrainableApproximator,
        groups: Sequence[Group],
        sizes: Tensor,
        parameters: dict[str, Tensor],
    ):
        self.approximator = approximator
        self.sizes = sizes
        self.start = parameters
        self.replace_groups(groups)

    def replace_groups(self, groups: Sequence[Group]) -> None:
        """Take rows at other points."""
        batches: dict[tuple[MultiIndex, ...], list[Group]] = {}
        for group in groups:
            indices = tuple(sorted({alpha for _, alpha in group.slots}, key=lambda a: (sum(a), a[::-1])))
            batches.setdefault(indices, []).append(group)
        self.batches = tuple(_Batch(indices, tuple(members)) for indices, members in batches.items())

    @property
    def theta(self) -> Tensor:
        """The approximator's present parameters, and κ at its start."""
        θ = parameters_to_vector(self.approximator.parameters()).detach()
        return torch.cat([θ, θ.new_zeros(len(self.start))])

    def set(self, theta: Tensor) -> dict[str, Tensor]:
        """Write θ into the approximator; return κ = κ₀ (1 + z), or z where κ₀ = 0."""
        size = len(theta) - len(self.start)
        vector_to_parameters(theta[:size], self.approximator.parameters())
        scaled = zip(self.start.items(), theta[size:], strict=True)
        return {name: value + self._unit(value) * z for (name, value), z in scaled}

    @torch.no_grad()
    def values(self, theta: Tensor, points: Tensor) -> Tensor:
        """u_θ at points (n, d), (n, u), in the units of the problem; θ stays in the approximator."""
        self.set(theta)
        return self.approximator(points) * self.sizes.to(theta)

    def residual(self, theta: Tensor) -> Tensor:
        """r, (m,)."""
        κ = self.set(theta)
        rows = []
        with torch.no_grad():
            for batch in self.batches:
                jets = batch.split(self._scaled(self.approximator.jet(batch.points, batch.indices)))
                for group, jet in zip(batch.groups, jets, strict=True):
                    rows.append(group.residual(_pick(jet, batch.columns(group)), κ))
        return torch.cat(rows)

    def jacobian(self, theta: Tensor) -> Tensor:
        """∂r/∂θ, (m, p)."""
        κ = self.set(theta)
        blocks = []
        for batch in self.batches:
            for group in batch.groups:
                blocks.append(self._group_jacobian(group, batch.indices, batch.columns(group), κ))
        return torch.cat(blocks)

    def loss_and_gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """½ |r|² and its gradient (p,), by one forward and one backward pass per chunk of points."""
        κ = self.set(theta)
        loss = theta.new_zeros(())
        gradient = torch.zeros_like(theta)
        for batch in self.batches:
            more, part = self._batch_gradient(batch, κ)
            loss = loss + more
            gradient = gradient + part
        return loss, gradient

    def _batch_gradient(self, batch: _Batch, κ: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        size = self.approximator.points_per_chunk
        parts = [
            self.approximator.jet_and_pullback(points, batch.indices) for points in batch.points.split(size)
        ]
        jets = self._scaled(torch.cat([jet for jet, _ in parts]))
        cotangent = torch.zeros_like(jets)
        loss = jets.new_zeros(())
        towards_κ = jets.new_zeros(len(self.start))
        targets = batch.split(cotangent)
        for group, jet, target in zip(batch.groups, batch.split(jets), targets, strict=True):
            u, a = batch.columns(group)
            F, dF, dκ = group.function(jet[:, u, a], κ)
            rows = group.gather(group.weights * F)
            pulled = group.weights * group.scatter(rows)  # ∂loss/∂F, (n, m)
            loss = loss + 0.5 * rows.square().sum()
            target[:, u, a] += torch.einsum("nm,nms->ns", pulled, dF)
            if dκ is not None:
                towards_κ = towards_κ + torch.einsum("nm,nmk->k", pulled, dκ)
        cotangent = self._scaled(cotangent)
        gradients = [pull(c) for (_, pull), c in zip(parts, cotangent.split(size), strict=True)]
        return loss, torch.cat([torch.stack(gradients).sum(0), towards_κ * self._units(jets)])

    def _group_jacobian(self, group: Group, indices, columns, κ: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            jets = self._scaled(self.approximator.jet(group.points, indices))
        _, dF, dκ = group.function(_pick(jets, columns), κ)
        with torch.no_grad():
            operator = row_operator(group, dF, indices, self.sizes)
            J = self.approximator.row_jacobian(group.points, indices, operator)
        if len(self.start):
            if dκ is None:
                dκ = J.new_zeros(*J.shape[:2], len(self.start))
            J = torch.cat([J, dκ * self._units(J)], dim=2)
        J *= group.weights[:, :, None]
        return group.gather(J).reshape(-1, J.shape[2])

    def _scaled(self, jets: Tensor) -> Tensor:
        """Jets of u = U û from those of û, (n, u, a)."""
        return jets * self.sizes.to(jets)[:, None]

    def _unit(self, value: Tensor) -> Tensor:
        if bool(value != 0):
            return value.abs()
        return torch.ones_like(value)

    def _units(self, like: Tensor) -> Tensor:
        units = [self._unit(value).to(like) for value in self.start.values()]
        if units:
            return torch.stack(units)
        return like.new_zeros(0)


def _pick(jets: Tensor, columns: tuple[list[int], list[int]]) -> Tensor:
    """The slots (n, s, …) out of jets (n, u, a, …)."""
    return jets[:, columns[0], columns[1]]
