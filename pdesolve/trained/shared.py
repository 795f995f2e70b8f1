"""Rows of which several processes hold parts: sums of squares, gradients and normal matrices of them all."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.least_squares.dense.damped import DampedProblem, NormalProblem, damped_by_eigenvalues
from pdesolve.runs.ranks import Ranks
from pdesolve.trained.system import System


class SharedSystem:
    """Loss, gradient and linear models of the rows of all processes.

    Levenberg–Marquardt needs |r|, JᵀJ and Jᵀr, and nothing else of the rows: these are summed over the processes.

    Args:
        system: the rows of this process.
        ranks: the processes.
        dense: parameters up to which JᵀJ is decomposed by its eigenvalues; by Cholesky beyond.
    """

    def __init__(self, system: System, ranks: Ranks, dense: int = 0):
        self.system = system
        self.ranks = ranks
        self.dense = dense
        self._gram = system.theta.new_zeros(0, 0)
        self._gradient = system.theta.new_zeros(0)

    def loss_and_gradient(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """½ |r|² and its gradient (p,)."""
        loss, gradient = self.system.loss_and_gradient(theta)
        total = self.ranks.sum(torch.cat([loss[None], gradient]))
        return total[0], total[1:]

    def residual(self, theta: Tensor) -> Tensor:
        """|r|, (1,): of the same norm as r."""
        r = self.system.residual(theta)
        return self.ranks.sum((r @ r)[None]).sqrt()

    def jacobian(self, theta: Tensor) -> Tensor:
        """A diagonal matrix (p, p) whose columns have the norms of those of J; what J holds beyond is kept."""
        J = self.system.jacobian(theta)
        r = self.system.residual(theta)
        total = self.ranks.sum(torch.cat([J.T @ J, (J.T @ r)[None]]))
        self._gram = total[:-1]
        self._gradient = total[-1]
        return torch.diag(self._gram.diagonal().sqrt())

    def linearised(self, J: Tensor, r: Tensor, scale: Tensor) -> DampedProblem | NormalProblem:
        """The damped problem of the last Jacobian, in place of the stand-ins J and r."""
        del J, r
        gram = self._gram / scale / scale[:, None]
        if len(scale) <= self.dense:
            return damped_by_eigenvalues(gram, self._gradient / scale, scale)
        return NormalProblem(scale, gram, self._gradient / scale)
