"""Coefficients that jump inside the domain, where the patches ought to know of it."""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, random_jets
from pdesolve.statement.problem import Problem

# Until a pair of points is 2^-40 = 1e-12 domains apart.
BISECTIONS = 40
# Of the largest value of a coefficient, left over that distance: it is no rounding.
JUMP = 0.05


def check_coefficients(problem: Problem, sample: Sample, findings: Findings) -> None:
    """Warn of a coefficient of the highest derivatives that jumps where no `Interface` is stated.

    Pairs of points whose coefficients differ are bisected; what still differs at the end jumps in between.
    """
    highest = max((sum(alpha) for _, alpha in sample.operator.slots), default=0)
    if sample.term.kind != "equation" or problem.interfaces or highest < 2 or len(sample.points) < 2:
        return
    columns = [i for i, (_, alpha) in enumerate(sample.operator.slots) if sum(alpha) == highest]
    jet = random_jets(sample, seed=9)[:1]

    def coefficients(x: Tensor) -> Tensor:
        _, dF = sample.operator.linearise(x, jet.expand(len(x), -1).contiguous(), None, sample.parameters)
        return dF[..., columns].flatten(1)

    a = sample.points[:-1]
    b = sample.points[1:]
    of_a = coefficients(a)
    of_b = coefficients(b)
    size = of_a.abs().amax(0).clamp_min(1e-300)
    for _ in range(BISECTIONS):
        middle = (a + b) / 2
        of_middle = coefficients(middle)
        to_a = ((of_a - of_middle) / size).abs().amax(1)
        to_b = ((of_b - of_middle) / size).abs().amax(1)
        # The half over which more changes.
        left = (to_a >= to_b)[:, None]
        a = torch.where(left, a, middle)
        b = torch.where(left, middle, b)
        of_a = torch.where(left, of_a, of_middle)
        of_b = torch.where(left, of_middle, of_b)
    gap = ((of_a - of_b) / size).abs().amax(1)
    # On or outside the boundary nothing jumps that a solution sees.
    gap[(problem.domain.level(a) >= 0) | ~gap.isfinite()] = 0.0
    worst = int(gap.argmax())
    if gap[worst] > JUMP:
        where = ", ".join(f"{v:.4g}" for v in a[worst].tolist())
        findings.warn(
            f"a coefficient of the highest derivatives in {sample.term.name} jumps at ({where}); the solution has "
            "a kink there that patches do not follow: state it by Interface(Piecewise({part: value}, otherwise=…), "
            "on=part.boundary)"
        )
