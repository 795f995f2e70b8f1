"""Fixed-test least squares: one semi-discrete system for all stages.

With μ₀, the geometric mean of |λ_k|/Δ, and the linearised rows  Σ_j μʲ M_j  (see `rows`), the test functions are
A₀ = Σ_j μ₀ʲ M_j, real and the same for every stage, and the stage systems

    B_k = Σ_j μ_kʲ A₀ᵀ w² M_j + Cᵀ f² C.

Since they are the same, all stages see one system G u' = K u, and the method in time keeps its stability; with test
functions of their own (ordinary least squares of every stage) waves and advection blow up. For that the patches must
count by their physical measure. Weights, with the half widths H of a patch, |H| = ΠH and its mean over patches:

    size_e = max |∂F_e/∂u_β| H^{-β} of what has no time derivative,     ρ_e = max over patches of μ₀ʲ |M_j|
    equation e   w² = (quadrature weight) |H| / mean|H| / ρ_e²          (ρ_e: the median of size_e where no ∂_t is)
    f = √(|H| / mean|H|) min(max(1, max_e size_e/ρ_e), 1e3)             of faces the larger of both sides
        (of an unknown without ∂_t no more than √(|H| / mean|H|) max_e size_e/ρ_e of that unknown)
    conditions   10 / (max |∂B/∂u_β| H^{-β} / f)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.marching.faces import Faces, faces_of
from pdesolve.marching.rows import TermRows, boundary_rows, interior_rows
from pdesolve.marching.space import Space
from pdesolve.patches.rows.weights import VALUE_WEIGHT
from pdesolve.runs.deadline import check_deadline

# In a thin patch size_e/ρ_e may be 1e8. With f as large, traces cancel to 1/f² of themselves, and factors lose all
# digits; already 1e3 leaves no jump that could be seen beside the error.
STIFFEST = 1e3
# Far below all sizes that occur, and a normal number still.
TINY = 1e-300


@dataclass(eq=False)
class Linearised:
    """The rows of a space linearised at one state.

    Attributes:
        system: where the rows are.
        pencil: A₀ᵀ w² M_j + (conditions), (e, n, n) for j = 0 … depth, in the whitened functions of the space.
        tests: of each block of rows, w² A₀ (b, m c, n).
        face_weights: (f, u) f of each face, for each unknown.
    """

    system: SemiDiscrete
    pencil: list[Tensor]
    tests: list[Tensor]
    face_weights: Tensor

    def project(self, residuals: Sequence[Tensor], jumps: Tensor) -> Tensor:
        """A₀ᵀ w² R + Cᵀ f² jump, for residuals (S, b, m, c) and jumps (S, f, u, r): (S, e, n)."""
        space = self.system.space
        s = len(jumps)
        result = jumps.new_zeros(s, len(space), space.width)
        for rows, test, r in zip(self.system.rows, self.tests, residuals, strict=True):
            part = torch.einsum("sbr,brn->sbn", r.flatten(2), test)
            if rows.all:
                result += part
            else:
                result.index_add_(1, rows.points.cells, part)
        faces = self.system.faces
        if len(faces):
            weighted = jumps * self.face_weights[..., None] ** 2
            for cells, traces, sign in zip((faces.minus, faces.plus), faces.traces, (1.0, -1.0), strict=True):
                part = torch.einsum("sfur,furk->sfuk", weighted, traces)
                result.index_add_(1, cells, part.flatten(2), alpha=sign)
        return result


@dataclass(eq=False)
class SemiDiscrete:
    """All rows of an evolution on a space."""

    space: Space

    @cached_property
    def rows(self) -> list[TermRows]:
        """Rows of the equation, then of the conditions."""
        return [*interior_rows(self.space), *boundary_rows(self.space)]

    @cached_property
    def faces(self) -> Faces:
        """Rows of continuity."""
        return faces_of(self.space)

    @property
    def linear(self) -> bool:
        """Whether every row is affine in the unknowns."""
        return all(rows.term.linear for rows in self.rows)

    def residuals(self, derivatives: Sequence[Tensor], times: Tensor) -> tuple[list[Tensor], Tensor]:
        """Of all rows at S stages (S, b, m, c), and jumps over faces (S, f, u, r)."""
        found = [rows.residual(derivatives, times) for rows in self.rows]
        return found, self.faces.residual(derivatives[0], times)

    def linearise(self, derivatives: Sequence[Tensor], time: float, mu0: float) -> Linearised:
        """Rows linearised at one state (1, e, u, k) with its time derivatives."""
        times = torch.tensor([time], dtype=torch.float64)
        depth, space = len(derivatives) - 1, self.space
        sensitivities = [rows.linearise(derivatives, times)[0] for rows in self.rows]
        strength = self._strengths(sensitivities, depth, mu0)
        pencil = [
            torch.zeros(len(space), space.width, space.width, dtype=torch.float64) for _ in range(depth + 1)
        ]
        tests = []
        for rows, dF in zip(self.rows, sensitivities, strict=True):
            cells = rows.points.cells
            if rows.boundary:
                size = self._boundary_sizes(rows, dF, depth, mu0, strength.unknowns[cells])
                scale = torch.where(size > TINY, VALUE_WEIGHT / size.clamp_min(TINY), 0.0)
            else:
                # Physical measure: a scale of each patch for itself makes waves unstable on uneven patches.
                scale = space.share[cells].sqrt()[:, None] / strength.reference
            weight = rows.points.weight[:, :, None] * scale[:, None]
            matrices = rows.matrices(dF * weight[..., None], depth)
            present = [(j, matrix) for j, matrix in enumerate(matrices) if matrix is not None]
            # The same for all stages: one semi-discrete system, and with it the stability of the method in time.
            test = sum(mu0**j * matrix for j, matrix in present)
            self._gather(pencil, rows, present, mu0)
            tests.append(_flat(test) * weight.flatten(1)[..., None])  # type: ignore[arg-type]
        # Continuity counts as much as the equation on the stronger side: unscaled, uneven patches are unstable.
        faces = torch.maximum(strength.unknowns[self.faces.minus], strength.unknowns[self.faces.plus])
        return Linearised(self, pencil, tests, faces)

    def _gather(
        self, pencil: list[Tensor], rows: TermRows, present: list[tuple[int, Tensor]], mu0: float
    ) -> None:
        """Add A₀ᵀ M_j for matrices M_j (b, m, c, u, k); in orthonormal functions where patches are cut."""
        cells = rows.points.cells
        white = [(j, _flat(self.space.whitened(cells, matrix))) for j, matrix in present]
        test = torch.stack([mu0**j * matrix for j, matrix in white]).sum(0).mT
        for j, matrix in white:
            check_deadline()
            if rows.all:
                pencil[j] += test @ matrix
            else:
                pencil[j].index_add_(0, cells, test @ matrix)

    def _strengths(self, sensitivities: Sequence[Tensor], depth: int, mu0: float) -> _Strengths:
        components = self.rows[0].components
        shape = (len(self.space), self.space.unknowns, components)
        each = torch.zeros(shape, dtype=torch.float64)
        mass = torch.zeros(components, dtype=torch.float64)
        for rows, dF in zip(self.rows, sensitivities, strict=True):
            if rows.boundary:
                continue
            each[rows.points.cells] = rows.sizes(dF, 0)
            for j in range(1, depth + 1):
                mass = torch.maximum(mass, mu0**j * rows.sizes(dF, j).amax((0, 1)))
        size = each.amax(1)
        # Algebraic equations have no ∂_t to be measured by: the median of their sizes stands for it.
        reference = torch.where(mass > 0, mass, size.median(0).values).clamp_min(TINY)
        stiffness = (size / reference).amax(1).clamp(1.0, STIFFEST)
        unknowns = stiffness[:, None].repeat(1, self.space.unknowns)
        # Nothing but its own rows holds an unknown without ∂_t, as a pressure, whose gradient is far smaller than
        # μ₀ u_t on a short slab: with faces as strong as those of u, its traces cancel to rounding.
        own = (each / reference).amax(2)
        own = torch.maximum(own, own.amax(0) / STIFFEST)
        algebraic = torch.from_numpy(self.space.evolution.time_orders == 0) & (own.amax(0) > 0)
        unknowns[:, algebraic] = torch.minimum(unknowns, own)[:, algebraic]
        return _Strengths(reference, self.space.share.sqrt()[:, None] * unknowns)

    @staticmethod
    def _boundary_sizes(rows: TermRows, dF: Tensor, depth: int, mu0: float, strength: Tensor) -> Tensor:
        """Max |∂B/∂u_β| H^{-β} / f (b, c), with f of the unknown u there (b, u)."""
        sizes = torch.stack([mu0**j * rows.sizes(dF, j) for j in range(depth + 1)]).amax(0)
        return (sizes / strength[..., None]).amax(1)


def _flat(matrix: Tensor) -> Tensor:
    """(b, m, c, u, k) as (b, m c, u k)."""
    return matrix.flatten(3).flatten(1, 2)


@dataclass(frozen=True)
class _Strengths:
    """ρ_e (c,) of the components of the equation, and f of each unknown in the patches (e, u)."""

    reference: Tensor
    unknowns: Tensor
