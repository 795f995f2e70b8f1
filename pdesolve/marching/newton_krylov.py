"""Newton's iteration with GMRES, for a first slab on which one linearisation does not serve all stages.

At a start that does not match its boundary values the stages of a slab differ as much as these values do, however short
the slab is: with k(u) or M(u) that vary by more than about two, the passes of simplified Newton diverge on all of them.
The correction of a pass, F(U) = -P R(U), vanishes where the residual R does. Newton's iteration on F,

    F'(U) δ = -F(U),      F'(U) v ≈ (F(U + ε v) - F(U))/ε,

needs P as a preconditioner only: GMRES (Saad & Schultz, SIAM J. Sci. Stat. Comput. 7, 1986) takes some five products of
v for each δ. δ is halved until ‖F‖ falls (Armijo).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.runs.deadline import check_deadline

# Steps of Newton; those that converge take four to ten.
MOST_STEPS = 20
# Vectors that GMRES keeps; it needs about as many as the coefficients vary, a factor of twenty being much.
MOST_VECTORS = 30
# Corrections together, some seconds of passes on a line: what takes more is not found on this slab.
MOST_CORRECTIONS = 300
# Of the size of the stages, by which they are moved for a derivative: √ε balances rounding and curvature.
MOVED = float(np.sqrt(np.finfo(float).eps))
# Relative residuals of GMRES, loose at first and tighter as the steps become quadratic.
LOOSE = 0.1
TIGHT = 0.01
# Least decrease of ‖F‖ that is asked of a step, per length of it, and the shortest step.
ARMIJO = 1e-4
SHORTEST_STEP = 1 / 256

Correction = Callable[[Tensor], Tensor]


class _Interrupted(Exception):
    """Time is over."""


@dataclass(eq=False)
class NewtonKrylov:
    """One slab.

    Attributes:
        correction: stages U (s, e, u, k) ↦ F(U), with the factors at hand.
        factorise: linearises in the middle of the stages and makes factors anew.
        change: δ, U ↦ ‖δ‖/‖U‖ as the passes measure it.
        weights: (e, u) that make Euclid's norm of coefficients one of relative functions.
        interrupted: asked before each correction; where true, the iteration ends without a solution.
    """

    correction: Correction
    factorise: Callable[[Tensor], None]
    change: Callable[[Tensor, Tensor], float]
    weights: Tensor
    interrupted: Callable[[], bool]
    corrections: int = 0

    def solve(self, stages: Tensor, tolerance: float) -> tuple[Tensor | None, tuple[float, ...]]:
        """The stages, None where they are not found; and ‖F‖/‖U‖ of each step."""
        changes: list[float] = []
        try:
            for _ in range(MOST_STEPS):
                self.factorise(stages)
                correction = self._corrected(stages)
                changes.append(self.change(correction, stages))
                if changes[-1] <= tolerance:
                    return stages, tuple(changes)
                moved = self._step(stages, correction, changes[-1])
                if moved is None:
                    break
                stages = moved
        except OutOfMemoryError:
            raise
        except (SolveError, _Interrupted):  # stages far away may have no factors, or no finite residual
            pass
        return None, tuple(changes)

    def _corrected(self, stages: Tensor) -> Tensor:
        check_deadline()
        if self.interrupted():
            raise _Interrupted
        self.corrections += 1
        return self.correction(stages)

    def _step(self, stages: Tensor, correction: Tensor, change: float) -> Tensor | None:
        """Stages with a smaller ‖F‖ along δ; None where there are none, or time is over."""
        size = self._size(correction)
        if not np.isfinite(size) or self.corrections > MOST_CORRECTIONS:
            return None
        delta = self._direction(stages, correction, change)
        length = 1.0
        while length >= SHORTEST_STEP:
            moved = stages + length * delta
            if self._size_of_correction(moved) < (1 - ARMIJO * length) * size:
                return moved
            length /= 2
        return None

    def _size_of_correction(self, stages: Tensor) -> float:
        """‖F‖, infinite where it does not exist: a step that went too far."""
        try:
            return self._size(self._corrected(stages))
        except OutOfMemoryError:
            raise
        except SolveError:
            return np.inf

    def _direction(self, stages: Tensor, correction: Tensor, change: float) -> Tensor:
        """δ of F'(U) δ = -F(U)."""
        # Stages may all be zero, as at a start at rest: then what they are to become tells their size.
        size = max(self._size(stages), self._size(correction))

        def product(v: NDArray[np.float64]) -> NDArray[np.float64]:
            direction = self._functions(v, stages)
            step = MOVED * size / max(float(np.linalg.norm(v)), 1e-300)
            difference = self._corrected(stages + step * direction) - correction
            return self._numbers(-difference / step)

        right = self._numbers(correction)
        operator = LinearOperator((len(right), len(right)), product, dtype=float)
        rtol = min(LOOSE, max(TIGHT, change))
        found, _ = gmres(operator, right, x0=right.copy(), rtol=rtol, restart=MOST_VECTORS, maxiter=1)
        return self._functions(found, stages)

    def _size(self, functions: Tensor) -> float:
        return float((functions * self.weights[:, :, None]).norm())

    def _numbers(self, functions: Tensor) -> NDArray[np.float64]:
        return (functions * self.weights[:, :, None]).flatten().numpy()

    def _functions(self, numbers: NDArray[np.float64], like: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(numbers)).view_as(like) / self.weights[:, :, None]
