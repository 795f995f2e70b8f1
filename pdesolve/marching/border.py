"""What couples all patches at once: unknowns that live in time only, and prescribed integrals.

The stage systems get a border. With the unknowns z of the border, columns E and rows F,

    B δ + E z = b,      F δ + D z = h,

where B is what the elimination of patches factors, so that z = (D - F B⁻¹E)⁻¹ (h - F B⁻¹b). Scalars q(t): the columns
of q in the rows of the fields are E, tested as all columns are; their own equations g(q, q', Q(u), t) = 0 hold exactly
at the stages, with F = ∂g/∂Q ∂Q/∂u. In coefficients a scalar is a function that is the same constant on all patches.

A prescribed integral is one more row ρ (r·u - m) of least squares, with r·u the mean of u. It touches all patches;
since without it the mean may be free, as that of a pressure, its part c on the patch with most of the domain stands in
B instead:

    B_true = B + ρ² r rᵀ - ρ² c cᵀ,      E = (ρ r, -ρ c),   F = (ρ r, ρ c)ᵀ,   D = -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.errors import SolveError
from pdesolve.marching.evolution import Evolution
from pdesolve.marching.functionals import Functional, functionals_of, is_linear, means_of
from pdesolve.marching.semi_discrete import Linearised, SemiDiscrete
from pdesolve.marching.space import Space
from pdesolve.marching.stage_iteration import IteratedStages
from pdesolve.marching.stage_solver import StageFactors
from pdesolve.patches.rows.weights import VALUE_WEIGHT
from pdesolve.statement.calculus import Frame
from pdesolve.statement.conditions import Integral


@dataclass(eq=False)
class Border:
    """The border of the stage systems on a space.

    Attributes:
        system: the rows of the patches.
    """

    system: SemiDiscrete

    @property
    def space(self) -> Space:
        """The patches."""
        return self.system.space

    @property
    def evolution(self) -> Evolution:
        """What is solved."""
        return self.space.evolution

    @property
    def linear(self) -> bool:
        """Whether the equations of the scalars, and all quantities in them, are affine."""
        return is_linear(self.evolution)

    @cached_property
    def functionals(self) -> list[Functional]:
        """Of the scalars' equations."""
        return [Functional.on(self.space, term) for term in functionals_of(self.evolution)]

    @cached_property
    def means(self) -> list[Functional]:
        """Of the prescribed integrals."""
        return [Functional.on(self.space, term) for term in means_of(self.evolution)]

    @cached_property
    def unit(self) -> float:
        """The coefficient of the function that is one."""
        # The orthonormal Legendre polynomial of degree 0 is 1/√2 on each axis.
        return float(2.0 ** (self.space.d / 2))

    @cached_property
    def columns(self) -> Tensor:
        """(s, k) columns of each scalar among those of a patch."""
        k = torch.arange(self.space.functions)
        numbers = torch.tensor(self.evolution.scalars, dtype=torch.long)
        return numbers[:, None] * self.space.functions + k

    def scalars_of(self, c: Tensor) -> Tensor:
        """Values (S, s) of the scalars in functions (S, e, u, k)."""
        return c[:, 0, list(self.evolution.scalars), 0] / self.unit

    def made_constant(self, c: Tensor) -> Tensor:
        """Functions (S, e, u, k) whose scalars are constant in space: extrapolation magnifies rounding."""
        values = self.unit * self.scalars_of(c)
        found = c.clone()
        found[:, :, list(self.evolution.scalars)] = 0.0
        found[:, :, list(self.evolution.scalars), 0] = values[:, None]
        return found

    def residual(self, derivatives: Sequence[Tensor], times: Tensor) -> Tensor:
        """G of the scalars, then r·u - m of the integrals, at stages (S,): (S, s + i)."""
        found = []
        if self.evolution.scalars:
            found.append(self._equations(derivatives, times)[0])
        for mean, condition in zip(self.means, self.evolution.problem.integrals, strict=True):
            value = self._prescribed(condition, times) / mean.measure
            found.append((mean.values(derivatives, times) - value)[:, None])
        return torch.cat(found, dim=1)

    def _prescribed(self, condition: Integral, times: Tensor) -> Tensor:
        """The value (S,) of an integral at times; functions of time only are asked at one point in space."""
        problem = self.evolution.problem
        x = torch.from_numpy(self.space.patches.centre[:1]) @ self.space.rotation.T
        points = torch.cat([x.expand(len(times), -1), times[:, None]], dim=1)
        with torch.no_grad(), Frame(problem.coordinates, points) as frame:
            return problem.value(condition.value, frame, "the value of Integral")

    def _equations(self, derivatives: Sequence[Tensor], times: Tensor) -> tuple[Tensor, Tensor]:
        """G (S, s) and its sensitivities to the slots of the scalars' equations (S, s, a)."""
        operator = self.evolution.in_time
        assert operator is not None
        values = [self.scalars_of(d) for d in derivatives]
        taken = [functional.values(derivatives, times) for functional in self.functionals]
        count = len(self.evolution.scalars)
        jets = [
            values[index[0]][:, name] if name < count else taken[name - count]
            for name, index in operator.slots
        ]
        r, dF = operator.linearise(times[:, None], torch.stack(jets, dim=1))
        if not bool(dF.isfinite().all()):
            message = f"{operator.term.name} is not finite near t = {float(times[0]):.4g}; look for a division by zero"
            raise SolveError(message)
        return r[:, :count], dF[:, :count]

    def linearise(
        self, linearised: Linearised, derivatives: Sequence[Tensor], time: float
    ) -> tuple[Linearised, LinearBorder]:
        """The rows of the patches without what stands in the border, and the border."""
        depth = len(derivatives) - 1
        pencil = [part.clone() for part in linearised.pencil]
        e, n = len(self.space), self.space.width
        scalars, integrals = len(self.evolution.scalars), len(self.means)
        size = scalars + 2 * integrals
        columns = torch.zeros(depth + 1, e, n, size, dtype=torch.float64)
        rows = torch.zeros(depth + 1, size, e, n, dtype=torch.float64)
        corner = torch.zeros(depth + 1, size, size, dtype=torch.float64)
        at = torch.tensor([time], dtype=torch.float64)
        if scalars:
            self._move_scalars(pencil, columns)
            self._linearise_equations(derivatives, at, rows, corner)
        # As strong as all rows of values together: an integral is one row against those of e patches.
        weight = VALUE_WEIGHT * self._strength(linearised) * e**0.5
        means = torch.zeros(integrals, e, n, dtype=torch.float64)
        for i, mean in enumerate(self.means):
            row = mean.rows(derivatives, at)[0]
            means[i] = weight * row
            whole, confined = weight * row, weight * self._confined(row)
            first, second = scalars + 2 * i, scalars + 2 * i + 1
            pencil[0] += confined[:, :, None] * confined[:, None, :]
            columns[0, ..., first] = whole
            columns[0, ..., second] = -confined
            rows[0, first] = whole
            rows[0, second] = confined
            corner[0, first, first] = corner[0, second, second] = -1.0
        border = LinearBorder(self, columns, rows, corner, means, weight)
        return replace(linearised, pencil=pencil), border

    def _move_scalars(self, pencil: list[Tensor], columns: Tensor) -> None:
        """Take the columns of scalars out of the rows of the fields; what is left of them there is the identity."""
        mine = self.columns.flatten()
        for j, part in enumerate(pencil):
            for i, first in enumerate(self.columns[:, 0]):
                columns[j, :, :, i] = self.unit * part[:, :, first]
            columns[j][:, mine] = 0.0
            part[:, mine, :] = 0.0
            part[:, :, mine] = 0.0
        pencil[0][:, mine, mine] = 1.0

    def _linearise_equations(
        self, derivatives: Sequence[Tensor], time: Tensor, rows: Tensor, corner: Tensor
    ) -> None:
        operator = self.evolution.in_time
        count = len(self.evolution.scalars)
        _, dF = self._equations(derivatives, time)
        slopes = [functional.rows(derivatives, time) for functional in self.functionals]
        assert operator is not None
        for slot, (name, index) in enumerate(operator.slots):
            sensitivity = dF[0, :, slot]
            if name < count:
                corner[index[0], :count, name] += sensitivity
                continue
            slope = slopes[name - count]  # (j, e, n)
            rows[:, :count] += sensitivity[:, None, None] * slope[:, None]
            direct = self.unit * slope[:, :, self.columns[:, 0]].sum(
                1
            )  # scalars within the functional (j, s)
            corner[:, :count, :count] += sensitivity[:, None] * direct[:, None]
        rows[..., self.columns.flatten()] = 0.0

    @staticmethod
    def _strength(linearised: Linearised) -> float:
        """How rows of values are weighted on the mean of all faces."""
        return float(linearised.face_weights.mean()) if len(linearised.face_weights) else 1.0

    def _confined(self, row: Tensor) -> Tensor:
        """The part of a mean (e, n) on the patch with most of the domain, enlarged to a mean over that patch."""
        # The largest patch: the mean over it is enlarged least.
        patch = int(self.space.volume.argmax())
        found = torch.zeros_like(row)
        found[patch] = row[patch] * float(self.space.volume.sum() / self.space.volume[patch])
        return found


@dataclass(frozen=True, eq=False)
class LinearBorder:
    """Columns (j, e, n, c), rows (j, c, e, n) and corner (j, c, c), by derivatives in time j.

    Attributes:
        border: where they are.
        means: ρ r of the integrals (i, e, n).
        weight: ρ.
    """

    border: Border
    columns: Tensor
    rows: Tensor
    corner: Tensor
    means: Tensor
    weight: float

    def sides(self, right: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """What is projected of the patches (S, e, n), with the integrals; and of the border (S, c)."""
        count = len(self.border.evolution.scalars)
        whole = right.clone()
        whole[..., self.border.columns.flatten()] = 0.0
        whole += torch.einsum("si,ien->sen", self.weight * residual[:, count:], self.means)
        own = residual.new_zeros(len(residual), self.corner.shape[1])
        own[:, :count] = residual[:, :count]
        return whole, own

    def factor(self, factors: StageFactors | IteratedStages, mu: Tensor) -> BorderFactors:
        """Eliminate the patches: D - F B⁻¹E for μ (k,)."""
        powers = torch.stack([mu**j for j in range(len(self.corner))])
        columns = torch.einsum("jk,jenc->kenc", powers, self.columns.to(mu.dtype))
        rows = torch.einsum("jk,jcen->kcen", powers, self.rows.to(mu.dtype))
        corner = torch.einsum("jk,jcd->kcd", powers, self.corner.to(mu.dtype))
        reached = torch.stack(
            [factors.solve(columns[..., c].contiguous()) for c in range(columns.shape[3])], dim=3
        )
        schur = corner - torch.einsum("kcen,kend->kcd", rows, reached)
        # Scalars have units of their own, and rows are made comparable before the pivots are chosen.
        scale = schur.abs().amax(2, keepdim=True)
        if not bool((scale > 0).all()) or not bool(scale.isfinite().all()):
            message = (
                "the equation of a Scalar, or an Integral, determines nothing: look at what it depends on"
            )
            raise SolveError(message)
        return BorderFactors(self, factors, rows, reached, schur / scale, scale)


@dataclass(frozen=True, eq=False)
class BorderFactors:
    """Factors of the bordered stage systems."""

    linear: LinearBorder
    factors: StageFactors | IteratedStages
    rows: Tensor
    reached: Tensor
    schur: Tensor
    scale: Tensor

    def solve(self, b: Tensor, h: Tensor) -> Tensor:
        """δ (k, e, n) of right-hand sides of the patches (k, e, n) and of the border (k, c)."""
        delta = self.factors.solve(b)
        left = h - torch.einsum("kcen,ken->kc", self.rows, delta)
        z = torch.linalg.solve(self.schur, left / self.scale[..., 0])
        delta = delta - torch.einsum("kenc,kc->ken", self.reached, z)
        border = self.linear.border
        count = len(border.evolution.scalars)
        if count:
            delta[..., border.columns.flatten()] = 0.0
            delta[..., border.columns[:, 0]] = border.unit * z[:, None, :count]
        return delta
