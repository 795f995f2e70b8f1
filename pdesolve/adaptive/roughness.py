"""Is what an equation leaves over seen by the patches? A contradiction is smooth, what is not resolved yet is not."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from pdesolve.patches.newton import Discrete
from pdesolve.patches.rows.terms import TermRows


def roughness(discrete: Discrete) -> float:
    """Part of Σ_e ‖r_e‖² that polynomials of half the degree of each patch e leave, in [0, 1].

    A source that no flux balances leaves a residual that is smooth on every patch, and 1e-3 of it at most is rough. A
    layer of a coefficient within patches that are wider leaves 0.6 to 0.9, a slit that patches see from both sides 0.3.
    """
    assembly = discrete.assembly
    term = assembly.statement.terms[0]
    at = assembly.source(TermRows).at
    rough = 0.0
    whole = 0.0
    for points in map(assembly.space.to_device, assembly.interior):
        jets = at.jets(term, points, at.table(term, points), discrete.coefficients)
        r, dF = at.linearise(term, points, jets)
        r = r * at.row_scale(term, points, dF) * points.weight[..., None]  # (b, m, c)
        t, _ = assembly.space.local(points.cells, points.y)
        q, _ = torch.linalg.qr(_polynomials(t, points.weight, int(assembly.q[points.cells].max()) // 2))
        left = r - q @ (q.mT @ r)
        rough += float(left.square().sum())
        whole += float(r.square().sum())
    return rough / max(whole, 1e-300)


def _polynomials(t: Tensor, weight: Tensor, degree: int) -> Tensor:
    """Chebyshev polynomials of total degree at most `degree` at points t (b, m, d), times weights (b, m): (b, m, k)."""
    angle = torch.arccos(t.clamp(-1.0, 1.0))
    powers = (a for a in itertools.product(range(degree + 1), repeat=t.shape[-1]) if sum(a) <= degree)
    found = [(angle * torch.tensor(a, dtype=t.dtype, device=t.device)).cos().prod(-1) for a in powers]
    return torch.stack(found, dim=-1) * weight[..., None]
