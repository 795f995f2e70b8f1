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
from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, fields_of, random_jets
from pdesolve.geometry import Piece
from pdesolve.statement.conditions import Condition, Initial
from pdesolve.statement.problem import Problem, Term, signature

DEGENERATE = 1e-3  # of the largest symbol inside: below it, an equation is not elliptic at a boundary
NEAR = 1e-4  # of the domain: distance from the boundary at which coefficients are compared
REGULAR = 0.9  # s b/a at distance s of a boundary, of a u_ss + b u_s: from one on, bounded solutions need no condition
BARE = 0.01  # share of a part of the boundary: less is the resolution of the points that look at it

Orders = dict[str, tuple[int, int]]  # of each unknown in space and in time


def orders_of(problem: Problem, samples: Sequence[Sample], conditions: bool = False) -> Orders:
    """Highest order of each unknown in space and in time; 0 for a field that data determine.

    Args:
        problem: the problem.
        samples: its terms.
        conditions: whether derivatives count that stand in conditions only.
    """
    timed = "t" in problem.coordinates
    orders = {name: (0, 0) for name in problem.unknowns}
    fields = fields_of(problem, samples)
    kinds = ("equation", "condition") if conditions else ("equation",)
    for sample in samples:
        for unknown, index in sample.operator.slots if sample.term.kind in kinds else ():
            space, time = (sum(index[:-1]), index[-1]) if timed else (sum(index), 0)
            name = problem.unknowns[unknown]
            if unknown not in fields:
                orders[name] = max(space, orders[name][0]), max(time, orders[name][1])
    return orders


def check_time(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Initial values: one for every derivative in time below the highest, and nothing beside."""
    rates = orders_of(problem, samples, conditions=True)
    needed = orders_of(problem, samples)
    started = any(isinstance(c, Initial) for c in problem.conditions) or _holds_at_time_ends(problem)
    for unknown, (_, order) in needed.items():
        initial = [c for c in problem.conditions if isinstance(c, Initial)]
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
            (findings.warn if started or problem.data else findings.error)(sentence)


def _initials(orders: Sequence[int]) -> str:
    return " and ".join(f"Initial(…, order={k})" if k else "Initial(…)" for k in orders)


def _holds_at_time_ends(problem: Problem) -> bool:
    ends = {problem.domain.initial.name, problem.domain.final.name} if "t" in problem.coordinates else set()
    return any(getattr(getattr(c, "on", None), "name", None) in ends for c in problem.conditions)


def check_coverage(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Count the conditions on each part of the boundary (not the ends in time), unknown by unknown and in all."""
    orders = orders_of(problem, samples)
    pieces = [piece for piece in _parts(problem) if not _is_regular(problem, samples[0], piece)]
    certain = not problem.data and _all_of_second_order(problem, samples[0], orders)
    if problem.domain.space_dimension == 1 and _count_on_a_line(problem, samples, orders, certain, findings):
        return
    short = _too_few_in_all(problem, samples, pieces) if certain and not findings.errors else []
    if short:
        needs = "one condition" if len(orders) == 1 else f"{len(orders)} conditions"
        findings.error(
            f"part of the boundary is without a condition on {', '.join(problem.unknowns)}: {', '.join(short)}; an "
            f"elliptic equation of order 2 needs {needs} everywhere, or it has many solutions (Neumann(0, on=…) "
            "where nothing flows through)"
        )
        return
    for unknown in problem.unknowns:
        if is_mentioned(problem, unknown):
            _cover(problem, unknown, samples, pieces, orders, findings)
        elif orders[unknown] != (0, 0):
            findings.warn(
                f"{unknown} has no condition, though the equation contains its derivatives; "
                f"add one, if only at a point: Dirichlet(0, on=Point(…), unknown='{unknown}')"
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
    given = len(problem.integrals) + sum(
        s.operator.components * (1 if len(s.points) < 2 else 2) for s in samples if s.term.kind != "equation"
    )
    regular = sum(_is_regular(problem, samples[0], piece) for piece in problem.domain.pieces)
    needed = sum(order for order, _ in orders.values()) - regular
    if given >= needed:
        return len(orders) == 1
    if certain:
        findings.error(
            f"{given} condition{'s' * (given != 1)} for {', '.join(problem.unknowns)}: an equation of order {needed} "
            "on a line has many solutions with fewer than as many; add one at an end, e.g. Neumann(0, on=…)"
        )
    return certain


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
    d, unknowns = problem.domain.space_dimension, len(problem.unknowns)
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
    plane, d = piece.plane, problem.domain.space_dimension
    if plane is None or plane[0] >= d:
        return False
    axis, value = plane
    lower, upper = (float(bound[axis]) for bound in problem.domain.bounds)
    if value not in (lower, upper):
        return False
    inward = 1.0 if value == lower else -1.0
    ratios = []
    for distance in (NEAR * (upper - lower), 0.1 * NEAR * (upper - lower)):
        x = equation.points[:8].clone()
        x[:, axis] = value + inward * distance
        dF = _sensitivities(equation, x)
        ratios.append(_fuchs(equation, dF, axis, inward * distance))
    return all(ratio is not None and bool((ratio >= REGULAR).all()) for ratio in ratios)


def _fuchs(equation: Sample, dF: Tensor, axis: int, s: float) -> Tensor | None:
    """κ = s b/a (n, u) of each unknown, from its own equation; None where one has no second derivative."""
    found = []
    for unknown in range(len(equation.operator.problem.unknowns)):
        mine = {alpha: i for i, (u, alpha) in enumerate(equation.operator.slots) if u == unknown}
        one = tuple(int(i == axis) for i in range(len(equation.operator.problem.coordinates)))
        two = tuple(2 * k for k in one)
        if one not in mine or two not in mine:
            return None
        row = int(dF[:, :, mine[two]].abs().amax(0).argmax())
        found.append(s * dF[:, row, mine[one]] / dF[:, row, mine[two]])
    return torch.stack(found, dim=1).nan_to_num(0.0)


def _too_few_in_all(problem: Problem, samples: Sequence[Sample], pieces: Sequence[Piece]) -> list[str]:
    """Parts of the boundary where fewer conditions hold than unknowns; none if others have more than enough."""
    held = [
        (Held(problem, s.term, s.points), s.operator.components)
        for s in samples
        if s.term.kind not in ("equation", "initial")
    ]
    short, surplus = [], False
    inside = _symbols(problem, samples[0], samples[0].points).abs().amax()
    for piece in pieces:
        needed = len(problem.unknowns)
        whole = sum(components for one, components in held if one.covers(piece))
        if whole == needed:
            continue
        x, _, weights = piece.rule(4)
        count = sum((components * one.holds_at(x).to(weights) for one, components in held), 0 * weights)
        surplus = surplus or bool((count > needed).any())
        elliptic = _symbols(problem, samples[0], x).abs().amin(1) > DEGENERATE * inside
        share = float(weights[(count < needed) & elliptic].sum() / weights.sum())
        if share > BARE:
            short.append(f"'{piece.name}'" if share > 0.999 else f"{share:.0%} of '{piece.name}'")
    return [] if surplus else short


def _cover(
    problem: Problem,
    unknown: str,
    samples: Sequence[Sample],
    pieces: Sequence[Piece],
    orders: Orders,
    findings: Findings,
) -> None:
    """Warn of parts of the boundary with fewer conditions on an unknown than half its order."""
    needed = orders[unknown][0] // 2
    if not needed:
        return
    relevant = [Held(problem, s.term, s.points) for s in samples if speaks_of(s.term, problem, unknown)]
    bare, thin = [], []
    for piece in pieces:
        if sum(held.covers(piece) for held in relevant) >= needed:
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
