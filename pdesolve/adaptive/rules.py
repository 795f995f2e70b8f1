"""The rules by which the adaptive loop goes on or ends: a state goes in, a verdict comes out.

The first rule that has something to say decides. Rules read numbers only, so that each is tested by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pdesolve.adaptive.states import Halving, Level, Verification
from pdesolve.adaptive.verdicts import (
    Accept,
    By,
    DemandContinuity,
    Halve,
    Interrupt,
    NoSolution,
    Refine,
    Sharpen,
    Stop,
    TakeFiner,
    TakeHalved,
    Verdict,
    Verify,
)

State = Level | Verification | Halving
Rule = Callable[[Any], Verdict | None]

# ---------------------------------------------------------------- before a verification


def limit_before_verification(level: Level) -> Verdict | None:
    """End where time or unknowns are used up."""
    if level.limit is None:
        return None
    return Interrupt(level.limit)


def truncated(level: Level) -> Verdict | None:
    """Refine as long as the predicted truncation error is above the tolerance."""
    # Where coefficients overflow nothing can be told from their decay.
    if level.tol < level.predicted < math.inf and not level.finest:
        return Refine(By.DECAY)
    return None


def residual_too_large(level: Level) -> Verdict | None:
    """Refine as long as the residual is above what a verification asked for."""
    if level.residual > level.residual_goal and not (level.finest or level.at_rounding):
        return Refine(By.RESIDUAL)
    return None


def continuity_overlooked(level: Level) -> Verdict | None:
    """Demand continuity of what enters between the points of the solve only; no estimate shows that it lacks."""
    if level.converged and level.lacks_continuity:
        return DemandContinuity()
    return None


def equation_overlooked(level: Level) -> Verdict | None:
    """Refine where the equation fails between the points of the solve, or end where patches cannot be smaller."""
    if not (level.converged and level.missed.any()):
        return None
    if level.finest:
        return Interrupt(level.why_finest)
    return Refine(By.UNSEEN)


def doubtful_before(level: Level) -> Verdict | None:
    """Look sharper at once where two degrees shared much of their error before, and little of it is expected now."""
    if level.converged and not level.from_data and level.expected <= level.tol:
        return Sharpen()
    return None


# ---------------------------------------------------------------- after a verification


def doubtful(verification: Verification) -> Verdict | None:
    """Look sharper where the difference is within the tolerance, but both solutions share much of their error."""
    if verification.sharp or verification.from_data or not verification.has_verdict:
        return None
    # Estimates are differences over 1 - √σ.
    within = verification.worst * (1 - verification.shared**0.5) <= verification.tol
    if within and verification.converged and verification.doubtful:
        return Sharpen()
    return None


def free_or_coarse(verification: Verification) -> Verdict | None:
    """Raise degrees where the least σ is small but falls: it tends to zero, or to what stands beside a resonance."""
    if verification.limit is None and verification.converged and verification.free_or_coarse:
        return TakeFiner()
    return None


def undetermined_without_estimate(verification: Verification) -> Verdict | None:
    """End where there are many solutions: refinement would follow whichever of them each level happens to find."""
    if verification.has_verdict or verification.free is None:
        return None
    return Stop(verification.free)


def undetermined_at_rounding(verification: Verification) -> Verdict | None:
    """End where there are many solutions and nothing but rounding is left of the rows: no refinement makes them one."""
    if verification.free is None or not verification.finer_at_rounding:
        return None
    return Stop(verification.free)


def within_tolerance(verification: Verification) -> Verdict | None:
    """End where the estimate is within the tolerance; certified unless there are many solutions."""
    if not (verification.worst <= verification.tol and verification.converged):
        return None
    return Accept(verification.free)


def limit_after_verification(verification: Verification) -> Verdict | None:
    """End where time or unknowns are used up."""
    if verification.limit is None:
        return None
    return Stop(f"stopped early: {verification.limit}")


def nothing_converges(verification: Verification) -> Verdict | None:
    """End where Gauss–Newton fails on the level, and at the next degree without lowering the residual."""
    if verification.converged or verification.finer_converged:
        return None
    if verification.finer_residual > verification.tuning.helped * verification.residual:
        return NoSolution(verification.finer_residual)
    return None


def surprised(verification: Verification) -> Verdict | None:
    """Go on from a finer solution that sees what fell between the points of the level."""
    risen = verification.finer_residual > verification.tuning.surprised * verification.residual
    if risen and not verification.finer_at_rounding:
        return TakeFiner()
    return None


def gauss_newton_is_on_its_way(verification: Verification) -> Verdict | None:
    """Go on from the finer solution where Gauss–Newton did not come to its end on the level."""
    if verification.converged:
        return None
    return TakeFiner()


def degrees_help(verification: Verification) -> Verdict | None:
    """Go on from the finer solution where raising the degrees has lowered the residual."""
    helped = verification.finer_residual < verification.degrees_helped * verification.residual
    if helped and not verification.exhausted:
        return TakeFiner()
    return None


# ---------------------------------------------------------------- after halving


def contradicted(halving: Halving) -> Verdict | None:
    """End where much of the terms of the equation is left over, all over the domain, smooth, and halving leaves it."""
    tuning = halving.tuning
    if halving.left <= tuning.unmet or halving.left <= tuning.helped * halving.left_before:
        return None
    if halving.rough > tuning.rough:
        return None
    if halving.linear:
        return Stop(halving.why_stalled)
    return NoSolution(halving.halved_residual)


def halving_helps(halving: Halving) -> Verdict | None:
    """Go on from halved patches where they have lowered the residual."""
    if halving.halved_residual < halving.tuning.helped * halving.residual:
        return TakeHalved()
    return None


BEFORE_VERIFICATION: Sequence[Rule] = (
    limit_before_verification,
    truncated,
    residual_too_large,
    continuity_overlooked,
    equation_overlooked,
    doubtful_before,
)
AFTER_VERIFICATION: Sequence[Rule] = (
    doubtful,
    free_or_coarse,
    undetermined_without_estimate,
    within_tolerance,
    undetermined_at_rounding,
    limit_after_verification,
    nothing_converges,
    surprised,
    gauss_newton_is_on_its_way,
    degrees_help,
)
AFTER_HALVING: Sequence[Rule] = (contradicted, halving_helps)


def judge(state: State) -> Verdict:
    """What the first rule says that has something to say; each kind of state has its last resort."""
    match state:
        case Level():
            return _first(BEFORE_VERIFICATION, state) or Verify()
        case Verification():
            return _first(AFTER_VERIFICATION, state) or Halve()
        case Halving():
            return _first(AFTER_HALVING, state) or Stop(state.why_stalled)


def _first(rules: Sequence[Rule], state: State) -> Verdict | None:
    said = (rule(state) for rule in rules)
    return next((verdict for verdict in said if verdict is not None), None)
