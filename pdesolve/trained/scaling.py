"""Units of unknowns and rows, so that a problem and its rescaled twin train alike.

A domain of length L_i along axis i has π / L_i as its lowest wave number, so D^α of an unknown of size U is
of size U Π_i (π / L_i)^{α_i}. A row F is divided by the largest of its terms,

    max_s rms_n |∂F_m/∂u_s| · U_{unknown(s)} · Π_i (π / L_i)^{α_i},

after which an interior residual of size ε and a boundary residual of size ε stand for errors of about ε U
each (for -Δu = f on a unit cube with zero boundary values ‖u‖ ≤ ‖f‖ / (d π²)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pdesolve.statement.calculus import MultiIndex
from pdesolve.trained.rows import Group

VALUE_KINDS = ("dirichlet", "initial", "observation")


def derivative_scale(index: MultiIndex, lengths: Tensor) -> float:
    """Π_i (π / L_i)^{α_i} for lengths L (d,)."""
    powers = torch.tensor(index, dtype=torch.float64)
    return float(((torch.pi / lengths.double()) ** powers).prod())


def slot_scales(group: Group, lengths: Tensor, sizes: Tensor) -> Tensor:
    """Sizes of the group's derivatives, (s,), for unknowns of the given sizes (u,)."""
    scales = [derivative_scale(alpha, lengths) * float(sizes[unknown]) for unknown, alpha in group.slots]
    return torch.tensor(scales, dtype=group.points.dtype, device=group.points.device)


def row_scale(group: Group, scales: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
    """Size of each residual of a group, (m,), linearised at the function zero."""
    jets = group.points.new_zeros(len(group.points), len(group.slots))
    size = (_rms(group.function(jets, parameters)[1]) * scales).amax(1)
    if not group.linear:
        # A residual may be of higher order at zero; only then what it is at typical values counts, because
        # the sizes of unknowns are upper bounds, and their powers would swamp the rest.
        generator = torch.Generator().manual_seed(0)
        typical = torch.randn(jets.shape, generator=generator, dtype=torch.float64).to(jets) * scales
        instead = (_rms(group.function(typical, parameters)[1]) * scales).amax(1)
        size = torch.where(torch.isfinite(size) & (size > 0), size, instead)
    return torch.where(torch.isfinite(size) & (size > 0), size, torch.ones_like(size))


def _rms(table: Tensor) -> Tensor:
    return table.square().mean(0).sqrt()


def unknown_sizes(
    groups: Sequence[Group],
    lengths: Tensor,
    count: int,
    parameters: Mapping[str, Tensor],
    guess: Tensor | None,
) -> Tensor:
    """Sizes U (u,) of the unknowns: of the guess (n, u), else of their prescribed values, else of all data.

    The last, and the only one for a single unknown, is the largest root mean square of any group's rows of
    the function zero, divided by their scale: for -Δu = f with zero boundary values, |f| / (d π²) or so.
    """
    if guess is not None:
        sizes = guess.double().cpu().square().mean(0).sqrt()
        return torch.where(sizes > 0, sizes, torch.ones_like(sizes))
    unit = torch.ones(count, dtype=torch.float64)
    prescribed = torch.zeros(count, dtype=torch.float64)
    total = 0.0
    for group in groups:
        scale = row_scale(group, slot_scales(group, lengths, unit), parameters)
        jets = group.points.new_zeros(len(group.points), len(group.slots))
        rms = float((group.function(jets, parameters)[0] / scale).square().mean().sqrt())
        total = max(total, rms)
        if group.kind in VALUE_KINDS and len(group.slots) == 1:
            unknown = group.slots[0][0]
            prescribed[unknown] = max(float(prescribed[unknown]), rms)
    if count == 1:
        return torch.tensor([total or 1.0], dtype=torch.float64)
    fallback = float(prescribed.max()) or total or 1.0
    return torch.where(prescribed > 0, prescribed, torch.full_like(prescribed, fallback))
