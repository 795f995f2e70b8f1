"""Periodic axes: what happens at one end continues at the other, possibly displaced, possibly with a jump.

    u(x + L e + s) = u(x) + g,   ∂ᵏu/∂nᵏ the same at both for k ≥ 1,

with the length L of the axis e, a shift s along the other axes and the jump g of the unknown. With s the ends are
those of a sheared box or of a lattice cell ("shifted periodic boundary conditions", Munters, Meneveau & Meyers 2016,
Phys. Fluids 28, 025112); g is a mean gradient times L, as of the pressure that drives a periodic channel. A
complex unknown may be multiplied by exp(i θ) instead, with its derivatives, as a Bloch wave in a lattice is.
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
from pdesolve.statement.names import Names
from pdesolve.statement.signatures import signature

# Points of one end that must have a partner at the other. A misfit of one per cent of the end is hit by four.
PROBES = 400
# Of the domain: how far inside the ends they are compared, clear of rounding on the boundary itself.
INSIDE = 1e-6


@dataclass(frozen=True)
class PeriodicAxis:
    """The two ends of a periodic axis.

    Attributes:
        axis: number of the coordinate.
        lower, upper: where the ends lie.
        shift: (d,) displacement of the upper end along the other axes.
        periods: (d,) lengths of the other axes that are periodic, zero for the rest.
        origin: (d,) where these begin.
        jumps: unknown → u at the upper end minus u at the lower one, a number or function of the coordinates there.
        phases: numbers of the real and the imaginary part of a complex unknown, and the angle that it turns by.
    """

    axis: int
    lower: float
    upper: float
    shift: tuple[float, ...]
    periods: tuple[float, ...]
    origin: tuple[float, ...]
    jumps: dict[str, Any]
    phases: tuple[tuple[int, int, float], ...] = ()

    def ends(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The points (n, d) moved to the lower end along the axis, and their partners at the upper one."""
        start = points.clone()
        start[:, self.axis] = self.lower
        stop = start + start.new_tensor(self.shift)
        for i, period in enumerate(self.periods):
            if period and self.shift[i]:
                # A shift beyond the end of a periodic axis comes in again at its other end.
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


def turned(seams: Sequence[PeriodicAxis], seam: PeriodicAxis, points: Tensor, unknowns: int) -> Tensor | None:
    """R (n, u, u) with u(x + L e + s) = R u(x) at points (n, d) of the upper end of a seam; None where it is one.

    A shift that goes beyond the end of another axis is turned back by the phase of that one.
    """
    if not any(one.phases for one in seams):
        return None
    # How often the point comes round each axis: once round this one, and back round those that the shift goes beyond.
    rounds = {seam.axis: points.new_ones(len(points))}
    rounds |= {axis: -count for axis, count in seam.wraps(points).items()}
    turns = [(one.axis, real, imag, theta) for one in seams for real, imag, theta in one.phases]
    found = torch.eye(unknowns).to(points).repeat(len(points), 1, 1)
    for real, imag in {(real, imag) for _, real, imag, _ in turns}:
        mine = [(axis, theta) for axis, first, _, theta in turns if first == real]
        angle = sum(
            (rounds[axis] * theta for axis, theta in mine if axis in rounds), points.new_zeros(len(points))
        )
        c, s = angle.cos(), angle.sin()
        found[:, real, real] = found[:, imag, imag] = c
        found[:, real, imag] = -s
        found[:, imag, real] = s
    return found


def among_slots(rotation: Tensor, slots: Sequence[tuple[int, tuple[int, ...]]]) -> Tensor:
    """R (n, s, s) among derivatives (u, α), from that among unknowns (n, u, u)."""
    found = rotation.new_zeros(len(rotation), len(slots), len(slots))
    for i, (u, alpha) in enumerate(slots):
        for j, (v, beta) in enumerate(slots):
            if alpha == beta:
                found[:, i, j] = rotation[:, u, v]
    return found


def find_periodic_axes(conditions: Sequence[Any], domain: Domain, names: Names) -> tuple[PeriodicAxis, ...]:
    """The seams that the `Periodic` conditions state, one for each periodic axis.

    Raises:
        ProblemError: an axis is none, is periodic for some unknowns only, or has ends that do not fit on each other.
    """
    coordinates = names.coordinates
    stated: dict[str, list[Periodic]] = {}
    for condition in conditions:
        if isinstance(condition, Periodic):
            stated.setdefault(condition.axis, []).append(condition)
    spatial = [c for c in coordinates if c != "t"]
    for axis in stated:
        if axis not in spatial:
            message = f"Periodic('{axis}'): the space coordinates are {', '.join(spatial)}"
            raise ProblemError(message)
    found = tuple(_periodic_axis(axis, mine, tuple(stated), domain, names) for axis, mine in stated.items())
    _check_shifts(found, coordinates)
    for one in found:
        _check_ends(one, domain, coordinates)
    return found


def _periodic_axis(
    axis: str,
    mine: Sequence[Periodic],
    all_axes: Sequence[str],
    domain: Domain,
    names: Names,
) -> PeriodicAxis:
    coordinates, unknowns = names.coordinates, names.unknowns
    _check_flat(axis, domain, coordinates)
    _check_unknowns(axis, mine, unknowns)
    shift = _shift(axis, mine, coordinates)
    number = coordinates.index(axis)
    start, stop = domain.bounds.tolist()
    periodic = [name in all_axes and name != axis for name in coordinates]
    return PeriodicAxis(
        number,
        start[number],
        stop[number],
        tuple(float(shift.get(name, 0.0)) for name in coordinates),
        tuple(float(wraps) * (b - a) for wraps, a, b in zip(periodic, start, stop, strict=True)),
        tuple(start),
        _jumps(axis, mine, unknowns),
        _phases(axis, mine, names),
    )


def _check_flat(axis: str, domain: Domain, coordinates: Sequence[str]) -> None:
    """Both ends of the axis must have flat boundary at a right angle to it."""
    number = coordinates.index(axis)
    lower, upper = domain.bounds[:, number].tolist()
    # Ends may be in several pieces; one of them tells that there is flat boundary.
    values = [piece.plane[1] for piece in domain.pieces if piece.plane and piece.plane[0] == number]
    if not all(any(math.isclose(value, end) for value in values) for end in (lower, upper)):
        message = (
            f"Periodic('{axis}') needs two opposite flat ends, at {axis} = {lower:g} and {upper:g}; "
            "this domain has none there"
        )
        raise ProblemError(message)


def _shift(axis: str, mine: Sequence[Periodic], coordinates: Sequence[str]) -> dict[str, float]:
    """How far the upper end is displaced along other axes, the same for all unknowns."""
    shift = dict(mine[0].shift)
    if any(dict(c.shift) != shift for c in mine):
        message = (
            f"Periodic('{axis}') has different shifts for different unknowns; its ends are the same for all"
        )
        raise ProblemError(message)
    others = [c for c in coordinates if c not in (axis, "t")]
    strange = [name for name in shift if name not in others]
    if strange:
        message = (
            f"Periodic('{axis}') has a shift along '{strange[0]}'; it may be shifted along "
            f"{', '.join(others) or 'nothing, since there is no other axis'}"
        )
        raise ProblemError(message)
    return shift


def _jumps(axis: str, mine: Sequence[Periodic], unknowns: Sequence[str]) -> dict[str, Any]:
    """The jump of each unknown; a condition that names none speaks of all, and can give a system no jump."""
    if len(unknowns) > 1 and any(c.unknown is None and c.jump != 0 for c in mine):
        message = (
            f"Periodic('{axis}') has a jump and does not say of which unknown; write one for each of "
            f"{', '.join(unknowns)}, e.g. Periodic('{axis}', unknown='{unknowns[0]}', jump=…)"
        )
        raise ProblemError(message)
    jumps: dict[str, Any] = {}
    for condition in mine:
        jumps.update(dict.fromkeys([condition.unknown] if condition.unknown else unknowns, condition.jump))
    return jumps


def _phases(axis: str, mine: Sequence[Periodic], names: Names) -> tuple[tuple[int, int, float], ...]:
    """Parts of complex unknowns and the angles that they turn by."""
    angles: dict[str, float] = {}
    for condition in mine:
        angle = _angle(axis, condition.phase, names)
        named = [condition.unknown] if condition.unknown else names.unknowns
        angles.update(dict.fromkeys(named, angle))
    turning = [name for name, angle in angles.items() if angle]
    _check_turning(axis, turning, names)
    place = {name: i for i, name in enumerate(names.unknowns)}
    pairs = [both for both in names.complex.values() if set(both) & set(turning)]
    return tuple((place[real], place[imag], angles[real]) for real, imag in pairs)


def _check_turning(axis: str, turning: Sequence[str], names: Names) -> None:
    parts = [part for both in names.complex.values() for part in both]
    real = [name for name in turning if name not in parts]
    if real:
        message = (
            f"Periodic('{axis}') has a phase, and the unknown '{real[0]}' is real; write it as {real[0]}: Complex, an "
            "argument of the equation, or say which unknown is meant"
        )
        raise ProblemError(message)
    if turning and "t" in names.coordinates:
        message = (
            f"Periodic('{axis}') has a phase in an evolution; expected a steady problem or eigenvalues: for "
            "u = exp(i k x) p with p periodic write the equation of p"
        )
        raise ProblemError(message)


def _angle(axis: str, phase: Any, names: Names) -> float:
    if not callable(phase):
        return float(phase)
    owner = f"the phase of Periodic('{axis}')"
    names.check_arguments(phase, owner, set(names.constants))
    wanted = signature(phase, owner, ())
    found = phase(**{name: names.constants[name] for name in wanted if name in names.constants})
    if not isinstance(found, (int, float)) or not math.isfinite(found):
        message = f"{owner} returned {found!r}; expected a finite angle in radians"
        raise ProblemError(message)
    return float(found)


def _check_shifts(found: Sequence[PeriodicAxis], coordinates: Sequence[str]) -> None:
    """An axis cannot be shifted along one that is shifted itself: where both wrap, two cells would overlap."""
    shifted = [one.axis for one in found if any(one.shift)]
    for one in found:
        for i, s in enumerate(one.shift):
            if s and i in shifted:
                message = (
                    f"Periodic('{coordinates[one.axis]}') is shifted along {coordinates[i]}, which is shifted itself: "
                    "two cells would overlap; shift one of the axes only"
                )
                raise ProblemError(message)


def _check_unknowns(axis: str, mine: Sequence[Periodic], unknowns: Sequence[str]) -> None:
    named = [c.unknown for c in mine if c.unknown is not None]
    strangers = [name for name in named if name not in unknowns]
    if strangers:
        message = (
            f"Periodic has unknown='{strangers[0]}'; the unknowns of the equation are {', '.join(unknowns)}"
        )
        raise ProblemError(message)
    # Patches wrap around an axis for all unknowns or for none.
    missing = [u for u in unknowns if u not in named]
    if len(named) == len(mine) and missing:
        message = (
            f"Periodic('{axis}', unknown='{named[0]}') leaves out {', '.join(missing)}: an axis is periodic for every "
            f"unknown or for none; write Periodic('{axis}')"
        )
        raise ProblemError(message)


def _check_ends(seam: PeriodicAxis, domain: Domain, coordinates: Sequence[str]) -> None:
    """Just inside of one end there is domain where there is domain just inside of the other."""
    # On the ends themselves a point is inside or outside by rounding.
    step = torch.zeros(domain.dimension, dtype=torch.float64)
    step[seam.axis] = INSIDE * (seam.upper - seam.lower)
    start, stop = seam.ends(domain.sample(PROBES, sampler="sobol", seed=1))
    alone = domain.contains(start + step) != domain.contains(stop - step)
    if bool(alone.any()):
        name = coordinates[seam.axis]
        a = _written(start[alone][0])
        b = _written(stop[alone][0])
        loose = [coordinates[i] for i, s in enumerate(seam.shift) if s and not seam.periods[i]]
        hint = f"; make {', '.join(loose)} periodic, too, or move the end" if loose else ""
        message = (
            f"Periodic('{name}'): the ends at {name} = {seam.lower:g} and {name} = {seam.upper:g} do not fit on each "
            f"other: of ({a}) and its partner ({b}) only one is in the domain{hint}"
        )
        raise ProblemError(message)


def _written(point: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in point.tolist())
