"""Conditions together: contradictions, jumps at corners, boundary parts and unknowns without any."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from pdesolve.checks.coverage import check_constants, check_coverage, check_time, highest_orders
from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample
from pdesolve.errors import PdesolveError
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

# Relative difference of two values that is more than rounding, also after a dozen operations on coordinates.
DIFFERENT = 1e-8
# Values below this are compared absolutely: sin(π) is 1e-16, not zero.
SMALL = 1e-6


def check_conditions(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Look at all conditions together: too many, too few, in conflict."""
    if not problem.conditions:
        _check_without_conditions(problem, samples, findings)
        return
    _check_interfaces(problem, findings)
    if not _check_ends(problem, samples, findings):
        return
    _check_pairs(problem, samples, findings)
    if len(samples) < len(problem.terms):
        return  # what is missing may be what could not be compiled
    check_time(problem, samples, findings)
    check_coverage(problem, samples, findings)
    check_constants(problem, samples, findings)


def _check_without_conditions(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    if _pointwise(samples):
        return  # the equation determines every value by itself: a function to be fitted
    findings.error(
        f"there is no condition at all: the equation for {', '.join(problem.unknowns)} has many "
        "solutions; add e.g. conditions=[Dirichlet(0, on=domain.boundary)]"
    )


def _check_pairs(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Every condition beside every other on the same unknown, and initial values beside themselves."""
    held = [Held(problem, s.term, s.points) for s in samples if s.term.kind not in ("equation", "condition")]
    orders = highest_orders(problem, samples)
    for first, second in itertools.combinations(held, 2):
        if first.term.unknown == second.term.unknown:
            _compare(first, second, orders, findings)
    for one in held:
        if one.term.kind == "initial":
            _check_seam(one, findings)


def _check_interfaces(problem: Problem, findings: Findings) -> None:
    """Interfaces must divide the domain."""
    try:
        subdomains_of(problem)
    except PdesolveError as error:
        findings.error(f"Interface: {error}")


def _check_ends(problem: Problem, samples: Sequence[Sample], findings: Findings) -> bool:
    """Jumps over periodic ends must be numbers, and nothing else be prescribed there; whether jumps are."""
    for seam in problem.seams:
        try:
            problem.jumps(seam, seam.ends(problem.domain.sample(8))[1])
        except PdesolveError as error:
            findings.error(str(error))
            return False
        for sample in samples:
            if sample.term.kind in ("equation", "initial"):
                continue
            planes = {piece.plane for piece in sample.term.place.pieces_on(problem.domain) if piece.plane}
            if any(axis == seam.axis and value in (seam.lower, seam.upper) for axis, value in planes):
                findings.warn(
                    f"{sample.term.name} holds on an end of the periodic axis {problem.coordinates[seam.axis]}, where "
                    "everything continues from the other end: one condition too many; leave one of them out"
                )
    return True


def _pointwise(samples: Sequence[Sample]) -> bool:
    """Whether the equation contains values only, no derivatives."""
    return bool(samples) and all(not any(index) for sample in samples for _, index in sample.operator.slots)


def _compare(first: Held, second: Held, orders: dict[str, tuple[int, int]], findings: Findings) -> None:
    """Two conditions on one unknown: the same place twice, or a common corner."""
    mine = first.points
    yours = second.points
    unknown = first.term.unknown or ""
    shared = torch.cat([mine[second.holds_at(mine)], yours[first.holds_at(yours)]])
    if len(shared):
        if first.quantity == second.quantity:
            _check_contradiction(first, second, shared, findings)
        # An equation of order four takes a value and a slope on the same place.
        elif orders[unknown][0] <= 2 and _on_pieces(first) and _on_pieces(second):
            findings.warn(
                f"{first.term.name} and {second.term.name} both hold on '{_part(first, shared)}': two "
                f"conditions on {unknown} where an equation of order {orders[unknown][0]} takes one"
            )
    elif first.quantity == second.quantity == "value":
        _check_jump(first, second, findings)


def _on_pieces(held: Held) -> bool:
    """Whether it is a condition on parts of the boundary, not at a point or at the start."""
    return bool(held.pieces) and held.term.kind != "initial"


def _check_contradiction(first: Held, second: Held, x: Tensor, findings: Findings) -> None:
    if first.quantity == "flux and value":
        return  # values of Robin conditions differ with their factors; check_repetition compares both
    a = first.value(x)
    b = second.value(x)
    if _differ(a, b).any():
        i = int((a - b).abs().nan_to_num(0.0).argmax())
        findings.error(
            f"{first.term.name} and {second.term.name} prescribe different values of {first.term.unknown} "
            f"on '{_part(first, x[i : i + 1])}': {float(a[i]):.4g} and {float(b[i]):.4g} "
            f"{at(first.problem.coordinates, x[i])}; remove one, or narrow its place with where(…)"
        )
    else:
        findings.warn(
            f"{first.term.name} and {second.term.name} say the same of {first.term.unknown} "
            f"on '{_part(first, x[:1])}'; one of them is enough"
        )


def _check_jump(first: Held, second: Held, findings: Findings) -> None:
    x = torch.cat([first.rim, second.rim])
    if not len(x):
        return
    ends_first = (torch.cdist(x, first.rim) <= first.near).any(1)
    ends_second = (torch.cdist(x, second.rim) <= first.near).any(1)
    x = x[(ends_first & ends_second) | (first.holds_at(x) & second.holds_at(x))]
    if not len(x):
        return
    a = first.value(x)
    b = second.value(x)
    # Beside what is prescribed elsewhere: the tail of a peak that ends on the wall is as good as zero.
    elsewhere = torch.cat([one.value(one.points) for one in (first, second)]).abs().nan_to_num(0.0).amax()
    wrong = _differ(a, b, elsewhere)
    if wrong.any():
        i = int(wrong.nonzero()[0])
        findings.warn(
            f"{first.term.unknown} jumps {at(first.problem.coordinates, x[i])} from {float(a[i]):.4g} "
            f"({first.term.name}) to {float(b[i]):.4g} ({second.term.name}): legal, but derivatives are "
            "infinite there, and patches must be graded toward it"
        )


def _check_seam(held: Held, findings: Findings) -> None:
    """On a periodic axis, initial values at both ends must differ by the jump stated, zero if there is none."""
    for seam in held.problem.seams:
        start, end = seam.ends(held.points)
        a = held.value(start)
        b = held.value(end)
        continued = a
        if held.quantity == "value":  # a rate has no jump: the one stated is constant in time
            continued = a + held.problem.jumps(seam, end)[:, held.problem.unknowns.index(held.term.unknown)]
        wrong = _differ(continued, b)
        if wrong.any():
            i = int(wrong.nonzero()[0])
            name = held.problem.coordinates[seam.axis]
            findings.warn(
                f"{held.term.unknown} jumps at the periodic seam in {name}: {held.term.name} gives "
                f"{float(a[i]):.4g} at one end and {float(b[i]):.4g} at the other"
            )


def _differ(a: Tensor, b: Tensor, size: Tensor | float = 0.0) -> Tensor:
    """Where values differ (n,) by more than rounding of the largest of them, or of a size."""
    scale = torch.maximum(a.abs().amax(), b.abs().amax()).clamp_min(torch.finfo(a.dtype).tiny)
    return (a - b).abs() > DIFFERENT * torch.maximum(scale.clamp_min(SMALL), torch.as_tensor(size).to(scale))


def _part(held: Held, x: Tensor) -> str:
    """Name of the piece of the boundary on which the first of the points lies."""
    if not held.pieces:
        return held.term.place.name
    distances = torch.stack([piece.surface.distance(x[:1])[0] for piece in held.pieces])
    return held.pieces[int(distances.argmin())].name
