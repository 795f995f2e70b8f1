"""One slab: the stages of a Radau method by simplified Newton, iterated on the true residual."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from pdesolve.errors import OutOfMemoryError, SolveError
from pdesolve.marching.border import Border, BorderFactors, LinearBorder
from pdesolve.marching.newton_krylov import NewtonKrylov
from pdesolve.marching.radau import Radau, lagrange
from pdesolve.marching.semi_discrete import Linearised, SemiDiscrete
from pdesolve.marching.space import Space
from pdesolve.marching.stage_iteration import IteratedStages, cheapest_factors
from pdesolve.marching.stage_solver import StageFactors, StageSolver
from pdesolve.patches.mixture import PartitionedMixture

# Simplified Newton takes 3 to 6 passes as a rule; one that needs far more is cheaper on a shorter slab.
MOST_PASSES = 16
FAST = 0.15  # contraction up to which a factor is kept for the next slab
FAR = 3.0  # a polynomial is not extrapolated further than this times its own length
NEARLY = 10.0
ROUGHLY = 1e-3  # relative error of a guess in the middle of which rows are linearised
# Least contraction that is believed of one pass: a part that contracts slowly may hide behind one that is gone at once.
BELIEVED = 0.1
STALLED = 1e-11  # below it a pass that gains less than half ends the iteration: that is rounding


@dataclass(frozen=True, eq=False)
class Slab:
    """The solution on one slab.

    Attributes:
        begin, end: times.
        space: the patches.
        method: the method in time.
        start: u₀, and u₀' where the equation is of second order, (m, e, u, k).
        stages: U (s, e, u, k).
        following: what is handed over, (m, e, u, k).
    """

    begin: float
    end: float
    space: Space
    method: Radau
    start: Tensor
    stages: Tensor
    following: Tensor

    @property
    def length(self) -> float:
        """Δ."""
        return self.end - self.begin

    @property
    def nodes(self) -> Tensor:
        """Values at 0 and the stages, (s + 1, e, u, k)."""
        return torch.cat([self.start[:1], self.stages])

    def mixture(self) -> PartitionedMixture:
        """All nodes as one approximator in space, node after node."""
        return self.space.mixture(self.nodes.transpose(0, 1).flatten(1, 2))

    def at(self, fractions: Tensor) -> Tensor:
        """Functions (S, e, u, k) at fractions of the slab (S,), which may be beyond its end."""
        t = fractions.numpy()
        weights = torch.from_numpy(lagrange(self.method.nodes, t))
        values = torch.einsum("st,teuk->seuk", weights[:, 1:], self.stages)
        values += weights[:, :1, None, None] * self.start[0]
        # With the start as a node, a pressure that does not match the data would spoil the first slab.
        algebraic = torch.from_numpy(self.space.evolution.time_orders == 0)
        if bool(algebraic.any()):  # they have no start
            alone = torch.from_numpy(lagrange(self.method.nodes[1:], t))
            values[:, :, algebraic] = torch.einsum("st,teuk->seuk", alone, self.stages[:, :, algebraic])
        return values


@dataclass(frozen=True)
class Iteration:
    """How the passes of a slab went: ‖δ‖/‖U‖ of each, and whether they ended where they should."""

    changes: tuple[float, ...]
    converged: bool

    @property
    def rate(self) -> float:
        """Mean contraction of a pass."""
        if len(self.changes) < 2 or self.changes[0] == 0:
            return 0.0
        return (self.changes[-1] / self.changes[0]) ** (1 / (len(self.changes) - 1))


@dataclass(frozen=True, eq=False)
class Frozen:
    """Where rows are linearised: a state with its time derivatives (1, e, u, k), a time, and the length of the slab."""

    derivatives: list[Tensor]
    time: float
    length: float


@dataclass(eq=False)
class Stepper:
    """Advances an evolution on one space; keeps the factors of the last slab as long as they serve.

    Attributes:
        system: the rows.
        method: the method in time.
        interrupted: asked before each pass; where true, the slab is given up.
        factored: how many factorisations were made.
        passes: how many passes.
        frozen: where the rows were linearised last.
        rate: contraction of the last slab.
        reason: why a guess could not even be tried, where one could not.
    """

    system: SemiDiscrete
    method: Radau
    interrupted: Callable[[], bool] = lambda: False
    factored: int = 0
    passes: int = 0
    frozen: Frozen | None = None
    rate: float = 0.0
    reason: str = ""
    _linearised: Linearised | None = None
    _factors: StageFactors | IteratedStages | None = None
    _border: Border | None = field(init=False)
    _linear_border: LinearBorder | None = None
    _bordered: BorderFactors | None = None
    _solver: StageSolver = field(init=False)

    def __post_init__(self) -> None:
        self._solver = StageSolver(self.system)
        problem = self.system.space.evolution.problem
        self._border = None
        if problem.scalars or problem.integrals:
            self._border = Border(self.system)

    def advance(
        self,
        start: Tensor,
        begin: float,
        end: float,
        before: Slab | None,
        scale: Tensor,
        tolerance: float,
        near: Tensor | None = None,
    ) -> tuple[Slab | None, Iteration]:
        """The slab [begin, end] from u₀ (m, e, u, k).

        Passes begin at stages that are `near` (s, e, u, k), where they are known, else at what the slab `before`
        lets expect; they end where less than `tolerance` of all unknowns, or of `scale` (u,), is left to change.

        Returns:
            The slab, or None where the iteration did not converge; and how it went.
        """
        length = end - begin
        self.reason = ""
        guess = self._admissible(near)
        if guess is None:
            guess = self._guess(before, length)
        stages, iteration = self._found(guess, start, begin, end, scale, tolerance)
        if stages is None and before is None and not self.interrupted():
            stages, iteration = self._by_newton(guess, start, begin, end, scale, tolerance)
            self.rate = math.inf  # passes with these factors have just diverged
        if stages is None:
            self.frozen = None
            return None, iteration
        derivatives = self.derivatives(stages, start, length)
        following = torch.stack([d[-1] for d in derivatives[: len(start)]])
        return Slab(begin, end, self.system.space, self.method, start, stages, following), iteration

    def _found(
        self, guess: Tensor | None, start: Tensor, begin: float, end: float, scale: Tensor, tolerance: float
    ) -> tuple[Tensor | None, Iteration]:
        """The stages by passes from a guess, and from the start where it leads nowhere."""
        stages, iteration = self._from_guess(guess, start, begin, end, scale, tolerance, last=guess is None)
        if stages is None and guess is not None and not self.linear and not self.interrupted():
            # Extrapolation to twice a slab makes its error 3,000 times as large (five stages), and after a start that
            # does not match slabs may err by per cents: then the start itself is the better guess.
            self.frozen = None
            stages, iteration = self._from_guess(None, start, begin, end, scale, tolerance, last=False)
        self.rate = iteration.rate
        return stages, iteration

    def _from_guess(
        self,
        guess: Tensor | None,
        start: Tensor,
        begin: float,
        end: float,
        scale: Tensor,
        tolerance: float,
        last: bool,
    ) -> tuple[Tensor | None, Iteration]:
        """The stages by passes, none where the guess is so far off that it has no factors, or no finite residual.

        Raises:
            SolveError: there are none, and this guess is the last.
        """
        try:
            return self._by_passes(guess, start, begin, end, scale, tolerance)
        except SolveError as error:
            if last or self.linear or isinstance(error, OutOfMemoryError):
                raise
            self.reason = str(error)
            return None, Iteration((), False)

    def _still(self, start: Tensor) -> Tensor:
        """Stages (s, e, u, k) at which nothing moves."""
        return start[:1].expand(self.method.stages, -1, -1, -1).clone()

    def _by_passes(
        self, guess: Tensor | None, start: Tensor, begin: float, end: float, scale: Tensor, tolerance: float
    ) -> tuple[Tensor | None, Iteration]:
        """The stages by simplified Newton; without a guess they begin at the start."""
        length = end - begin
        fresh = guess is None and not self.linear
        if guess is None:
            guess = self._still(start)
        if self._stale(length):
            self._factorise(start if fresh else None, guess, start, begin, length)
        if fresh:  # a guess that does not move says little of the middle: first a rough solution
            rough, iteration = self._iterate(guess, start, begin, end, scale, ROUGHLY)
            if rough is None:
                return None, iteration
            guess = rough
            self._factorise(None, guess, start, begin, length)
        return self._iterate(guess, start, begin, end, scale, tolerance)

    def _by_newton(
        self, guess: Tensor | None, start: Tensor, begin: float, end: float, scale: Tensor, tolerance: float
    ) -> tuple[Tensor | None, Iteration]:
        """The stages by Newton's iteration with GMRES, where one linearisation does not serve them all."""
        if self.linear:
            return None, Iteration((), False)
        if guess is None:
            guess = self._still(start)
        space = self.system.space
        size = torch.maximum(space.norms(guess).amax(0), scale)
        solver = NewtonKrylov(
            self._corrections(start, begin, end),
            lambda stages: self._factorise(None, stages, start, begin, end - begin, exact=True),
            lambda delta, stages: self._change(delta, stages, scale),
            space.volume.sqrt()[:, None] * relative_to(torch.ones_like(size), size),
            self.interrupted,
        )
        stages, changes = solver.solve(guess, tolerance)
        self.passes += solver.corrections
        return stages, Iteration(changes, stages is not None)

    def _stale(self, length: float) -> bool:
        """Whether the factors at hand, if any, are of no use for a slab of this length."""
        # A pass costs far less than factors, so that these are kept as long as they contract fast.
        if self.frozen is None or self.rate > FAST:
            return True
        # Lengths of equal slabs differ by the rounding of their ends.
        return abs(length - self.frozen.length) > 1e-12 * length

    def derivatives(self, stages: Tensor, start: Tensor, length: float) -> list[Tensor]:
        """U and its time derivatives at the stages: Uʲ⁺¹ = (Â Uʲ + d₀ u₀ʲ)/Δ."""
        matrix = torch.from_numpy(self.method.matrix)
        first = torch.from_numpy(self.method.start)
        found = [stages]
        for j in range(self.system.space.evolution.depth):
            slope = torch.tensordot(matrix, found[-1], 1) + first[:, None, None, None] * start[j]
            found.append(slope / length)
        return found

    def _guess(self, before: Slab | None, length: float) -> Tensor | None:
        if before is None or length > FAR * before.length:
            return None
        fractions = 1 + torch.from_numpy(self.method.nodes[1:]) * (length / before.length)
        return self._admissible(before.at(fractions))

    def _admissible(self, guess: Tensor | None) -> Tensor | None:
        """A guess of the stages with unknowns that are numbers constant in space; None unless it is finite."""
        if guess is None or not bool(guess.isfinite().all()):
            return None
        if self._border is not None:
            return self._border.made_constant(guess)
        return guess

    def _factorise(
        self,
        state: Tensor | None,
        guess: Tensor,
        start: Tensor,
        begin: float,
        length: float,
        exact: bool = False,
    ) -> None:
        """Linearise at the start, or in the middle of a guess."""
        # One linearisation serves all stages; in the middle of the slab it is nearest to all of them.
        middle = self.method.middle
        if state is None:
            derivatives = [d[middle : middle + 1] for d in self.derivatives(guess, start, length)]
        else:
            still = [torch.zeros_like(state[:1])] * (self.system.space.evolution.depth + 1 - len(state))
            derivatives = [*state.split(1), *still]
        time = begin + float(self.method.nodes[1 + middle]) * length
        self.freeze(Frozen([d.clone() for d in derivatives], time, length), exact)

    def freeze(self, frozen: Frozen, exact: bool = False) -> None:
        """Linearise and factorise.

        Solutions with one factor for all stages differ from those with factors of their own by 1e-3 of themselves, and
        not smoothly: where it matters, factors are to be `exact`, as far as memory allows.
        """
        mu = torch.from_numpy(self.method.eigenvalues) / frozen.length
        # The geometric mean lies between the smallest and the largest |μ|, so that one test space serves every stage.
        mu0 = float(mu.abs().log().mean().exp())
        self._linearised = self.system.linearise(frozen.derivatives, frozen.time, mu0)
        if self._border is not None:
            self._linearised, self._linear_border = self._border.linearise(
                self._linearised, frozen.derivatives, frozen.time
            )
        # Blocks of more than one dimension are so large that factors cost more than a few solutions with them; a border
        # takes one for each of its rows.
        d = self.system.space.d
        if d == 3 or (d == 2 and self._border is None and not exact):
            self._factors = cheapest_factors(self._solver, self._linearised, mu, mu0)
        else:
            self._factors = self._solver.factor(self._linearised, mu)
        if self._linear_border is not None:
            self._bordered = self._linear_border.factor(self._factors, mu)
        self.frozen = frozen
        self.factored += 1

    @property
    def alone(self) -> bool:
        """Whether nothing couples the patches beside their rows, as numbers of the whole domain do."""
        return self._border is None

    @property
    def linearised(self) -> Linearised:
        """The rows at the frozen state."""
        assert self._linearised is not None
        return self._linearised

    def factored_at(self, mu: Tensor) -> StageFactors:
        """Factors of A₀ + μ A₁ for other μ (k,) than those of the method."""
        return self._solver.factor(self.linearised, mu)

    def _iterate(
        self, stages: Tensor, start: Tensor, begin: float, end: float, scale: Tensor, tolerance: float
    ) -> tuple[Tensor | None, Iteration]:
        correction = self._corrections(start, begin, end)
        changes: list[float] = []
        for _ in range(MOST_PASSES):
            if self.interrupted():
                return None, Iteration(tuple(changes), False)
            self.passes += 1
            delta = correction(stages)
            stages = stages + delta
            changes.append(self._change(delta, stages, scale))
            if not changes[-1] < 1e6:  # NaN, too
                return None, Iteration(tuple(changes), False)
            if self._settled(changes, tolerance):
                return stages, Iteration(tuple(changes), True)
            if len(changes) > 3 and changes[-1] > 2 * changes[-2] and changes[-1] > 1e-6:
                break
        return None, Iteration(tuple(changes), False)

    def _corrections(self, start: Tensor, begin: float, end: float) -> Callable[[Tensor], Tensor]:
        """Stages ↦ δ (s, e, u, k), what a pass adds to them with the factors at hand."""
        length = end - begin
        times = begin + torch.from_numpy(self.method.nodes[1:]) * length
        times = self.system.space.evolution.within(times, begin, end)
        dual = torch.from_numpy(self.method.dual)
        vectors = torch.from_numpy(self.method.vectors * self.method.multiplicity)

        def correction(stages: Tensor) -> Tensor:
            # The residual is that of the stages themselves: rounding of the transform, whose condition number grows
            # with s, is then corrected by the next pass.
            delta = self._correction(self.derivatives(stages, start, length), times, dual)
            return torch.tensordot(vectors, delta, 1).real.view_as(stages)

        return correction

    def _correction(self, derivatives: list[Tensor], times: Tensor, dual: Tensor) -> Tensor:
        """δ (k, e, n) of the diagonalised stages for the true residual at the stages."""
        assert self._linearised is not None
        assert self._factors is not None
        residuals, jumps = self.system.residuals(derivatives, times)
        right = self._linearised.project(residuals, jumps)
        if self._border is None:
            return self._factors.solve(torch.tensordot(dual, -right.to(dual.dtype), 1))
        assert self._linear_border is not None
        assert self._bordered is not None
        right, own = self._linear_border.sides(right, self._border.residual(derivatives, times))
        return self._bordered.solve(
            torch.tensordot(dual, -right.to(dual.dtype), 1), torch.tensordot(dual, -own.to(dual.dtype), 1)
        )

    @property
    def linear(self) -> bool:
        """Whether all rows and what couples them are affine in the unknowns."""
        return self.system.linear and (self._border is None or self._border.linear)

    def _settled(self, changes: Sequence[float], tolerance: float) -> bool:
        """Whether what is left is small enough, at rounding, or after the last pass of all nearly so."""
        if changes[-1] <= tolerance:
            return True
        if len(changes) == 1:
            return False
        if changes[-1] > 0.5 * changes[-2] and changes[-1] < STALLED:
            return True
        if left(changes, 1) <= tolerance:
            return True
        return len(changes) == MOST_PASSES and left(changes, 3) <= NEARLY * tolerance

    def _change(self, delta: Tensor, stages: Tensor, scale: Tensor) -> float:
        """Largest ‖δ‖/‖U‖ of an unknown; one that vanishes is measured against the largest."""
        space = self.system.space
        size = torch.maximum(space.norms(stages).amax(0), scale)
        change = space.norms(delta).amax(0)
        return float(relative_to(change, size).max())


def left(changes: Sequence[float], passes: int) -> float:
    """What further passes will change, δ r/(1 - r), with the mean contraction r of the last few."""
    rate = max(BELIEVED, (changes[-1] / changes[-1 - passes]) ** (1 / passes))
    if not rate < 1:
        return math.inf
    return changes[-1] * rate / (1 - rate)


def relative_to(error: Tensor, size: Tensor) -> Tensor:
    """Errors (u,) over sizes (u,); an unknown that vanishes is measured against the largest, and zero against one."""
    largest = size.max()
    # An unknown at rounding has no digits: measured by its own size, it could never be resolved.
    other = largest
    if not bool(largest > 0):
        other = torch.ones_like(largest)
    reference = torch.where(size > 1e-12 * largest, size, other)
    return error / reference


def equal_slabs(begin: float, end: float, count: int) -> Sequence[tuple[float, float]]:
    """`count` slabs of equal length."""
    ends = torch.linspace(begin, end, count + 1, dtype=torch.float64).tolist()
    return list(pairwise(ends))
