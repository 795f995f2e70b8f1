"""Rows of a problem as functions of its unknown parameters θ, and their derivatives by θ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.inverse.unknown_parameters import UnknownParameters
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.cells import Patches
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.discretise import rows_beside_terms
from pdesolve.patches.evaluation import along_grid
from pdesolve.patches.points.interior import Points
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space


class ParametricRows:
    """A family of assemblies on one space, one for every θ; they share points, tables and all rows but those of terms.

    Args:
        statement: the compiled problem.
        patches: the patches.
        q: (e,) their degrees.
        parameters: what is to be identified.
        device: where tables and matrices live.
    """

    def __init__(
        self,
        statement: Statement,
        patches: Patches,
        q: np.ndarray,
        parameters: UnknownParameters,
        device: str = "cpu",
    ):
        self.statement = statement
        self.parameters = parameters
        self.space = Space(patches, q, statement.orders, device)
        self._terms = TermRows(self.space, statement)
        self._beside = rows_beside_terms(self.space, statement)
        self._tables: dict[tuple[int, int], tuple[Points, Tensor, Tensor]] = {}

    def at(self, theta: Tensor) -> Assembly:
        """The rows for one θ."""
        return Assembly(self.space, [self._terms.given(_Values(self, theta)), *self._beside])

    def derivatives(
        self, assembly: Assembly, c: Tensor, scales: Sequence[Any], residuals: Sequence[Tensor]
    ) -> list[Tensor]:
        """Derivatives by θ of all rows of a linearisation of `at(θ)`: (b, m, θ) for each block.

        Args:
            assembly: the rows for one θ.
            c: (p,) coefficients of the linearisation.
            scales: of each source, from the linearisation.
            residuals: of each block, from the linearisation.
        """
        terms = assembly.source(TermRows)
        found = []
        for source, scale in zip(assembly.sources, scales, strict=True):
            if source is terms:
                found += self._of_terms(terms, c, scale)
            else:
                rest = residuals[len(found) : len(found) + len(source.touched())]
                found += [r.new_zeros(1, 1, 1).expand(*r.shape, self.parameters.size) for r in rest]
        return found

    def _of_terms(self, terms: TermRows, c: Tensor, scales: Sequence[Tensor]) -> list[Tensor]:
        """∂r/∂κ = w ∂F/∂κ for a scalar, Σ_s w ∂F/∂a_s ∂a_s/∂η for the coefficients η of a field a."""
        found = []
        for number, (term, points) in enumerate(terms.points):
            own = terms.at.jets(term, points, terms.at.table(term, points), c)
            columns = self._of_term(terms, term, points, own)
            used = points.weight.reshape(-1) > 0
            columns = torch.where(used[:, None, None], columns, 0.0)
            columns = columns.view(*points.weight.shape, -1, self.parameters.size)
            weight = points.weight[:, :, None] * scales[number]
            found.append(terms.left_factor(number)(columns * weight[..., None]).flatten(1, 2))
        return found

    def _of_term(self, terms: TermRows, term: GridTerm, points: Points, own: Tensor) -> Tensor:
        """Derivatives of F by θ (n, c, θ) at a batch of points where the unknowns have jets `own`."""
        jets, x, normals = terms.at.arguments(term, points, own)
        scalars = terms.at.givens.scalars()
        columns = jets.new_zeros(len(x), term.operator.components, self.parameters.size)
        if scalars:
            columns[..., : len(scalars)] = term.operator.parameter_sensitivity(x, jets, normals, scalars)
        if term.fields:
            _, dF = term.operator.linearise(x, jets, normals, scalars)
            by_field = along_grid(term, dF)[..., list(term.places[len(term.slots) :])]
            columns += torch.einsum("ncs,nsj->ncj", by_field, self.field_tables(term, points)[1])
        return columns

    def field_tables(self, term: GridTerm, points: Points) -> tuple[Tensor, Tensor]:
        """Jets of the fields at a batch of points, constant (n, s) and derivatives by θ (n, s, θ)."""
        key = id(term), id(points)
        if key not in self._tables:
            y = points.y.reshape(-1, self.space.dimension).cpu()
            constant, table = self.parameters.tables(y, term.fields)
            self._tables[key] = points, constant.to(self.space.device), table.to(self.space.device)
        return self._tables[key][1:]


@dataclass(frozen=True)
class _Values:
    """Scalars and fields for one θ, as terms ask for them."""

    rows: ParametricRows
    theta: Tensor

    def scalars(self) -> dict[str, Tensor]:
        return self.rows.parameters.scalars(self.theta.to(self.rows.space.half))

    def jets(self, term: GridTerm, points: Points) -> Tensor:
        constant, table = self.rows.field_tables(term, points)
        return constant + table @ self.theta.to(table)
