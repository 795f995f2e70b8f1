"""Unknowns that depend on time alone: one polynomial on each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.marching.radau import differentiation, lagrange, radau
from pdesolve.quadrature import chebyshev_extrema, gauss_legendre
from pdesolve.statement.calculus import MultiIndex
from pdesolve.statement.problem import Problem


@dataclass(frozen=True, eq=False)
class TimePolynomials:
    """u(t) on step k is the polynomial of degree s through `values[k]` at the nodes 0, c₁ … c_s of Radau IIA.

    Attributes:
        times: (e + 1,) increasing ends of the e steps.
        values: (e, s + 1, u).
    """

    times: Tensor
    values: Tensor

    @property
    def stages(self) -> int:
        """The number of stages s."""
        return self.values.shape[1] - 1

    @property
    def outputs(self) -> int:
        """Number of unknowns."""
        return self.values.shape[2]

    @property
    def coefficients(self) -> Tensor:
        """All stage values."""
        return self.values[:, 1:].flatten()

    def jet(self, x: Tensor, indices: Sequence[MultiIndex]) -> Tensor:
        """Derivatives at times x (n, 1): (n, u, a); NaN before the first and after the last time."""
        t = x[:, 0].to(self.values)
        step = (torch.searchsorted(self.times, t.contiguous(), right=True) - 1).clamp(0, len(self.values) - 1)
        length = self.times.diff()[step]
        nodes = radau(self.stages).nodes
        values = torch.from_numpy(lagrange(nodes, ((t - self.times[step]) / length).numpy()))
        derivative = torch.from_numpy(differentiation(nodes))
        found = []
        for (order,) in indices:
            rows = values
            for _ in range(order):
                rows = rows @ derivative / length[:, None]
            found.append(torch.einsum("ni,niu->nu", rows, self.values[step]))
        result = torch.stack(found, dim=2)
        outside = (t < self.times[0]) | (t > self.times[-1])
        return torch.where(outside[:, None, None], torch.nan, result)

    def rule(self, order: int) -> tuple[Tensor, Tensor]:
        """Gauss times (n,) and weights (n,) on all steps, `order` on each."""
        x, w = gauss_legendre(order, 0.0, 1.0)
        lengths = self.times.diff()[:, None]
        return (self.times[:-1, None] + lengths * x).flatten(), (lengths * w).flatten()

    @property
    def end(self) -> float:
        """The time up to which the march has come."""
        return float(self.times[-1])

    @property
    def patches(self) -> None:
        """None: there is no space."""
        return

    def piece_of(self, x: Tensor) -> Tensor:
        """Numbers (n,) of the steps of times x (n, 1)."""
        return torch.searchsorted(self.times[1:-1].contiguous(), x[:, -1].contiguous())

    def is_cut(self, problem: Problem) -> bool:
        """False: steps end where time does."""
        del problem
        return False

    def quadrature(self, problem: Problem) -> tuple[Tensor, Tensor]:
        """Points (n, 1) and weights (n,) at which errors are measured: other times than the stages."""
        del problem
        t, w = self.rule(self.stages + 3)
        return t[:, None], w

    def closed_points(self, problem: Problem) -> Tensor:
        """Times (n, 1) of every step from its first to its last."""
        del problem
        t = (1 + chebyshev_extrema(self.stages + 3)) / 2
        return (self.times[:-1, None] + self.times.diff()[:, None] * t).reshape(-1, 1)

    def state(self) -> dict[str, Any]:
        """Everything needed to rebuild it, as tensors."""
        return {"kind": type(self).__name__, "times": self.times, "values": self.values}

    @classmethod
    def from_state(cls, state: dict[str, Any], subdomains: object = ()) -> TimePolynomials:
        """Rebuild from `state()`."""
        del subdomains
        return cls(state["times"], state["values"])
