"""Outputs and quantities: they can be evaluated, where they are asked for, and before anything is solved."""

from __future__ import annotations

from typing import Any

import torch

from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample
from pdesolve.errors import PdesolveError
from pdesolve.statement.conormal import Conormal
from pdesolve.statement.outputs import Expression, require_part
from pdesolve.statement.problem import Problem
from pdesolve.statement.quantities import Flux, Maximum, Minimum, Probe, integrand

CLOSED = 1e-9  # of the size of the domain: a probe on its boundary may be off by rounding
# Points on each axis of the rule that looks for points of a sub-domain in the domain: those of its first integral.
ORDER = {1: 40, 2: 32, 3: 16}
ORDER_BEYOND = 8
SAMPLES = 64  # points at which the factor of a derivative is seen to be one number


def check_outputs(problem: Problem, equation: Sample, findings: Findings) -> None:
    """Every output and quantity is compiled; what is wrong with one is an error."""
    for name in problem.outputs:
        try:
            Expression.of(problem, name, f"output '{name}'")
        except PdesolveError as error:
            findings.error(str(error))
    for name, quantity in problem.quantities.items():
        try:
            found = _examined(problem, equation, quantity, f"quantity '{name}'")
        except PdesolveError as error:
            found = str(error)
        if found:
            findings.error(found)


def _examined(problem: Problem, equation: Sample, quantity: Any, name: str) -> str | None:
    """What is wrong with a quantity, where compiling it does not say so."""
    if isinstance(quantity, Flux):
        require_part(problem, quantity.on, name)
        unknown = problem.unknowns.index(problem.names.unknown_of(quantity, name))
        Conormal.of(problem, equation.operator, unknown, problem.domain.sample(SAMPLES), name)
        return None
    if isinstance(quantity, Probe):
        return _outside(problem, quantity, name)
    expression = Expression.of(problem, integrand(quantity), name, quantity.on)
    if isinstance(quantity, (Maximum, Minimum)) and expression.is_vector:
        return f"{name} is an extremum of a vector; expected a number at each point: its norm or a component"
    if quantity.over is None:
        return None
    return _apart(problem, quantity.over, name)


def _apart(problem: Problem, over: Any, name: str) -> str | None:
    """What keeps a sub-domain from being part of the domain."""
    domain = problem.domain.in_space
    if over.dimension != domain.dimension:
        return f"{name} is over {over}; expected a sub-domain in {domain.dimension} dimensions"
    points = over.rule(ORDER.get(domain.dimension, ORDER_BEYOND)).points
    if not bool(domain.contains(points).any()):
        return f"{name} is over {over}, which has nothing in common with the domain {domain}"
    return None


def _outside(problem: Problem, probe: Probe, name: str) -> str | None:
    domain = problem.domain.in_space
    if probe.f is not None or len(problem.unknowns) == 1:
        Expression.of(problem, probe.f, name)
    try:
        point = torch.tensor([[float(c) for c in probe.at]], dtype=torch.float64)
    except (TypeError, ValueError):
        return f"{name} is at {probe.at!r}; expected numbers {', '.join(domain.coordinates)}"
    if point.shape[1] != domain.dimension or not bool(point.isfinite().all()):
        return f"{name} is at {probe.at!r}; expected finite numbers {', '.join(domain.coordinates)}"
    extent = float((domain.bounds[1] - domain.bounds[0]).max())
    if not bool(domain.contains(point, CLOSED * extent)):
        return f"{name} is at {tuple(probe.at)}, outside the domain {domain}"
    return None
