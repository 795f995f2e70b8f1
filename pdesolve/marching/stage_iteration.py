"""All stage systems by one real factor: what is left of each of them is iterated.

The stage systems B_k = B(μ_k) of a pencil B(μ) = Σ_j μʲ G_j + Cᵀ f² C differ from B(μ₀), with the real mean μ₀ of
|μ_k|, by their time derivatives alone:

    B(μ₀)⁻¹ B_k = I + Σ_j (μ_kʲ - μ₀ʲ) B(μ₀)⁻¹ G_j.

A mode that decays at the rate r gives it the eigenvalue (μ_k + r)/(μ₀ + r), for all Re r ≥ 0 within a disk on which
GMRES gains |μ_k + μ₀|/|μ_k - μ₀| a step at least; of a diffusion they are on a line, and it gains more. A complex
factor costs four times a real one, so that those of all s stages cost 2s - 1 times as much as this one. Instead, a
solution costs some ten back-substitutions: where blocks have a hundred unknowns or more, far less, unless so many slabs
share the factors that the steps have cost as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.marching.semi_discrete import Linearised
from pdesolve.marching.stage_solver import StageFactors, StageSolver
from pdesolve.runs.deadline import check_deadline

REDUCED = 1e-3  # of a stage system, what is left to the next pass of Newton's iteration on the true residual
# Seven stages of a diffusion take ten steps, thirteen of a wave forty; what takes more is factored as it is.
MOST_STEPS = 60
# Steps of a slab of linear equations, two passes of ten: factors that cost less are made at once.
USUAL = 20
# Multiplications that take as long as the calls of a step do beside them (four patches with 78 functions: 1.4 ms, of
# which 0.3 are its products).
CALLS = 3.5e6


def cheapest_factors(
    solver: StageSolver, linearised: Linearised, mu: Tensor, mu0: float
) -> StageFactors | IteratedStages:
    """Factors of B_k for μ (k,), or one at μ₀, whichever costs less for a slab; in three dimensions always the latter.

    There those of all stages would fill gigabytes. In the plane they are made later, too, once the steps of GMRES with
    the one have cost as much: so no more than twice the least is paid, however many slabs share them.
    """
    if solver.system.space.d == 3:
        return IteratedStages.of(solver, linearised, mu, mu0)
    worth = steps_worth(solver, mu, len(linearised.pencil) - 1)
    if worth < USUAL:
        return solver.factor(linearised, mu)
    return IteratedStages.of(solver, linearised, mu, mu0, worth)


def steps_worth(solver: StageSolver, mu: Tensor, depth: int) -> float:
    """Steps of GMRES that cost as much as factors of B_k for μ (k,), of which a complex one costs four real ones."""
    factor, solution, product = solver.flops
    count = len(mu) + 3 * int((mu.imag != 0).sum())
    step = 2 * len(mu) * (solution + depth * product) + CALLS
    return count * factor / step


@dataclass(eq=False)
class IteratedStages:
    """Stage systems with one real factor.

    Attributes:
        solver: of the patches.
        linearised: the rows.
        mu: μ (k,).
        mu0: μ₀.
        real: factors of B(μ₀).
        exact: factors of all B_k, once the iteration has failed, or has cost as much as they do.
        worth: steps of GMRES that cost as much.
        steps: so far.
    """

    solver: StageSolver
    linearised: Linearised
    mu: Tensor
    mu0: float
    real: StageFactors
    exact: StageFactors | None = None
    worth: float = math.inf
    steps: int = 0

    @classmethod
    def of(
        cls, solver: StageSolver, linearised: Linearised, mu: Tensor, mu0: float, worth: float = math.inf
    ) -> IteratedStages:
        """For μ (k,), with one factor at μ₀."""
        real = solver.factor(linearised, torch.tensor([mu0], dtype=mu.dtype))
        return cls(solver, linearised, mu, mu0, real, worth=worth)

    def solve(self, b: Tensor) -> Tensor:
        """δ (k, e, n) of right-hand sides (k, e, n), up to REDUCED."""
        if self.exact is None and self.steps < self.worth:
            right = self.real.whitened(b, transposed=True)
            found = self._gmres(right.permute(1, 2, 0).contiguous())
            if found is not None:
                return self.real.whitened(found.permute(2, 0, 1).contiguous())
        if self.exact is None:
            self.exact = self.solver.factor(self.linearised, self.mu)
        return self.exact.solve(b)

    def _preconditioned(self, v: Tensor) -> Tensor:
        """B(μ₀)⁻¹ v (e, n, k)."""
        return _complex(self.real.parts[0].solve_many(_real(v)))

    def _times(self, v: Tensor) -> Tensor:
        """B(μ₀)⁻¹ B_k v (e, n, k)."""
        total = torch.zeros_like(v)
        for j, part in enumerate(self.linearised.pencil[1:], start=1):
            total += (self.mu**j - self.mu0**j) * _complex(part @ _real(v))
        return v + self._preconditioned(total)

    def _gmres(self, b: Tensor) -> Tensor | None:
        """Solutions (e, n, k), each with the least residual in L2 over its Krylov space; None where it is too large."""
        weight = self.solver.system.space.volume[:, None, None]
        r = self._preconditioned(b)
        size = _products(r[None], weight * r)[0].real.sqrt()
        # A right-hand side of zeros has the solution zero, in any basis.
        basis = (r / size.clamp_min(1e-300))[None]
        columns: list[Tensor] = []
        for m in range(1, MOST_STEPS + 1):
            check_deadline()
            self.steps += 1
            w = self._times(basis[-1])
            column = torch.zeros(m + 1, len(size), dtype=b.dtype)
            for _ in range(2):  # once more, against rounding
                part = _products(basis, weight * w)
                column[:m] += part
                w = w - torch.einsum("mk,menk->enk", part, basis)
            column[m] = _products(w[None], weight * w)[0].real.sqrt()
            columns.append(column)
            y, residual = _least(columns, size)
            if bool((residual <= REDUCED * size).all()):
                return torch.einsum("mk,menk->enk", y, basis)
            basis = torch.cat([basis, (w / column[m].real.clamp_min(1e-300))[None]])
        return None


def _real(v: Tensor) -> Tensor:
    """Complex (e, n, k) as real (e, n, 2 k)."""
    return torch.view_as_real(v).flatten(-2)


def _complex(v: Tensor) -> Tensor:
    """Real (e, n, 2 k) as complex (e, n, k)."""
    return torch.view_as_complex(v.unflatten(-1, (-1, 2)).contiguous())


def _products(basis: Tensor, w: Tensor) -> Tensor:
    """Inner products (m, k) of a basis (m, e, n, k) with weighted vectors (e, n, k)."""
    return torch.einsum("menk,enk->mk", basis.conj(), w)


def _least(columns: list[Tensor], size: Tensor) -> tuple[Tensor, Tensor]:
    """The combinations (m, k) of a basis with the least residuals (k,), of Hessenberg columns j (j + 2, k)."""
    m = len(columns)
    matrix = columns[0].new_zeros(len(size), m + 1, m)
    for j, column in enumerate(columns):
        matrix[:, : j + 2, j] = column.mT
    right = matrix.new_zeros(len(size), m + 1, 1)
    right[:, 0, 0] = size
    q, triangle = torch.linalg.qr(matrix)
    # Where a Krylov space is exhausted, as that of zero, the last column is zero.
    diagonal = triangle.diagonal(dim1=1, dim2=2)
    diagonal[diagonal == 0] = 1.0
    y = torch.linalg.solve_triangular(triangle, q.mH @ right, upper=True)
    return y[..., 0].mT, (right - matrix @ y)[..., 0].norm(dim=1)
