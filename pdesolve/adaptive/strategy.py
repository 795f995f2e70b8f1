"""What the adaptive loop solves for on each level: the unknowns, or with them what is to be identified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pdesolve.adaptive.discretisation import Discretisation
from pdesolve.adaptive.estimation import difference
from pdesolve.patches.cover import Patches
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.newton import Discrete
from pdesolve.runs.answer import Answer
from pdesolve.runs.wording import named


class Strategy(Protocol):
    """How a level is solved, compared and returned; refinement is the loop's."""

    space: Discretisation

    def solve(self, patches: Patches, q: np.ndarray, previous: Discrete | None) -> Discrete:
        """Solve on patches of degrees q (e,), beginning with an earlier solution."""

    def errors(self, coarse: Discrete, fine: Discrete) -> np.ndarray:
        """Estimated relative L2 errors (u,) of a solution from the one of the next degree."""

    def adopted(self, fine: Discrete) -> Discrete:
        """The solution that verified, as the next level."""

    def failure(self, residual: float) -> str:
        """A sentence for a Gauss–Newton that ends where the problem is not solved."""

    def expansion(self, discrete: Discrete) -> PartitionedMixture:
        """All unknowns of a solution."""

    def result(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> Answer:
        """What is returned; estimates (u,) are NaN where there is no verdict."""


@dataclass
class Forward:
    """The unknowns of a problem that determines them."""

    space: Discretisation

    def solve(self, patches: Patches, q: np.ndarray, previous: Discrete | None) -> Discrete:
        """As `Discretisation.solve`."""
        return self.space.solve(patches, q, previous)

    def errors(self, coarse: Discrete, fine: Discrete) -> np.ndarray:
        """See `difference`."""
        return difference(coarse, fine, self.space.tuning)

    def adopted(self, fine: Discrete) -> Discrete:
        """The same."""
        return fine

    def failure(self, residual: float) -> str:
        """What to try."""
        return (
            f"Gauss–Newton ends at a residual of {residual:.1e} that no refinement lowers; start nearer with guess=, "
            f"or reach the solution through an easier constant: {named('continuation', 'NAME')}"
        )

    def expansion(self, discrete: Discrete) -> PartitionedMixture:
        """The mixture."""
        return discrete.mixture

    def result(self, current: Discrete, estimates: np.ndarray, met: bool, status: str) -> Answer:
        """The mixture with its estimates."""
        return Answer(current.mixture, tuple(estimates.tolist()), met, status)
