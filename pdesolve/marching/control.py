"""What is done with a slab that was tried: taken, tried again, or given up. Numbers in, a verdict out.

The rules are asked in order; the first that has an answer decides.

Sources: Hairer & Wanner, Solving Ordinary Differential Equations II, section IV.8 (step sizes). The weight √(t/T) after
a start that does not match follows from the norm of the tolerance, L2 over space and time: an error made within t that
dies out like the layer it belongs to lasts for about t. Whether it does is not assumed: the second march tells.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

LOG = logging.getLogger(__name__)
SHORTEST = 1e-15  # of the interval
DIVERGED = 0.4  # times its length: a slab on which Newton's iteration did not converge
COARSE_TRIES = 3  # slabs in a row on which it did not: patches may be too coarse for the iteration
UNSEEN = 0.5  # times its length: one that passed over something in the data
HALF = (0.4, 0.6)  # bounds of what counts as half
NOISY = 30.0  # times the tolerance: more is no noise of space, which is of the size of the error there
# Half is left, so that a prediction that is a little wrong does not cost a second try.
AIM = 0.5  # of the tolerance: predicted error that the next length aims at
# A prediction is only believed near the length that it was made at.
LEAST_FACTOR, MOST_FACTOR = 0.3, 2.0  # of one length to the next
# The same while the solution still knows a start that does not match: it lives on the scale of the time since then.
MOST_ROUGH = 4.0
KEPT = (0.9, 1.3)  # between them the length, and with it the factors, are kept
# The same where many slabs follow: a few per cent would make factors anew for every slab, as predictions waver by them.
KEPT_EARLY = 1.1
SPARED = 10.0  # slabs that are worth new factors: these cost one or two in one dimension, up to ten in two
COMPARED = 1.5  # ratio of lengths from which on the errors of two slabs tell a power
SMOOTH = 2.0  # least power of the length with which the error of a slab from smooth data falls
# By how much errors in time come out too large on patches that do not resolve a layer (a disc on four patches: 5).
OVERRATED = 5.0
OF_LAYER = 0.25  # power of the length with which the L2 norm of a layer √t wide falls
# The same where the equations are not linear: in patches far wider than a layer those of the stages have no solution,
# and a layer a quarter as wide is met by the patches that one halving beside it leaves.
ROUGH_NONLINEAR = 1 / 16
ROUGH_FACTOR = 1e-3  # least factor of lengths where the power of the error is known
# Halving so often comes below rounding: no more tries can help.
TRIED = 60  # times that a slab is tried


@dataclass(frozen=True)
class Tuning:
    """What a march aims at.

    Attributes:
        tolerance: of the local error in time.
        interval: the length of the whole interval.
        lasting: T, for which the solution is as large as it ever is; the interval, where nothing better is known.
    """

    tolerance: float
    interval: float
    lasting: float = math.inf


@dataclass(frozen=True)
class Numbers:
    """What is known of a slab that was tried.

    Attributes:
        length: Δ.
        stages: s.
        tries: how often a slab from this time has been tried, with this one.
        first: whether it begins where the data break: at the start, or at a break in time.
        converged: whether the iteration did.
        time_error: predicted relative error in time.
        unresolved: number of patches that do not resolve the solution.
        unseen: relative error that data between the stages cause.
        unseen_before: the same of the last try, where that was shortened for it.
        rough: whether the slab is weighted as one after a start whose data do not match.
        elapsed: time from that start to the end of the slab.
        before: length and error in time of an earlier try from this time, where there is one.
        shortened: whether a longer slab from this time was tried and not taken.
        splittable: whether patches can be smaller.
        longest: a slab that is longer does not follow what grows fastest.
        linear: whether the equations of the stages are, which then have a solution on any patches.
        left: time from the end of the slab on.
    """

    length: float
    stages: int
    tries: int
    first: bool
    converged: bool
    time_error: float = 0.0
    unresolved: int = 0
    unseen: float = 0.0
    unseen_before: float | None = None
    rough: bool = False
    elapsed: float = 0.0
    before: tuple[float, float] | None = None
    shortened: bool = False
    splittable: bool = True
    longest: float = math.inf
    linear: bool = True
    left: float = 0.0


@dataclass(frozen=True)
class Accept:
    """Take the slab; the next one has this length."""

    length: float


@dataclass(frozen=True)
class Retry:
    """Try again with this length, refined patches or not, weighted as rough or not."""

    length: float
    refine: bool = False
    rough: bool = False


@dataclass(frozen=True)
class Stop:
    """Give up, and say why."""

    why: str


Verdict = Accept | Retry | Stop
Rule = Callable[[Numbers, Tuning], Verdict | None]


def weight(numbers: Numbers, tuning: Tuning) -> float:
    """√(t/T) at a time t after a start whose data do not match, whose error dies out, else 1."""
    if not numbers.rough:
        return 1.0
    elapsed = max(numbers.elapsed, numbers.length)
    return math.sqrt(min(elapsed / min(tuning.lasting, tuning.interval), 1.0))


def too_often(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Stop where neither shorter slabs nor smaller patches help."""
    if numbers.tries > TRIED or numbers.length < SHORTEST * tuning.interval:
        return Stop("neither shorter slabs nor smaller patches resolve the solution; look at it there")
    return None


def diverged(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Shorten a slab on which the iteration did not converge; where that has not helped, halve all patches, too."""
    del tuning
    if numbers.converged:
        return None
    return Retry(DIVERGED * numbers.length, refine=numbers.tries % COARSE_TRIES == 0, rough=numbers.rough)


def overlooked(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Shorten a slab that passes over something in the data.

    Of an event, half of a slab holds all or nothing; what halves with the slab is everywhere: noise of space.
    """
    unseen = numbers.unseen * weight(numbers, tuning)
    noise = everywhere(numbers) and unseen <= NOISY * tuning.tolerance
    if unseen <= tuning.tolerance or noise:
        return None
    return Retry(UNSEEN * numbers.length, rough=numbers.rough)


def outgrown(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Shorten a slab in which something grows faster than the method follows."""
    del tuning
    if numbers.length <= 1.01 * numbers.longest:
        return None
    return Retry(numbers.longest, rough=numbers.rough)


def becomes_rough(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Recognise a start that does not match: the error hardly falls with the length.

    What patches make of the length at hand says nothing of the far shorter one that follows.
    """
    if not numbers.first or numbers.rough or numbers.time_error <= tuning.tolerance:
        return None
    power = fall(numbers)
    if power is None or power > SMOOTH:
        return None
    rough = replace(numbers, rough=True)
    refine = numbers.unresolved > 0 and not numbers.linear
    return Retry(numbers.length * next_factor(rough, tuning), refine=refine, rough=True)


def inaccurate(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Shorten a slab that is not resolved in time, and refine patches that are not in space."""
    if error_of(numbers) * weight(numbers, tuning) <= tuning.tolerance:
        return None
    if numbers.first and not numbers.rough and numbers.before is None:
        # Only a far shorter slab tells whether the start matches: patches for this one might all be for nothing.
        return Retry(numbers.length * min(next_factor(numbers, tuning), 1 / COMPARED))
    if numbers.first and numbers.rough and numbers.unresolved > 0:
        # What patches do not resolve of a layer looks like an error in time: only what is beyond that shortens.
        less = replace(numbers, time_error=numbers.time_error / OVERRATED)
        return Retry(numbers.length * min(next_factor(less, tuning), 1.0), refine=True, rough=True)
    return Retry(
        numbers.length * min(next_factor(numbers, tuning), 0.9),
        refine=numbers.unresolved > 0,
        rough=numbers.rough,
    )


def unresolved(numbers: Numbers, tuning: Tuning) -> Verdict | None:
    """Refine patches that do not resolve the solution in space."""
    del tuning
    if numbers.unresolved == 0:
        return None
    if not numbers.splittable:
        return Stop("patches became too small; look at the solution there")
    return Retry(numbers.length, refine=True, rough=numbers.rough)


def accepted(numbers: Numbers, tuning: Tuning) -> Verdict:
    """Take what is left; keep the length where little is gained by another."""
    factor = next_factor(numbers, tuning)
    spared = numbers.left / numbers.length * (1 - 1 / factor)
    most = KEPT_EARLY if spared > SPARED else KEPT[1]
    if KEPT[0] <= factor <= most:
        factor = 1.0
    if numbers.shortened and not numbers.rough:  # what was too long a moment ago is so again
        factor = min(factor, 1.0)
    return Accept(min(numbers.length * factor, numbers.longest))


# Convergence comes early, since without it the other numbers mean nothing; what was passed over comes last, since
# only a slab that is resolved otherwise tells it from an error of its own.
RULES: tuple[Rule, ...] = (too_often, diverged, becomes_rough, inaccurate, unresolved, overlooked, outgrown)


def judge(numbers: Numbers, tuning: Tuning) -> Verdict:
    """The verdict of the first rule that has one, else acceptance."""
    for rule in RULES:
        verdict = rule(numbers, tuning)
        if verdict is not None:
            return verdict
    return accepted(numbers, tuning)


def tell_refused(time: float, numbers: Numbers, verdict: Retry) -> None:
    """Log why a slab was not taken, and what is tried next."""
    LOG.debug(
        "the slab of length %.3g from t = %g is refused: Newton converged %s, error in time %.2g, "
        "unresolved patches %d, unseen %.2g; next length %.3g, smaller patches %s",
        numbers.length,
        time,
        numbers.converged,
        numbers.time_error,
        numbers.unresolved,
        numbers.unseen,
        verdict.length,
        verdict.refine,
    )


def everywhere(numbers: Numbers) -> bool:
    """Whether what happens between the stages fell like the length of the slab."""
    if numbers.unseen_before is None:
        return False
    return HALF[0] <= numbers.unseen / numbers.unseen_before <= HALF[1]


def fall(numbers: Numbers) -> float | None:
    """Power of the length with which the error in time fell since the last try; None where it is not known."""
    if numbers.before is None or numbers.before[0] < COMPARED * numbers.length or numbers.time_error <= 0:
        return None
    length, error = numbers.before
    return math.log(max(error, 1e-300) / numbers.time_error) / math.log(length / numbers.length)


def error_of(numbers: Numbers) -> float:
    """The error in time that counts: of a slab from data that do not match, in the mean over it.

    There the coefficients of P_j fall like a power of j, as those of t^¼, in which a layer √t wide grows, do. With
    ‖P_j‖² = 1/(2j + 1) of a slab, all that lack make 1.8 to 2 times e/√(2s + 3) (measured, s = 5 … 9, rod on ice).
    """
    if not (numbers.rough and numbers.first):
        return numbers.time_error
    return 2 * numbers.time_error / math.sqrt(2 * numbers.stages + 3)


def next_factor(numbers: Numbers, tuning: Tuning) -> float:
    """Factor of the length at which the predicted error is AIM times the tolerance."""
    error = error_of(numbers) * weight(numbers, tuning)
    # The local error falls like Δ^{s+1}: hence the root of that order.
    aim = AIM * tuning.tolerance / max(error, 1e-300)
    if not numbers.rough:
        return float(min(max(aim ** (1 / (numbers.stages + 1)), LEAST_FACTOR), MOST_FACTOR))
    # At a start that does not match, the weight √(t/T) alone gives the power one half; the rest is what was seen.
    seen = fall(numbers)
    if seen is None:
        seen = OF_LAYER
    power = 0.5 + min(max(seen, 0.0), numbers.stages + 1.0)
    if aim < 1:
        least = ROUGH_FACTOR
        if numbers.first and not numbers.linear:
            least = ROUGH_NONLINEAR
        return float(min(max(aim ** (1 / power), least), MOST_ROUGH))
    return float(min(max(aim ** (1 / (numbers.stages + 1.0)), 1.0), MOST_ROUGH))
