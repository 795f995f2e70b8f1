"""MARK: which patches are halved, along which axes, and to which degrees the others are raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdesolve.adaptive.decay import Decay
from pdesolve.adaptive.hp import cheapest
from pdesolve.adaptive.tuning import TUNING, Tuning
from pdesolve.patches.grading import LOCAL, Singularities, Target
from pdesolve.patches.newton import Discrete


@dataclass(frozen=True, eq=False)
class Marked:
    """What becomes of the patches of a level.

    Attributes:
        axes: (e, d) along which patches are halved.
        q: (e,) degrees.
        targets: points toward which patches are halved many times.
    """

    axes: np.ndarray
    q: np.ndarray
    targets: Sequence[Target] = ()


def bulk_of(share: np.ndarray, fraction: float = TUNING.bulk_of_residual) -> np.ndarray:
    """The fewest entries whose squares make up `fraction` of the sum of squares, as a mask (Dörfler 1996)."""
    order = np.argsort(-share)
    sums = np.cumsum(share[order] ** 2)
    mask = np.zeros(len(share), dtype=bool)
    mask[order[: int(np.searchsorted(sums, fraction * sums[-1])) + 1]] = True
    return mask


def by_decay(
    current: Discrete, decay: Decay, tol: float, highest: int, seen: Singularities, tuning: Tuning
) -> Marked:
    """Mark the patches that hold the error back; raise their degree or halve them, whichever is cheaper.

    Args:
        current: the solution.
        decay: of its coefficients.
        tol: relative L2 tolerance.
        highest: degree.
        seen: errors at corners on the levels so far.
        tuning: numbers that decide.
    """
    assembly = current.assembly
    marked, goal = _holding_back(decay, tol, tuning)
    target = tuning.even_share * goal / np.sqrt(len(assembly.q))
    split, wanted = cheapest(decay, assembly.q, target, assembly.dimension, highest, tuning)
    split &= marked
    q = np.where(marked, wanted, assembly.q)
    axes = split[:, None] & decay.directions
    if not split.any():
        return Marked(axes, q)
    aim = tuning.at_a_point * tuning.safety * tol
    return Marked(axes, q, seen.targets(assembly.patches.partition, split, decay.error, aim))


def _holding_back(decay: Decay, tol: float, tuning: Tuning) -> tuple[np.ndarray, float]:
    """Patches (e,) whose predicted errors are too large together, and the error that is aimed at.

    While something is not resolved yet, what lies around it may be its echo: then only the worst patches are
    marked. There, and where few patches hold most of the error, the aim is two digits less, not the tolerance.
    """
    goal = tuning.safety * tol
    modest = max(goal, tuning.modest * decay.total)
    bulk = bulk_of(decay.error, tuning.bulk)
    unresolved = decay.slow[bulk].any()
    local = bulk.sum() <= LOCAL * len(bulk)
    allowed = goal
    if unresolved or local:
        allowed = modest
    marked = _without_harmless(decay.error, tuning.harmless * allowed)
    if not unresolved:
        return marked, goal
    return marked & (bulk | (decay.error >= tuning.alike * decay.error.max())), modest


def _without_harmless(error: np.ndarray, allowed: float) -> np.ndarray:
    """All patches (e,) but those of the smallest errors, which together are below what is allowed."""
    order = np.argsort(error)
    harmless = np.sqrt(np.cumsum(error[order] ** 2)) <= allowed
    marked = np.ones(len(order), dtype=bool)
    marked[order[harmless]] = False
    return marked


def by_residual(current: Discrete, decay: Decay, goal: float, seen: Singularities, tuning: Tuning) -> Marked:
    """Halve the patches that hold most of the residual, along the axes in which their solution decays slowest.

    Args:
        current: the solution.
        decay: of its coefficients.
        goal: norm of the residual that is aimed at.
        seen: residuals at corners on the levels so far.
        tuning: numbers that decide.
    """
    assembly = current.assembly
    residual = current.residual_of_patch
    bulk = bulk_of(residual, tuning.bulk_of_residual)
    aim = tuning.at_a_point * goal
    targets = seen.targets(assembly.patches.partition, bulk, residual, aim)
    return Marked(bulk[:, None] & decay.directions, assembly.q, targets)


def aimed_residual(residual: float, worst: float, tol: float, tuning: Tuning) -> float:
    """Residual to halve patches down to, after an estimate that failed: less by the root of what is missing.

    An error that is carried in from a singular corner (pollution) goes with the square of the residual there.

    Args:
        residual: norm of the one that there is.
        worst: largest estimate; not finite where there is none, and then the aim is that of a sharper look.
        tol: what was asked for.
        tuning: numbers that decide.
    """
    if not np.isfinite(worst):
        return tuning.sharper * residual
    return residual / max(worst / tol, 1.0) ** 0.5


def everywhere_in(current: Discrete, mask: np.ndarray) -> Marked:
    """Halve masked patches (e,) along all axes."""
    axes = np.repeat(mask[:, None], current.assembly.dimension, axis=1)
    return Marked(axes, current.assembly.q)


def unchanged(current: Discrete) -> Marked:
    """The same patches and degrees."""
    return everywhere_in(current, np.zeros(len(current.assembly.patches), dtype=bool))
