"""Seams of periodic axes: what happens at one end continues at the other, possibly displaced, possibly with a jump.

    u(x + L e + s) = u(x) + g,   ∂ᵏu/∂nᵏ the same at both for k ≥ 1,

with the length L of the axis e, a shift s along the other axes and the jump g of the unknown. With s the ends are
those of a sheared box or of a lattice cell ("shifted periodic boundary conditions", Munters, Meneveau & Meyers 2016,
Phys. Fluids 28, 025112); g is a mean gradient times L, as of the pressure that drives a periodic channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.statement.conditions import Periodic

PROBES = 400  # points of one end that must have a partner at the other
INSIDE = 1e-6  # of the domain: how far inside the ends they are compared


@dataclass(frozen=True)
class Seam:
    """The two ends of a periodic axis.

    Attributes:
        axis: number of the coordinate.
        lower, upper: where the ends lie.
        shift: (d,) displacement of the upper end along the other axes.
        periods: (d,) lengths of the other axes that are periodic, zero for the rest.
        origin: (d,) where these begin.
        jumps: unknown → u at the upper end minus u at the lower one, a number or function of the coordinates there.
    """

    axis: int
    lower: float
    upper: float
    shift: tuple[float, ...]
    periods: tuple[float, ...]
    origin: tuple[float, ...]
    jumps: dict[str, Any]

    def ends(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The points (n, d) moved to the lower end along the axis, and their partners at the upper one."""
        start = points.clone()
        start[:, self.axis] = self.lower
        stop = start + start.new_tensor(self.shift)
        for i, period in enumerate(self.periods):
            if period and self.shift[i]:
                stop[:, i] = self.origin[i] + (stop[:, i] - self.origin[i]) % period
        stop[:, self.axis] = self.upper
        return start, stop

    def wraps(self, points: Tensor) -> dict[int, Tensor]:
        """Periods (n,) that the shift went too far along other axes, and back, to reach points of the upper end."""
        return {
            i: s // period + (points[:, i] - self.origin[i] < s % period).to(points)
            for i, (s, period) in enumerate(zip(self.shift, self.periods, strict=True))
            if s and period
        }


def find_seams(
    conditions: Sequence[Any], domain: Domain, coordinates: Sequence[str], unknowns: Sequence[str]
) -> tuple[Seam, ...]:
    """The seams that the `Periodic` conditions state, one for each periodic axis.

    Raises:
        ProblemError: an axis is none, is periodic for some unknowns only, or has ends that do not fit on each other.
    """
    periodic = [c for c in conditions if isinstance(c, Periodic)]
    stated = {
        axis: [c for c in periodic if c.axis == axis] for axis in dict.fromkeys(c.axis for c in periodic)
    }
    for axis in stated:
        if axis not in (spatial := [c for c in coordinates if c != "t"]):
            message = f"Periodic('{axis}'): the space coordinates are {', '.join(spatial)}"
            raise ProblemError(message)
    seams = tuple(
        _seam(axis, mine, tuple(stated), domain, coordinates, unknowns) for axis, mine in stated.items()
    )
    shifted = [s.axis for s in seams if any(s.shift)]
    for seam in seams:
        for i, s in enumerate(seam.shift):
            if s and i in shifted:
                message = (
                    f"Periodic('{coordinates[seam.axis]}') is shifted along {coordinates[i]}, which is shifted itself: "
                    "two cells would overlap; shift one of the axes only"
                )
                raise ProblemError(message)
        _check_ends(seam, domain, coordinates)
    return seams


def _seam(
    axis: str,
    mine: Sequence[Periodic],
    all_axes: Sequence[str],
    domain: Domain,
    coordinates: Sequence[str],
    unknowns: Sequence[str],
) -> Seam:
    number, bounds = coordinates.index(axis), domain.bounds.tolist()
    lower, upper = bounds[0][number], bounds[1][number]
    planes = {piece.plane for piece in domain.pieces if piece.plane}
    if not all(any(a == number and math.isclose(v, e) for a, v in planes) for e in (lower, upper)):
        message = (
            f"Periodic('{axis}') needs two opposite flat ends, at {axis} = {lower:g} and {upper:g}; "
            "this domain has none there"
        )
        raise ProblemError(message)
    _check_unknowns(axis, mine, unknowns)
    shift = dict(mine[0].shift)
    if any(dict(c.shift) != shift for c in mine):
        message = (
            f"Periodic('{axis}') has different shifts for different unknowns; its ends are the same for all"
        )
        raise ProblemError(message)
    others = [c for c in coordinates if c not in (axis, "t")]
    if unknown_axes := [name for name in shift if name not in others]:
        message = (
            f"Periodic('{axis}') has a shift along '{unknown_axes[0]}'; it may be shifted along "
            f"{', '.join(others) or 'nothing, since there is no other axis'}"
        )
        raise ProblemError(message)
    jumps = {name: c.jump for c in mine for name in ([c.unknown] if c.unknown else unknowns)}
    if len(unknowns) > 1 and any(c.unknown is None and c.jump != 0 for c in mine):
        message = (
            f"Periodic('{axis}') has a jump and does not say of which unknown; write one for each of "
            f"{', '.join(unknowns)}, e.g. Periodic('{axis}', unknown='{unknowns[0]}', jump=…)"
        )
        raise ProblemError(message)
    lengths = (domain.bounds[1] - domain.bounds[0]).tolist()
    return Seam(
        number,
        lower,
        upper,
        tuple(float(shift.get(c, 0.0)) for c in coordinates),
        tuple(lengths[i] if c in all_axes and c != axis else 0.0 for i, c in enumerate(coordinates)),
        tuple(bounds[0]),
        jumps,
    )


def _check_unknowns(axis: str, mine: Sequence[Periodic], unknowns: Sequence[str]) -> None:
    named = [c.unknown for c in mine if c.unknown is not None]
    if strangers := [name for name in named if name not in unknowns]:
        message = (
            f"Periodic has unknown='{strangers[0]}'; the unknowns of the equation are {', '.join(unknowns)}"
        )
        raise ProblemError(message)
    missing = [u for u in unknowns if u not in named]
    if len(named) == len(mine) and missing:
        message = (
            f"Periodic('{axis}', unknown='{named[0]}') leaves out {', '.join(missing)}: an axis is periodic for every "
            f"unknown or for none; write Periodic('{axis}')"
        )
        raise ProblemError(message)


def _check_ends(seam: Seam, domain: Domain, coordinates: Sequence[str]) -> None:
    """Just inside of one end there is domain where there is domain just inside of the other."""
    step = torch.zeros(domain.dimension, dtype=torch.float64)
    step[seam.axis] = INSIDE * (seam.upper - seam.lower)
    start, stop = seam.ends(domain.sample(PROBES, sampler="sobol", seed=1))
    alone = domain.contains(start + step) != domain.contains(stop - step)
    if bool(alone.any()):
        name = coordinates[seam.axis]
        a, b = (", ".join(f"{v:.4g}" for v in x[alone][0].tolist()) for x in (start, stop))
        loose = [coordinates[i] for i, s in enumerate(seam.shift) if s and not seam.periods[i]]
        hint = f"; make {', '.join(loose)} periodic, too, or move the end" if loose else ""
        message = (
            f"Periodic('{name}'): the ends at {name} = {seam.lower:g} and {name} = {seam.upper:g} do not fit on each "
            f"other: of ({a}) and its partner ({b}) only one is in the domain{hint}"
        )
        raise ProblemError(message)
