"""Norms in which errors are asked for, estimated and measured: mean square, of deviations, of gradients, the largest.

    l2      ‖e‖/‖u‖                 ‖·‖ the L2 norm over the domain, of an evolution over all times, too
    range   ‖e‖/‖u - ū‖             ū the mean of u: 300 ± 1 is measured by the 1
    h1      ‖∇e‖/‖∇u‖               derivatives in space; of unknowns of time alone by t
    max     max |e|/max |u|

Errors are those of every unknown by itself. One whose size in the norm is rounding (a constant has no range and no
gradient) has no error relative to it: NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators.multi_index import unit_index, value_index
from pdesolve.checks.exactness import exact_jets
from pdesolve.errors import ProblemError
from pdesolve.runs.answer import SecondSolution
from pdesolve.solution.measures import error_rule, is_trained
from pdesolve.statement.problem import Problem

# Points of a jet at once: with all first derivatives some megabytes.
CHUNK = 65_536
# Part of the size of an unknown below which its range, or its gradient times the length of the domain, is rounding.
VANISHING = 1e-12
# Points (n, d) and orders of derivatives ↦ (n, u, a).
Jet = Callable[[Tensor, tuple[tuple[int, ...], ...]], Tensor]


def estimated_errors(
    problem: Problem, expansion: Any, beside: SecondSolution, norm: str, absolute: bool = False
) -> Tensor:
    """Estimated errors (u,) of a solution in a norm, from the finer one beside it: |difference| / (1 - √σ).

    Args:
        problem: what was solved.
        expansion: the solution.
        beside: the finer one, and σ, the part of the error that both share.
        norm: one of `runs.goal.NORMS`.
        absolute: in the units of the unknown: the root mean square, or the largest; not of "h1".

    Returns:
        The errors; infinite in a norm that is itself, and NaN of an unknown that has no size in it.
    """
    # Two solutions that share the function of a jump differ by little there.
    if norm == "h1" and getattr(expansion, "has_infinite_energy", False):
        return torch.full((len(problem.unknowns),), torch.inf, dtype=torch.float64)
    # The finer one has the smaller patches, whose points resolve both.
    found = _errors(problem, beside.expansion, expansion.jet, beside.expansion.jet, norm, absolute)
    return found * found.new_tensor([beside.times(u) for u in range(len(found))])


def true_errors(
    problem: Problem, approximator: Any, jet: Jet, norm: str, absolute: bool = False
) -> Tensor | None:
    """Errors (u,) of a solution in a norm against `exact` or `reference`; None where there is neither, or no gradient.

    Args:
        problem: what was solved.
        approximator: the solution, which says where it is to be looked at.
        jet: its derivatives.
        norm: one of `runs.goal.NORMS`.
        absolute: as for `estimated_errors`.
    """
    if problem.exact is None and (problem.reference is None or norm == "h1"):
        return None
    try:
        return _errors(problem, approximator, jet, _stated(problem), norm, absolute)
    except ProblemError:  # of exact solutions that cannot be differentiated
        if norm == "h1":
            return None
        raise


def _stated(problem: Problem) -> Jet:
    """The jets of `exact`, or the values of `reference`."""
    functions: Any = problem.exact or problem.reference

    def jet(x: Tensor, orders: tuple[tuple[int, ...], ...]) -> Tensor:
        if orders == _values(problem):
            return problem.values(functions, x)[:, :, None]
        slots = [(u, order) for u in range(len(problem.unknowns)) for order in orders]
        return exact_jets(problem, x, slots).reshape(len(x), -1, len(orders))

    return jet


def largest_error(problem: Problem, expansion: Any) -> float | None:
    """Relative L2 error of the worst unknown against `exact`; None where none has a size, or it cannot be evaluated."""
    try:
        errors = true_errors(problem, expansion, expansion.jet, "l2")
    except (ArithmeticError, ValueError):
        # It may be no function at these constants, as beyond a fold; a history must not end the solve.
        return None
    if errors is None or not bool(errors.isfinite().any()):
        return None
    return float(errors[errors.isfinite()].max())


def _errors(problem: Problem, resolving: Any, u: Jet, v: Jet, norm: str, absolute: bool) -> Tensor:
    """Errors of u beside v, at the points of the pieces of one of them."""
    if norm == "max":
        values, others, _ = _at_points(closed_points(problem, resolving), None, u, v, _values(problem))
        error = (values - others).abs().amax((0, 2))
        size = others.abs().amax((0, 2))
        return error if absolute else _relative(error, size, size)
    x, weights = error_rule(problem, resolving)
    values, others, w = _at_points(x, weights, u, v, _values(problem))
    error = _mean_square(values - others, w)
    size = _mean_square(others, w)
    if absolute:
        return error
    if norm == "l2":
        return _relative(error, size, size)
    if norm == "range":
        mean = torch.einsum("nua,n->ua", others, w) / w.sum()
        return _relative(error, _mean_square(others - mean, w), size)
    slopes, others, w = _at_points(x, weights, u, v, _gradient(problem))
    bounds = problem.domain.bounds
    length = float((bounds[1] - bounds[0]).max())
    return _relative(_mean_square(slopes - others, w), _mean_square(others, w), size / length)


def _values(problem: Problem) -> tuple[tuple[int, ...], ...]:
    return (value_index(problem.domain.dimension),)


def _gradient(problem: Problem) -> tuple[tuple[int, ...], ...]:
    """Derivatives in space; by t, where the unknowns depend on time alone."""
    d = problem.domain.dimension
    axes = range(problem.domain.space_dimension or d)
    return tuple(unit_index(d, axis) for axis in axes)


def _at_points(
    x: Tensor, w: Tensor | None, u: Jet, v: Jet, orders: tuple[tuple[int, ...], ...]
) -> tuple[Tensor, Tensor, Tensor]:
    """Both (n, u, a) and the weights (n,), at points where both are known: beyond the end of a march nothing is."""
    if w is None:
        w = torch.ones(len(x), dtype=torch.float64)
    with torch.no_grad():
        one = torch.cat([u(part, orders).detach().to(part) for part in torch.split(x, CHUNK)])
        two = torch.cat([v(part, orders).detach().to(part) for part in torch.split(x, CHUNK)])
    known = (one.isfinite() & two.isfinite()).all(2).all(1)
    if not bool(known.any()):
        return one[:1] * torch.nan, two[:1] * torch.nan, w[:1]
    return one[known], two[known], w[known]


def _mean_square(values: Tensor, w: Tensor) -> Tensor:
    """√(∫ |values|² / ∫ 1) (u,) of values (n, u, a)."""
    return (torch.einsum("nua,n->u", values**2, w) / w.sum()).sqrt()


def _relative(error: Tensor, size: Tensor, whole: Tensor) -> Tensor:
    """Error over size; NaN where that is rounding beside the size of the unknown, or this beside the largest one."""
    known = (size > VANISHING * whole) & (whole > VANISHING * whole.max())
    return torch.where(known, error / size, torch.nan)


def closed_points(problem: Problem, approximator: Any) -> Tensor:
    """Points (n, d) at which the largest value is sought: on pieces with their faces, and on the boundary."""
    inside, _ = error_rule(problem, approximator)
    if is_trained(approximator):
        return inside
    return torch.cat([inside, approximator.closed_points(problem)])
