"""Least squares in blocks: factor the scaled normal equations once, then refine against the rows themselves.

The normal equations square the condition number, so their factor M ≈ D AᵀA D is used only as a
preconditioner: conjugate gradients on the rows (CGLS) correct the solution with residuals b - A x computed
from A. A few corrected semi-normal steps restore the accuracy of an orthogonal factorisation (Björck,
Numerical Methods for Least Squares Problems, SIAM 1996, §2.9.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.sparse.border import Bordered, DenseRows, Factor, left_by
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.least_squares.sparse.face_iteration import FaceIteration, iteration_pays
from pdesolve.least_squares.sparse.hands import Threads, hands_in_use
from pdesolve.least_squares.sparse.row_blocks import Columns, RowBlocks, squared_norm
from pdesolve.runs.deadline import check_deadline

# Steps without halving: where the factor lost small singular values, energies fall unevenly
PATIENCE = 2
# Of a solution, below which a step that does not lower the error is rounding: then there is no patience
NEARLY = 1e-12
# Energy of the error over that before, at most, after a step with the factor of other rows
USEFUL = 0.05

Rows = Sequence[RowBlocks | DenseRows]
# Columns, places of the groups (e, d), rows A and column scales D (p,) ↦ a factor of D AᵀA D or of what is like it.
Factorise = Callable[[Columns, np.ndarray, Rows, Tensor], Factor]
# Coefficients x and the last step to them ↦ whether they are good enough.
Enough = Callable[[Tensor, Tensor], bool]


@dataclass(frozen=True)
class LinearSolve:
    """What a solve returns: x (p,), refinement steps taken, stored numbers of the factor, ‖A x‖².

    Where the factor is inverted by iteration, `last` (p,) is the last step to x: by about so much x was off before it,
    and is off by less after it. None of a factorisation, which is refined down to rounding.
    """

    x: Tensor
    steps: int
    factor_entries: int
    energy: float
    last: Tensor | None = None


@dataclass(frozen=True)
class Preconditioner:
    """The factor of D AᵀA D, D = diag(scale), for rows A."""

    scale: Tensor
    factor: Factor


def condensed_with_border(
    layout: Columns, centres: np.ndarray, rows: Rows, scale: Tensor, solves: int = 1
) -> Factor:
    """A condensed Cholesky factor of the sparse rows, bordered by those that touch all columns.

    Where it would not fit, or would take longer than so many solves, the condensed faces are iterated on in its place.
    """
    dense = [block for block in rows if isinstance(block, DenseRows)]
    sparse = [block for block in rows if isinstance(block, RowBlocks)]
    sparse += [block for border in dense for block in border.confined]
    factor: Factor
    # A cluster has the memory of many.
    alone = isinstance(hands_in_use(layout.total), Threads)
    if alone and iteration_pays(layout, centres, sparse, scale.device, solves):
        factor = FaceIteration(layout, centres, sparse, scale)
    else:
        factor = CondensedCholesky(layout, centres, sparse, scale)
    if dense:
        return Bordered(factor, dense, scale)
    return factor


# For a hundred right-hand sides or so: those of Arnoldi's method, or of a reference for many parameters
for_many_solves: Factorise = partial(condensed_with_border, solves=100)


@dataclass
class LastFactor:
    """The last factor made, for rows that may be nearly the same: of another linearisation.

    Attributes:
        kept: what it is, once there is one.
        factorise: how others are made. Any factor of a matrix like D AᵀA D will do: it preconditions the iteration
            on the rows themselves.
    """

    kept: Preconditioner | None = None
    factorise: Factorise = condensed_with_border

    def near(self, layout: Columns, rows: Sequence[RowBlocks | DenseRows]) -> Preconditioner | None:
        """It, if its rows touch the same columns in the same way; none for rows that touch all columns."""
        sparse = [block for block in rows if isinstance(block, RowBlocks)]
        if len(sparse) < len(rows) or self.kept is None:
            # A bordered factor is not kept: what it costs is the sparse one below it.
            return None
        if isinstance(self.kept.factor, CondensedCholesky) and self.kept.factor.resembles(layout, sparse):
            return self.kept
        return None


class NormalEquations:
    """min ‖A x - b‖ for fixed block rows A and any number of right-hand sides.

    Args:
        layout: columns p of the groups e.
        centres: (e, d) places of the groups, for the dissection.
        rows: A, in blocks; a few of them may touch all columns.
        last: the factor at hand, and how others are made. If its rows are like A, it serves as long as each step with
            it lowers the error to a quarter; the one that serves in the end is kept there.

    Raises:
        SolveError: an entry of A is not finite.
    """

    def __init__(
        self,
        layout: Columns,
        centres: np.ndarray,
        rows: Sequence[RowBlocks | DenseRows],
        last: LastFactor | None = None,
    ):
        self.layout = layout
        self.centres = centres
        self.rows = rows
        self.last = last or LastFactor()
        near = self.last.near(layout, rows)
        self.own = near is None
        self._use(near or self._factorise())

    def _factorise(self) -> Preconditioner:
        # There is room for one only: the last one goes before another is made.
        self.last.kept = None
        scale = self._column_scale()
        return Preconditioner(scale, self.last.factorise(self.layout, self.centres, self.rows, scale))

    def _column_scale(self) -> Tensor:
        """D (p,), the reciprocal norms of the columns; of those that hold only rounding, that of rounding."""
        # A DenseRows is never alone: what it is confined to stands among the other rows.
        first = next(block for block in self.rows if isinstance(block, RowBlocks))
        norms = first.matrices[0].new_zeros(self.layout.total)
        for block in self.rows:
            block.add_squared_norms(norms)
        # Unit columns are within a factor √p of the best column scaling of A (van der Sluis 1969).
        norms = norms.sqrt()
        floor = torch.finfo(norms.dtype).eps * norms.max()
        return 1 / norms.clamp_min(floor)

    def _use(self, chosen: Preconditioner) -> None:
        self.scale = chosen.scale
        self.factor = chosen.factor
        self.last.kept = chosen

    def apply(self, x: Tensor) -> list[Tensor]:
        """A x, one (b, m) per block."""
        return [block.apply(x) for block in self.rows]

    def apply_transposed(self, r: list[Tensor]) -> Tensor:
        """Aᵀ r (p,)."""
        out = torch.zeros_like(self.scale)
        for block, part in zip(self.rows, r, strict=True):
            block.add_transposed(part, out)
        return out

    def solve(
        self,
        b: list[Tensor],
        max_steps: int = 30,
        tolerance: float = 1e-15,
        energy: float = 0.0,
        enough: Enough | None = None,
    ) -> LinearSolve:
        """CGLS preconditioned by the Cholesky factor, until the gradient stagnates.

        With D the column scaling and M the factor, s = D Aᵀ r, z = M⁻¹ s and s·z ≈ ‖A(x* - x)‖².
        While M is good (condition of A D to 1e7) three to eight steps suffice; at 1e8, where it has lost
        the smallest singular values to rounding, about thirty.

        Args:
            b: right-hand sides (b, m), one per block of rows.
            max_steps: bound on the refinement steps.
            tolerance: stop when a step is this small relative to the largest, in the norm of M.
            energy: ‖A x‖² of what x is a correction to, where it is one: it needs no more digits than that.
            enough: where the factor is inverted by iteration, each step costs as much as the first: the solve ends
                after a step that is so small.
        """
        x = torch.zeros_like(self.scale)
        r = [part.clone() for part in b]
        direction = torch.zeros_like(x)
        size = energy
        previous = float("inf")
        best = float("inf")
        idle = 0
        steps = 0
        last = None
        while steps < max_steps:
            check_deadline()
            steps += 1
            s = self.scale * self.apply_transposed(r)
            z = self.factor.solve(s)
            gained = float(s @ z)
            # With the factor of other rows as long as each step lowers the error to a quarter: then a new one pays.
            if not self.own and gained > max(USEFUL * previous, tolerance**2 * size):
                return self._afresh(LinearSolve(self.scale * x, steps, 0, size), r, max_steps, tolerance)
            # Energies fall unevenly: only a halving of the best so far counts as progress.
            if gained < 0.5 * best:
                best = gained
                idle = 0
            else:
                idle += 1
            if not gained > 0 or idle == PATIENCE or gained <= tolerance**2 * size:
                break
            direction = z + (gained / previous) * direction
            image = self.apply(self.scale * direction)
            curvature = float(sum((q * q).sum() for q in image))
            # A direction that A maps to nothing, or to what is not a number, leads nowhere.
            if not curvature > 0:
                break
            alpha = gained / curvature
            x = x + alpha * direction
            r = [part - alpha * q for part, q in zip(r, image, strict=True)]
            last = self._last_step(alpha * direction)
            if last is not None and enough is not None and enough(self.scale * x, last):
                break
            # The largest energy is that of the solution itself, by which the tolerance is relative.
            size = max(size, gained)
            previous = gained
        return LinearSolve(self.scale * x, steps, self.factor.entries, size, last)

    def _last_step(self, step: Tensor) -> Tensor | None:
        """A scaled step as one of x (p,), where the factor is inverted by iteration; None where it is a factorisation.

        An iteration that does not converge gives way to a factor in the middle of a solve, which is then refined down
        to rounding: what the iteration did before says nothing of what is left.
        """
        if not left_by(self.factor):
            return None
        return self.scale * step

    def weakest(
        self, mass: Callable[[Tensor], Tensor], steps: int = 2, seed: int = 0
    ) -> tuple[float, Tensor]:
        """The smallest σ = ‖A v‖/‖v‖_M and its v (p,), by inverse iteration with the factor.

        A null space is found in the first step; between clustered singular values v is a mixture, and σ a mean.

        Args:
            mass: v ↦ M v, of which the norm is.
            steps: of the iteration.
            seed: of the direction that it begins with.
        """
        generator = torch.Generator().manual_seed(seed)
        v = (
            torch.randn(len(self.scale), generator=generator, dtype=self.scale.dtype).to(self.scale)
            * self.scale
        )
        for _ in range(steps):
            # Inverse iteration amplifies what the rows hold back least by the square of the ratio of singular values.
            v = self.scale * self.factor.solve(self.scale * mass(v))
            v = v / (v @ mass(v)).sqrt()
        return float(sum((part * part).sum() for part in self.apply(v)) ** 0.5), v

    def condition(self, steps: int = 8, weak: Tensor | None = None) -> float:
        """Estimated condition number of A D, of columns of length one: its largest over its least singular value.

        By power iteration, with the rows and with the factor. Both ends come from within, so that it is too small
        rather than too large. Beyond 1e8 the factor of the normal equations, which square it, has lost the least
        singular values: then it says no more than that.

        Args:
            steps: of each iteration; three give it within a factor of two, eight within a fifth.
            weak: a direction (p,) near the least singular value, such as that of `weakest`: then one step is enough.
        """
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(len(self.scale), generator=generator, dtype=self.scale.dtype).to(self.scale)
        low = start
        low_steps = steps
        if weak is not None:
            low = weak / self.scale
            low_steps = 1
        ends = []
        for step, v, count in (
            (lambda v: self.scale * self.apply_transposed(self.apply(self.scale * v)), start, steps),
            (self.factor.solve, low, low_steps),
        ):
            v = v / v.norm().clamp_min(1e-300)
            for _ in range(count):
                v = step(v)
                v = v / v.norm().clamp_min(1e-300)
            ends.append(squared_norm(self.apply(self.scale * v)) ** 0.5)
        largest, least = ends
        return largest / max(least, 1e-300)

    def _afresh(self, begun: LinearSolve, r: list[Tensor], max_steps: int, tolerance: float) -> LinearSolve:
        """Go on from r = b - A x with a factor of these rows."""
        self.own = True
        del self.factor
        self._use(self._factorise())
        rest = self.solve(r, max_steps, tolerance, begun.energy)
        return LinearSolve(begun.x + rest.x, begun.steps + rest.steps, rest.factor_entries, rest.energy)

    def solve_many(self, b: list[Tensor], tolerance: float = 1e-9, max_steps: int = 30) -> Tensor:
        """As `solve`, to fewer digits, for j right-hand sides (b, m, j) at once: (p, j).

        Every column has its own conjugate gradients; one that has converged, or stagnates, rests.
        """
        r = [part.clone() for part in b]
        x = self.scale.new_zeros(len(self.scale), b[0].shape[2])
        direction = torch.zeros_like(x)
        size = x.new_zeros(x.shape[1])
        previous = torch.full_like(size, torch.inf)
        best = torch.full_like(size, torch.inf)
        idle = torch.zeros_like(size)
        alive = torch.ones_like(size, dtype=torch.bool)
        for _ in range(max_steps):
            check_deadline()
            s = torch.zeros_like(x)
            for block, part in zip(self.rows, r, strict=True):
                block.add_transposed(part, s)
            s *= self.scale[:, None]
            z = self.factor.solve(s)
            # The energy of the error is measured in the norm of the factor, as in `solve`.
            energy = (s * z).sum(0)
            # As in `solve`, energies fall unevenly; near rounding the first that does not fall is the end.
            idle = torch.where(energy < 0.5 * best, 0.0, idle + 1)
            best = torch.minimum(best, energy)
            patience = torch.where(energy <= NEARLY**2 * size, 1.0, float(PATIENCE))
            alive &= (energy > tolerance**2 * size) & (idle < patience)
            if not bool(alive.any()):
                break
            direction = torch.where(alive, z + (energy / previous) * direction, 0.0)
            image = [block.apply(self.scale[:, None] * direction) for block in self.rows]
            curvature = sum(part.square().sum((0, 1)) for part in image)
            alpha = torch.where(alive & (curvature > 0), energy / curvature, 0.0)
            x += alpha * direction
            r = [part - alpha * q for part, q in zip(r, image, strict=True)]
            size = torch.maximum(size, energy)
            previous = torch.where(alive, energy, previous)
        return self.scale[:, None] * x
