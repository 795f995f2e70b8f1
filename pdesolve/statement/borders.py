"""Borders of patches that nobody stated: the edges of domains in `Piecewise` coefficients that an equation calls.

Where a source jumps across a circle, u and ∂u/∂n are continuous and second derivatives jump: patches that the circle
cuts converge slowly whatever their degree, and those that end there as fast as anywhere. An `Interface` with k = 1 on
both sides says just that; it is added for every unknown where the problem allows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pdesolve.errors import PdesolveError
from pdesolve.geometry.domain import Domain
from pdesolve.statement.conditions import Interface, Piecewise, called_coefficients
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, compiled, sample_points
from pdesolve.statement.subdomains import subdomains_of

POINTS = 64  # at which the equation is evaluated to see what it calls
MOST_SHAPES = 8  # each costs cells of its own along its edge; more are left to refinement


def with_borders(problem: Problem) -> Problem:
    """The same problem, with an `Interface` of k = 1 around every domain across which a source or so jumps.

    Only where that is what the equation says: it is steady and of second order in every unknown. A flux that jumps is
    none of these, and was refused or has an `Interface` of its own.
    """
    if _is_of_another_kind(problem):
        return problem
    operator = compiled(problem, 0)
    with called_coefficients() as called, torch.enable_grad():
        points, normals = sample_points(problem, operator.term, POINTS)
        jets = torch.ones(len(points), len(operator.slots), dtype=torch.float64)
        parameters = {k: torch.tensor(v, dtype=torch.float64) for k, v in problem.parameters.items()}
        operator.residual(points, jets, normals, parameters)
    # Only for a second-order operator are u and ∂u/∂n continuous where a source jumps.
    if not called or not _is_of_second_order(operator):
        return problem
    fresh = _unstated(problem, called)
    if not fresh:
        return problem
    alike = Piecewise(dict.fromkeys(fresh, 1.0), otherwise=1.0)
    added = [Interface(alike, on=domain.boundary, unknown=u) for u in problem.unknowns for domain in fresh]
    return _divided(problem, added)


def _is_of_another_kind(problem: Problem) -> bool:
    """Whether a problem evolves, has seams or interfaces, or seeks more than its unknowns.

    Of an `Interface` nobody can tell that it is the edge of a given domain but by being the same object: with both on
    one curve, two conditions contradict each other, and the smaller residual is no solution.
    """
    if problem.interfaces:
        return True
    return bool(problem.data or problem.eigenvalues or problem.seams or "t" in problem.coordinates)


def _unstated(problem: Problem, called: Sequence[Piecewise]) -> list[Domain]:
    """Domains of coefficients; none where they are too many."""
    domains = dict.fromkeys(domain for piecewise in called for domain in piecewise.values)
    fresh = [d for d in domains if d.dimension == problem.domain.dimension]
    return fresh if len(fresh) <= MOST_SHAPES else []


def _is_of_second_order(operator: ResidualOperator) -> bool:
    """Whether the highest derivatives of every unknown are second ones."""
    highest = torch.zeros(len(operator.problem.unknowns), dtype=torch.long)
    for u, alpha in operator.slots:
        highest[u] = max(int(highest[u]), sum(alpha))
    return bool((highest == 2).all())


def _divided(problem: Problem, added: list[Interface]) -> Problem:
    """With more interfaces, if they divide the domain; else as it was."""
    divided = problem.with_conditions([*problem.conditions, *added])
    try:
        subdomains_of(divided)
    except PdesolveError:
        return problem
    return divided
