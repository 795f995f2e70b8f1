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
    orders = tuple(max(index[0] for u, index in operator.slots if u == i) for i in range(len(names)))
    given = {(problem.unknown_of(c), c.order): c.value for c in problem.conditions if isinstance(c, Initial)}
    start = torch.zeros(max(orders), len(names), dtype=torch.float64)
    first = problem.domain.bounds[:1]
    for i, name in enumerate(names):
        require_as_many(name, orders[i], {order for unknown, order in given if unknown == name})
        for k in range(orders[i]):
            start[k, i] = problem.values({name: given[name, k]}, first, "the value of Initial")[0, i]
    if not bool(start.isfinite().all()):
        message = f"an initial value of {problem.name} is not finite; expected numbers"
        raise ProblemError(message)
    return orders, start


def require_as_many(name: str, order: int, stated: set[int]) -> None:
    """Raise ProblemError unless the values of exactly the derivatives below the order are stated."""
    if stated == set(range(order)):
        return
    if order == 0:
        message = f"{name} is never differentiated: the equations give its first value, leave Initial out"
        raise ProblemError(message)
    needed = "1 initial value is" if order == 1 else f"{order} initial values are"
    message = (
        f"{name} stands in the equations with derivatives up to order {order}, so that {needed} needed; {len(stated)} "
        f"given. Write Initial(value, unknown='{name}', order=k) for k = 0 … {order - 1}"
    )
    raise ProblemError(message)
