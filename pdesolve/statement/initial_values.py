"""Initial values of unknowns that depend on time alone: as many as the orders of the equations ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.conditions import Initial
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator


def is_ordinary(problem: Problem) -> bool:
    """Whether a problem lives on a time axis alone and everything stated holds at the first time."""
    if problem.coordinates != ("t",) or problem.data or problem.integrals:
        return False
    return all(isinstance(c, Initial) for c in problem.conditions)


def orders_and_start(problem: Problem, operator: ResidualOperator) -> tuple[tuple[int, ...], Tensor]:
    """Orders (u,) of the highest derivatives, and initial values (r, u) of those below them, r the highest order.

    Args:
        problem: on a time axis (`is_ordinary`).
        operator: its equation.

    Raises:
        ProblemError: initial values are missing or too many, or equations and unknowns differ in number.
    """
    names = problem.unknowns
    if operator.components != len(names):
        message = (
            f"{operator.components} equations for the {len(names)} unknowns {', '.join(names)}: in time alone there "
            "must be as many equations as unknowns"
        )
        raise ProblemError(message)
    orders = [max(index[0] for u, index in operator.slots if u == i) for i in range(len(names))]
    given: dict[tuple[str, int], Initial] = {}
    for condition in problem.conditions:
        given[problem.unknown_of(condition), condition.order] = condition
    start = torch.zeros(max(orders), len(names), dtype=torch.float64)
    first = problem.domain.bounds[:1]
    for i, name in enumerate(names):
        wanted = {(name, k) for k in range(orders[i])}
        stated = {key for key in given if key[0] == name}
        if wanted != stated:
            message = (
                f"{name} stands in the equations with derivatives up to order {orders[i]}, so that {orders[i]} initial "
                f"value{'s are' if orders[i] != 1 else ' is'} needed; {len(stated)} given. Write "
                f"Initial(value, unknown='{name}', order=k) for k = 0 … {orders[i] - 1}"
            )
            if orders[i] == 0:
                message = (
                    f"{name} is never differentiated: the equations give its first value, leave Initial out"
                )
            raise ProblemError(message)
        for k in range(orders[i]):
            start[k, i] = problem.values({name: given[name, k].value}, first, "the value of Initial")[0, i]
    if not bool(start.isfinite().all()):
        message = f"an initial value of {problem.name} is not finite; expected numbers"
        raise ProblemError(message)
    return tuple(orders), start
