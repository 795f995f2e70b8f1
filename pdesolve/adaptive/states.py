"""ESTIMATE: what is known of a level, of its verification, and of an attempt to halve where the residual is.

Numbers that cost something are computed when a rule asks for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdesolve.adaptive.decay import Decay, predict
from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import at_rounding, left_over, overlooked, shared
from pdesolve.adaptive.roughness import roughness
from pdesolve.adaptive.singular_ends import met_by_a_jump
from pdesolve.adaptive.stalled import why_finest, why_stalled
from pdesolve.adaptive.tuning import Tuning
from pdesolve.adaptive.uniqueness import LeftOpen, undetermined, unsettled
from pdesolve.patches.cells import Patches
from pdesolve.patches.newton import Discrete


def same_discretisation(current: Discrete, patches: Patches, q: np.ndarray) -> bool:
    """Whether these patches of degrees q (e,) are those of a solution: no patch could be halved, no degree raised."""
    assembly = current.assembly
    return len(patches) == len(assembly.patches) and bool((q == assembly.q).all())


@dataclass(frozen=True, eq=False)
class Level:
    """A discrete solution before its verification.

    Attributes:
        space: the discretisation.
        current: the solution.
        residual_goal: norm of the residual that verifications before asked for.
        number: of the level.
        finest: whether patches that should be halved are as small as they can be.
        expected: relative L2 error, from a verification before that was doubtful; infinite if there was none. Errors
            of a singular point go with the square of the residual.
    """

    space: Discretisation
    current: Discrete
    residual_goal: float
    number: int
    finest: bool = False
    expected: float = math.inf

    @property
    def tol(self) -> float:
        """Relative L2 tolerance."""
        return self.space.tol

    @property
    def tuning(self) -> Tuning:
        """Numbers that decide."""
        return self.space.tuning

    @property
    def limit(self) -> str | None:
        """The limit of time or unknowns that has passed, in a sentence."""
        return self.space.limit(self.current)

    @property
    def converged(self) -> bool:
        """Whether Gauss–Newton did."""
        return self.current.converged

    @property
    def residual(self) -> float:
        """Norm of all rows."""
        return self.current.residual

    @property
    def from_data(self) -> bool:
        """Whether something is identified from data."""
        return bool(self.space.problem.data)

    @property
    def raised_if_halved(self) -> int:
        """By how much a sharper look raises the degrees of patches that it halves."""
        return self.tuning.raised_if_halved[self.current.assembly.dimension - 1]

    @cached_property
    def decay(self) -> Decay:
        """Of the coefficients."""
        return predict(self.current, tuning=self.tuning)

    @property
    def predicted(self) -> float:
        """Truncation error, relative L2."""
        return self.decay.total

    @cached_property
    def at_rounding(self) -> bool:
        """Whether the residual is what rounding leaves."""
        return at_rounding(self.current, self.tuning)

    @cached_property
    def _unseen(self) -> tuple[np.ndarray, np.ndarray]:
        counts = self.tuning.unseen_points
        if self.space.statement.linear:
            counts = self.tuning.unseen_points_if_linear
        samples = counts[self.current.assembly.dimension - 1]
        return overlooked(self.current, self.tol, samples, self.number, self.tuning)

    @property
    def missed(self) -> np.ndarray:
        """Patches (e,) in which the equation fails between the points of the solve."""
        return self._unseen[0]

    @property
    def why_finest(self) -> str:
        """Why refinement ends where patches cannot be halved any more, and where."""
        return why_finest(self.current)

    @property
    def orders(self) -> np.ndarray:
        """Orders (u, d) of derivatives that enter between the points of the solve."""
        return self._unseen[1]

    @property
    def lacks_continuity(self) -> bool:
        """Whether derivatives enter there that are not held continuous."""
        return bool((self.orders > self.space.statement.orders).any())


@dataclass(frozen=True, eq=False)
class Verification:
    """A level and a finer solution.

    Attributes:
        level: what is verified.
        finer: the solution with degrees raised, of a sharp look with halved patches.
        estimates: (u,) relative L2 errors of the level; infinite where there is no verdict.
        sharp: whether the finer solution also has halved patches.
    """

    level: Level
    finer: Discrete
    estimates: np.ndarray
    sharp: bool = False

    @property
    def tol(self) -> float:
        """Relative L2 tolerance."""
        return self.level.tol

    @property
    def tuning(self) -> Tuning:
        """Numbers that decide."""
        return self.level.tuning

    @property
    def limit(self) -> str | None:
        """The limit of time or unknowns that has passed, in a sentence."""
        return self.level.limit

    @property
    def converged(self) -> bool:
        """Whether Gauss–Newton did on the level."""
        return self.level.converged

    @property
    def finer_converged(self) -> bool:
        """Whether Gauss–Newton did for the finer solution."""
        return self.finer.converged

    @property
    def finer_at_rounding(self) -> bool:
        """Whether the residual of the finer solution is what rounding leaves."""
        return at_rounding(self.finer, self.tuning)

    @property
    def worst(self) -> float:
        """The largest estimate."""
        return float(self.estimates.max())

    @property
    def likely(self) -> float:
        """What a sharper look would make of the largest difference, d/(1 - σ): d/(1 - √σ) is up to twice the error."""
        if self.sharp:
            return self.worst
        return self.worst / (1 + self.shared**0.5)

    @property
    def has_verdict(self) -> bool:
        """Whether there is an estimate for every unknown."""
        return bool(np.isfinite(self.estimates).all())

    @cached_property
    def shared(self) -> float:
        """σ, the part of the error that both solutions have."""
        return shared(self.level.current, self.finer, self.tuning)

    @property
    def doubtful(self) -> bool:
        """Whether both solutions share much of their error, and not so much that their difference says nothing."""
        return self.tuning.doubtful < self.shared <= self.tuning.most_shared

    @property
    def from_data(self) -> bool:
        """Whether something is identified from data."""
        return self.level.from_data

    @cached_property
    def left_open(self) -> LeftOpen | None:
        """What equation and conditions leave open, or ask for too much."""
        found = undetermined(self.level.current, self.finer, self.tol, self.tuning)
        if found is None and (sentence := met_by_a_jump(self.finer)) is not None:
            found = LeftOpen(sentence, math.inf)
        return found

    @property
    def free(self) -> str | None:
        """The same in a sentence."""
        if self.left_open is None:
            return None
        return self.left_open.sentence

    @property
    def errors(self) -> np.ndarray:
        """The estimates (u,), no smaller than what equation and conditions leave open: that is in no difference."""
        if self.left_open is None:
            return self.estimates
        return np.maximum(self.estimates, self.left_open.error)

    @cached_property
    def free_or_coarse(self) -> bool:
        """Whether something seems open that a higher degree, of those that patches should have, may yet determine."""
        if self.free is None or bool((self.finer.assembly.q > self.level.space.highest_order).any()):
            return False
        return unsettled(self.level.current, self.finer, self.tuning)

    @property
    def residual(self) -> float:
        """Norm of all rows of the level."""
        return self.level.residual

    @property
    def finer_residual(self) -> float:
        """Norm of all rows of the finer solution."""
        return self.finer.residual

    @property
    def degrees_helped(self) -> float:
        """Part of the residual, of which raising degrees must leave less to go on by itself."""
        return self.tuning.degrees_helped[self.level.current.assembly.dimension - 1]

    @property
    def exhausted(self) -> bool:
        """Whether degrees are beyond what patches should have."""
        most = self.level.space.highest_order + self.tuning.overshoot
        return bool((self.finer.assembly.q > most).any())


@dataclass(frozen=True, eq=False)
class Halving:
    """A verification that failed, and a solution on patches halved where the residual is."""

    verification: Verification
    halved: Discrete

    @property
    def tuning(self) -> Tuning:
        """Numbers that decide."""
        return self.verification.tuning

    @property
    def linear(self) -> bool:
        """Whether the problem is."""
        return self.verification.level.space.statement.linear

    @property
    def residual(self) -> float:
        """Norm of all rows of the level."""
        return self.verification.residual

    @property
    def halved_residual(self) -> float:
        """Norm of all rows on halved patches."""
        return self.halved.residual

    @cached_property
    def left(self) -> float:
        """Part of the terms of the equation that halving leaves over."""
        return left_over(self.halved, self.tuning)

    @cached_property
    def rough(self) -> float:
        """Part of what is left over on halved patches that is not smooth there, hence not resolved yet."""
        return roughness(self.halved)

    @cached_property
    def left_before(self) -> float:
        """The same on the level."""
        return left_over(self.verification.level.current, self.tuning)

    @property
    def estimates(self) -> np.ndarray:
        """Relative L2 errors (u,) of the level."""
        return self.verification.estimates

    @property
    def why_stalled(self) -> str:
        """Why no refinement goes on, and where."""
        level = self.verification.level
        if self.verification.free is not None:
            return self.verification.free
        assembly = self.halved.assembly
        if not level.at_rounding and same_discretisation(level.current, assembly.patches, assembly.q):
            return f"stalled: {why_finest(level.current)}"
        left = self.left_before
        if left > level.tuning.unmet and self.rough > level.tuning.rough:
            left = 0.0
        return why_stalled(level.current, self.estimates, level.at_rounding, left, level.tuning)
