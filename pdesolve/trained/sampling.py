"""Collocation points of a trained method: from a problem to groups of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.runs.ranks import Ranks
from pdesolve.runs.wording import named
from pdesolve.statement.calculus import Frame
from pdesolve.statement.conditions import Integral, Observation
from pdesolve.statement.periodic import among_slots, turned
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, Slot, compile_problem
from pdesolve.trained.exact_values import ExactValues
from pdesolve.trained.rows import Group, affine_function, operator_function
from pdesolve.trained.scaling import row_scale, slot_scales, unknown_sizes

# Beyond, grids have too few points per axis: quasi-random places instead
GRID_DIMENSIONS = 3
# Times the interior points; in ten dimensions an even density would ask for ten times as many.
MOST_BOUNDARY = 2
ALONE = Ranks()
LATERAL = ("dirichlet", "neumann", "robin", "condition")


@dataclass(frozen=True)
class Sampling:
    """How many points, and where.

    Attributes:
        interior: points inside the domain.
        boundary: points on the whole boundary, shared out by measure; None: 2 d · interior^{(d-1)/d}, but no more
            than twice as many as inside.
        sampler: of the interior: "sobol", "uniform", "gauss", "chebyshev".
        value_weight: factor on rows that prescribe values, see `scaling` for what 1 means.
    """

    interior: int = 1000
    boundary: int | None = None
    sampler: str = "sobol"
    value_weight: float = 1.0

    def boundary_points(self, dimension: int) -> int:
        """Points on the whole boundary of a d-dimensional domain."""
        if self.boundary is not None:
            return self.boundary
        even = 2 * dimension * self.interior ** ((dimension - 1) / dimension)
        return max(2, round(min(even, MOST_BOUNDARY * self.interior)))


@dataclass(frozen=True)
class Statement:
    """A problem compiled for training: operators, lengths and sizes; made once, sampled often.

    Attributes:
        problem: the problem.
        operators: one per term.
        lengths: of the bounding box, (d,).
        sizes: U, sizes of the unknowns, (u,).
        scales: one (m,) per group, dividing its rows; fixed by the first sample.
        ranks: the processes that share the points.
        lift: prescribed values that are met exactly, or None; rows are then functions of the jets of N in u = g + D N.
    """

    problem: Problem
    operators: tuple[ResidualOperator, ...]
    lengths: Tensor
    sizes: Tensor
    scales: tuple[Tensor, ...]
    dtype: torch.dtype
    device: torch.device
    lift: ExactValues | None = None
    ranks: Ranks = ALONE

    @property
    def linear(self) -> bool:
        """Whether the whole problem is linear in the unknowns, with nothing to identify."""
        return all(operator.linear for operator in self.operators) and not self.problem.parameters

    def sample(self, sampling: Sampling, seed: int) -> tuple[Group, ...]:
        """Groups at fresh points, scaled and weighted; of several processes, each gets its part of the points."""
        groups = raw_groups(self.problem, self.operators, sampling, seed, self.dtype, self.device, self.ranks)
        scaled = tuple(
            g.scaled(self._weight(g, sampling) / scale) for g, scale in zip(groups, self.scales, strict=True)
        )
        if self.lift is None:
            return scaled
        return tuple(self.lift.of_group(g) for g in scaled if g.name not in self.lift.lifted)

    def _weight(self, group: Group, sampling: Sampling) -> float:
        values = all(not any(alpha) for _, alpha in group.slots) and group.kind != "equation"
        if values:
            return sampling.value_weight
        return 1.0


def compile_statement(
    problem: Problem,
    dtype: torch.dtype,
    device: torch.device,
    seed: int = 0,
    lifted: bool = False,
    ranks: Ranks = ALONE,
) -> Statement:
    """Compile the terms and find the units of unknowns and rows; `lifted` values are met exactly.

    Raises:
        UsageError: the problem has an Interface, which one smooth function cannot meet.
    """
    if problem.interfaces:
        message = (
            "the problem has an Interface, across which the unknown has a kink; a trained network is smooth"
            f" there: use {named('method', 'gmnm')}"
        )
        raise UsageError(message)
    operators = compile_problem(problem)
    lower, upper = problem.domain.bounds
    lengths = upper - lower
    groups = raw_groups(problem, operators, Sampling(interior=256), seed, dtype, device)
    parameters = start_parameters(problem, dtype, device)
    guess = None
    if problem.guess:
        guess = problem.values(problem.guess, groups[0].points, "guess").nan_to_num(0.0)
    sizes = unknown_sizes(groups, lengths, len(problem.unknowns), parameters, guess)
    scales = tuple(row_scale(g, slot_scales(g, lengths, sizes), parameters) for g in groups)
    if lifted:
        lift = ExactValues.of(problem)
    else:
        lift = None
    return Statement(problem, operators, lengths, sizes, scales, dtype, device, lift, ranks)


def start_parameters(problem: Problem, dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Starting values of the parameters to be identified, as scalars."""
    return {k: torch.tensor(float(v), dtype=dtype, device=device) for k, v in problem.parameters.items()}


def raw_groups(
    problem: Problem,
    operators: tuple[ResidualOperator, ...],
    sampling: Sampling,
    seed: int,
    dtype: torch.dtype,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> tuple[Group, ...]:
    """All rows of a problem, weighted by quadrature only: every group is a mean square.

    Of several processes each draws all points, of one sequence, and keeps its part; rows that tie points together are
    those of the first.

    Conditions that share an unknown share the weight 1 by their measures, so that a boundary given in four
    pieces counts as much as one given at once. The order of groups does not depend on seed or size.
    """
    names = tuple(problem.parameters)

    def place(points: Tensor) -> Tensor:
        return points.to(dtype=dtype, device=device)

    def part(points: Tensor) -> Tensor:
        return place(ranks.part(points))

    groups = [_interior(problem, operators[0], sampling, seed, names, part)]
    groups += _conditions(problem, operators[1:], sampling, seed, names, part)
    tied = _periodic(problem, operators[0], sampling, seed, place)
    tied += [_integral(problem, condition, sampling, place) for condition in problem.integrals]
    tied += [_observation(problem, observation, place) for observation in problem.data]
    groups += [group.scaled(float(ranks.rank == 0)) for group in tied]
    return tuple(groups)


def _interior(problem, operator, sampling, seed, names, place) -> Group:
    points = problem.domain.sample(sampling.interior, sampler=sampling.sampler, seed=seed)
    x = place(points)
    weights = x.new_full((len(x), operator.components), 1 / math.sqrt(len(points)))
    function = operator_function(operator, x, None, names)
    return Group(
        operator.term.name,
        "equation",
        x,
        operator.slots,
        function,
        weights,
        linear=operator.linear and not names,
    )


def _conditions(problem, operators, sampling, seed, names, place) -> list[Group]:
    total = sampling.boundary_points(problem.domain.dimension)
    measures = [_measure(problem, operator) for operator in operators]
    # The initial surface, and single points, stand for themselves.
    shared: dict[Any, float] = {}
    for operator, measure in zip(operators, measures, strict=True):
        key = _sharing_key(problem, operator)
        shared[key] = shared.get(key, 0.0) + measure
    groups = []
    for i, (operator, measure) in enumerate(zip(operators, measures, strict=True)):
        share = measure / shared[_sharing_key(problem, operator)]
        # Seeds of their own: the same quasi-random places on opposite faces would see the same waves.
        count = max(2, round(total * share))
        rule = operator.term.place.sample(problem.domain, count, seed=seed + 1000 * (i + 1))
        x = place(rule.points)
        normals = place(rule.normals)
        w = (place(rule.weights) / rule.weights.sum() * share).sqrt()
        weights = w[:, None].expand(-1, operator.components)
        function = operator_function(operator, x, normals, names)
        term = operator.term
        groups.append(
            Group(
                term.name,
                term.kind,
                x,
                operator.slots,
                function,
                weights,
                linear=operator.linear and not names,
            )
        )
    return groups


def _measure(problem: Problem, operator: ResidualOperator) -> float:
    return float(operator.term.place.rule(problem.domain, 8).weights.sum())


def _sharing_key(problem: Problem, operator: ResidualOperator) -> Any:
    term = operator.term
    if term.kind not in LATERAL or not term.place.pieces_on(problem.domain):
        return id(term)
    if term.kind == "condition":  # it may tie several unknowns
        return term.kind
    return (term.unknown,)


def _periodic(problem, operator, sampling, seed, place) -> list[Group]:
    """Rows: u and its derivatives below the equation's order agree over a seam, but for its jump."""
    groups = []
    d = problem.domain.dimension
    for seam in problem.seams:
        count = max(2, sampling.boundary_points(d) // (2 * d))
        start, stop = seam.ends(problem.domain.sample(count, seed=seed + 77 + seam.axis))
        if d > 1:  # an end of a domain that is no box may lie outside
            inside = problem.domain.contains(start, problem.domain.rounding)
        else:
            inside = torch.arange(1)
        start = start[inside]
        stop = stop[inside]
        x = place(torch.cat([start, stop]))
        n = len(start)
        slots = _periodic_slots(operator.slots, seam.axis, d)
        jumps = problem.jumps(seam, stop).to(x)
        shifts = [jumps[:, u] if not any(alpha) else jumps.new_zeros(n) for u, alpha in slots]
        constant = torch.cat([torch.zeros(n, len(slots)).to(x), -torch.stack(shifts, dim=1)])
        weights = x.new_full((2 * n, len(slots)), 1 / math.sqrt(n))
        eye = torch.eye(n, dtype=x.dtype, device=x.device)
        name = f"Periodic in {problem.coordinates[seam.axis]}"
        table = torch.eye(len(slots), dtype=x.dtype, device=x.device).expand(2 * n, -1, -1)
        rotation = turned(problem.seams, seam, stop, len(problem.unknowns))
        if rotation is not None:
            table = torch.cat([among_slots(rotation, slots).to(x), table[n:]])
        function = affine_function(table, constant)
        groups.append(Group(name, "periodic", x, slots, function, weights, torch.cat([eye, -eye], dim=1)))
    return groups


def _periodic_slots(slots: tuple[Slot, ...], axis: int, d: int) -> tuple[Slot, ...]:
    unknowns = sorted({unknown for unknown, _ in slots})
    found = []
    for unknown in unknowns:
        order = max(alpha[axis] for other, alpha in slots if other == unknown)
        found += [(unknown, tuple(k if i == axis else 0 for i in range(d))) for k in range(max(order, 1))]
    return tuple(found)


def _integral(problem: Problem, condition: Integral, sampling: Sampling, place) -> Group:
    """∫ u = value; in a cylinder over the space domain at Gauss points in time."""
    domain = problem.domain
    unknown = problem.unknowns.index(problem.unknown_of(condition))
    space = getattr(domain, "space", domain)
    order = max(4, round(sampling.interior ** (1 / domain.dimension)))
    rule = space.rule(order)
    times = domain.rule_through(tuple(rule.points[0].tolist()), max(2, order // 2)).points[
        :, space.dimension :
    ]
    if space is domain:
        times = times.new_zeros(1, 0)
    x = place(torch.cat([rule.points.repeat(len(times), 1), times.repeat_interleave(len(rule.points), 0)], 1))
    slots = ((unknown, (0,) * domain.dimension),)
    combine = torch.block_diag(*[rule.weights[None] / rule.weights.sum()] * len(times)).to(x)
    total = float(rule.weights.sum())
    with torch.no_grad(), Frame(problem.coordinates, x) as frame:
        target = problem.value(condition.value, frame, "the value of Integral") / total
    weights = x.new_full((len(x), 1), 1 / math.sqrt(len(times)))
    table = x.new_ones(len(x), 1, 1)
    function = affine_function(table, -target[:, None])
    return Group("Integral", "integral", x, slots, function, weights, combine)


def _observation(problem: Problem, observation: Observation, place) -> Group:
    """Measured values: every residual (u - value), to be divided by the size of u."""
    unknown = problem.unknowns.index(problem.unknown_of(observation))
    x = torch.as_tensor(observation.points, dtype=torch.float64).reshape(-1, problem.domain.dimension)
    values = torch.as_tensor(observation.values, dtype=torch.float64).reshape(-1)
    x = place(x)
    values = place(values)
    slots = ((unknown, (0,) * problem.domain.dimension),)
    function = affine_function(x.new_ones(len(x), 1, 1), -values[:, None])
    weights = x.new_full((len(x), 1), 1 / math.sqrt(len(x)))
    return Group("Observation", "observation", x, slots, function, weights)
