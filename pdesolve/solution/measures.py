"""Quadrature for errors and norms, independent of the collocation points of any method."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of

# Points along an axis of rules on a whole domain, of which nobody knows where the solution is steep.
ORDER = {1: 400, 2: 100, 3: 36}
ORDER_BEYOND = 12


def error_rule(problem: Problem, approximator: Any) -> tuple[Tensor, Tensor]:
    """Points (n, d) and weights (n,) of a rule that resolves a solution.

    An expansion has a rule of its own, so that layers are seen where patches are small. For a trained network, it is
    the rule of the domain.
    """
    if not is_trained(approximator):
        return approximator.quadrature(problem)
    rule = problem.domain.rule(ORDER.get(problem.domain.dimension, ORDER_BEYOND))
    return rule.points, rule.weights


def integral_rule(problem: Problem, approximator: Any) -> tuple[Tensor, Tensor]:
    """Points (n, d) and weights (n,) of a rule that integrates to many digits.

    As `error_rule`, but of the domain where its boundary cuts patches: there, points of a rule on the whole cell that
    happen to lie inside measure an error, but no integral.
    """
    if not is_trained(approximator) and not approximator.is_cut(problem):
        return approximator.quadrature(problem)
    parts = subdomains_of(problem) or (problem.domain,)
    rules = [part.rule(ORDER.get(part.dimension, ORDER_BEYOND)) for part in parts]
    return torch.cat([rule.points for rule in rules]), torch.cat([rule.weights for rule in rules])


def is_trained(approximator: Any) -> bool:
    """Whether it is a network with parameters; all else is an `Expansion` with coefficients."""
    return isinstance(approximator, torch.nn.Module)


def relative_l2(difference: Tensor, reference: Tensor, weights: Tensor) -> list[float]:
    """‖difference‖/‖reference‖ per unknown, both (n, u); the absolute norm where the reference vanishes."""
    error = (difference**2 * weights[:, None]).sum(0).sqrt()
    size = (reference**2 * weights[:, None]).sum(0).sqrt()
    # Relative to zero there is no error.
    return torch.where(size > 0, error / size, error).tolist()
