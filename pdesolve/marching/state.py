"""Where a march stands: its two tracks, the numbers of its control, what is known of the slab that is tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from pdesolve.adaptive.estimation import relative
from pdesolve.geometry import TimeInterval
from pdesolve.marching.control import COMPARED, Numbers, Retry
from pdesolve.marching.growth import Growth
from pdesolve.marching.radau import radau
from pdesolve.marching.semi_discrete import SemiDiscrete
from pdesolve.marching.shared import Shared
from pdesolve.marching.space import Space, moved
from pdesolve.marching.step import Iteration, Slab, Stepper
from pdesolve.marching.verify import MORE_DEGREES

FUNCTIONS = ("start", "stages", "following")  # of a slab


@dataclass(eq=False)
class Track:
    """One of the two marches: where it stands.

    Attributes:
        stepper: advances it on the present patches.
        start: what the next slab starts from, (m, e, u, k).
        before: the slab before.
        tried: a slab from the same start that was tried and not taken, where it may serve as a guess.
        growth: what is known of the fastest growth.
    """

    stepper: Stepper
    start: Tensor
    before: Slab | None = None
    tried: Slab | None = None
    growth: Growth = field(default_factory=Growth)

    @classmethod
    def beginning(cls, space: Space, stages: int, interrupted: Callable[[], bool]) -> Track:
        """At the initial values."""
        start = torch.stack([space.project(j) for j in range(max(1, space.evolution.depth))])
        return cls(Stepper(SemiDiscrete(space), radau(stages), interrupted), start)

    @property
    def space(self) -> Space:
        """The present patches."""
        return self.stepper.system.space

    def advance(
        self, begin: float, end: float, scale: Tensor, tolerance: float, near: Tensor | None = None
    ) -> tuple[Slab | None, Iteration]:
        """A slab, from a guess of its stages where there is one; nothing changes before it is taken."""
        return self.stepper.advance(self.start, begin, end, self.before, scale, tolerance, near)

    @property
    def reason(self) -> str:
        """What an equation had against the last tries, to be added to a sentence; empty where it had nothing."""
        reason = self.stepper.reason
        return f": {reason}" if reason else ""

    def nearby(self, length: float) -> Tensor | None:
        """The stages (s, e, u, k) that an earlier try lets expect of a slab of this length; None without one."""
        tried = self.tried
        if tried is None or length > tried.length * (1 + 1e-12):
            return None
        nodes = torch.from_numpy(self.stepper.method.nodes[1:])
        return tried.at(nodes * (length / tried.length))

    def longest(self, length: float, tolerance: float) -> float:
        """The longest slab that follows what grows fastest, where one of this length would be too long."""
        return self.growth.longest(self.stepper, length, tolerance)

    def take(self, slab: Slab) -> None:
        """Go on from the end of a slab."""
        self.start, self.before, self.tried = slab.following, slab, None

    def change(self, space: Space, pairs: tuple[Tensor, Tensor]) -> None:
        """Go on with other patches."""
        slabs = [slab for slab in (self.before, self.tried) if slab is not None]
        parts = [self.start, *(getattr(slab, name) for slab in slabs for name in FUNCTIONS)]
        # All functions at once: what a projection costs is the tables of the patches.
        carried = iter(moved(self.space, space, pairs, torch.cat(parts)).split([len(part) for part in parts]))
        self.start = next(carried)
        self.before, self.tried = (
            slab and replace(slab, space=space, **{name: next(carried) for name in FUNCTIONS})
            for slab in (self.before, self.tried)
        )
        # The factors belong to the old patches.
        self.stepper = Stepper(SemiDiscrete(space), self.stepper.method, self.stepper.interrupted)


# Of the largest unknown: what is smaller and begins with nothing is zero but for rounding.
VANISHING = 1e-12
UNTOLD = (
    1e-3  # part of an estimate that two marches share: less is rounding, and tells nothing of what is left
)
# Times the tolerance: an error in sight of which a march begins again. Less may still be what a start left that does
# not match, of which a march begun again would have as much.
DOOMED = 2.0
FASTEST = 9.0  # 2p + 1 of the fastest growth that is foretold, e ~ t⁴


@dataclass(eq=False)
class State:
    """How far a march has come.

    Attributes:
        time: the end of the last slab.
        coarse: the march whose solution is returned.
        fine: the one that verifies it.
        length: of the next slab.
        scale: (u,) largest norm of each unknown so far, which errors are relative to.
        share: of the local tolerance.
        slabs: those that were taken.
        verifying: the same slabs of the finer march.
        squares: (2, u) squared norms of the difference and of the finer solution so far.
        handed: relative difference of the two marches at the last slab end.
        shared: what neither of them resolves.
        rough: whether slabs are weighted as following a start from data that do not match.
        since: the time of that start.
        weighted: whether there was such a start at all.
        first: whether the next slab begins where data break.
        noise: residual between stages over the length of a slab, known to be no event.
        unseen: what the last try showed between its stages.
        foreseen: (u,) norms of the first try of all.
        expected: (u,) what the solution will be as large as, known from two tries at the start, or from a march before.
    """

    time: float
    coarse: Track
    fine: Track
    length: float
    scale: Tensor
    share: float
    slabs: list[Slab] = field(default_factory=list)
    verifying: list[Slab] = field(default_factory=list)
    squares: np.ndarray = field(default_factory=lambda: np.zeros((2, 1)))
    handed: float = 0.0
    shared: Shared = field(default_factory=Shared)
    rough: bool = False
    since: float = 0.0
    weighted: bool = False
    first: bool = True
    noise: float = 0.0
    unseen: float | None = None
    foreseen: Tensor | None = None
    expected: Tensor | None = None

    @property
    def size(self) -> Tensor:
        """(u,) what errors are relative to: the largest norm so far, or one that is expected with certainty."""
        if self.expected is None:
            return self.scale
        return torch.maximum(self.scale, self.expected)

    @property
    def overrated(self) -> float:
        """How many times larger the solution was expected than it has been, one at least."""
        if self.expected is None:
            return 1.0
        seen = self.scale > 0
        if not bool(seen.any()):
            return 1.0
        return float((self.size[seen] / self.scale[seen]).max())

    def expect(self, norms: Tensor) -> None:
        """Learn from norms (u,) of a slab that was tried at the start, and not taken.

        A solution that begins at rest is small at first, and errors relative to what there is so far would be far
        smaller than what is asked for. Two tries of different lengths must agree: one alone may hold a pulse of the
        data in a stage, and be far too large.
        """
        if self.foreseen is None:
            self.foreseen = norms
        elif self.expected is None:
            self.expected = torch.minimum(self.foreseen, norms)

    def weight(self, end: float, lasting: float) -> float:
        """Of errors of a slab up to `end`: √(t/T), t after a start that does not match; at most one."""
        if not self.rough:
            return 1.0
        return math.sqrt(min((end - self.since) / lasting, 1.0))

    def lasting(self, interval: float) -> float:
        """The time for which a solution as large as the largest has the norm over space and time that was found."""
        size = torch.from_numpy(self.squares[1]) / self.scale**2
        used = self.scale > 0
        if not bool(used.any()):
            return interval
        return float(size[used].min())

    def change(self, space: Space, pairs: tuple[Tensor, Tensor]) -> None:
        """Go on with other patches."""
        self.coarse.change(space, pairs)
        self.fine.change(space.raised(MORE_DEGREES), pairs)

    @property
    def estimates(self) -> np.ndarray:
        """Relative errors (u,) so far; what begins with values of its own is measured against itself, however small."""
        return self._relative(self._errors)

    def _relative(self, squares: np.ndarray) -> np.ndarray:
        vanishing = np.where(self.coarse.space.evolution.begins, 0.0, VANISHING)
        return relative(np.sqrt(squares), np.sqrt(self.squares[1]), vanishing)

    @property
    def _errors(self) -> np.ndarray:
        """Squared errors (u,), with what both marches share."""
        return self.squares[0] + self.shared.integral * self.size.numpy() ** 2

    @property
    def shared_part(self) -> float:
        """σ of `SecondSolution`, by which the difference of the two makes the estimate: 1/(1 - √σ) of it."""
        difference, estimate = self._relative(self.squares[0]), self.estimates
        worst = int(estimate.argmax())
        if not estimate[worst] > 0:
            return 0.0
        share = float(1 - difference[worst] / estimate[worst])
        return share**2 if share > UNTOLD else 0.0

    @property
    def error(self) -> float:
        """The largest of them; infinite before the first slab."""
        if not self.slabs:
            return math.inf
        return float(self.estimates.max())

    def doomed(self, interval: TimeInterval, tol: float) -> bool:
        """Whether the squared error is already more than the tolerance allows in the whole interval.

        It is where no unknown becomes larger than it has been. One that does costs a march begun again for nothing.
        """
        left = interval.t1 - self.time
        if left <= 0:
            return False
        error, size = self._errors, self.squares[1]
        most = size + left * self.size.numpy() ** 2
        used = self.scale.numpy() > VANISHING * float(self.scale.max())
        return bool((error > (DOOMED * tol) ** 2 * most)[used].any())

    def foretold(self, interval: TimeInterval) -> float:
        """The relative error at the end, where the difference e of the marches goes on as a power of the time.

        Of e = c tᵖ, e² t / ∫ e² = 2p + 1.
        """
        passed, left = self.time - interval.t0, interval.t1 - self.time
        worst = int(self.estimates.argmax())
        error, size = self._errors[worst], self.squares[1, worst]
        scale = float(self.size[worst])
        power = min(max((self.handed * scale) ** 2 * passed / max(error, 1e-300), 1.0), FASTEST)
        most = size + left * scale**2
        return math.sqrt(error / most * (interval.length / passed) ** power)


@dataclass(frozen=True)
class Tries:
    """What is known of a slab from its tries so far.

    Attributes:
        count: how many.
        before: length and error in time of one that converged, the last that was not nearly as long as the one before.
        shortened: whether one was too long.
    """

    count: int = 0
    before: tuple[float, float] | None = None
    shortened: bool = False

    def after(self, numbers: Numbers, verdict: Retry) -> Tries:
        """With one more that was not taken."""
        before = self.before
        # An error that hardly falls shortens the slab a little from try to try: these are compared with one far longer.
        near = before is not None and before[0] < COMPARED * numbers.length
        if numbers.converged and not near:
            before = (numbers.length, numbers.time_error)
        return Tries(self.count + 1, before, self.shortened or verdict.length < numbers.length)


@dataclass(frozen=True, eq=False)
class Trial:
    """A slab that was tried."""

    numbers: Numbers
    slab: Slab | None
    marked: Tensor | None = None
    scale: Tensor | None = None
    tail: Tensor | None = None
    limit: float = 0.0
