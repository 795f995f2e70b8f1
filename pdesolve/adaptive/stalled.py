"""Why no refinement goes on, in a sentence."""

from __future__ import annotations

import numpy as np
import torch

from pdesolve.adaptive.singular_ends import singular_ends
from pdesolve.adaptive.tuning import Tuning
from pdesolve.patches.newton import Discrete
from pdesolve.patches.partition import MAX_LEVEL
from pdesolve.runs.wording import named

NEAR = 0.05  # of a line: what holds back a solution so near to a singular end comes of it


def why_stalled(
    current: Discrete, estimates: np.ndarray, at_rounding: bool, left: float, tuning: Tuning
) -> str:
    """What holds the error back, and where.

    Args:
        current: the solution.
        estimates: (u,) its relative L2 errors; infinite where there is no verdict.
        at_rounding: whether its residual is what rounding leaves.
        left: part of the terms of the equation that is left over.
        tuning: numbers that decide.
    """
    known = "without a verdict"
    if np.isfinite(estimates).all():
        known = f"at an estimate of {estimates.max():.1e}"
    if at_rounding:
        return f"stalled {known}: the residual is at rounding; ask for a looser {named('tol')}"
    if _is_finest(current):
        return f"stalled {known}: {why_finest(current)}"
    place = worst_place(current)
    if left > tuning.unmet:
        return (
            f"equation and conditions cannot all be met: {left:.1e} of the terms of the equation is left over "
            f"whatever the order, most of it near {place}; pdesolve check says where they contradict each other"
        )
    for end in singular_ends(current):
        if _is_at(current, end.place):
            return (
                f"stalled {known}: the equation is singular at {end.place:.6g}, where its solutions go like ξ^r with "
                f"r = {end.exponents} at the distance ξ; write the problem in a coordinate that is stretched there, "
                "such as s with ξ = s²"
            )
    return (
        f"stalled {known}: neither higher orders nor smaller patches lower the residual, most of which is near "
        f"{place}; look there for a jump of the data or a kink, and state it as an Interface"
    )


def _is_at(current: Discrete, place: float) -> bool:
    """Whether the patch with the largest residual of a line is near a place."""
    patches = current.assembly.patches
    worst = current.residual_of_patch.argmax()
    return abs(float(patches.centre[worst, 0]) - place) <= NEAR * float(patches.frame.extent[0])


def _is_finest(current: Discrete) -> bool:
    """Whether the patch with the largest residual is as small as patches can be, along an axis."""
    partition = current.assembly.patches.partition
    halvings = partition.level - np.frexp(partition.span)[1] + 1
    return bool(halvings[current.residual_of_patch.argmax()].max() >= MAX_LEVEL)


def why_finest(current: Discrete) -> str:
    """Where patches are as small as they can be, and what to try."""
    return (
        f"patches near {worst_place(current)} are as small as they can be, 1e-8 of the domain, and what is left there "
        "holds the error back; write the problem in a coordinate that is stretched there, such as s with x = s²"
    )


def worst_place(current: Discrete) -> str:
    """Coordinates of the patch with the largest residual, in words."""
    patches = current.assembly.patches
    y = torch.from_numpy(patches.centre[current.residual_of_patch.argmax()])
    x = patches.frame.rotation @ y
    return f"({', '.join(f'{v:.4g}' for v in x.tolist())})"
