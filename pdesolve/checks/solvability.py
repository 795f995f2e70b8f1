"""Is a system determined: is there an equation for every unknown, and nothing said twice?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from pdesolve.checks.held import Held
from pdesolve.checks.report import Findings
from pdesolve.checks.terms import Sample, fields_of, random_jets
from pdesolve.statement.problem import Problem

# Two residuals of one operator at the same random jets: what differs by less is rounding.
SAME = 1e-9
NOTHING = 1e-12


def check_structure(sample: Sample, findings: Findings) -> None:
    """Every equation of a system must contain an unknown, and every unknown have an equation of its own.

    Equations and unknowns are matched one to one; an unknown that cannot be matched is not determined.
    """
    if sample.term.kind != "equation":
        return
    if fields_of(sample.operator.problem, [sample]):
        return  # counted where the fields are found
    contains = _which_contain(sample)
    if not contains.any(dim=0).all():
        return  # an unknown in no equation at all is reported elsewhere
    empty = [i + 1 for i, row in enumerate(contains) if not row.any()]
    for i in empty:
        findings.error(
            f"equation {i} of {len(contains)} of {sample.term.name} contains no unknown: it cannot be solved for "
            "anything; leave it out, or look for a factor that vanishes"
        )
    if not empty:
        _check_matching(sample, contains, findings)


def _which_contain(sample: Sample) -> Tensor:
    """Which equation depends on which unknown, (m, u)."""
    strength = sample.strength  # (m, slots)
    contains = torch.zeros(len(strength), len(sample.operator.problem.unknowns), dtype=torch.bool)
    for column, (unknown, _) in enumerate(sample.operator.slots):
        contains[:, unknown] |= strength[:, column] > 0
    return contains


def _check_matching(sample: Sample, contains: Tensor, findings: Findings) -> None:
    """Report unknowns without an equation in a matching of the largest size (Dulmage and Mendelsohn 1958)."""
    names = sample.operator.problem.unknowns
    match = maximum_bipartite_matching(csr_array(contains.numpy().astype(np.int8)), perm_type="row")
    for unknown in np.flatnonzero(match < 0).tolist():
        others = ", ".join(name for i, name in enumerate(names) if i != unknown)
        findings.error(
            f"no equation of {sample.term.name} is left to determine {names[unknown]}: all those that contain it "
            f"are needed for {others}; is one of the {len(contains)} equations the same as another, or an unknown "
            "missing from one?"
        )


def check_repetition(problem: Problem, samples: Sequence[Sample], findings: Findings) -> None:
    """Conditions written as functions, and Robin conditions, that are stated twice on one place."""
    chosen = [sample for sample in samples if sample.term.kind in ("condition", "robin")]
    for mine, yours in itertools.combinations(chosen, 2):
        shared = Held(problem, yours.term, yours.points).holds_at(mine.points)
        if shared.any() and _are_alike(mine, yours) and _say_the_same(mine, yours, shared):
            names = " and ".join(dict.fromkeys((mine.term.name, yours.term.name)))
            findings.warn(f"{names} say the same on one part of the boundary; one of them is enough")


def _are_alike(mine: Sample, yours: Sample) -> bool:
    """Whether two conditions are of one kind and contain the same derivatives."""
    return (
        mine.operator.slots == yours.operator.slots
        and mine.operator.components == yours.operator.components
        and mine.term.kind == yours.term.kind
    )


def _say_the_same(mine: Sample, yours: Sample, shared: Tensor) -> bool:
    """Whether two conditions have one residual at those points of the first where the second holds, too."""
    jets = random_jets(mine, seed=7)
    mine = mine.some(shared)
    ours = mine.residual(jets[shared])
    theirs = replace(mine, operator=yours.operator, parameters=yours.parameters).residual(jets[shared])
    return bool(torch.isclose(ours, theirs, rtol=SAME, atol=NOTHING, equal_nan=True).all())
