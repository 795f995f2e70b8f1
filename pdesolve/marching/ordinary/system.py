"""The equations of a problem on a time axis: F(u, u', …, t) = 0, with initial values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.breaks import Resolution, at_fixed_jets, resolve, with_stated
from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.marching.radau import Radau
from pdesolve.marching.unseen import varies_slowly
from pdesolve.patches.narrow import is_narrow
from pdesolve.statement.initial_values import orders_and_start
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, compile_term, sample_points

TIMES = 2**16  # in the whole interval: three in a gap that is crossed in 5e-5 of it
MORE_TIMES = 2**19  # where unknowns pass values in which the equations are narrow: two in a gap of 5e-6


@dataclass(frozen=True, eq=False)
class System:
    """The equations of a problem on a time axis.

    Attributes:
        operator: F, jets (n, s) ↦ residuals (n, m).
        resolution: when data jump.
        orders: (u,) of the highest derivative of each unknown.
        start: (r, u) initial values of the derivatives below the order, r the highest order; others are zero.
        times: at which equations are looked at between stages, in the whole interval.
    """

    operator: ResidualOperator
    resolution: Resolution
    orders: tuple[int, ...]
    start: Tensor
    times: int = TIMES

    def passes_narrow(self, path: TimePolynomials) -> bool:
        """Whether a path passes values of the unknowns in which the equations are narrow."""
        if varies_slowly(self.operator):
            return False  # polynomials of the unknowns are narrow in none of them
        t, _ = path.rule(path.stages + 1)
        orders = range(max(self.orders) + 1)
        jets = path.jet(t[:, None], tuple((k,) for k in orders)).permute(2, 0, 1)
        return is_narrow(self.operator, t[:, None], self.columns(jets), {})

    def columns(self, jets: Tensor) -> Tensor:
        """Jets (n, s) slot by slot, of derivatives (k + 1, n, u)."""
        return torch.stack([jets[index[0], :, u] for u, index in self.operator.slots], dim=1)

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return len(self.orders)

    def highest(self, method: Radau, values: Tensor, start: Tensor, step: float) -> Tensor:
        """Derivatives (s, u) of each unknown's own order, of the polynomial through values (s + 1, u)."""
        matrix = torch.from_numpy(method.matrix)
        first = torch.from_numpy(method.start)
        found = values[1:].clone()
        for order in range(max(self.orders)):
            rising = [u for u, highest in enumerate(self.orders) if highest > order]
            slope = (matrix @ found + torch.outer(first, start[order])) / step
            found[:, rising] = slope[:, rising]
        return found

    def jets(self, method: Radau, highest: Tensor, start: Tensor, step: float) -> Tensor:
        """Derivatives (r + 1, s, u) at the stages, integrated from the highest ones (s, u).

        Integration loses no digits, where differentiating the stage values would lose two with each order.
        """
        integration = step * torch.from_numpy(method.integration)
        top = max(self.orders)
        found = highest.new_zeros(top + 1, *highest.shape)
        for order in range(top, -1, -1):
            below = integration @ found[order + 1] + start[order] if order < top else highest
            own = torch.tensor([k == order for k in self.orders])
            found[order] = torch.where(own, highest, below)
        return found

    def residual(self, t: float, step: float, nodes: np.ndarray, jets: Tensor) -> tuple[Tensor, Tensor]:
        """F (n, m) and its sensitivities (n, m, slots) at the nodes (n,) of a step, from jets (k + 1, n, u)."""
        times = self.resolution.within(t + step * torch.from_numpy(nodes), t, t + step)
        return self.operator.linearise(times[:, None], self.columns(jets))

    def newton_matrix(self, method: Radau, sensitivity: Tensor, step: float) -> Tensor:
        """∂F/∂u^{(r)} (s m, s u), r the order of each unknown: Σ_k diag(∂F/∂u^{(k)}) (Δ A)^{r - k}, A = Â⁻¹."""
        s, m, _ = sensitivity.shape
        integration = step * torch.from_numpy(method.integration)
        powers = [torch.eye(s, dtype=torch.float64)]
        for _ in range(max(self.orders)):
            powers.append(powers[-1] @ integration)
        matrix = sensitivity.new_zeros(s, m, s, self.unknowns)
        for slot, (u, index) in enumerate(self.operator.slots):
            power = powers[self.orders[u] - index[0]]
            matrix[..., u] += sensitivity[:, :, None, slot] * power[:, None, :]
        return matrix.view(s * m, s * self.unknowns)


def compiled(problem: Problem, tol: float) -> System:
    """The equations of a problem on a time axis with its initial values.

    Args:
        problem: on a time axis (`is_ordinary`).
        tol: to which data are resolved in time, relatively; 1e-9 at least.

    Raises:
        ProblemError: initial values are missing or too many, or equations and unknowns differ in number.
    """
    operator = compile_term(problem, problem.terms[0], *sample_points(problem, problem.terms[0], 512))
    orders, start = orders_and_start(problem, operator)
    first, last = problem.domain.bounds[:, 0].tolist()
    resolution = resolve(lambda t: at_fixed_jets(operator, t), first, last, max(tol, 1e-9))
    resolution = with_stated(resolution, problem.domain.time.breaks)
    return System(operator, resolution, orders, start)
