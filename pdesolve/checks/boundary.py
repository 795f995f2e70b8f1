"""Conditions together: contradictions, jumps at corners, boundary parts and unknowns without any."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample, fields_of
from pdesolve.errors import PdesolveError
from pdesolve.geometry import Piece
from pdesolve.statement.calculus import Frame
from pdesolve.statement.problem import Problem, Term, signature
from pdesolve.statement.subdomains import subdomains_of

DIFFERENT = 1e-8  # relative difference of two values that is more than rounding
NEAR = 1e-9  # distance, relative to the domain, of a point that lies on a surface
EDGE_POINTS = 9


@dataclass(frozen=True)
class Held:
    """A condition with the pieces of the boundary, or the points, where it holds."""

    problem: Problem
    term: Term
    points: Tensor

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """Its pieces of the boundary; none for a point."""
        return self.term.place.pieces_on(self.problem.domain)

    @property
    def quantity(self) -> str:
        """What it prescribes: "value", "flux", "flux and value", or a time derivative."""
        if self.term.kind in ("dirichlet", "neumann", "robin"):
            return {"dirichlet": "value", "neumann": "flux", "robin": "flux and value"}[self.term.kind]
        order = self.term.name.rpartition("order ")[2]
        return f"time derivative {order}" if order.isdigit() else "value"

    @property
    def near(self) -> float:
        """Distance below which two points are the same."""
        return NEAR * float((self.problem.domain.bounds[1] - self.problem.domain.bounds[0]).norm())

    def holds_at(self, x: Tensor) -> Tensor:
        """Which points x (n, d) of the closed domain lie where the condition holds, ends included."""
        if not self.pieces:
            return (torch.cdist(x, self.points) <= self.near).any(dim=1)
        mask = torch.zeros(len(x), dtype=torch.bool)
        for piece in self.pieces:
            near = piece.surface.distance(x) <= self.near
            mask |= near & piece.claims(x) & piece.active(x)
        return mask

    def value(self, x: Tensor) -> Tensor:
        """The prescribed value (n,) at points x (n, d)."""
        frame = Frame(self.problem.coordinates, x)
        with frame:
            return self.problem.value(self.term.value, frame, f"the value of {self.term.name}")

    @cached_property
    def rim(self) -> Tensor:
        """Points (n, d) on the ends of its pieces."""
        parts = [_rim(piece) for piece in self.pieces] + ([] if self.pieces else [self.points])
        return torch.cat(parts)


def _rim(piece: Piece) -> Tensor:
    """Ends of a curve, or points along the edges of a surface."""
    d = piece.dimension
    if d == 1:
        return torch.zeros(0, 1, dtype=torch.float64)
    if d == 2:
        return piece.map(piece.intervals.reshape(-1, 1))
    if d > 3:
        return torch.zeros(0, d, dtype=torch.float64)
    along = torch.linspace(0, 1, EDGE_POINTS, dtype=torch.float64)
    edges = [torch.stack([along, torch.full_like(along, end)], dim=1) for end in (0.0, 1.0)]
    x = piece.map(torch.cat([*edges, *(edge.flip(1) for edge in edges)]))
    return x[piece.active(x)]


def check_conditions(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Look at all conditions together: too many, too few, in conflict."""
    if not problem.conditions and _pointwise(samples):
        return  # the equation determines every value by itself: a function to be fitted
    if not problem.conditions:
        findings.error(
            f"there is no condition at all: the equation for {', '.join(problem.unknowns)} has many "
            "solutions; add e.g. conditions=[Dirichlet(0, on=domain.boundary)]"
        )
        return
    _check_interfaces(problem, findings)
    if not _check_ends(problem, samples, findings):
        return
    held = [Held(problem, s.term, s.points) for s in samples if s.term.kind not in ("equation", "condition")]
    orders = _orders(problem, samples)
    for first, second in itertools.combinations(held, 2):
        if first.term.unknown == second.term.unknown:
            _compare(first, second, orders, findings)
    for one in held:
        if one.term.kind == "initial":
            _check_seam(one, findings)
    if len(samples) < len(problem.terms):
        return  # what is missing may be what could not be compiled
    _check_time(problem, orders, findings)
    for unknown in problem.unknowns:
        if _is_mentioned(problem, unknown):
            _check_coverage(problem, unknown, samples, orders, findings)
        elif orders[unknown] != (0, 0):
            findings.warn(
                f"{unknown} has no condition, though the equation contains its derivatives; "
                f"add one, if only at a point: Dirichlet(0, on=Point(…), unknown='{unknown}')"
            )
    _check_constants(problem, samples, findings)


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


def _orders(problem: Problem, samples: Sequence[Sample]) -> dict[str, tuple[int, int]]:
    """Highest order of each unknown in space and in time, in the equation; 0 for a field that data determine."""
    timed = "t" in problem.coordinates
    orders = {name: (0, 0) for name in problem.unknowns}
    fields = fields_of(problem, samples)
    for sample in samples:
        for unknown, index in sample.operator.slots if sample.term.kind == "equation" else ():
            space, time = (sum(index[:-1]), index[-1]) if timed else (sum(index), 0)
            name = problem.unknowns[unknown]
            if unknown in fields:
                continue
            orders[name] = max(space, orders[name][0]), max(time, orders[name][1])
    return orders


def _compare(first: Held, second: Held, orders: dict[str, tuple[int, int]], findings: Findings) -> None:
    """Two conditions on one unknown: the same place twice, or a common corner."""
    mine, yours, unknown = first.points, second.points, first.term.unknown or ""
    shared = torch.cat([mine[second.holds_at(mine)], yours[first.holds_at(yours)]])
    if len(shared):
        if first.quantity == second.quantity:
            _check_contradiction(first, second, shared, findings)
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
        return
    a, b = first.value(x), second.value(x)
    wrong = _differ(a, b)
    if wrong.any():
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
    ends_of_both = (torch.cdist(x, first.rim) <= first.near).any(1) & (
        torch.cdist(x, second.rim) <= first.near
    ).any(1)
    x = x[ends_of_both | (first.holds_at(x) & second.holds_at(x))]
    if not len(x):
        return
    a, b = first.value(x), second.value(x)
    wrong = _differ(a, b)
    if wrong.any():
        i = int(wrong.nonzero()[0])
        findings.warn(
            f"{first.term.unknown} jumps {at(first.problem.coordinates, x[i])} from {float(a[i]):.4g} "
            f"({first.term.name}) to {float(b[i]):.4g} ({second.term.name}): legal, but derivatives are "
            "infinite there and no method is accurate near it"
        )


def _check_seam(held: Held, findings: Findings) -> None:
    """On a periodic axis, initial values at both ends must differ by the jump stated, zero if there is none."""
    for seam in held.problem.seams:
        start, end = seam.ends(held.points)
        a, b = held.value(start), held.value(end)
        jump = held.problem.jumps(seam, end)[:, held.problem.unknowns.index(held.term.unknown)]
        wrong = _differ(a + jump if held.quantity == "value" else a, b)
        if wrong.any():
            i, name = int(wrong.nonzero()[0]), held.problem.coordinates[seam.axis]
            findings.warn(
                f"{held.term.unknown} jumps at the periodic seam in {name}: {held.term.name} gives "
                f"{float(a[i]):.4g} at one end and {float(b[i]):.4g} at the other"
            )


def _differ(a: Tensor, b: Tensor) -> Tensor:
    scale = torch.maximum(a.abs().amax(), b.abs().amax()).clamp_min(torch.finfo(a.dtype).tiny)
    return (a - b).abs() > DIFFERENT * scale.clamp_min(1e-6)


def _part(held: Held, x: Tensor) -> str:
    """Name of the piece of the boundary on which the first of the points lies."""
    if not held.pieces:
        return held.term.place.name
    distances = torch.stack([piece.surface.distance(x[:1])[0] for piece in held.pieces])
    return held.pieces[int(distances.argmin())].name


def _check_time(problem: Problem, orders: dict[str, tuple[int, int]], findings: Findings) -> None:
    from pdesolve.statement.conditions import Initial

    for unknown, (_, order) in orders.items():
        initial = [c for c in problem.conditions if isinstance(c, Initial)]
        given = {c.order for c in initial if problem.unknown_of(c) == unknown}
        if surplus := sorted(given - set(range(order))):
            stated = " and ".join(f"Initial(…, order={k})" if k else "Initial(…)" for k in surplus)
            findings.warn(
                f"{unknown} is of order {order} in time, so {stated} is one condition too many; is a derivative in t "
                "missing from the equation?"
            )
        missing = sorted(set(range(order)) - given)
        if missing:
            wanted = " and ".join(f"Initial(…, order={k})" if k else "Initial(…)" for k in missing)
            findings.warn(
                f"{unknown} is of order {order} in time, but {wanted} is missing: without it the state at "
                "the start is not determined"
            )


def _is_mentioned(problem: Problem, unknown: str) -> bool:
    """Whether any condition speaks of the unknown."""
    from pdesolve.statement.conditions import Condition

    for condition in problem.conditions:
        if isinstance(condition, Condition):
            if unknown in signature(condition.function, "Condition", ()):
                return True
        elif condition.unknown in (None, unknown):
            return True
    return False


def _check_coverage(
    problem: Problem,
    unknown: str,
    samples: Sequence[Sample],
    orders: dict[str, tuple[int, int]],
    findings: Findings,
) -> None:
    """Count the conditions on each piece of the boundary (not the ends in time)."""
    needed = orders[unknown][0] // 2
    if not needed:
        return
    ends = {s.owner for s in getattr(problem.domain, "time_ends", ())}
    relevant = [Held(problem, s.term, s.points) for s in samples if _speaks_of(s.term, problem, unknown)]
    bare, thin = [], []
    for piece in problem.domain.pieces:
        if piece.owner in ends or (piece.plane and piece.plane[0] in problem.periodic_axes):
            continue
        x, _, weights = piece.rule(4)
        count = sum((held.holds_at(x).to(weights) for held in relevant), torch.zeros_like(weights))
        share = float(weights[count == 0].sum() / weights.sum())
        if share > 0:
            bare.append(f"'{piece.name}'" if share > 0.999 else f"{share:.0%} of '{piece.name}'")
        elif bool((count < needed).any()):
            thin.append(f"'{piece.name}'")
    if bare:
        findings.warn(
            f"part of the boundary is without a condition on {unknown}: {', '.join(bare)}; an equation of "
            f"order {orders[unknown][0]} needs one everywhere (Neumann(0, on=…) where nothing flows through)"
        )
    if thin:
        findings.warn(
            f"{', '.join(thin)}: fewer than the {needed} conditions on {unknown} that an equation of order "
            f"{orders[unknown][0]} needs"
        )


def _speaks_of(term: Term, problem: Problem, unknown: str) -> bool:
    if term.kind in ("equation", "initial"):
        return False
    if term.kind != "condition":
        return term.unknown == unknown
    return any(
        c.on is term.place and unknown in signature(c.function, "Condition", ())
        for c in problem.conditions
        if hasattr(c, "function")
    )


def _check_constants(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """An unknown of which only derivatives occur anywhere is determined up to a constant."""
    occurring = {slot for sample in samples for slot in sample.operator.slots}
    fixed = {problem.unknown_of(condition) for condition in problem.integrals}
    for i, unknown in enumerate(problem.unknowns):
        itself = (i, (0,) * len(problem.coordinates))
        if itself not in occurring and unknown not in fixed and _is_mentioned(problem, unknown):
            findings.warn(
                f"only derivatives of {unknown} occur in equation and conditions, so it is determined "
                f"up to a constant; add Integral(0, unknown='{unknown}') or a Dirichlet value at a Point"
            )
