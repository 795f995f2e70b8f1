"""Solve until the estimate in the norm that was asked for meets its tolerance.

Every method without training refines by relative L2 errors, and returns a second solution beside the first: the
difference of the two tells the error in any norm. Where that is above the tolerance, the problem is solved again to a
smaller L2 error, from the patches that were found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pdesolve.adaptive.tuning import FINEST_TOLERANCE
from pdesolve.errors import OutOfTimeError, SolveError
from pdesolve.runs.answer import Answer
from pdesolve.runs.goal import Goal
from pdesolve.solution.norms import estimated_errors
from pdesolve.statement.problem import Problem

# Of what would just do: errors of gradients fall more slowly than those of values.
AIM = 0.5
# Where nothing relative is asked for, two digits are the least that tells how much an unknown has to gain.
ROUGH = 1e-2
# The first attempt tells the ratio of the two errors; each later one meets a tolerance by what that has changed.
ATTEMPTS = 6
# A tolerance in L2, and the answer of the attempt before ↦ the answer to it.
Attempt = Callable[[float, Answer | None], Answer]


@dataclass(frozen=True)
class Reached:
    """The largest estimated error over what is asked for, and unknowns that have no size in the norm but rounding."""

    share: float
    without_size: tuple[str, ...] = ()

    @classmethod
    def of(cls, problem: Problem, goal: Goal, answer: Answer) -> Reached:
        """What an answer has reached; infinite where nothing is known of it."""
        errors, sized = errors_of(problem, goal, answer)
        share = float((errors / torch.tensor(goal.targets(problem.unknowns))).max())
        if not math.isfinite(share):
            share = math.inf
        names = zip(problem.unknowns, sized.tolist(), strict=True)
        return cls(share, tuple(name for name, known in names if not known))


def errors_of(problem: Problem, goal: Goal, answer: Answer) -> tuple[Tensor, Tensor]:
    """Estimated errors (u,) in the norm of a goal, absolute where that is asked for; NaN where nothing is known.

    Returns:
        The errors, and which unknowns (u,) have a size in the norm. One that has none, as a constant has no range, is
        measured by its relative L2 error.
    """
    found = torch.tensor(answer.estimates or [math.nan] * len(problem.unknowns), dtype=torch.float64)
    sized = torch.ones_like(found, dtype=torch.bool)
    if answer.verification is None:
        return torch.full_like(found, math.nan), sized
    if goal.norm != "l2":
        estimates = estimated_errors(problem, answer.expansion, answer.verification, goal.norm)
        sized = ~estimates.isnan()
        found = torch.where(sized, estimates, found)
    if goal.absolute:
        estimates = estimated_errors(problem, answer.expansion, answer.verification, goal.norm, absolute=True)
        stated = torch.tensor([name in goal.absolute for name in problem.unknowns])
        found = torch.where(stated, estimates, found)
        sized = sized | stated
    return found, sized


def reach(problem: Problem, goal: Goal, attempt: Attempt) -> Answer:
    """Attempts to smaller and smaller L2 errors, until the goal is met or no attempt is.

    Args:
        problem: what is solved.
        goal: what is asked for.
        attempt: solves to an L2 tolerance.
    """
    tol = goal.tol
    if goal.absolute and set(goal.absolute) == set(problem.unknowns):
        tol = max(ROUGH, goal.tol)
    answer = attempt(tol, None)
    reached = Reached.of(problem, goal, answer)
    for _ in range(ATTEMPTS):
        tighter = _tighter(answer, reached.share)
        if tighter is None:
            return _judged(answer, reached, goal, "at rounding in L2")
        try:
            better = attempt(tighter, answer)
        except (SolveError, OutOfTimeError) as over:
            return _judged(answer, reached, goal, str(over))
        # What was stopped may be a part of the whole only; the answer before is complete.
        if not better.converged:
            return _judged(answer, reached, goal, better.status)
        answer = better
        reached = Reached.of(problem, goal, answer)
    return _judged(answer, reached, goal, "though the relative L2 error fell")


def _tighter(answer: Answer, share: float) -> float | None:
    """The L2 error at which the goal should be met; None where it is met, or no smaller one can be asked for."""
    known = max(answer.estimates or (math.nan,))
    wanted = max(known * AIM / share, FINEST_TOLERANCE)
    if not answer.converged or share <= 1 or math.isinf(share) or not wanted < known:
        return None
    return wanted


def _judged(answer: Answer, reached: Reached, goal: Goal, why: str) -> Answer:
    """The answer with the verdict on the goal; `why` says what kept a better one off."""
    if not answer.converged:
        return answer
    how = f"in the {goal.norm} norm"
    if goal.absolute:
        how += f", absolute of {', '.join(goal.absolute)}"
    if reached.share <= 1:
        status = f"{answer.status}; {how}, too"
        if reached.without_size:
            names = ", ".join(reached.without_size)
            status += (
                f"; {names} has nothing but rounding in this norm, and was measured by its relative L2 error"
            )
        return replace(answer, status=status)
    if math.isinf(reached.share):
        status = f"no estimate {how} is known; choose another norm"
    else:
        status = f"the estimate {how} stayed {reached.share:.2g} times above the tolerance: {why}"
    return replace(answer, converged=False, status=status)
