"""Solutions of evolutions, slab after slab: mixtures in space and polynomials in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain
from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.marching.radau import differentiation, lagrange, radau
from pdesolve.marching.step import Slab
from pdesolve.patches.expansion import Expansion
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.quadrature import chebyshev_extrema, gauss_legendre
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem

# Of the time that was marched: a march adds up its steps, and rounding with them; one that lacks that much is complete.
AFTER = 2e-9
MOST_TIMES = 12  # Gauss points in a slab: the polynomial in time has at most degree 13
MOST_POINTS = 1_500_000  # of all slabs together: with three unknowns and their derivatives 100 MB


@dataclass(frozen=True, eq=False)
class CollocatedMixture:
    """u(x, t) = Σ_i ℓ_i(τ) u_i(x) on each slab, τ = (t - a)/Δ: patches in space, polynomials in time.

    The nodes are 0 and the stages of Radau IIA; unknowns without a time derivative have no start, and are polynomials
    through the stages alone.

    Attributes:
        times: (k + 1,) increasing slab borders.
        slabs: of each slab, the functions u_i in space, node after node.
        algebraic: (u,) which unknowns have no time derivative.
    """

    times: Tensor
    slabs: tuple[PartitionedMixture, ...]
    algebraic: Tensor

    @classmethod
    def of(cls, slabs: Sequence[Slab]) -> CollocatedMixture:
        """From what a march has solved."""
        times = torch.tensor([slabs[0].begin, *(s.end for s in slabs)], dtype=torch.float64)
        algebraic = torch.from_numpy(slabs[0].space.evolution.time_orders == 0)
        return cls(times, tuple(s.mixture() for s in slabs), algebraic)

    @property
    def outputs(self) -> int:
        """Number of unknowns."""
        return len(self.algebraic)

    @property
    def coefficients(self) -> Tensor:
        """All coefficients, slab after slab."""
        return torch.cat([slab.coefficients for slab in self.slabs])

    @property
    def end(self) -> float:
        """The time up to which the march has come."""
        return float(self.times[-1])

    @property
    def patches(self) -> PartitionedMixture:
        """Those of the last slab."""
        return self.slabs[-1]

    def piece_of(self, x: Tensor) -> Tensor:
        """Numbers (n,) of the patches of points x (n, d), slab after slab."""
        slab = torch.searchsorted(self.times[1:-1].contiguous(), x[:, -1].contiguous())
        found = torch.zeros(len(x), dtype=torch.long)
        first = 0
        for k in slab.unique().tolist():
            mine = slab == k
            found[mine] = first + self.slabs[k].piece_of(x[mine, :-1])
            first += len(self.slabs[k].host)
        return found

    def quadrature(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Gauss points (n, d) and weights (n,): on patches in space, times those in every slab."""
        space = problem.domain.space
        rules = {id(m.partition): m.quadrature_on(space, problem) for m in self.slabs}
        total = sum(len(rules[id(m.partition)][0]) for m in self.slabs)
        # Fewer times where there are very many points.
        count = max(2, min(MOST_TIMES, MOST_POINTS // total))
        parts = []
        for (a, b), mixture in zip(pairwise(self.times.tolist()), self.slabs, strict=True):
            x, w = rules[id(mixture.partition)]
            t, v = gauss_legendre(count, a, b)
            points = torch.cat([x.repeat_interleave(len(t), 0), t.repeat(len(x))[:, None]], 1)
            parts.append((points, (w[:, None] * v).reshape(-1)))
        return _joined(parts)

    def closed_points(self, problem: Problem) -> Tensor:
        """Points (n, d) of the closed patches in space, at times of every slab from its first to its last."""
        space = problem.domain.space
        found = {id(m.partition): m.closed_points_on(space, problem) for m in self.slabs}
        total = sum(len(found[id(m.partition)]) for m in self.slabs)
        # Ends and middle are the least; fewer times where there are very many points.
        t = (1 + chebyshev_extrema(max(3, min(MOST_TIMES, MOST_POINTS // total)))) / 2
        parts = []
        for (a, b), mixture in zip(pairwise(self.times.tolist()), self.slabs, strict=True):
            x = found[id(mixture.partition)]
            times = (a + (b - a) * t).repeat(len(x))[:, None]
            parts.append(torch.cat([x.repeat_interleave(len(t), 0), times], 1))
        return torch.cat(parts)

    def is_cut(self, problem: Problem) -> bool:
        """Whether the boundary cuts patches."""
        return self.slabs[0].is_cut_by(problem.domain.space, problem)

    def jet(self, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points x (n, d), time last: (n, u, a); NaN outside all patches, and after the last slab."""
        inner = self.times[1:-1].to(x)
        slab = torch.searchsorted(inner, x[:, -1].contiguous())
        result = x.new_full((len(x), self.outputs, len(indices)), torch.nan)
        lasted = float(self.times[-1] - self.times[0])
        known = x[:, -1] <= float(self.times[-1]) + AFTER * lasted
        for k in torch.unique(slab[known]).tolist():
            mine = torch.nonzero(known & (slab == k))[:, 0]
            result[mine] = self._on_slab(k, x[mine], indices)
        return result

    def _on_slab(self, k: int, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        mixture, length = self.slabs[k], float(self.times[k + 1] - self.times[k])
        fraction = (x[:, -1] - self.times[k].to(x)) / length
        space = tuple(dict.fromkeys(tuple(index[:-1]) for index in indices))
        values = mixture.jet(x[:, :-1], space)
        values = values.view(len(x), -1, self.outputs, len(space))  # (n, i, u, a)
        result = x.new_empty(len(x), self.outputs, len(indices))
        for order in {index[-1] for index in indices}:
            weights = self._weights(values.shape[1] - 1, fraction, order) / length**order
            chosen = [i for i, index in enumerate(indices) if index[-1] == order]
            place = [space.index(tuple(indices[i][:-1])) for i in chosen]
            result[:, :, chosen] = torch.einsum("nui,niua->nua", weights.to(values), values[..., place])
        return result

    def _weights(self, stages: int, fraction: Tensor, order: int) -> Tensor:
        """Derivatives of the Lagrange polynomials by τ (n, u, i)."""
        nodes, t = radau(stages).nodes, fraction.detach().cpu().numpy()
        every = torch.from_numpy(lagrange(nodes, t) @ np.linalg.matrix_power(differentiation(nodes), order))
        weights = every[:, None].repeat(1, self.outputs, 1)
        if bool(self.algebraic.any()):
            # Through the stages alone: the start of an algebraic unknown is none of the data.
            alone = lagrange(nodes[1:], t) @ np.linalg.matrix_power(differentiation(nodes[1:]), order)
            weights[:, self.algebraic] = torch.nn.functional.pad(torch.from_numpy(alone), (1, 0))[:, None]
        return weights

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        slabs = [slab.state() for slab in self.slabs]
        return {
            "kind": type(self).__name__,
            "times": self.times,
            "slabs": slabs,
            "algebraic": self.algebraic,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple[Domain, ...] = ()) -> CollocatedMixture:
        """Rebuild from `state()`, and the sub-domains of the problem."""
        parts = tuple(part.in_space for part in subdomains)
        slabs = tuple(PartitionedMixture.from_state(s, parts) for s in state["slabs"])
        return cls(state["times"], slabs, state["algebraic"])


def _joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Points and weights of several rules as one."""
    return torch.cat([points for points, _ in parts]), torch.cat([weights for _, weights in parts])


KINDS: dict[str, type[Expansion]] = {
    kind.__name__: kind for kind in (PartitionedMixture, CollocatedMixture, TimePolynomials)
}
