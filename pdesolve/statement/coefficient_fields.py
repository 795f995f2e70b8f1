"""Which unknowns of a problem with data are coefficient fields: those that its equations do not determine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Initial
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, is_affine_in


def coefficient_fields(problem: Problem, operators: Sequence[ResidualOperator]) -> tuple[int, ...]:
    """The unknowns that are coefficient fields to be identified: those that equations do not determine.

    There are fields where fewer equations than unknowns mention anything else. They are the unknowns without initial
    values that enter as coefficients do, ∂F/∂a depending on other unknowns and a being differentiated less often than
    another, or that stand in conditions only; those with observations only where the others are too few.

    Raises:
        ProblemError: their number does not fit.
    """
    if not problem.data:
        return ()
    names = problem.unknowns
    operator = operators[0]
    observed = {problem.unknown_of(o) for o in problem.data}
    possible = _possible_fields(problem, operator)
    closing = 0
    # Observed unknowns are states where that leaves enough equations: what is measured need not be identified.
    for candidates in ([u for u in possible if names[u] not in observed], possible):
        closing = _components_beside(operator, candidates)
        if closing >= len(names):
            return ()
        if len(names) - len(candidates) == closing:
            return tuple(candidates)
    listed = ", ".join(names[u] for u in possible) or "none"
    message = (
        f"{closing} equations for the unknowns {', '.join(names)}: {len(names) - closing} must be coefficient fields, "
        f"identified from data; those that enter as coefficients are: {listed}"
    )
    raise ProblemError(message)


def _possible_fields(problem: Problem, operator: ResidualOperator) -> list[int]:
    """The unknowns without initial values that enter as coefficients do."""
    begun = {problem.unknown_of(c) for c in problem.conditions if isinstance(c, Initial)}
    candidates = [u for u, name in enumerate(problem.unknowns) if name not in begun]
    return [u for u in candidates if _is_coefficient(operator, u)]


def _samples(operator: ResidualOperator, seed: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Points (n, d), random jets (n, s) and random values of scalars: they may start at zero."""
    problem = operator.problem
    points = problem.domain.sample(32, sampler="sobol", seed=2)
    generator = torch.Generator().manual_seed(seed)
    # Away from zero, where products of unknowns and their derivatives would vanish.
    jets = torch.rand(len(points), len(operator.slots), generator=generator, dtype=torch.float64) + 0.5
    values = torch.rand(len(problem.parameters), generator=generator, dtype=torch.float64) + 0.5
    return points, jets, dict(zip(problem.parameters, values, strict=True))


def _is_coefficient(operator: ResidualOperator, unknown: int) -> bool:
    mine = torch.tensor([u == unknown for u, _ in operator.slots])
    if not mine.any():
        return True
    order = [
        max((sum(a) for u, a in operator.slots if (u == unknown) == same), default=0)
        for same in (True, False)
    ]
    # What is differentiated as often as the others is a state: a coefficient is under their derivatives.
    if order[0] >= max(order[1], 1):
        return False
    points, jets, parameters = _samples(operator, 3)
    _, first = operator.linearise(points, jets, None, parameters)
    # If ∂F/∂a depends on other unknowns, a multiplies them, and the equation is nonlinear in both together.
    _, second = operator.linearise(points, torch.where(mine, jets, 3 * jets), None, parameters)
    difference = (first - second)[..., mine].abs().amax()
    absent = not bool(torch.cat([first, second])[..., mine].any())
    # What is smaller is rounding: the derivative does not depend on the other unknowns.
    return absent or bool(difference > 1e-9 * first.abs().amax())


def _components_beside(operator: ResidualOperator, candidates: Sequence[int]) -> int:
    """How many equations mention another unknown than these."""
    other = torch.tensor([u not in candidates for u, _ in operator.slots])
    points, jets, parameters = _samples(operator, 4)
    _, dF = operator.linearise(points, jets, None, parameters)
    # Exactly zero: so is the sensitivity to a jet that does not enter.
    return int((dF[..., other] != 0).any(2).any(0).sum())


def is_linear_beside(operator: ResidualOperator, fields: Sequence[int]) -> bool:
    """Whether a term is affine in the jets of the unknowns that are no fields."""
    own = torch.tensor([u not in fields for u, _ in operator.slots])
    if operator.linear or not own.any():
        return True
    x, normals = _place(operator)
    _, _, parameters = _samples(operator, 5)
    return is_affine_in(operator, x, normals, parameters, own.tolist())


def _place(operator: ResidualOperator, order: int = 6) -> tuple[Tensor, Tensor | None]:
    place = operator.term.place
    if place is None:
        return operator.problem.domain.sample(64, sampler="sobol", seed=1), None
    rule = place.rule(operator.problem.domain, order)
    return rule.points, rule.normals
