"""Space–time slabs: one partitioned mixture for each time interval, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.statement.calculus import MultiIndex


@dataclass(frozen=True, eq=False)
class MarchedMixture:
    """u(x, t) = u_k(x, t) for t in slab k.

    Attributes:
        times: (k + 1,) increasing slab borders.
        slabs: the k mixtures.
    """

    times: Tensor
    slabs: tuple[PartitionedMixture, ...]

    @property
    def outputs(self) -> int:
        """Number of unknowns."""
        return self.slabs[0].outputs

    @property
    def coefficients(self) -> Tensor:
        """All coefficients, slab after slab."""
        return torch.cat([slab.coefficients for slab in self.slabs])

    def jet(self, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at points x (n, d), time last: (n, u, a); NaN outside all patches."""
        inner = self.times[1:-1].to(x)
        slab = torch.searchsorted(inner, x[:, -1].contiguous())
        result = x.new_full((len(x), self.outputs, len(indices)), torch.nan)
        for k in torch.unique(slab).tolist():
            mine = torch.nonzero(slab == k)[:, 0]
            result[mine] = self.slabs[k].jet(x[mine], indices)
        return result

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors and numbers."""
        return {"times": self.times, "slabs": [slab.state() for slab in self.slabs]}

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: tuple[Domain, ...] = ()) -> MarchedMixture:
        """Rebuild from `state()`, and the sub-domains of the problem."""
        slabs = tuple(PartitionedMixture.from_state(s, subdomains) for s in state["slabs"])
        return cls(state["times"], slabs)
