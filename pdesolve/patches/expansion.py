"""What a method without training returns: a solution that knows where it is smooth, and how it is saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

from torch import Tensor

from pdesolve.geometry.domain import Domain
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem


class Expansion(Protocol):
    """u(x) = Σ_j c_j φ_j(x) with φ_j smooth on pieces, patches or slabs or both."""

    @property
    def coefficients(self) -> Tensor:
        """All c_j (p,)."""

    @property
    def end(self) -> float | None:
        """The time up to which a march has come; None of what covers the whole domain."""

    @property
    def patches(self) -> PartitionedMixture | None:
        """The patches, of a march the last ones; None where there are none."""

    def jet(self, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points x (n, d): (n, u, a); NaN outside."""

    def piece_of(self, x: Tensor) -> Tensor:
        """Number (n,) of the piece that each point x (n, d) is in."""

    def quadrature(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Points (n, d) and weights (n,) of a rule that resolves every piece, at other points than the solve's."""

    def closed_points(self, problem: Problem) -> Tensor:
        """Points (n, d) of every piece with its ends and faces, among which the largest value is sought."""

    def is_cut(self, problem: Problem) -> bool:
        """Whether the boundary cuts pieces: there, points on the whole piece measure an error, but no integral."""

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors, numbers and text; `kind` is the name of its class."""

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple[Domain, ...] = ()) -> Self:
        """Rebuild from `state()`, and the sub-domains of the problem."""
