"""The stage systems B_k δ = b: patches are eliminated, what is left are traces on faces.

With the trace g of every face as an unknown of its own, the row of continuity f (T₋ u₋ - T₊ u₊) is  √2 f (T u - g)
from both sides, minimised over g. Then a patch meets others through traces alone:

    Loc = B + 2 Σ f² TᵀT,      S = 2 I - Σ √2f T Loc⁻¹ Tᵀ √2f,      u = Loc⁻¹ (b + √2 f Tᵀ g).

Patches are eliminated by batched inverses, S by nested dissection of the faces, and on a line as a band; what either
loses is won back by the iteration on the true residual (`step`). A row of continuity is one of a single unknown: T is
kept by unknown, as (u, r, k), and never spread over all columns of a patch. Stages whose μ is real are factored in real
numbers, at a quarter of the work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.least_squares.sparse.banded_lu import Band, BandedLU
from pdesolve.least_squares.sparse.frontal_lu import Elimination, FrontalLU
from pdesolve.marching.semi_discrete import Linearised, SemiDiscrete
from pdesolve.runs.deadline import check_deadline

REAL = 1e-12  # imaginary part of an eigenvalue, relative to it, that is rounding

AT_ONCE = 1e9  # products in a batch of inverses, a second at most: deadlines are heard between batches


@dataclass(frozen=True, eq=False)
class Group:
    """Patches with the same number of faces.

    Attributes:
        patches: (b,) their numbers.
        faces: (b, g) their faces.
        side: (b, g) on which side of the face the patch is.
        unknowns: (b, g u r) numbers of the traces; -1 for rows that are not in use.
    """

    patches: Tensor
    faces: Tensor
    side: Tensor
    unknowns: Tensor

    def traces(self, traces: Tensor, weights: Tensor) -> Tensor:
        """√2 f T of the patches, (b, u, g r, k), of T (2, f, u, r, k) and f (f, u)."""
        mine = traces[self.side, self.faces] * (2**0.5 * weights)[self.faces][..., None, None]
        return mine.transpose(1, 2).flatten(2, 3)


@dataclass(eq=False)
class StageSolver:
    """What of the elimination depends on the patches alone."""

    system: SemiDiscrete

    @cached_property
    def groups(self) -> list[Group]:
        """All patches, by their number of faces."""
        faces = self.system.faces
        count = len(faces)
        # Patches with as many faces have arrays of one shape: these are what batched products need.
        owner = torch.cat([faces.minus, faces.plus])
        order = torch.argsort(owner, stable=True)
        each = torch.bincount(owner, minlength=len(self.system.space))
        first = each.cumsum(0) - each
        numbers = self._numbers
        groups = []
        for g in torch.unique(each).tolist():
            patches = torch.nonzero(each == g)[:, 0]
            ends = order[first[patches][:, None] + torch.arange(g)]
            mine = ends % max(count, 1)
            unknowns = numbers[mine].flatten(1)
            groups.append(Group(patches, mine, ends // max(count, 1), unknowns))
        return groups

    @property
    def _numbers(self) -> Tensor:
        """(f, u, r) number of each trace, face after face; -1 for rows that are not in use."""
        used = self.system.faces.used
        return torch.where(used, used.flatten().long().cumsum(0).view_as(used) - 1, -1)

    @cached_property
    def count(self) -> int:
        """Number of traces."""
        return int(self.system.faces.used.sum())

    @cached_property
    def place(self) -> Tensor:
        """(e, 2) group of each patch, and its number there."""
        place = torch.zeros(len(self.system.space), 2, dtype=torch.long)
        for i, group in enumerate(self.groups):
            place[group.patches, 0] = i
            place[group.patches, 1] = torch.arange(len(group.patches))
        return place

    @cached_property
    def elimination(self) -> Elimination:
        """The order of the traces."""
        faces = self.system.faces
        rows = [self.groups[i].unknowns[j] for i, j in self.place.tolist()]
        pairs = np.stack([faces.minus.numpy(), faces.plus.numpy()], axis=1)
        sizes = faces.used.sum((1, 2)).numpy()
        return Elimination.of(self.system.space.centre.numpy(), pairs, sizes, rows)

    @property
    def flops(self) -> tuple[float, float, float]:
        """Multiplications of one real factor, of a solution with it, and of a product with a pencil's matrix."""
        patches, n = float(len(self.system.space)), float(self.system.space.width)
        factor, solution = patches * n**3, 2 * patches * n**2
        for front in self.elimination.fronts:
            k, b = float(front.own), float(len(front.border))
            factor += k**3 + k**2 * b + k * b**2
            solution += k**2 + 2 * k * b
        return factor, solution, patches * n**2

    @cached_property
    def band(self) -> Band:
        """The order of the traces on a line."""
        return Band.of(self.count, [group.unknowns for group in self.groups])

    def factor(self, linearised: Linearised, mu: Tensor) -> StageFactors:
        """Factors of B_k for μ (k,)."""
        real = mu.imag.abs() <= REAL * mu.abs()
        # Patches on a line are so small that a call costs more than its numbers: one part of all stages.
        if self.system.space.d <= 1 and not bool(real.all()):
            real = torch.zeros_like(real)
        parts = []
        # An odd number of stages has one real μ, which need not pay for complex numbers.
        for kind in (real, ~real):
            stages = torch.nonzero(kind)[:, 0]
            if len(stages):
                own = mu[stages]
                if kind is real:
                    own = own.real
                parts.append(self._part(linearised, stages, own))
        return StageFactors(self, parts)

    def _part(self, linearised: Linearised, stages: Tensor, mu: Tensor) -> FactoredStages:
        """Factors for some of the stages, all with real μ or all with complex."""
        space = self.system.space
        shape = (len(mu), len(space), space.unknowns, space.functions, space.unknowns, space.functions)
        local = torch.zeros(len(mu), len(space), space.width, space.width, dtype=mu.dtype)
        # In three dimensions each of these sums takes a second.
        for j, part in enumerate(linearised.pencil):
            check_deadline()
            local += (mu**j)[:, None, None, None] * part
        traces = []
        for group in self.groups:
            mine = group.traces(self.system.faces.traces, linearised.face_weights)
            mine = space.whitened(group.patches, mine)
            traces.append(mine)
            check_deadline()
            gram = mine.mT @ mine
            for u in range(space.unknowns):
                check_deadline()
                blocks = local.view(shape)[:, :, u, :, u]
                blocks[:, group.patches] += gram[:, u]
        check_deadline()
        inverse = _inverse(local)
        made = FactoredStages(self, stages, inverse, traces, None)
        if not len(self.system.faces):
            return made
        # LU, since the stage systems are complex and not Hermitian: there is no Cholesky factor.
        if space.d == 1:
            couplings = (made.couplings(i, torch.arange(len(g.patches))) for i, g in enumerate(self.groups))
            skeleton: BandedLU | FrontalLU = self.band.factor(2.0, couplings, mu)
        else:
            skeleton = self.elimination.factor(2.0, made.blocks, mu)
        return FactoredStages(self, stages, inverse, traces, skeleton)


@dataclass(frozen=True, eq=False)
class FactoredStages:
    """Factors of some stage systems.

    Attributes:
        solver: what they belong to.
        stages: their numbers (k,).
        inverse: Loc⁻¹ (k, e, n, n).
        traces: √2 f T of each group, (b, u, g r, n).
        skeleton: factors of S.
    """

    solver: StageSolver
    stages: Tensor
    inverse: Tensor
    traces: list[Tensor]
    skeleton: BandedLU | FrontalLU | None

    def blocks(self, patches: Tensor) -> Iterator[Tensor]:
        """√2f T Loc⁻¹ Tᵀ √2f of patches, (k, m, m) for each, m = g u r: face after face, as a front has them."""
        for i, j in self.solver.place[patches].tolist():
            yield self.couplings(i, torch.tensor([j]))[:, 0]

    def couplings(self, number: int, chosen: Tensor) -> Tensor:
        """√2f T Loc⁻¹ Tᵀ √2f of some patches (b,) of a group, (k, b, m, m), as `blocks` has them."""
        group = self.solver.groups[number]
        traces = self.traces[number][chosen]  # (b, u, g r, n)
        b, u, rows, n = traces.shape
        faces = group.faces.shape[1]
        if not faces:  # alone in its part of the domain
            return traces.new_zeros(len(self.stages), b, 0, 0)
        inverse = self.inverse[:, group.patches[chosen]].view(-1, b, u, n, u * n)
        left = _real_times(traces, inverse).view(-1, b, u, faces, rows // faces, u, n)
        turned = left.permute(0, 1, 5, 6, 3, 2, 4).reshape(-1, b, u, n, u * rows)
        both = _real_times(traces, turned).view(-1, b, u, faces, rows // faces, u * rows)
        return both.permute(0, 1, 5, 3, 2, 4).reshape(-1, b, u * rows, u * rows)

    def _joined(self) -> Iterator[tuple[Group, Tensor]]:
        """Groups of patches that have faces, with their traces."""
        for group, traces in zip(self.solver.groups, self.traces, strict=True):
            if group.faces.shape[1]:
                yield group, traces

    def solve(self, b: Tensor) -> Tensor:
        """δ (k, e, n) of right-hand sides (k, e, n)."""
        if self.skeleton is None:
            return (self.inverse @ b[..., None])[..., 0]
        if isinstance(self.skeleton, BandedLU):
            return self._solve_on_a_line(b, self.skeleton)
        first = (self.inverse @ b[..., None])[..., 0]
        flux = b.new_zeros(len(b), self.solver.count + 1)  # the last for unused rows
        for group, traces in self._joined():
            e, u, _, n = traces.shape
            mine = _real_times(traces, first[:, group.patches].view(len(b), e, u, n, 1))
            mine = mine.view(len(b), e, u, group.faces.shape[1], -1).transpose(2, 3)
            places = group.unknowns.flatten() % flux.shape[1]
            flux.index_add_(1, places, mine.reshape(len(b), -1))
        g = torch.zeros_like(flux)
        g[:, :-1] = self.skeleton.solve(flux[:, :-1])
        whole = b.clone()
        for group, traces in self._joined():
            e, u, rows, _ = traces.shape
            mine = g[:, group.unknowns].view(len(b), e, group.faces.shape[1], u, -1).transpose(2, 3)
            back = _real_times(traces.mT, mine.reshape(len(b), e, u, rows, 1))
            whole[:, group.patches] += back.view(len(b), e, -1)
        return (self.inverse @ whole[..., None])[..., 0]

    def solve_many(self, b: Tensor) -> Tensor:
        """Solutions (e, n, r) of many real right-hand sides (e, n, r), by the first matrix."""
        inverse = self.inverse[0]
        if self.skeleton is None:
            return inverse @ b
        assert isinstance(self.skeleton, FrontalLU)  # a band is solved for one right-hand side
        first = inverse @ b
        flux = b.new_zeros(self.solver.count + 1, b.shape[2])
        for group, traces in self._joined():
            e, u, _, n = traces.shape
            mine = traces @ first[group.patches].view(e, u, n, -1)
            mine = mine.view(e, u, group.faces.shape[1], -1, b.shape[2]).transpose(1, 2)
            flux.index_add_(0, group.unknowns.flatten() % len(flux), mine.reshape(-1, b.shape[2]))
        g = torch.zeros_like(flux)
        g[:-1] = self.skeleton.solve_many(flux[:-1])
        whole = b.clone()
        for group, traces in self._joined():
            e, u, rows, _ = traces.shape
            mine = g[group.unknowns].view(e, group.faces.shape[1], u, -1, b.shape[2]).transpose(1, 2)
            whole[group.patches] += (traces.mT @ mine.reshape(e, u, rows, -1)).view(e, -1, b.shape[2])
        return inverse @ whole

    def _solve_on_a_line(self, b: Tensor, skeleton: BandedLU) -> Tensor:
        """As `solve`, by few products: patches are small, and a call costs more than its numbers."""
        found = (self.inverse @ b[..., None])[..., 0]
        flux = b.new_zeros(len(b), self.solver.count + 1)  # the last for unused rows
        for group, collect, _ in self._ends:
            mine = collect @ b[:, group.patches, :, None]
            flux.index_add_(1, group.unknowns.flatten() % flux.shape[1], mine.reshape(len(b), -1))
        g = torch.zeros_like(flux)
        g[:, :-1] = skeleton.solve(flux[:, :-1])
        for group, _, spread in self._ends:
            found[:, group.patches] += (spread @ g[:, group.unknowns][..., None])[..., 0]
        return found

    @cached_property
    def _ends(self) -> list[tuple[Group, Tensor, Tensor]]:
        """Of each group √2f T Loc⁻¹ (k, b, m, n) and Loc⁻¹ Tᵀ √2f (k, b, n, m), m = g u r."""
        found = []
        for group, traces in self._joined():
            b, u, rows, n = traces.shape
            inverse = self.inverse[:, group.patches]
            both = []
            for side in (inverse, inverse.mT):
                mine = _real_times(traces, side.reshape(-1, b, u, n, u * n))
                mine = mine.view(-1, b, u, group.faces.shape[1], rows // group.faces.shape[1], u * n)
                both.append(mine.transpose(2, 3).reshape(-1, b, u * rows, u * n))
            found.append((group, both[0], both[1].mT.contiguous()))
        return found


@dataclass(frozen=True, eq=False)
class StageFactors:
    """Factors of all stage systems: those with real μ, and the others."""

    solver: StageSolver
    parts: Sequence[FactoredStages]

    def solve(self, b: Tensor) -> Tensor:
        """δ (k, e, n) of right-hand sides (k, e, n)."""
        b = self.whitened(b, transposed=True)
        delta = torch.empty_like(b)
        for part in self.parts:
            mine = b[part.stages]
            if not part.inverse.is_complex():
                mine = mine.real
            delta[part.stages] = part.solve(mine).to(b.dtype)
        return self.whitened(delta)

    def whitened(self, vectors: Tensor, transposed: bool = False) -> Tensor:
        """G c, or Gᵀ c, of vectors (k, e, n): between the basis and the whitened functions of cut patches."""
        space = self.solver.system.space
        index, change = space.whitening
        if not len(index):
            return vectors
        if transposed:
            change = change.mT
        change = change[:, None]
        result = vectors.clone()
        mine = vectors[:, index].view(len(vectors), len(index), space.unknowns, space.functions, 1)
        result[:, index] = _real_times(change, mine).view(len(vectors), len(index), -1)
        return result


def _real_times(real: Tensor, other: Tensor) -> Tensor:
    """A real matrix (…, m, n) times contiguous real or complex ones (k, …, n, j), in real arithmetic."""
    if not other.is_complex():
        return real @ other
    numbers = torch.view_as_real(other.contiguous()).flatten(-2)
    return torch.view_as_complex((real @ numbers).unflatten(-1, (-1, 2)))


def _inverse(matrices: Tensor) -> Tensor:
    flat = matrices.flatten(0, 1)
    together = max(1, int(AT_ONCE / matrices.shape[-1] ** 3))
    found = torch.empty_like(flat)
    try:
        for first in range(0, len(flat), together):
            check_deadline()
            found[first : first + together] = torch.linalg.inv(flat[first : first + together])
        return found.view_as(matrices)
    except RuntimeError as error:
        message = (
            f"equation and conditions leave something undetermined on a patch: {str(error).splitlines()[0]}"
        )
        raise SolveError(message) from error
