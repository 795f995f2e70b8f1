"""The discretisation of a problem: its space, and all sources of rows that it has."""

from __future__ import annotations

import numpy as np

from pdesolve.patches.assembly import Assembly
from pdesolve.patches.basis import Basis
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import Statement
from pdesolve.patches.corners.enrichment import Singular
from pdesolve.patches.rows.continuity import ContinuityRows
from pdesolve.patches.rows.integrals import IntegralRows
from pdesolve.patches.rows.interfaces import InterfaceRows
from pdesolve.patches.rows.source import RowSource
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space


def discretise(
    statement: Statement,
    patches: Patches,
    q: np.ndarray,
    device: str = "cpu",
    basis: Basis | None = None,
    corners: tuple[Singular, ...] = (),
) -> Assembly:
    """The rows of a problem on patches of degrees q (e,).

    Args:
        statement: the compiled problem.
        patches: the patches.
        q: their degrees.
        device: where tables and matrices live.
        basis: on each patch; see `Space`.
        corners: singular functions; see `Space`.
    """
    space = Space(patches, q, statement.orders, device, basis, corners)
    return Assembly(space, [TermRows(space, statement), *rows_beside_terms(space, statement)])


def rows_beside_terms(space: Space, statement: Statement) -> list[RowSource]:
    """Rows of what is not stated point by point: continuity, interfaces, integrals."""
    problem = statement.problem
    sources: list[RowSource] = [ContinuityRows(space, problem, statement.states)]
    if problem.interfaces:
        sources.append(InterfaceRows(space, problem))
    if problem.integrals:
        sources.append(IntegralRows(space, problem, statement.states))
    return sources
