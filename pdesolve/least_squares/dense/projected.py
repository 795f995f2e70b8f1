"""Steps of Levenberg–Marquardt in which some parameters are not damped but eliminated from the linear model.

What variable projection is for residuals that are linear in some parameters, for those that are only nearly so: the
step of α is that of the residual's part outside the columns of c, and c follows.

Letters: m rows, p parameters θ of which k are the eliminated c and the others α.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.least_squares.dense.damped import NormalProblem, decompose
from pdesolve.least_squares.dense.linear import ColumnSpace, column_space
from pdesolve.least_squares.dense.stopping import half_square


@dataclass(frozen=True)
class ProjectedProblem:
    """min |J_α δα + J_c δc + r|² + λ |D δα|² for every λ.

    With Φ = J_c and P = I - ΦΦ⁺ the solution is

        δα = argmin |P J_α δα + P r|² + λ |D δα|²,   δc = -Φ⁺ (r + J_α δα).

    Attributes:
        eliminated: which parameters c are, (p,).
        space: of the columns of Φ.
        moved: J_α, (m, p - k).
        r: (m,).
        inner: the damped problem of P J_α and P r.
    """

    eliminated: Tensor
    space: ColumnSpace
    moved: Tensor
    r: Tensor
    inner: NormalProblem

    @property
    def scale(self) -> Tensor:
        """D, one for each parameter, 0 for those that are not damped."""
        return self._joined(self.inner.scale, self.r.new_zeros(int(self.eliminated.sum())))

    def step(self, damping: float) -> Tensor:
        """δ(λ), (p,)."""
        δα = self.inner.step(damping)
        return self._joined(δα, -self.space.solve(self.r + self.moved @ δα))

    def predicted_decrease(self, damping: float) -> float:
        """½ |r|² - ½ |r + J δ(λ)|²: what c alone can do, and what α adds."""
        return half_square(self.space.Q.T @ self.r) + self.inner.predicted_decrease(damping)

    def smallest_damping(self) -> float:
        """Of the damped part."""
        return self.inner.smallest_damping()

    def largest_damping(self) -> float:
        """Of the damped part."""
        return self.inner.largest_damping()

    def gradient(self) -> Tensor:
        """What is left of Jᵀr when c has been chosen best: (P J_α)ᵀ r and zeros, (p,)."""
        return self._joined(self.inner.gradient(), self.inner.g.new_zeros(int(self.eliminated.sum())))

    def _joined(self, α: Tensor, c: Tensor) -> Tensor:
        whole = α.new_empty(len(self.eliminated))
        whole[self.eliminated] = c
        whole[~self.eliminated] = α
        return whole


def projected_problem(J: Tensor, r: Tensor, scale: Tensor, eliminated: Tensor) -> ProjectedProblem:
    """The problem of J (m, p), r (m,) and D (p,) with the parameters of a mask (p,) eliminated.

    Source: Golub & Pereyra 1973; Kaufman 1975; Ruhe & Wedin 1980, SIAM Review 22, algorithm 2.
    """
    space = column_space(J[:, eliminated])
    moved = J[:, ~eliminated]
    outside = moved - space.Q @ (space.Q.T @ moved)
    inner = decompose(outside, r - space.Q @ (space.Q.T @ r), scale[~eliminated], "cholesky")
    assert isinstance(inner, NormalProblem)
    return ProjectedProblem(eliminated, space, moved, r, inner)


def solved_for(
    residual: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Tensor],
    theta: Tensor,
    chosen: Tensor,
    steps: int = 2,
) -> Tensor:
    """θ (p,) with the parameters of a mask (p,) improved by Gauss–Newton steps, as long as they lower the loss.

    Args:
        residual: θ → r (m,).
        jacobian: θ → its columns of the chosen parameters, (m, k).
        theta: where to start.
        chosen: which parameters.
        steps: most steps; one that does what the linear model promises is the last.
    """
    r = residual(theta)
    loss = half_square(r)
    for _ in range(steps):
        Φ = jacobian(theta)
        if not (bool(torch.isfinite(Φ).all()) and bool(torch.isfinite(r).all())):
            break
        space = column_space(Φ)
        promised = loss - half_square(space.Q.T @ r)
        other = theta.clone()
        other[chosen] -= space.solve(r)
        r = residual(other)
        new = half_square(r)
        if not new < loss:
            break
        theta = other
        loss = new
        if new <= 1.1 * promised:
            break
    return theta
