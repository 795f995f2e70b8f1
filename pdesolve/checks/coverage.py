"""Are there enough conditions: on every part of the boundary, at the start, and for every unknown?

Of equations whose principal part in space is elliptic, every part of the boundary needs as many conditions as there are
unknowns of second order; on a line, they may also all stand at one end. There too few are an error. Where the type is
another, or not known, what is missing is a warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor

from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings, share_in_words
from pdesolve.checks.terms import Sample, fields_of, random_jets
from pdesolve.geometry import Piece
from pdesolve.statement.conditions import Condition, Initial
from pdesolve.statement.problem import Problem, Term, signature

# Of the largest symbol inside: below it, an equation is not elliptic at a boundary and may need no condition there.
DEGENERATE = 1e-3
# Distance from the boundary, relative to the domain, at which coefficients are compared; and a second one, a tenth
# of it: the ratio κ of a coefficient like 1/s is the same at both.
NEAR = 1e-4
# κ = s b/a at a distance s of a boundary, of a u_ss + b u_s. From 1 on, bounded solutions need no condition; a little
# less, since κ is taken at a distance, where other terms of the coefficients still count.
REGULAR = 0.9
# Share of a part of the boundary without conditions: less is the resolution of the points that look at it.
BARE = 0.01

Orders = dict[str, tuple[int, int]]  # of each unknown in space and in time


def highest_orders(problem: Problem, samples: Sequence[Sample], conditions: bool = False) -> Orders:
    """Highest order of each unknown in space and in time; 0 for a field that data determine.

    Args:
        problem: the problem.
        samples: its terms.
        conditions: whether derivatives count that stand in conditions only.
    """
    timed = "t" in problem.coordinates
    orders = {name: (0, 0) for name in problem.unknowns}
    fields = fields_of(problem, samples)
    kinds = {"equation"}
    if conditions:
        kinds.add("condition")
    for sample in samples:
        if sample.term.kind not in kinds:
            continue
        for unknown, index in sample.operator.slots:
            name = problem.unknowns[unknown]
            in_time = index[-1] if timed else 0
            if unknown not in fields:
                space, time = orders[name]
                orders[name] = (max(space, sum(index) - in_time), max(time, in_time))
    return orders


def check_time(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Initial values: one for every derivative in time below the highest, and nothing beside."""
    rates = highest_orders(problem, samples, conditions=True)
    needed = highest_orders(problem, samples)
    initial = [c for c in problem.conditions if isinstance(c, Initial)]
    # Where something is said of the start, or data are, the state there may be determined in another way.
    started = bool(initial) or _holds_at_time_ends(problem) or bool(problem.data)
    for unknown, (_, order) in needed.items():
        given = {c.order for c in initial if problem.unknown_of(c) == unknown}
        if surplus := sorted(given - set(range(max(order, rates[unknown][1])))):
            findings.warn(
                f"{unknown} is of order {order} in time, so {_initials(surplus)} is one condition too many; is a "
                "derivative in t missing from the equation?"
            )
        missing = sorted(set(range(order)) - given)
        if missing:
            sentence = (
                f"{unknown} is of order {order} in time, but {_initials(missing)} is missing: without it the state at "
                "the start is not determined"
            )
            if started:
                findings.warn(sentence)
            else:
                findings.error(sentence)


def _initials(orders: Sequence[int]) -> str:
    return " and ".join(f"Initial(…, order={k})" if k else "Initial(…)" for k in orders)


def _holds_at_time_ends(problem: Problem) -> bool:
    if "t" not in problem.coordinates:
        return False
    ends = {problem.domain.initial.name, problem.domain.final.name}
    return any(getattr(getattr(c, "on", None), "name", None) in ends for c in problem.conditions)


def check_coverage(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Count the conditions on each part of the boundary (not the ends in time), unknown by unknown and in all."""
    orders = highest_orders(problem, samples)
    pieces = [piece for piece in _parts(problem) if not _is_regular(problem, samples[0], piece)]
    certain = not problem.data and _all_of_second_order(problem, samples[0], orders)
    if problem.domain.space_dimension == 1 and _count_on_a_line(problem, samples, orders, certain, findings):
        return
    if certain and not findings.errors:
        short = _too_few_in_all(problem, samples, pieces)
        if short:
            _report_too_few(problem, short, findings)
            return
    _check_each_unknown(problem, samples, pieces, orders, findings)


def _check_each_unknown(
    problem: Problem, samples: Sequence[Sample], pieces: Sequence[Piece], orders: Orders, findings: Findings
) -> None:
    for unknown in problem.unknowns:
        if is_mentioned(problem, unknown):
            _cover(problem, unknown, samples, pieces, orders, findings)
        elif orders[unknown] != (0, 0) and not _held_by_others(problem, samples, orders, unknown):
            findings.warn(
                f"{unknown} has no condition, though the equation contains its derivatives; "
                f"add one, if only at a point: Dirichlet(0, on=Point(…), unknown='{unknown}')"
            )


def _report_too_few(problem: Problem, short: Sequence[str], findings: Findings) -> None:
    needs = "one condition"
    if len(problem.unknowns) > 1:
        needs = f"{len(problem.unknowns)} conditions"
    findings.error(
        f"part of the boundary is without a condition on {', '.join(problem.unknowns)}: {', '.join(short)}; an "
        f"elliptic equation of order 2 needs {needs} everywhere, or it has many solutions (Neumann(0, on=…) "
        "where nothing flows through)"
    )


def _parts(problem: Problem) -> list[Piece]:
    """The parts of the boundary on which conditions are needed: not the ends in time, nor those of periodic axes."""
    ends = {s.owner for s in getattr(problem.domain, "time_ends", ())}
    return [
        piece
        for piece in problem.domain.pieces
        if piece.owner not in ends and not (piece.plane and piece.plane[0] in problem.periodic_axes)
    ]


def is_mentioned(problem: Problem, unknown: str) -> bool:
    """Whether any condition speaks of the unknown."""
    for condition in problem.conditions:
        if isinstance(condition, Condition):
            if unknown in signature(condition.function, "Condition", ()):
                return True
        elif condition.unknown in (None, unknown):
            return True
    return False


def _count_on_a_line(
    problem: Problem, samples: Sequence[Sample], orders: Orders, certain: bool, findings: Findings
) -> bool:
    """On a line without time, conditions may stand at either end: whether there are enough, or it was said."""
    if "t" in problem.coordinates or problem.periodic_axes:
        return False
    given, needed = _counts_on_a_line(problem, samples, orders)
    if given >= needed:
        return len(orders) == 1
    if certain:
        findings.error(
            f"{given} condition{'s' * (given != 1)} for {', '.join(problem.unknowns)}: an equation of order {needed} "
            "on a line has many solutions with fewer than as many; add one at an end, e.g. Neumann(0, on=…)"
        )
    return certain


def _counts_on_a_line(problem: Problem, samples: Sequence[Sample], orders: Orders) -> tuple[int, int]:
    """How many conditions there are at the ends of a line, and how many there must be."""
    # A condition holds at one end, or at both.
    given = len(problem.integrals) + sum(
        s.operator.components * min(len(s.points), 2) for s in samples if s.term.kind != "equation"
    )
    regular = sum(_is_regular(problem, samples[0], piece) for piece in problem.domain.pieces)
    return given, sum(order for order, _ in orders.values()) - regular


def _held_by_others(problem: Problem, samples: Sequence[Sample], orders: Orders, unknown: str) -> bool:
    """Whether on a line the conditions on others make up for those of an unknown, as for a multiplier."""
    if problem.domain.space_dimension != 1 or "t" in problem.coordinates or problem.periodic_axes:
        return False
    given, needed = _counts_on_a_line(problem, samples, orders)
    equation = samples[0]
    enters = (_sensitivities(equation, equation.points) != 0).any(0)  # (m, s)
    mine = torch.tensor([problem.unknowns[u] == unknown for u, _ in equation.operator.slots])
    shared = enters[:, mine].any(1) & enters[:, ~mine].any(1)
    return given == needed and bool(shared.any())


def _all_of_second_order(problem: Problem, equation: Sample, orders: Orders) -> bool:
    """Whether there are as many equations as unknowns, all of second order and elliptic in space."""
    if problem.domain.space_dimension > 3 or any(order != 2 for order, _ in orders.values()):
        return False
    if equation.operator.components != len(orders):
        return False
    symbols = _symbols(problem, equation, equation.points)
    scale = symbols.abs().amax()
    return bool(scale > 0) and bool((symbols > 0).all() | (symbols < 0).all())


def _symbols(problem: Problem, equation: Sample, x: Tensor) -> Tensor:
    """Determinants (n, ξ) of the principal part Σ ξ_i ξ_j ∂F/∂u_ij in space, for directions ξ all around."""
    d = problem.domain.space_dimension
    unknowns = len(problem.unknowns)
    # To the neighbours of a cell of a grid, diagonal ones too: 2, 8 or 26 directions.
    directions = torch.tensor([v for v in product((-1, 0, 1), repeat=d) if any(v)], dtype=x.dtype)
    directions = directions / directions.norm(dim=1, keepdim=True)
    principal = x.new_zeros(len(x), len(directions), equation.operator.components, unknowns)
    dF = _sensitivities(equation, x)
    extents = (problem.domain.bounds[1] - problem.domain.bounds[0])[:d]
    for column, (unknown, alpha) in enumerate(equation.operator.slots):
        if sum(alpha) == 2 and sum(alpha[:d]) == 2:
            power = torch.tensor(alpha[:d])
            weight = (directions**power / extents**power).prod(1)
            principal[..., unknown] += weight[None, :, None] * dF[:, None, :, column]
    # Rows and columns have units of their own: each equation by its largest coefficient.
    size = principal.abs().amax((0, 1, 3)).clamp_min(torch.finfo(x.dtype).tiny)
    return torch.linalg.det(principal / size[:, None]).nan_to_num(0.0)


def _sensitivities(equation: Sample, x: Tensor) -> Tensor:
    """∂F (n, m, s) at random jets."""
    jets = random_jets(equation, seed=13)[:1].expand(len(x), -1).contiguous()
    return equation.operator.linearise(x, jets, None, equation.parameters)[1]


def _is_regular(problem: Problem, equation: Sample, piece: Piece) -> bool:
    """Whether bounded solutions need no condition on a part of the boundary, as on the axis of a cylinder.

    At a distance s, a u_ss + b u_s has the solutions 1 and s^{1-κ} with κ = s b/a, of which one is bounded for κ ≥ 1.
    """
    if piece.plane is None or piece.plane[0] >= problem.domain.space_dimension:
        return False
    axis, value = piece.plane
    lower, upper = (float(bound[axis]) for bound in problem.domain.bounds)
    if value not in (lower, upper) or _slots_along(equation, axis) is None:
        return False
    inward = upper - lower
    if value == upper:
        inward = lower - upper
    ratios = []
    for step in (NEAR * inward, 0.1 * NEAR * inward):
        x = equation.points[:8].clone()
        x[:, axis] = value + step
        dF = _sensitivities(equation, x)
        ratios.append(_fuchs(equation, dF, axis, step))
    return all(ratio is not None and bool((ratio >= REGULAR).all()) for ratio in ratios)


def _fuchs(equation: Sample, dF: Tensor, axis: int, s: float) -> Tensor | None:
    """κ = s b/a (n, u) of each unknown, from its own equation; None where one has no second derivative."""
    slots = _slots_along(equation, axis)
    if slots is None:
        return None
    found = []
    for one, two in slots:
        # Its own equation is the one in which its second derivative is largest.
        row = int(dF[:, :, two].abs().amax(0).argmax())
        found.append(s * dF[:, row, one] / dF[:, row, two])
    return torch.stack(found, dim=1).nan_to_num(0.0)


def _slots_along(equation: Sample, axis: int) -> list[tuple[int, int]] | None:
    """Places of the first and second derivative of each unknown along an axis; None where one has not both."""
    d = len(equation.operator.problem.coordinates)
    one = tuple(int(i == axis) for i in range(d))
    two = tuple(2 * k for k in one)
    places = {slot: i for i, slot in enumerate(equation.operator.slots)}
    found = []
    for unknown in range(len(equation.operator.problem.unknowns)):
        if (unknown, one) not in places or (unknown, two) not in places:
            return None
        found.append((places[unknown, one], places[unknown, two]))
    return found


def _too_few_in_all(problem: Problem, samples: Sequence[Sample], pieces: Sequence[Piece]) -> list[str]:
    """Parts of the boundary where fewer conditions hold than unknowns; none if others have more than enough."""
    held = [
        (Held(problem, s.term, s.points), s.operator.components)
        for s in samples
        if s.term.kind not in ("equation", "initial")
    ]
    short: list[str] = []
    surplus = False
    needed = len(problem.unknowns)
    inside = _symbols(problem, samples[0], samples[0].points).abs().amax()
    for piece in pieces:
        whole = sum(components for one, components in held if one.covers(piece))
        if whole == needed:
            continue
        x, _, weights = piece.rule(4)
        count = sum((components * one.holds_at(x).to(weights) for one, components in held), 0 * weights)
        surplus = surplus or bool((count > needed).any())
        elliptic = _symbols(problem, samples[0], x).abs().amin(1) > DEGENERATE * inside
        share = float(weights[(count < needed) & elliptic].sum() / weights.sum())
        if share > BARE:
            short.append(share_in_words(piece.name, share))
    if surplus:
        return []  # data on one part may stand in for those missing on another (a Cauchy problem)
    return short


def _cover(
    problem: Problem,
    unknown: str,
    samples: Sequence[Sample],
    pieces: Sequence[Piece],
    orders: Orders,
    findings: Findings,
) -> None:
    """Warn of parts of the boundary with fewer conditions on an unknown than half its order."""
    # Half as many conditions as the order, at each point: one for the Laplacian, two for a plate.
    needed = orders[unknown][0] // 2
    if not needed:
        return
    relevant = [Held(problem, s.term, s.points) for s in samples if speaks_of(s.term, problem, unknown)]
    bare, thin = _bare_and_thin(relevant, pieces, needed)
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


def _bare_and_thin(held: Sequence[Held], pieces: Sequence[Piece], needed: int) -> tuple[list[str], list[str]]:
    """Parts of the boundary without a condition, in words, and those with fewer than are needed."""
    bare: list[str] = []
    thin: list[str] = []
    for piece in pieces:
        if sum(one.covers(piece) for one in held) >= needed:
            continue
        x, _, weights = piece.rule(4)
        count = sum((one.holds_at(x).to(weights) for one in held), torch.zeros_like(weights))
        share = float(weights[count == 0].sum() / weights.sum())
        if share > 0:
            bare.append(share_in_words(piece.name, share))
        elif bool((count < needed).any()):
            thin.append(f"'{piece.name}'")
    return bare, thin


def speaks_of(term: Term, problem: Problem, unknown: str) -> bool:
    """Whether a condition on the boundary contains the unknown."""
    if term.kind in ("equation", "initial"):
        return False
    if term.kind != "condition":
        return term.unknown == unknown
    return any(
        c.on is term.place and unknown in signature(c.function, "Condition", ())
        for c in problem.conditions
        if hasattr(c, "function")
    )


def check_constants(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """An unknown of which only derivatives occur anywhere is determined up to a constant."""
    occurring = {slot for sample in samples for slot in sample.operator.slots}
    fixed = {problem.unknown_of(condition) for condition in problem.integrals}
    for i, unknown in enumerate(problem.unknowns):
        itself = (i, (0,) * len(problem.coordinates))
        if itself not in occurring and unknown not in fixed and is_mentioned(problem, unknown):
            findings.warn(
                f"only derivatives of {unknown} occur in equation and conditions, so it is determined "
                f"up to a constant; add Integral(0, unknown='{unknown}') or a Dirichlet value at a Point"
            )
