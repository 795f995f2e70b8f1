"""Rayleigh's quotient of modes that jump: eigenvalues of self-adjoint problems to the square of what modes are off.

Eigenvalues of least squares are off by as much as the modes. Where A u = -div Q + c u with the flux Q = -a grad u is
self-adjoint, (A - λ W) u_k = 0, Green's identity on every patch says of any piecewise function u and of λ

    (λ_k - λ) (W u, u_k) = (A u - λ W u, u_k) + Σ_faces ∫ [Q·n] u_k - [u] Q_k·n - ∫_fixed u Q_k·n + ∫_free u_k g(u),

with g(u) = Q·n + e u where the condition is g = 0. For u instead of u_k on the right-hand side, with means of both
sides on faces, what is left out is a product of two errors: it is Rayleigh's quotient of symmetric interior penalty
methods without their penalty (Arnold, Brezzi, Cockburn & Marini, SIAM J. Numer. Anal. 39 (2002) 1749). λ in the
numerator is the eigenvalue of the rows, so that only a small correction is integrated, and on cut cells a rule of
three digits is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.eigen.coefficients import is_symmetric
from pdesolve.eigen.pencil import Pencil
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.points.faces import FacePoints, face_points
from pdesolve.patches.points.interior import Points, interior_points
from pdesolve.patches.points.owners import stretch
from pdesolve.patches.points.slices import sliced_points
from pdesolve.patches.rows.terms import TermRows
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.frame import multi_indices

AT_ONCE = 1024  # cells or faces in a batch
PARALLEL = 1e-9  # relative: a derivative in a condition that is one along the flux, but for rounding


@dataclass(frozen=True)
class GridCoefficients:
    """r = Σ a_ij u_ij + Σ b_i u_i + c u at points, along grid axes, and what λ multiplies: w = ∂c/∂λ.

    Attributes:
        a: (b, m, d, d) symmetric.
        b: (b, m, d).
        c, w: (b, m).
    """

    a: Tensor
    b: Tensor
    c: Tensor
    w: Tensor


class Rayleigh:
    """Corrections of eigenvalues on one pencil."""

    def __init__(self, pencil: Pencil):
        self.pencil = pencil
        self.space = pencil.space
        self.at = pencil.assembly.source(TermRows).at
        self.name = pencil.name
        d = self.space.dimension
        self.betas = multi_indices(d, 2)
        self._first = tuple(_unit(d, i) for i in range(d))
        # Where rules of quadrature are: the patches, halved toward corners beside which functions are singular.
        self.cells = self.space.patches
        self.q = self.space.q
        self.host: np.ndarray | None = None
        if self.space.enrichment is not None:
            self.cells = Patches.over(self.cells.frame, self.space.enrichment.graded)[0]
            self.host = self.space.patches.partition.locate(
                self.cells.partition.centre, self.cells.partition.part
            )
            self.q = self.space.q[self.host]

    # ---------------------------------------------------------------- whether

    def applies(self) -> bool:
        """Whether the problem is one equation of second order, self-adjoint, with λ before u and nothing else."""
        problem = self.pencil.statement.problem
        simple = len(problem.unknowns) == 1 and not (problem.interfaces or problem.integrals)
        equation, *conditions = self.pencil.statement.terms
        if not simple or equation.operator.components != 1 or _order(equation) != 2:
            return False
        if any(term.operator.components != 1 or _order(term) > 1 for term in conditions):
            return False
        symmetric = is_symmetric(problem, equation.operator, self.name)
        return symmetric and all(map(self._along_the_flux, conditions))

    def _along_the_flux(self, term: GridTerm) -> bool:
        """Whether the derivatives in a condition are the flux times a number, and λ stands before values."""
        for points, _ in self._boundary(term):
            normal, d, _, slope = self._condition(term, points)
            g = self._flux_of(points, normal)
            s = (d * g).sum(-1, keepdim=True) / g.square().sum(-1, keepdim=True).clamp_min(1e-300)
            used = points.weight[..., None] > 0
            apart = ((d - s * g).abs() * used).max()
            if bool(slope[1].any()) or float(apart) > PARALLEL * float(d.abs().max()):
                return False
            mixed = bool(d.any()) and bool(((s == 0) & used).any())
            if mixed:
                return False
        return True

    # ---------------------------------------------------------------- the quotient

    def corrections(self, values: np.ndarray, c: Tensor) -> np.ndarray:
        """What to add to real eigenvalues λ (k,) of modes c (p, k) to have their quotients."""
        lam = torch.from_numpy(values.real.copy()).to(c)
        above = c.new_zeros(len(values))
        below = c.new_zeros(len(values))
        equation, *conditions = self.pencil.statement.terms
        # One point more than the rows have: at their own, the residual is smaller than elsewhere.
        for p in self._inside():
            half = torch.from_numpy(self.cells.half[p.cells].prod(1)).to(self.space.half)
            points = self.space.to_device(self._hosted(p))
            a = self._coefficients(equation, points)
            jets = self._jets(c, points, self.betas)
            u = jets[0]
            r = self._residual(a, jets) + (lam - self.pencil.shift) * a.w[..., None] * u
            weight = (points.weight.square().to(half) * half[:, None])[..., None]
            above += (weight * r * u).sum((0, 1))
            below -= (weight * a.w[..., None] * u * u).sum((0, 1))
        above += self._over_faces(c)
        for term in conditions:
            over, under = self._on_boundary(term, c, lam)
            above += over
            below += under
        return (above / below).cpu().numpy()

    def _inside(self) -> Iterator[Points]:
        """Points of whole cells, and of the parts of others inside the domain."""
        for p in interior_points(self.cells, self.q, lambda q: q + 1, AT_ONCE):
            if not self.cells.cut[p.cells[0]]:
                yield p
        yield from sliced_points(self.cells, self.q, lambda q: q + 1, AT_ONCE)

    def _residual(self, a: GridCoefficients, jets: Tensor) -> Tensor:
        """A(σ) u (b, m, k)."""
        total = a.c[..., None] * jets[0]
        for beta, part in zip(self.betas, jets, strict=True):
            axes = _axes(beta)
            if len(axes) == 1:
                total = total + a.b[..., axes[0], None] * part
            elif len(axes) == 2:
                i, j = axes
                twice = 2.0 if i != j else 1.0
                total = total + twice * a.a[..., i, j, None] * part
        return total

    def _over_faces(self, c: Tensor) -> Tensor:
        """Σ ∫ {u} [Q·n] - [u] {Q·n} over all faces (k,), for normals from minus to plus."""
        total = c.new_zeros(c.shape[1])
        # A face is a power of the points cheaper than a patch.
        for f in face_points(self.cells, self.q, 4 * AT_ONCE):
            normal = torch.zeros(self.space.dimension, dtype=torch.float64)
            normal[f.axis] = 1.0
            (u, flux), (v, other) = (self._traces(c, self._hosted(p), normal) for p in _sides(f))
            weight = (f.weight.square() * f.area[:, None]).to(c)[..., None]
            part = (u + v) * (flux - other) - (u - v) * (flux + other)
            total += (weight * part).sum((0, 1)) / 2
        return total

    def _traces(self, c: Tensor, points: Points, normal: Tensor) -> tuple[Tensor, Tensor]:
        """Traces u and Q·n, (b, m, k) each."""
        jets = self._jets(c, points, (self.betas[0], *self._first))
        g = self._flux_of(points, normal)
        return jets[0], (g.movedim(-1, 0)[..., None] * jets[1:]).sum(0)

    def _on_boundary(self, term: GridTerm, c: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
        """What a condition adds to the numerator and to the denominator, (k,) each."""
        above = torch.zeros_like(lam)
        below = torch.zeros_like(lam)
        for points, weight in self._boundary(term):
            normal, d, e, slope = self._condition(term, points)
            u, flux = self._traces(c, points, normal)
            g = self._flux_of(points, normal)
            s = ((d * g).sum(-1) / g.square().sum(-1).clamp_min(1e-300))[..., None]
            fixed = s == 0
            by = torch.where(fixed, 1.0, s)
            rate = slope[0][..., None] / by
            free = flux + e[..., None] / by * u + (lam - self.pencil.shift) * rate * u
            above += (weight * torch.where(fixed, -u * flux, u * free)).sum((0, 1))
            below -= (weight * torch.where(fixed, 0.0, rate * u * u)).sum((0, 1))
        return above, below

    # ---------------------------------------------------------------- coefficients and tables

    def _boundary(self, term: GridTerm) -> Iterator[tuple[Points, Tensor]]:
        """Points of a condition and what they weigh on the boundary, (b, m, 1)."""
        patches = self.cells
        place = term.operator.term.place
        assert place is not None
        for points in boundary_points(patches, place, self.q, 4 * AT_ONCE):
            cells = torch.from_numpy(points.cells)[:, None].expand(points.weight.shape).reshape(-1)
            normals = points.given_normals.reshape(-1, self.space.dimension)
            factor = stretch(patches, cells, normals).view(points.weight.shape)
            weight = (points.weight.square() / factor).to(self.space.half)
            yield self.space.to_device(self._hosted(points)), weight[..., None]

    def _hosted(self, points: Points) -> Points:
        """Points in the cells of a rule as points in the patches that these are parts of."""
        if self.host is None:
            return points
        return Points(self.host[points.cells], points.y, points.weight, False, points.normals)

    def _jets(self, c: Tensor, points: Points, betas: tuple[MultiIndex, ...]) -> Tensor:
        """Derivatives of modes (a, b, m, k)."""
        table = self.space.table(points, betas)
        own = c[self.space.columns(points.cells)]
        jets = torch.einsum("abmj,bjk->abmk", table.expand(-1, len(own), -1, -1), own)
        singular = self.space.singular_table(points.cells, points.y, [(0, beta) for beta in betas])
        if singular is None:
            return jets
        return jets + singular @ c[self.space.layout.total :]

    def _flux_of(self, points: Points, normal: Tensor) -> Tensor:
        """Vectors g (b, m, d) with Q·n = g·grad u, for normals (d,) or (b, m, d) along grid axes."""
        a = self._coefficients(self.pencil.statement.terms[0], points).a
        return -(a * normal.to(a)[..., None, :]).sum(-1)

    def _condition(
        self, term: GridTerm, points: Points
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Of r = d·grad u + e u: normals along grid axes, d (b, m, d), e (b, m), and slopes by λ."""
        normal = points.given_normals @ self.space.rotation
        _, dF = self.at.linearise(term, points, self._zero(term, points))
        return (
            normal,
            self._gradient(term, dF),
            self._part(term, dF, self.betas[0]),
            self._slopes(term, points),
        )

    def _coefficients(self, equation: GridTerm, points: Points) -> GridCoefficients:
        _, dF = self.at.linearise(equation, points, self._zero(equation, points))
        d = self.space.dimension
        a = dF.new_zeros(*dF.shape[:2], d, d)
        for beta in self.betas:
            axes = _axes(beta)
            if len(axes) == 2:
                i, j = axes
                share = 0.5 if i != j else 1.0
                a[..., i, j] = share * self._part(equation, dF, beta)
                a[..., j, i] = a[..., i, j]
        c = self._part(equation, dF, self.betas[0])
        return GridCoefficients(a, self._gradient(equation, dF), c, self._slopes(equation, points)[0])

    def _slopes(self, term: GridTerm, points: Points) -> tuple[Tensor, Tensor]:
        """What λ multiplies in a term: of the value (b, m), and of derivatives (b, m, s)."""
        found = self.at.slopes(term, points, self.name)[:, :, 0]
        others = [i for i, (_, beta) in enumerate(term.slots) if any(beta)]
        return self._part(term, found[:, :, None], self.betas[0]), found[..., others]

    def _gradient(self, term: GridTerm, dF: Tensor) -> Tensor:
        return torch.stack([self._part(term, dF, beta) for beta in self._first], dim=-1)

    def _part(self, term: GridTerm, dF: Tensor, beta: MultiIndex) -> Tensor:
        """The coefficient (b, m) of one derivative, zero where it does not enter."""
        if (0, beta) not in term.slots:
            return dF.new_zeros(dF.shape[:2])
        return dF[:, :, 0, term.slots.index((0, beta))]

    def _zero(self, term: GridTerm, points: Points) -> Tensor:
        return self.space.half.new_zeros(*points.weight.shape, len(term.slots))


def _sides(f: FacePoints) -> tuple[Points, Points]:
    """The points of faces as they lie in the patches on both sides."""
    return Points(f.minus, f.y, f.weight), Points(f.plus, f.y - f.shift[:, None], f.weight)


def _unit(d: int, axis: int) -> MultiIndex:
    return tuple(int(i == axis) for i in range(d))


def _axes(beta: MultiIndex) -> list[int]:
    """The axes along which a derivative is taken, each as often as it is."""
    return [i for i, k in enumerate(beta) for _ in range(k)]


def _order(term: GridTerm) -> int:
    return max((sum(beta) for _, beta in term.slots), default=0)
