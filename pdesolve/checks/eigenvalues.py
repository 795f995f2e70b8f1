"""An eigenvalue problem is homogeneous, linear in its unknowns, and has λ in it; it does not evolve."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample
from pdesolve.statement.problem import Problem

MOVED = 1.0  # of λ: what it multiplies is compared there, whatever its unit
SAME = 1e-10  # relative difference that is rounding


def check_eigenvalues(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Report what keeps a problem with `eigenvalues` from being one; nothing of other problems."""
    if problem.eigenvalues is None:
        return
    name = problem.eigenvalues.name
    if "t" in problem.coordinates:
        findings.error(
            "eigenvalues are those of a steady operator, and the domain has a time interval; leave it out, and write "
            f"{name} * u for the rate ∂u/∂t (modes then go as exp({name} t), with the sign that the equation gives)"
        )
        return
    for sample in samples:
        _check_homogeneous(sample, findings)
        if not sample.operator.linear:
            findings.error(
                f"{sample.term.name} is nonlinear in the unknowns; expected an eigenvalue problem to be linear in them"
            )
    _check_beside(problem, findings)
    if len(samples) == len(problem.terms) and not findings.errors:
        _check_parameter(name, samples, findings)


def _check_homogeneous(sample: Sample, findings: Findings) -> None:
    zero = torch.zeros(len(sample.points), len(sample.operator.slots)).to(sample.points)
    left = float(sample.residual(zero).abs().amax())
    if left > 0:
        findings.error(
            f"{sample.term.name} does not hold for zero (it leaves {left:.3g}); expected an eigenvalue problem to be "
            "homogeneous: set its prescribed values and sources to 0"
        )


def _check_beside(problem: Problem, findings: Findings) -> None:
    """Conditions that are no terms at points."""
    jumping = any(callable(jump) or jump for seam in problem.seams for jump in seam.jumps.values())
    if jumping:
        findings.error("Periodic has a jump; expected none in an eigenvalue problem, which is homogeneous")
    for condition in problem.integrals:
        if callable(condition.value) or condition.value:
            findings.error(
                "Integral has a value; expected Integral(0) in an eigenvalue problem, which is homogeneous"
            )


def _check_parameter(name: str, samples: Sequence[Sample], findings: Findings) -> None:
    """λ must multiply an unknown somewhere, and enter linearly."""
    found = False
    for sample in samples:
        here = sample.parameters[name]
        slopes = [
            sample.operator.parameter_slope(
                sample.points, jets, sample.normals, {**sample.parameters, name: here + moved}, name
            )
            for jets in [torch.zeros(len(sample.points), len(sample.operator.slots)).to(sample.points)]
            for moved in (0.37 * MOVED, -MOVED)
        ]
        size = float(slopes[0].abs().amax()) if slopes[0].numel() else 0.0
        found = found or size > 0
        if size and float((slopes[0] - slopes[1]).abs().amax()) > SAME * size:
            findings.error(
                f"'{name}' enters {sample.term.name} nonlinearly; expected it to enter linearly: write λ² u as λ v "
                "with another unknown v and the equation v - λ u"
            )
    if not found:
        findings.error(
            f"no coefficient of an unknown depends on '{name}': multiply an unknown by it, as in {name} * u"
        )
