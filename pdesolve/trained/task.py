"""What a trained method works with: the compiled problem, the budget that the user set, and the monitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pdesolve.runs.monitor import Monitor
from pdesolve.trained.sampling import Statement
from pdesolve.trained.settings import Budget

# Rows are scaled so that their root mean square is about the relative error, see `scaling`
SAFETY = 0.1


@dataclass(frozen=True)
class Task:
    """Everything a trained method works with."""

    statement: Statement
    budget: Budget
    monitor: Monitor
    seed: int
    tol: float

    @property
    def loss_tolerance(self) -> float:
        """½ (SAFETY · tol)²: where the scaled residual is well below the error asked for."""
        return 0.5 * (SAFETY * self.tol) ** 2

    def watch(self, values: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Let the monitor measure checkpoints by (θ, points (n, d)) ↦ values (n, u) of what is trained."""
        lift = self.statement.lift
        if lift is None:
            self.monitor.values_at = values
            return

        def lifted(theta: Tensor, points: Tensor) -> Tensor:
            return lift.extension(points) + lift.distance(points) * values(theta, points)

        self.monitor.values_at = lifted
