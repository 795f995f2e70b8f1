"""A discrete solution: Gauss–Newton on the rows of an assembly, warm starts, and norms on its patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.least_squares.newton import Linearisation, Point, Rows, Step, backtrack, newton, taken
from pdesolve.least_squares.sparse.beside import BesideEquations
from pdesolve.least_squares.sparse.border import DenseRows
from pdesolve.least_squares.sparse.normal_equations import (
    LastFactor,
    LinearSolve,
    NormalEquations,
    for_many_solves,
)
from pdesolve.least_squares.sparse.row_blocks import RowBlocks, squared_norm
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.points.interior import Points
from pdesolve.runs.monitor import Monitor
from pdesolve.statement.problem import Problem

SHORTEST = 2.0**-9  # length of a step; what gains only by shorter ones is another problem
SLACK = 1e-6  # relative rise of ½‖r‖² with which a full step is taken all the same
AT_ROUNDING = 1e-9  # relative step below which only rounding keeps Gauss–Newton from contracting
NEAR = 1e-2  # relative step below which the next may use the same linearisation
# σ below which the direction that is held back least is looked for twice.
TWICE = 1e-6
# Cosine of two directions that are one: two steps of inverse iteration leave less than 1e-6 of what is held back more.
ALONE = 1 - 1e-3
CONTRACTING = 0.1  # a step with the same linearisation that is not this much shorter is not taken
# Residuals and what a linear model says of them, over the norm of J c, differ by 1e-15 to 1e-12 by rounding (fourth
# order, degree 20); what differs by more is no linear problem.
AS_MODELLED = 1e-10
# On cells that the boundary cuts, functions are nearly dependent and coefficients cancel: rounding goes with the terms
# of J c, of which it was 1.5e-15 at most, while it was 9e-10 of J c itself (four holes, degrees to 26).
ROUNDED = 1e-14
# ‖r‖² over that of the coefficients zero, above which it is no matter of rounding.
GROWN = 2.0
# Of J c: more left over than rounding, which was 9e-10 of it at most.
WRONG = 1e-6
# Last step of an iterated linear solve, over that at which Gauss–Newton ends: the estimate counts it as an error,
# though it is one of the solution before it.
ALGEBRAIC = 1.0
# Of the iterations for a condition number, of which the order of magnitude is wanted: eight took a tenth of a solve.
FEW_STEPS = 3


@dataclass(frozen=True, eq=False)
class Weakest:
    """The direction v (p,) of the coefficients that the rows A hold back least, and σ = ‖A v‖ for v of size one.

    Attributes:
        sigma: σ.
        direction: v.
        alone: whether all others are held back much more: wherever the iteration begins, it ends at ±v.
    """

    sigma: float
    direction: Tensor
    alone: bool = False


@dataclass(frozen=True, eq=False)
class Discrete:
    """A discrete solution: rows, coefficients, and how Gauss–Newton ended."""

    assembly: Assembly
    coefficients: Tensor
    converged: bool
    residual: float
    steps: int
    residual_of_patch: np.ndarray  # (e,) norms of the rows that touch each patch
    weakest: Weakest | None = field(default=None, kw_only=True)  # where it was asked for
    # (u,) L2 norms of the last step of a linear solve that is an iteration: it was off by so much before it
    algebraic: np.ndarray | None = field(default=None, kw_only=True)
    condition: float | None = field(default=None, kw_only=True)  # of the scaled rows, where it was asked for

    @property
    def mixture(self) -> PartitionedMixture:
        """The approximator."""
        return self.assembly.mixture(self.coefficients)


def gauss_newton(
    assembly: Assembly,
    start: Tensor | None,
    stop: float,
    monitor: Monitor,
    max_steps: int = 25,
    at_hand: LastFactor | None = None,
    examine: bool = False,
) -> Discrete:
    """Minimise ½‖r‖² over the coefficients; one step where the problem is linear.

    That it is linear is not taken for granted: the residual after the step is measured, and where it is not the one of
    the linear model, steps go on.
    Stops when a full step changes the coefficients by less than `stop`, relatively, or by what rounding leaves: tiny
    steps that do not shrink any more. Near the solution a linearisation serves for several steps, and the factor
    `at_hand`, of an earlier one, as long as it helps. Where it is to `examine`, what the rows hold back
    least is found, too.
    """
    if start is None:
        start = assembly.space.zero()
    rows = _PatchRows(assembly, stop, at_hand or LastFactor())
    ending = _Stop(rows, stop, max_steps, monitor)
    # The merit at the start is that of its linearisation, which scales the rows.
    begin: Point[list[Tensor]] = Point(start, [], np.inf)
    last, converged = newton(rows, begin, ending, rows.search)
    weakest = None
    condition = None
    if examine:
        weakest = _weakest(assembly, rows.equations)
        condition = rows.equations.condition(FEW_STEPS, weakest.direction)
    parts = assembly.residual_of_patch(last.residual)
    size = squared_norm(last.residual) ** 0.5
    return Discrete(
        assembly,
        last.c,
        converged,
        size,
        ending.steps,
        parts,
        weakest=weakest,
        condition=condition,
        algebraic=rows.algebraic,
    )


class _PatchRows:
    """The rows of an assembly, scaled anew at every linearisation.

    Attributes:
        linear: whether the problem is, as far as is known.
        equations: of the last linearisation.
        algebraic: (u,) of the last linear solve, see `Discrete`.
    """

    equations: NormalEquations | BesideEquations

    def __init__(self, assembly: Assembly, stop: float, at_hand: LastFactor):
        self.assembly = assembly
        self.linear = assembly.linear
        self._stop = stop
        self._at_hand = at_hand
        self._energy = 0.0
        self._scales: list[Any] = []
        self.algebraic: np.ndarray | None = None

    def linearise(self, point: Point[list[Tensor]]) -> Linearisation[list[Tensor]]:
        assembly = self.assembly
        rows, residuals, self._scales = assembly.linearise(point.c)
        self.equations = equations_of(assembly, rows, self._at_hand)
        if self.linear and self._is_worse_than_zero(point.c, residuals):
            point = Point(assembly.space.zero(), [], np.inf)
            residuals = assembly.residuals(point.c, self._scales)
        # A correction needs digits beside the whole solution only, so that its energy bounds the refinement.
        found = self._solved(residuals, point.c)
        self._energy = found.energy
        merit = 0.5 * squared_norm(residuals)
        # Armijo's condition asks for a part of ½‖r‖² itself: of the promised decrease, most of what is left over by
        # coarse patches is no part.
        return Linearisation(Point(point.c, residuals, merit), found.x, -merit)

    def _solved(self, residuals: list[Tensor], c: Tensor) -> LinearSolve:
        """The correction of coefficients c that leave these residuals."""
        norms = self.assembly.space.norms

        def enough(x: Tensor, last: Tensor) -> bool:
            wanted = ALGEBRAIC * self._stop * norms(c + x)
            return bool((norms(last) <= wanted).all())

        found = self.equations.solve([-r for r in residuals], energy=self._energy, enough=enough)
        self.algebraic = None
        if found.last is not None:
            self.algebraic = norms(found.last).cpu().numpy()
        return found

    def along(self, model: Linearisation[list[Tensor]], t: float) -> Point[list[Tensor]]:
        return self._at(model.point.c + t * model.direction)

    def _at(self, c: Tensor) -> Point[list[Tensor]]:
        residuals = self.assembly.residuals(c, self._scales)
        return Point(c, residuals, 0.5 * squared_norm(residuals))

    def search(self, _: Rows[list[Tensor]], model: Linearisation[list[Tensor]]) -> Step[list[Tensor]] | None:
        """The full step of a linear problem; else the longest that lowers ½‖r‖², and more with the same factor."""
        full = self.along(model, 1.0)
        # At the solution, rounding decides whether the residual falls or rises.
        if self.linear or full.merit <= model.point.merit * (1 + SLACK):
            step = taken(model, full, 1.0)
            if self.linear:
                return step
            return self._polished(step)
        return backtrack(self, model, shortest=SHORTEST, longest=0.5)

    def _polished(self, step: Step[list[Tensor]]) -> Step[list[Tensor]]:
        """Steps with the linearisation of a full step, as long as each is much shorter than the one before."""
        change = self.change(step)
        while self._stop < change <= NEAR:
            point = step.after
            move = self._solved(point.residual, point.c).x
            shorter = Step(point, self._at(point.c + move), move, step.slope, 1.0)
            # An old linearisation contracts linearly at best; where it is slower, a new one pays.
            if not self.change(shorter) <= CONTRACTING * change:
                break
            step = shorter
            change = self.change(step)
        return step

    def change(self, step: Step[list[Tensor]]) -> float:
        """How far a step goes, over how far its end is from zero."""
        return self.moved(step.direction, step.after.c)

    def moved(self, direction: Tensor, c: Tensor) -> float:
        """‖δ‖ over ‖c‖.

        Functions at corners may be nearly those of the patches: then their coefficients are known to few digits, and
        only what the rows see of them, to many. Those of cut cells stand for what is beyond the wall, too, and are
        known to seven digits where the function within the domain is to twelve: it is that which is measured.
        """
        space = self.assembly.space
        if space.beside:
            apply = self.equations.apply
            return float((squared_norm(apply(direction)) / max(squared_norm(apply(c)), 1e-300)) ** 0.5)
        measure = space.norms if space.patches.cut.any() else torch.norm
        return float(measure(direction).norm() / measure(c).norm().clamp_min(1e-300))

    def _is_worse_than_zero(self, c: Tensor, residuals: list[Tensor], rounding: float = 0.0) -> bool:
        """Whether coefficients c of a linear problem leave more than zero does, as on new cut cells they may.

        Args:
            c: coefficients (p,).
            residuals: what they leave, r; zero leaves r - J c.
            rounding: of J c: what is no more than that part of it does not count.
        """
        if not bool(c.any()):
            return False
        image = self.equations.apply(c)
        of_zero = squared_norm([r - part for r, part in zip(residuals, image, strict=True)])
        left = squared_norm(residuals)
        return left > GROWN * of_zero and left > rounding**2 * squared_norm(image)

    def went_wrong(self, step: Step[list[Tensor]]) -> bool:
        """Whether a linear solve leaves more than zero does, which least squares cannot."""
        return self._is_worse_than_zero(step.after.c, step.after.residual, WRONG)

    def off_model(self, step: Step[list[Tensor]]) -> bool:
        """Whether a full step leaves another residual than the linear model says."""
        modelled = [
            r + part
            for r, part in zip(step.before.residual, self.equations.apply(step.direction), strict=True)
        ]
        # Rounding goes with J c, not with the residual, which may be much smaller than its parts.
        size = squared_norm(self.equations.apply(step.after.c))
        scale = self.equations.scale
        terms = float((step.after.c[: len(scale)] / scale).square().sum())
        off = squared_norm([r - m for r, m in zip(step.after.residual, modelled, strict=True)])
        return not off <= max(AS_MODELLED**2 * size, ROUNDED**2 * terms)


class _Stop:
    """When Gauss–Newton on patches ends; a verdict says whether it has converged.

    Attributes:
        steps: taken so far.
    """

    def __init__(self, rows: _PatchRows, stop: float, max_steps: int, monitor: Monitor):
        self.rows = rows
        self.stop = stop
        self.max_steps = max_steps
        self.monitor = monitor
        self.steps = 0
        self.last = np.inf

    def before(self, point: Point[list[Tensor]]) -> bool | None:
        del point
        if self.steps >= self.max_steps:
            return False
        self.steps += 1
        return None

    def after(self, step: Step[list[Tensor]]) -> bool | None:
        if self.rows.linear:
            return self._after_linear(step)
        change = self.rows.change(step)
        # Tiny steps that do not shrink any more are rounding.
        stagnant = self.last <= AT_ROUNDING and change > 0.5 * self.last
        self.last = change
        # A short step may come from the line search: only a full one says that the end is near.
        if step.after.merit == 0.0 or (step.length == 1.0 and (change <= self.stop or stagnant)):
            return True
        if self.monitor.out_of_time():
            return False
        return None

    def _after_linear(self, step: Step[list[Tensor]]) -> bool | None:
        if self.rows.went_wrong(step):
            return False
        # A problem called linear may not be: certainty comes from the residual, not from the statement.
        self.rows.linear = not self.rows.off_model(step)
        if self.rows.linear:
            return True
        return None

    def stuck(self, model: Linearisation[list[Tensor]]) -> bool:
        # No descent is left: that is rounding, unless the step is still large.
        change = self.rows.moved(model.direction, model.point.c)
        return change <= max(1e3 * self.stop, 1e-10)


def weakest_of(discrete: Discrete) -> Weakest:
    """The direction that the rows of a discrete solution hold back least; its rows are factored once more."""
    if discrete.weakest is not None:
        return discrete.weakest
    assembly = discrete.assembly
    rows, _, _ = assembly.linearise(discrete.coefficients)
    return _weakest(assembly, equations_of(assembly, rows))


def equations_of(
    assembly: Assembly, rows: Sequence[RowBlocks | DenseRows], at_hand: LastFactor | None = None
) -> NormalEquations | BesideEquations:
    """The rows as equations, for the coefficients of the patches and those of singular functions beside them."""
    layout = assembly.layout
    centre = assembly.patches.centre
    if not assembly.space.beside:
        return NormalEquations(layout, centre, rows, at_hand)
    beside = [block for block in rows if isinstance(block, RowBlocks)]
    # Many columns are projected, for which a factor of earlier rows would take many iterations each.
    many = LastFactor(factorise=for_many_solves)
    return BesideEquations(NormalEquations(layout, centre, [b.alone() for b in beside], many), beside)


def condition_of(discrete: Discrete) -> float:
    """Estimated condition number of the scaled rows of a discrete solution; they are factored once more."""
    assembly = discrete.assembly
    rows, _, _ = assembly.linearise(discrete.coefficients)
    return equations_of(assembly, rows).condition()


def _weakest(assembly: Assembly, equations: NormalEquations | BesideEquations) -> Weakest:
    mass = _mass(assembly, equations.scale)
    sigma, direction = equations.weakest(mass)
    if sigma > TWICE:
        return Weakest(sigma, direction)
    _, other = equations.weakest(mass, seed=1)
    return Weakest(sigma, direction, abs(float(direction @ mass(other))) > ALONE)


def _mass(assembly: Assembly, scale: Tensor) -> Callable[[Tensor], Tensor]:
    """The map v ↦ M v with vᵀM v = Σ over unknowns of mean squares, each in the unit in which the rows see it as one.

    The basis is orthonormal but for its envelope. On cut cells it is not: what is large outside the domain only, is no
    function, and rows do not hold it back.
    """
    every = np.arange(len(assembly.patches))
    # A median over patches is not moved by the few whose columns hold only rounding.
    size = assembly.space.coefficients_on(scale, every)[..., 0].median(0).values
    # Errors are means over the domain: what lives on a patch a thousandth as wide, as at a corner, hardly counts.
    volume = assembly.half.prod(1)
    share = (volume / volume.median()).clamp_max(1.0)
    tables = {
        i: value_table(assembly, points) * points.weight[..., None]
        for i, points in enumerate(assembly.interior)
        if assembly.patches.cut[points.cells].any()
    }

    def apply(v: Tensor) -> Tensor:
        found = torch.zeros_like(v)
        for i, points in enumerate(assembly.interior):
            columns = assembly.layout.of(torch.from_numpy(points.cells)).to(v.device)
            c = v[columns].view(len(points.cells), assembly.unknowns, -1)
            if i in tables:
                c = (c @ tables[i].mT) @ tables[i]
            part = share[torch.from_numpy(points.cells).to(v.device)][:, None, None]
            found[columns] = (part * c / size[:, None] ** 2).reshape(len(columns), -1)
        return found

    return apply


def carried(assembly: Assembly, previous: Discrete | None, problem: Problem) -> Tensor | None:
    """Coefficients that stand for an earlier solution, exactly on the same patches; else for the problem's `guess`."""
    if previous is None:
        return project(assembly, None, problem)
    return assembly.space.prolong(previous.assembly.space, previous.coefficients)


def project(assembly: Assembly, source: PartitionedMixture | None, problem: Problem) -> Tensor | None:
    """Coefficients of the best local fit to an earlier solution, or to the problem's `guess`."""
    space = assembly.space
    states = list(assembly.statement.states)
    if source is not None:
        return space.fit_mixture(source)
    if problem.guess is None:
        return None
    guess = problem.guess
    return space.fit(lambda y: problem.values(guess, (y @ space.rotation.T).cpu(), "guess")[:, states])


def value_table(assembly: Assembly, points: Points, q: int | None = None) -> Tensor:
    """Basis values at the points of a batch: (b or 1, m, k)."""
    return assembly.space.value_table(points, q)


def coefficients_of(discrete: Discrete, cells: np.ndarray) -> Tensor:
    """Coefficients (b, u, k) of patches; those of lower order are filled up with zeros, since bases are nested."""
    return discrete.assembly.space.coefficients_on(discrete.coefficients, cells)


def volume_weights(assembly: Assembly, points: Points) -> Tensor:
    """Quadrature weights (b, m) of a batch of interior points."""
    return assembly.space.volume_weights(points)
