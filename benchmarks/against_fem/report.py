"""What the record says, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.work_precision import report

FAMILIES = {"scikit-fem": "Blues", "NGSolve": "Oranges", "pdesolve": "Greys"}
INTRODUCTION = """
Best time to reach a relative L2 error at Sobol points in the domain: mesh, assembly and solve; in brackets the ratio to
`pdesolve` to the same error (below 1: faster than `pdesolve`). A dash: not reached within the limits. Seconds are of
the processor where one thread is used, of the clock else. `pdesolve` finds its cells and orders itself and certifies
its error; all others are given a mesh and an order by hand, take the best of all meshes tried, and estimate nothing, as
does `pdesolve, fixed cells`. scikit-fem uses MKL PARDISO where not stated otherwise, NGSolve static condensation and
its own sparse Cholesky factorisation.
"""


def markdown(record: Mapping[str, Any]) -> str:
    """All tables of a record, with what they mean."""
    return report(record, "Work and precision beside finite elements", INTRODUCTION, "benchmarks.against_fem")
