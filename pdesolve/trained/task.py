"""What a trained method works with: the compiled problem, the budget that the user set, and the monitor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from pdesolve.runs.monitor import Monitor
from pdesolve.trained.sampling import Statement

SHAPE = ("depth", "grid", "degree", "frequency", "width_factor")
SAFETY = 0.1  # rows are scaled so that their root mean square is about the relative error, see `scaling`


@dataclass(frozen=True)
class Budget:
    """What the user may set, the same words for every trained method; None leaves the method's default.

    Attributes:
        iterations: most iterations of the last optimiser.
        points: collocation points inside the domain.
        parameters: about how many trainable parameters.
        optimiser: name of the last optimiser (networks only).
        approximator: what is trained (method network only).
        start: where the centres of a mixture begin, "grid" or "random" (gmnm-trained only).
        lifting: "distance" for prescribed values that are met exactly, see `exact_values`.
        adam_iterations: iterations of Adam before it (networks only).
        learning_rate: of Adam (method network only).
        depth: hidden layers of a perceptron or Kolmogorov-Arnold network (method network only, like all that follows).
        grid: intervals of a spline's grid, or Gaussians.
        degree: of splines or Chebyshev polynomials.
        frequency: of the first layer of sines, or of Fourier features.
        width_factor: of the first Gaussians, in spacings of as many on a grid.
    """

    iterations: int | None = None
    points: int | None = None
    parameters: int | None = None
    optimiser: str | None = None
    approximator: str | None = None
    start: str | None = None
    lifting: str | None = None
    adam_iterations: int | None = None
    learning_rate: float | None = None
    depth: int | None = None
    grid: int | None = None
    degree: int | None = None
    frequency: float | None = None
    width_factor: float | None = None

    @property
    def shape(self) -> dict[str, float]:
        """What is set of an approximator's shape."""
        return {key: value for key in SHAPE if (value := getattr(self, key)) is not None}


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
