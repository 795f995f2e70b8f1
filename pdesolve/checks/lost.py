"""Derivatives that autograd does not see: coefficients from tables, from numpy, or through `detach()`.

What autograd finds is compared with central differences at two steps. The error of differences of smooth functions
falls a hundredfold from one to the other; what autograd has lost stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pdesolve.checks.fluxes import Fluxes, units
from pdesolve.checks.report import Findings, at
from pdesolve.checks.terms import Sample, random_jets, slot_name
from pdesolve.statement.residual import PRESCRIBED

# Steps of central differences, relative to the domain or to a jet: their errors are 1e-8 and 1e-10 of a smooth
# function of that length, and rounding is still below (1e-16 / 1e-5 = 1e-11).
SHIFTS = (1e-4, 1e-5)
# Of a derivative: less is the error of differences, for anything that points can resolve.
LOST = 1e-4
# Relative difference of what is missed at the two steps: a smooth function has 0.99, a lost derivative 0.
ALIKE = 0.1
# Points at which dependence on jets is examined, slot by slot.
POINTS = 32


def check_lost_derivatives(sample: Sample, findings: Findings) -> None:
    """Report a dependence on a jet, or on the place under a derivative, that autograd does not see."""
    name = sample.term.name
    names = sample.operator.problem.coordinates
    if (slot := lost_in_jet(sample)) is not None:
        unknown = slot_name(sample.operator.problem, sample.operator.slots[slot])
        findings.error(
            f"{name} depends on {unknown} in a way that autograd does not see: a part of it comes "
            " through detach(), numpy or item(); write it with torch functions of the unknown"
        )
    if (lost := lost_in_space(sample)) is not None:
        axis, point = lost
        findings.error(
            f"an expression under ∂/∂{names[axis]} in {name} changes {at(names, point)} in a way that autograd does "
            "not see: a coefficient comes from a table, from numpy or through detach(), and its gradient is missing; "
            "make it of torch functions of the coordinates, or write the product rule out: k*u.xx + kx*u.x"
        )


def lost_in_space(sample: Sample) -> tuple[int, Tensor] | None:
    """An axis along which a flux changes though autograd does not see it, and a point (d,); None if there is none."""
    if sample.operator.depth == 0:
        return None
    fluxes = Fluxes.of(sample)
    points = sample.points
    jets = fluxes.jets(len(points), seed=21)
    here = fluxes.at(points, jets, sample.normals)
    for axis in sorted({flux.axis for flux in here}):
        coarse, fine = (_missed_along(fluxes, sample, jets, axis, shift) for shift in SHIFTS)
        mine = [flux for flux in here if flux.axis == axis]
        for flux, a, b in zip(mine, coarse, fine, strict=True):
            size = flux.slope.abs().amax() + flux.values.abs().amax() / fluxes.extents[axis]
            bad = _is_lost(a, b, size)
            if bool(bad.any()):
                return axis, points[bad][0]
    return None


def _missed_along(fluxes: Fluxes, sample: Sample, jets: Tensor, axis: int, shift: float) -> list[Tensor]:
    """Of each flux along an axis, what central differences (n,) see more than autograd."""
    step = shift * float(fluxes.extents[axis])
    away = torch.zeros_like(sample.points)
    away[:, axis] = step
    down, here, up = (
        fluxes.at(sample.points + s * away, fluxes.moved(jets, axis, s * step), sample.normals)
        for s in (-1, 0, 1)
    )
    return [
        (b.values - a.values) / (2 * step) - f.slope
        for a, f, b in zip(down, here, up, strict=True)
        if f.axis == axis
    ]


def lost_in_jet(sample: Sample) -> int | None:
    """A slot on which a term depends though autograd does not see it; None if there is none."""
    if sample.term.kind in PRESCRIBED:
        return None  # what stands beside the unknown is a function of the place
    sample = sample.some(torch.arange(min(POINTS, len(sample.points))))
    jets = random_jets(sample, seed=22) * units(sample.operator.problem, sample.operator.slots)
    r, dF = sample.linearise(jets)
    size = r.abs().amax(0) + (dF * jets[:, None]).abs().amax((0, 2))
    moved = _moved_residuals(sample, jets, [sign * shift for shift in SHIFTS for sign in (1, -1)])
    seen = (dF * jets[:, None]).permute(2, 0, 1)
    missed = [
        (up - down) / (2 * shift) - seen
        for shift, up, down in zip(SHIFTS, moved[::2], moved[1::2], strict=True)
    ]
    lost = _is_lost(missed[0], missed[1], size).any(2).any(1)  # (s,)
    return next(iter(lost.nonzero().flatten().tolist()), None)


def _moved_residuals(sample: Sample, jets: Tensor, factors: Sequence[float]) -> Tensor:
    """Residuals (f, s, n, m) at jets (n, s) of which one slot after another is moved by f parts of itself."""
    n, count = jets.shape
    moved = jets.repeat(len(factors), count, 1, 1)
    slots = torch.arange(count)
    moved[:, slots, :, slots] += jets.T[:, None] * torch.tensor(factors, dtype=jets.dtype)[:, None]
    everywhere = sample.some(torch.arange(n).repeat(len(factors) * count))
    return everywhere.residual(moved.flatten(0, 2)).view(len(factors), count, n, -1)


def _is_lost(coarse: Tensor, fine: Tensor, size: Tensor) -> Tensor:
    """Where central differences miss the same at both steps: the error of smooth ones falls a hundredfold."""
    return (fine.abs() > LOST * size) & ((coarse - fine).abs() <= ALIKE * fine.abs())
