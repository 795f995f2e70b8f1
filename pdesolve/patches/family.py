"""The rows of one problem at many values of its constants, on one space.

Points, tables and rows of continuity do not depend on constants: they are made once. Only what the terms say is
evaluated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from pdesolve.patches.assembly import Assembly
from pdesolve.patches.compiled import Statement
from pdesolve.patches.cover import Frame, Patches
from pdesolve.patches.discretise import rows_beside_terms
from pdesolve.patches.grading import halve_toward
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.rows.continuity import ContinuityRows
from pdesolve.patches.rows.interfaces import InterfaceRows
from pdesolve.patches.rows.source import RowSource
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import subdomains_of


@dataclass(frozen=True, eq=False)
class Family:
    """A problem on one space.

    Attributes:
        space: where the unknowns live.
        statement: the compiled problem, at the constants that it states.
        terms: rows of its terms.
        continuity: rows that are the same at all constants, unless something jumps over a seam.
        interfaces: rows of interfaces, where there are any.
    """

    space: Space
    statement: Statement
    terms: TermRows
    continuity: ContinuityRows
    interfaces: InterfaceRows | None

    @classmethod
    def of(cls, problem: Problem, near: PartitionedMixture) -> Family:
        """The problem on the patches, and of the degrees, of a solution."""
        domain = problem.domain
        rotation = None
        if problem.seams:
            # A seam joins the ends of a coordinate's axis, so that the grid must not be turned.
            rotation = torch.eye(domain.dimension, dtype=torch.float64)
        frame = Frame.of(domain, subdomains_of(problem), rotation)
        patches, kept = Patches.over(frame, near.partition)
        return cls.on(Statement.of(problem, frame.rotation), patches, near.q[kept])

    @classmethod
    def on(cls, statement: Statement, patches: Patches, q: np.ndarray) -> Family:
        """A compiled problem on patches of degrees q (e,)."""
        space = Space(patches, q, statement.orders)
        continuity = ContinuityRows(space, statement.problem, statement.states)
        interfaces = InterfaceRows(space, statement.problem) if statement.problem.interfaces else None
        return cls(space, statement, TermRows(space, statement), continuity, interfaces)

    @cached_property
    def raised(self) -> Family:
        """On the same patches with degrees higher by two."""
        return Family.on(self.statement, self.space.patches, self.space.q + 2)

    def halved(self, marked: np.ndarray) -> Family:
        """With patches of a mask (e,) halved along all axes."""
        axes = np.repeat(marked[:, None], self.space.dimension, axis=1)
        partition, parent = halve_toward(self.space.patches.partition, axes, ())
        patches, kept = Patches.over(self.space.patches.frame, partition)
        return Family.on(self.statement, patches, self.space.q[parent[kept]])

    def at(self, constants: Mapping[str, float]) -> Assembly:
        """The rows at other values of constants.

        Raises:
            ProblemError: there are no such constants, or the problem is none with these.
        """
        problem = self.statement.problem.with_constants(constants)
        statement = self.statement.restated(problem)
        beside = [self._shared(rows, problem) for rows in rows_beside_terms(self.space, statement)]
        return Assembly(self.space, [self.terms.restated(statement), *beside])

    def _shared(self, rows: RowSource, problem: Problem) -> RowSource:
        """Rows of which something was made before."""
        # Jumps over a seam may depend on constants; all other rows of continuity are zero on the right.
        if isinstance(rows, ContinuityRows) and not problem.seams:
            return self.continuity
        if isinstance(rows, InterfaceRows) and self.interfaces is not None:
            return self.interfaces.restated(problem)
        return rows
