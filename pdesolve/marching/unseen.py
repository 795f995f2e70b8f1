"""Whether anything happens that a slab has not seen: between the stages in time, or between the points in space.

Collocation in time sees data at its stages only; a source or a boundary value that acts for a thousandth of the
interval may lie between two of them. Between the stages the residual of a resolved slab is small: that of the equation,
over the size of ∂_t u on the slab, ‖u‖/Δ, is s² times the error in time or so, and so is that of a condition on values;
but it is smooth: Π(τ - cᵢ) for the stages cᵢ, where it vanishes, times a polynomial. What is left without that is an
event. In the same way a source may lie between the points of the patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.radau import differentiation, lagrange
from pdesolve.marching.rows import TermRows, interior_rows
from pdesolve.marching.space import Cells, Space
from pdesolve.marching.step import Slab
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.frame import once
from pdesolve.statement.residual import FEW, ResidualOperator, is_polynomial_in_jets, sample_points
from pdesolve.statement.signatures import has_signature, signature

TIMES = 2**14  # in the whole interval: three in a pulse of 2e-4 of it
# More than the stages of any method in use, which are 13 at most.
LEAST_TIMES = 16  # in a slab
POINTS = 8  # in space
PLACES = 2**13  # in space, at few times: one at least in a source as wide as 2e-4 of an interval
# So many times as many where the equation is narrow in an unknown: one in what is as wide as 1e-5 of an interval.
SETS_NARROW = {1: 32, 2: 8, 3: 4}
OUTSTANDING = 10.0  # times the residual at the points of a patch: more is a source between them
A_MOMENT = 3.0  # times the mean over a slab: what lasts for a third of it has a stage in it
# Where an equation is narrow in an unknown, while it moves by its size: one at least in a gap of 1.5e-5 of it.
TIMES_NARROW = 2**16
MORE_NARROW = 8  # times as many where the equation is known to be narrow: two in a gap of 1e-5
LEAST_NARROW = 2**8  # times in a slab where an equation is narrow in an unknown: one of them stands out
ALLOWED = (
    1.0  # times the tolerance: what is left without the residual of collocation is an error of the solution
)
SMOOTH = 3  # powers of time beside Π(τ - cᵢ): a residual that varies slowly, as that of smooth data
AT_ONCE = 2**10  # times, which bounds the memory
OF_SPACE = 10.0  # times the residual at the stages: less is what patches do not resolve, and no event in time


@dataclass(eq=False)
class UnseenTimes:
    """Some points in space of every term, and many times.

    Attributes:
        space: the patches.
    """

    space: Space

    @cached_property
    def rows(self) -> list[tuple[Tensor, TermRows]]:
        """Of every term: the patches (b,) of its points, and its rows there."""
        evolution, found = self.space.evolution, []
        if of_evolution(self.space, holds_data):
            x = evolution.problem.domain.space.sample(POINTS, sampler="sobol", seed=5)
            found.append(rows_at(self.space, evolution.statement.terms[0], x, None))
        for number in evolution.places:
            term = evolution.statement.terms[number]
            points, normals = sample_points(evolution.problem, term.operator.term, POINTS)
            found.append(rows_at(self.space, term, points[:, :-1], normals))
        return [(cells, rows) for cells, rows in found if len(cells)]

    def error(self, slab: Slab, scale: Tensor, interval: float) -> float:
        """Largest residual of a term between the stages, in units of the sizes (u,) of the unknowns, over ALLOWED."""
        largest = 0.0
        for cells, rows in self.rows:
            inside = not rows.boundary and rows.term is slab.space.evolution.statement.terms[0]
            narrow = inside and not of_evolution(self.space, varies_slowly)
            count = self._count(slab, cells, rows, scale, interval, narrow)
            fractions = (np.arange(count) + 0.5) / count
            middle = fractions[count // 2 : count // 2 + 1]
            r = torch.cat(
                [
                    rows.residual(derivatives_of(slab, cells, part), times_of(slab, part))
                    for part in np.array_split(fractions, -(-count // AT_ONCE))
                ]
            )
            r = without_collocation(r, slab.method.nodes[1:], fractions)
            if self._as_at_stages(slab, cells, rows, r, narrow):
                continue
            dF = rows.linearise(derivatives_of(slab, cells, middle), times_of(slab, middle))[0]
            size = sizes_of(rows, dF, scale, slab.length if inside else None, interval)  # (b, c)
            units = torch.where(size > 0, r[:, :, 0] / size, 0.0)
            if narrow:
                found = _passed(units.abs(), interval / slab.length)
            elif inside:
                # A source acts by its integral over the slab, and a boundary value by its size: hence the mean
                # here, and the root of the mean square below.
                found = units.abs().mean(0)
            else:
                found = units.square().mean(0).sqrt()
            largest = max(largest, float(found.max()))
        return largest / ALLOWED

    def _count(
        self, slab: Slab, cells: Tensor, rows: TermRows, scale: Tensor, interval: float, narrow: bool
    ) -> int:
        """Times in a slab: by its part of the interval and, if `narrow`, by how far unknowns move, over their sizes."""
        part, least, most = slab.length / interval, LEAST_TIMES, TIMES
        if narrow:
            values = slab.nodes[:, cells][..., 0]  # (s + 1, b, u)
            moved = values.diff(dim=0).abs().sum(0).amax(0) / scale.clamp_min(torch.finfo(scale.dtype).tiny)
            more = MORE_NARROW if passes_narrow(slab, cells, rows) else 1
            part, least, most = max(part, float(moved.max())), more * LEAST_NARROW, more * TIMES_NARROW
        return int(np.clip(most * part, least, most))

    def _as_at_stages(self, slab: Slab, cells: Tensor, rows: TermRows, r: Tensor, narrow: bool) -> bool:
        """Whether residuals (S, b, 1, c) are no larger than at the stages, where space alone makes them.

        If `narrow`, each of them counts: the others tell nothing of one.
        """
        fractions = slab.method.nodes[1:]
        seen = rows.residual(derivatives_of(slab, cells, fractions), times_of(slab, fractions))
        level = seen.square().mean(0).sqrt()
        found = r.abs().amax(0) if narrow else r.square().mean(0).sqrt()
        return bool((found <= OF_SPACE * level).all())


def _passed(units: Tensor, longer: float) -> Tensor:
    """What residuals (S, b, c) of a slab, in units of the unknowns, may do where an equation is narrow in an unknown.

    The path that was found tells for how long at most an unknown is where the equation is narrow, not at least: it may
    stay there. So the largest counts and, where it stands out, for the rest of the interval, `longer` times the slab.
    What stands out so does not become less with the slab, as noise would.
    """
    largest = units.amax(0)
    return torch.where(largest > A_MOMENT * units.mean(0), longer * largest, largest)


@dataclass(eq=False)
class UnseenPlaces:
    """Many points in space, at the middle and the last stage of a slab.

    Attributes:
        space: the patches.
    """

    space: Space

    @cached_property
    def rows(self) -> tuple[Tensor, TermRows]:
        """The patches (b,) of the points, and the equation there."""
        return self._drawn(0)

    def _drawn(self, number: int) -> tuple[Tensor, TermRows]:
        """One set of points after another."""
        problem = self.space.evolution.problem
        x = problem.domain.space.sample(PLACES, sampler="sobol", seed=7 + number)
        return rows_at(self.space, self.space.evolution.statement.terms[0], x, None)

    @cached_property
    def seen_rows(self) -> list[TermRows]:
        """The equation at the points of the patches."""
        return interior_rows(self.space)

    def missed(self, slab: Slab, scale: Tensor, tolerance: float) -> Tensor:
        """Patches (e,) whose residual between their points would change an unknown by more than `tolerance`."""
        if not of_evolution(self.space, holds_data):
            return torch.zeros(len(self.space), dtype=torch.bool)
        fractions = np.unique(slab.method.nodes[[1 + slab.method.middle, -1]])
        times = times_of(slab, fractions)
        everything = derivatives_of(slab, torch.arange(len(self.space)), fractions)
        sets = [self.rows]
        if passes_narrow(slab, *self.rows):
            sets += [self._drawn(number) for number in range(1, SETS_NARROW[self.space.d])]
        looks = [self._look(one, slab, scale, everything, times) for one in sets]
        count, sums, effect = (sum(parts) for parts in zip(*looks, strict=True))
        mean = sums / count.clamp_min(1)[:, None]
        outstanding = mean > OUTSTANDING * self._seen(everything, times)
        return (outstanding & (effect / count.sum() > tolerance)).any(1)

    def _look(
        self,
        points: tuple[Tensor, TermRows],
        slab: Slab,
        scale: Tensor,
        everything: Sequence[Tensor],
        times: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of each patch: points in it (e,), sums of their residuals (e, c), and of what these do to the unknowns."""
        cells, rows = points
        here = [d[:, cells] for d in everything]
        r = rows.residual(here, times)
        dF = rows.linearise([d[-1:] for d in here], times[-1:])[0]
        size = sizes_of(rows, dF, scale, slab.length, self.space.evolution.problem.domain.time.length)
        left = r[:, :, 0].abs().mean(0)
        units = torch.where(size > 0, left / size, 0.0)
        sums = left.new_zeros(2, len(self.space), left.shape[1])
        sums[0].index_add_(0, cells, left)
        sums[1].index_add_(0, cells, units)
        return torch.bincount(cells, minlength=len(self.space)), sums[0], sums[1]

    def _seen(self, derivatives: list[Tensor], times: Tensor) -> Tensor:
        """Root mean square residuals (e, c) at the points of the patches."""
        found = derivatives[0].new_zeros(len(self.space), self.rows[1].components)
        for rows in self.seen_rows:
            r = rows.residual(derivatives, times)
            weight = rows.points.weight.square()[..., None]
            mean = (r.square().mean(0) * weight).sum(1) / weight.sum(1)
            found[rows.points.cells] = mean.sqrt()
        return found


def passes_narrow(slab: Slab, cells: Tensor, rows: TermRows) -> bool:
    """Whether the unknowns of a slab, at points in patches (b,), pass values in which the equation is narrow."""
    if of_evolution(slab.space, varies_slowly):
        return False
    fractions = slab.method.nodes
    jets, x, _ = rows.arguments(rows.jets(derivatives_of(slab, cells, fractions)), times_of(slab, fractions))
    evolution = slab.space.evolution
    return evolution.ranges.narrow(rows.term.operator, x, jets, evolution.parameters)


def of_evolution(space: Space, question: Callable[[ResidualOperator], bool]) -> bool:
    """The answer to a question about the equation, found once for all patches."""
    operator = space.evolution.statement.terms[0].operator
    return once(space.evolution.memo, (question,), lambda: question(operator))


def holds_data(operator: ResidualOperator) -> bool:
    """Whether an equation can hold data that lie between points or stages.

    One that takes no coordinate holds no source; what varies slowly with the unknowns does nothing for a moment that
    they pass through.
    """
    problem = operator.problem
    equation = problem.equation
    if not callable(equation) or not has_signature(equation):
        return True
    free = {*problem.unknowns, *problem.names.groups, *problem.constants, *problem.parameters}
    takes = set(signature(equation, "the equation", problem.coordinates[:1]))
    return not takes <= free or not varies_slowly(operator)


def varies_slowly(operator: ResidualOperator) -> bool:
    """Whether a term is a polynomial in its unknowns, and not as 1/(1 + h e^{-(u/w)²}), w narrow."""
    points = operator.problem.domain.sample(FEW, sampler="sobol", seed=5)
    values = {name: points.new_tensor(value) for name, value in operator.problem.parameters.items()}
    return is_polynomial_in_jets(operator, points, None, values)


def times_of(slab: Slab, fractions: np.ndarray) -> Tensor:
    """Times (S,) at fractions of a slab."""
    times = slab.begin + torch.from_numpy(fractions) * slab.length
    return slab.space.evolution.within(times, slab.begin, slab.end)


def without_collocation(r: Tensor, stages: np.ndarray, fractions: np.ndarray) -> Tensor:
    """Residuals (S, …) at fractions of a slab less their best fit by Π(τ - cᵢ) (a₀ + a₁ P₁(τ) + …)."""
    vanishing = np.prod(fractions[:, None] - stages, axis=1, keepdims=True)
    q, _ = np.linalg.qr(vanishing * np.polynomial.legendre.legvander(2 * fractions - 1, SMOOTH - 1))
    smooth = torch.from_numpy(q)
    return r - torch.tensordot(smooth, torch.tensordot(smooth.mT, r, 1), 1)


def rows_at(space: Space, term: GridTerm, x: Tensor, normals: Tensor | None) -> tuple[Tensor, TermRows]:
    """The patches (b,) of points x (m, d), as far as they are in any, and rows of a term there."""
    y = x @ space.rotation
    middle = torch.from_numpy((space.patches.frame.lower + space.patches.frame.upper) / 2)
    inside = (y + 1e-7 * (middle - y)).numpy()
    part = space.part_of(torch.from_numpy(inside))
    cells = torch.from_numpy(space.patches.partition.locate(inside, part))
    known = cells >= 0
    cells, y, x = cells[known], y[known], x[known]
    local = ((y - space.centre[cells]) / space.half[cells])[:, None]
    weight = torch.ones(len(cells), 1, dtype=torch.float64)
    if normals is not None:
        normals = normals[known][:, None]
    points = Cells(torch.arange(len(cells)), x[:, None], local, weight, space.half[cells], normals)
    rows = TermRows(space, term, points, normals is not None)
    rows.all = True  # it is given the functions on these patches only
    return cells, rows


def sizes_of(
    rows: TermRows, dF: Tensor, scale: Tensor, length: float | None, interval: float = 1.0
) -> Tensor:
    """Inside, max |∂F/∂(∂ʲ_t u)| ‖u‖ Δ⁻¹ T^{1-j} over j ≥ 1; on boundaries, the size of all that stands in a condition.

    A kick, which changes the velocity in a slab Δ, changes the solution for the rest of the interval T.
    """
    size = dF.new_zeros(dF.shape[0], dF.shape[2])
    for part, (_, reach) in zip(rows.parts, rows.tables, strict=True):
        if length is None or part.order > 0:
            strength = dF[:, 0][..., part.slots].abs() * reach[:, None, :]
            unit = scale[part.unknown]
            if length is not None:
                unit = unit / length * interval ** (1 - part.order)
            size = torch.maximum(size, strength.amax(2) * unit)
    return size


def derivatives_of(slab: Slab, cells: Tensor, fractions: np.ndarray) -> list[Tensor]:
    """Functions on some patches, and their derivatives in time, at fractions of a slab: (S, b, u, k) each."""
    nodes, d = slab.nodes[:, cells], differentiation(slab.method.nodes)
    algebraic = torch.from_numpy(slab.space.evolution.time_orders == 0)
    values = lagrange(slab.method.nodes, fractions)
    found = []
    for order in range(slab.space.evolution.depth + 1):
        weights = torch.from_numpy(values @ np.linalg.matrix_power(d, order) / slab.length**order)
        found.append(torch.tensordot(weights, nodes, 1))
    if bool(algebraic.any()):
        alone = torch.from_numpy(lagrange(slab.method.nodes[1:], fractions))
        found[0][:, :, algebraic] = torch.tensordot(alone, nodes[1:, :, algebraic], 1)
    return found
