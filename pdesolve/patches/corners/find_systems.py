"""The singular functions of a system at a corner: its principal part and conditions there, and what they allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.corners.ends import (
    INSIDE,
    End,
    angle_between,
    free_length,
    parameters_of,
)
from pdesolve.patches.corners.next_order import after_jump
from pdesolve.patches.corners.polar_functions import PolarFunctions
from pdesolve.patches.corners.systems import (
    Entry,
    Pencil,
    Principal,
    Profile,
    clusters,
    conditions_wanted,
    of_jump,
    polynomials_for,
    principal_part,
    profiles,
)
from pdesolve.patches.corners.wedge import INTEGER
from pdesolve.patches.frame import Frame

NARROW = 0.05  # angles, in radians, below which the cut outside a corner would lie on its edges
ABSENT = 1e-12  # of the largest coefficient of a row, in units of the domain: rotations leave 1e-16
SAME_SIDE = 1e-6  # of directions and normals of one side of a corner
BALANCED = 10  # rounds that give all unknowns units in which they enter alike; two suffice where any do


@dataclass(frozen=True, eq=False)
class AtPlace:
    """What a term says at a corner.

    Attributes:
        entries: its coefficients.
        moving: derivatives whose coefficients depend on the unknowns, with coefficients one.
        values: (c,) what it prescribes, its residuals of zero times -1.
    """

    entries: list[Entry]
    moving: list[Entry]
    values: np.ndarray

    def principal(self, weights: Sequence[int], units: np.ndarray) -> Principal | None:
        """The principal part; None where it depends on the unknowns, as of k(u) u_xx, and not of u u_x - u_xx."""
        if not self.entries:
            return None
        shifts = {
            c: max(sum(b) - weights[i] for row, i, b, _ in self.entries if row == c) for c, *_ in self.entries
        }
        if any(sum(beta) - weights[i] >= shifts.get(c, -math.inf) for c, i, beta, _ in self.moving):
            return None
        return principal_part([(c, i, beta, a * float(units[i])) for c, i, beta, a in self.entries], weights)

    def prescribed(self) -> list[float]:
        """Values of the rows of the principal part."""
        return self.values[sorted({c for c, *_ in self.entries})].tolist()


@dataclass(frozen=True, eq=False)
class _Corner:
    """A place (2,) where two sides meet, the direction (2,) of the middle between them, and the opening ω."""

    sides: tuple[list[End], list[End]]
    place: Tensor
    middle: Tensor
    opening: float

    @classmethod
    def of(cls, group: Sequence[End]) -> _Corner | None:
        """The corner that ends make; None of a cusp, and of a slit, where rounding decides whether it is none."""
        sides = _sides(group)
        if sides is None:
            return None
        begin, end = sides[0][0], sides[1][0]
        opening = angle_between(begin.direction, end.direction)
        if not NARROW < opening < 2 * math.pi - NARROW:
            return None
        angle = math.atan2(float(begin.direction[1]), float(begin.direction[0])) + opening / 2
        middle = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
        return cls(sides, begin.place, middle, opening)


@dataclass(frozen=True, eq=False)
class Parts:
    """Principal parts of the equations and of the conditions on two sides, and what these prescribe.

    Attributes:
        parts: three of them.
        weights: t_i of the unknowns.
        units: (u,) of the unknowns.
        prescribed: (2 m,) by both sides, zero where the rows are no values.
    """

    parts: tuple[Principal, ...]
    weights: tuple[int, ...]
    units: np.ndarray
    prescribed: np.ndarray

    @classmethod
    def of(cls, statement: Statement, corner: _Corner, size: float) -> Parts | None:
        """Those at a corner; None where they are not those of an elliptic problem, or depend on the unknowns."""
        inside = corner.place + INSIDE * size * corner.middle
        equation = coefficients_at(statement.terms[0], inside, None, size)
        if equation is None or not equation.entries:
            return None
        sides = []
        for side in corner.sides:
            found = [coefficients_at(e.term, e.place, e.normal, size) for e in side]
            sides.append(together([one for one in found if one is not None]))
        return cls.among(equation, sides, len(statement.orders))

    @classmethod
    def among(cls, equation: AtPlace, sides: Sequence[AtPlace], unknowns: int) -> Parts | None:
        """Those of equations and of the conditions on two sides, at one place of a plane; None as in `of`."""
        terms = [equation, *sides]
        weights = _weights(equation.entries, unknowns)
        units = _units(equation.entries, len(weights))
        parts = tuple(one for one in (term.principal(weights, units) for term in terms) if one is not None)
        if len(parts) < len(terms):
            return None
        wanted = conditions_wanted(parts[0], weights)
        if any(len(part) != wanted for part in parts[1:]):
            return None
        return cls(parts, weights, units, _values_on(terms[1:], parts[1:], max(weights)))


def system_functions(
    statement: Statement, frame: Frame, group: Sequence[End], size: float, most: float, rough: float
) -> PolarFunctions | None:
    """The functions at a place where ends of a boundary meet, with Re λ ≤ most; None where none is rough, or known.

    Args:
        statement: the problem.
        frame: of its grid.
        group: the ends.
        size: of the domain.
        most: Re λ of the last function.
        rough: Re λ below which a function is rough, unless it is a polynomial.
    """
    corner = _Corner.of(group)
    if corner is None:
        return None
    parts = Parts.of(statement, corner, size)
    if parts is None:
        return None
    turned = corner.middle @ frame.rotation
    angle = math.atan2(float(turned[1]), float(turned[0]))
    # Patches may lie beyond the wedge, where the domain comes back: functions go on to the cut.
    wide = Pencil(parts.parts, parts.weights, angle, corner.opening, math.pi, polynomials_for(math.pi, most))
    jump = of_jump(wide, parts.prescribed)
    known = _found(parts, wide, most, rough, jump is not None)
    place = corner.place @ frame.rotation
    if jump is not None:
        known.insert(0, jump)
        after = after_jump(statement.terms[0], wide, jump, place, frame.rotation, parts.units, size)
        if after is not None:
            known.insert(1, after)
    if not known:
        return None
    radius = free_length(frame, corner.place, -corner.middle, size)
    return PolarFunctions.of(place, angle, size, radius, wide.tau, _in_units(known, parts, wide, size))


def functions_across(
    parts: Parts, place: Tensor, angle: float, opening: float, radius: float, size: float, most: float
) -> PolarFunctions | None:
    """The functions with Re λ < most of a wedge that are no polynomials; None if there are none.

    That of values that jump is none of them: where edges meet, it jumps itself, and no halving lowers what that leaves.

    Args:
        parts: what equations and conditions say there.
        place: (2,) its tip.
        angle: direction of its middle.
        opening: ω.
        radius: up to which distance from its tip the direction opposite to the middle does not meet the domain.
        size: of the domain.
        most: Re λ below which functions are taken.
    """
    wide = Pencil(parts.parts, parts.weights, angle, opening, math.pi, polynomials_for(math.pi, most))
    known = [one for one in _found(parts, wide, most, most, False) if _is_rough(one.exponent, most)]
    if not known:
        return None
    return PolarFunctions.of(place, angle, size, radius, wide.tau, _in_units(known, parts, wide, size))


def _in_units(known: Sequence[Profile], parts: Parts, wide: Pencil, size: float) -> list[Profile]:
    """Profiles of the unknowns themselves, for distances in units of a size."""
    # In units of the size, a derivative more is one power of it: an unknown of one order less has it in its values.
    units = (parts.units * float(size) ** np.array(wide.tau))[:, None]
    return [replace(one, plain=one.plain * units, log=one.log * units) for one in known]


def _is_rough(exponent: complex, rough: float) -> bool:
    """Whether patches that hold a function without its like would be halved many times."""
    integer = exponent.imag == 0 and abs(exponent.real - round(exponent.real)) <= INTEGER
    return exponent.real < rough and not integer


def _found(parts: Parts, wide: Pencil, most: float, rough: float, wanted: bool) -> list[Profile]:
    """The profiles of a wedge; none if none is rough, unless they are wanted all the same."""
    narrow = wide.opening / 2
    count = polynomials_for(narrow, most)
    pencil = Pencil(parts.parts, parts.weights, wide.middle, wide.opening, narrow, count)
    roots = clusters(pencil.roots(most))
    if not wanted and not any(_is_rough(x, rough) for x, _ in roots):
        return []
    return [one for root, multiplicity in roots for one in profiles(wide, root, multiplicity)]


def _sides(group: Sequence[End]) -> tuple[list[End], list[End]] | None:
    """The ends at a corner by the side that they lie on, that with the domain on its left first; None if not two."""
    found: list[list[End]] = []
    for end in group:
        for side in found:
            away = (end.direction - side[0].direction).norm() + (end.normal - side[0].normal).norm()
            if float(away) <= SAME_SIDE:
                side.append(end)
                break
        else:
            found.append([end])
    if len(found) != 2:
        return None
    turns = [float(s[0].direction[0] * s[0].normal[1] - s[0].direction[1] * s[0].normal[0]) for s in found]
    # Seen from its begin, the domain is on the left of the boundary: its outward normal is on the right.
    if turns[0] * turns[1] > 0:
        return None
    if turns[0] > 0:
        found.reverse()
    return found[0], found[1]


def _linearised(term: GridTerm, x: Tensor, normal: Tensor | None) -> tuple[Tensor, Tensor]:
    """Residuals (j, c) and sensitivities (j, c, s) at a place for jets of zero, and for others if that matters."""
    operator = term.operator
    normals = None
    if normal is not None:
        normals = normal[None]
    jets = torch.zeros(1, len(operator.slots), dtype=torch.float64)
    if not operator.linear:
        generator = torch.Generator().manual_seed(0)
        draws = torch.rand(2, len(operator.slots), generator=generator, dtype=torch.float64) - 0.5
        jets = torch.cat([jets, draws])
    if normals is not None:
        normals = normals.expand(len(jets), -1)
    r, dF = operator.linearise(x.expand(len(jets), -1), jets, normals, parameters_of(operator))
    if term.transform is not None:
        dF = dF @ term.transform
    return r, dF


def coefficients_at(term: GridTerm, x: Tensor, normal: Tensor | None, size: float) -> AtPlace | None:
    """What a term says at a place; None where that is not finite."""
    residuals, every = _linearised(term, x, normal)
    if not bool(torch.isfinite(residuals[0]).all() and torch.isfinite(every).all()):
        return None
    # In units of the domain, what rounding leaves is small beside the largest coefficient of its row.
    units = torch.tensor([size ** -sum(beta) for _, beta in term.slots], dtype=torch.float64)
    largest = (every * units).abs().amax((0, 2))[:, None]
    moved = ((every - every[0]) * units).abs().amax(0) > ABSENT * largest
    present = (every[0] * units).abs() > ABSENT * largest
    entries = []
    moving = []
    for c in range(len(largest)):
        for s, (i, beta) in enumerate(term.slots):
            if moved[c, s]:
                moving.append((c, i, beta, 1.0))
            elif present[c, s]:
                entries.append((c, i, beta, float(every[0, c, s])))
    return AtPlace(entries, moving, -residuals[0].numpy())


def together(terms: Sequence[AtPlace]) -> AtPlace:
    """Several conditions on one side as one."""
    entries: list[Entry] = []
    moving: list[Entry] = []
    values: list[float] = []
    for own in terms:
        entries += [(c + len(values), i, beta, a) for c, i, beta, a in own.entries]
        moving += [(c + len(values), i, beta, a) for c, i, beta, a in own.moving]
        values += own.values.tolist()
    return AtPlace(entries, moving, np.array(values))


def _weights(entries: Sequence[Entry], unknowns: int) -> tuple[int, ...]:
    """t_i: the highest order in which equations ask for an unknown."""
    found = [0] * unknowns
    for _, i, beta, _ in entries:
        found[i] = max(found[i], sum(beta))
    return tuple(found)


def _values_on(sides: Sequence[AtPlace], parts: Sequence[Principal], highest: int) -> np.ndarray:
    """Values (2 m,) prescribed on both sides; zero in rows that have no degree of zero where λ is zero."""
    prescribed = np.array([value for side in sides for value in side.prescribed()])
    are_values = np.array([shift == -highest for part in parts for shift in part.shifts])
    return np.where(are_values, prescribed, 0.0)


def _units(entries: Sequence[Entry], unknowns: int) -> np.ndarray:
    """Units (u,) of the unknowns in which the equations have coefficients of about one size."""
    rows = 1 + max(c for c, *_ in entries)
    size = np.zeros((rows, unknowns))
    for c, i, _, a in entries:
        size[c, i] = max(size[c, i], abs(a))
    found = np.ones(unknowns)
    known = size.max(0) > 0
    size = size[size.max(1) > 0]
    for _ in range(BALANCED):
        scaled = size * found
        scaled = scaled / scaled.max(1, keepdims=True)
        geometric = np.sqrt(scaled.max(0) * np.where(scaled > 0, scaled, np.inf).min(0))
        found[known] = found[known] / geometric[known]
    return found / found[known].max()
