"""Corners of a domain at which solutions of a problem are singular, and the functions that they are made of there.

A corner is where two parts of the boundary end: with an angle between them, or with another condition on either side.
It is worth functions of its own where an exponent below two is no integer, as at re-entrant and obtuse corners and
where values meet fluxes, where prescribed values jump, or where a source asks for r² log r. So is a point inside at
which straight interfaces meet. For a linear equation of second order in one unknown they are known in closed form; for
other elliptic systems whose leading coefficients do not depend on the unknowns, `find_systems` finds them. Elsewhere
patches that are halved toward the corner do.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.corners.ends import (
    INSIDE,
    End,
    angle_between,
    ends_of,
    free_length,
    groups,
    linear_at,
    parameters_of,
)
from pdesolve.patches.corners.enrichment import Singular
from pdesolve.patches.corners.find_edges import edge_functions
from pdesolve.patches.corners.find_systems import system_functions
from pdesolve.patches.corners.functions import CornerFunctions
from pdesolve.patches.corners.sectors import SectorFunctions, sector_functions
from pdesolve.patches.corners.wedge import (
    INTEGER,
    Edge,
    Power,
    powers,
    powers_of_modes,
    source_asks_for_logarithm,
)
from pdesolve.patches.frame import Frame
from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.subdomains import interface_pieces

# Up to which exponents functions are taken. What is left, r^5 and more, is as good as smooth for patches.
MOST = 5.0
ROUGH = 2.0  # exponents below it, unless integers, make patches be halved many times
NARROW = 0.05  # angles, in radians, below which the cut outside a corner would lie on its edges
OBLIQUE = 1e-6  # cosine of a direction to an edge, above which it is not normal to it
DIFFERENCE = 1e-3  # of the size of the domain: steps of differences of prescribed values
# Part of the terms of an equation that differences of prescribed values leave of it: they are right to 1e-3.
CONTRADICTION = 1e-2
JUMP = 1e-9  # of prescribed values, relative to them, that is none
SAMPLES = 256  # of prescribed values, for their size


def corner_functions(statement: Statement, frame: Frame) -> tuple[Singular, ...]:
    """The singular functions of a problem; none where it is of a kind that these are not known for."""
    if statement.problem.domain.dimension == 3:
        return edge_functions(statement, frame)
    if not _is_known(statement):
        return ()
    size = float(np.linalg.norm(frame.extent))
    sides = [
        end
        for term in statement.terms[1:]
        for end in ends_of(term, frame.pieces_on(term.operator.term.place), DIFFERENCE * size)
    ]
    rays = ends_of(
        statement.terms[0], interface_pieces(statement.problem, frame.subdomains), DIFFERENCE * size
    )
    places = list(groups([*sides, *rays], size))
    corners = [_corner(statement, group, sides) for group in places]
    beside = _beside(statement.terms[0], [corner for corner in corners if corner is not None], size)
    found = [
        _at_place(statement, frame, group, sides, size)
        if corner is None
        else _functions(statement, frame, corner, next(beside), size)
        for group, corner in zip(places, corners, strict=True)
    ]
    return tuple(one for one in found if one is not None)


@dataclass(frozen=True, eq=False)
class _Corner:
    """Two ends that meet, in the order in which the boundary is gone along: the domain is on the left.

    Attributes:
        begin, end: the ends.
        opening: angle between both, inside the domain.
    """

    begin: End
    end: End
    opening: float

    def inside(self, size: float) -> Tensor:
        """A place (2,) in the domain, next to the corner."""
        angle = math.atan2(float(self.begin.direction[1]), float(self.begin.direction[0])) + self.opening / 2
        middle = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
        return self.begin.place + INSIDE * size * middle


@dataclass(frozen=True, eq=False)
class _Coefficients:
    """Of an equation at a corner.

    Attributes:
        inside: (s,) its sensitivities next to the corner.
        residual: at zero, in the corner.
        sensitivity: (s,) in the corner.
    """

    inside: Tensor
    residual: Tensor
    sensitivity: Tensor


def _corner(statement: Statement, group: list[End], sides: list[End]) -> _Corner | None:
    """Two ends of sides of the domain that meet, of a scalar equation; None of other places."""
    # Where more than two parts meet, domains touch in a point; where one ends alone, nothing is prescribed beyond.
    if len(group) != 2 or not _is_scalar(statement) or any(end not in sides for end in group):
        return None
    one, other = group
    # Seen from its begin, the domain is on the left of the boundary: its outward normal is on the right.
    turn = float(one.direction[0] * one.normal[1] - one.direction[1] * one.normal[0])
    begin, end = (one, other) if turn < 0 else (other, one)
    opening = angle_between(begin.direction, end.direction)
    if not NARROW < opening < 2 * math.pi - NARROW:
        return None
    return _Corner(begin, end, opening)


def _beside(equation: GridTerm, corners: list[_Corner], size: float) -> Iterator[_Coefficients]:
    """What an equation says at corners: evaluated at all of them together, as an evaluation costs its call."""
    if not corners:
        return
    check_deadline()
    inside = [corner.inside(size) for corner in corners]
    r, dF = linear_at(equation, torch.stack([*inside, *(corner.begin.place for corner in corners)]))
    n = len(corners)
    for i in range(n):
        yield _Coefficients(dF[i], r[n + i], dF[n + i])


def _at_place(
    statement: Statement, frame: Frame, group: list[End], sides: list[End], size: float
) -> Singular | None:
    """The singular functions of a place where ends of `sides` of the domain, or of interfaces, meet."""
    check_deadline()
    outer = [end for end in group if end in sides]
    # Where parts of the boundary meet interfaces, functions are unknown.
    if outer and len(outer) < len(group):
        return None
    if outer and not _is_scalar(statement):
        return system_functions(statement, frame, outer, size, MOST, ROUGH)
    # What λ adds to functions of modes differs from sector to sector.
    if outer or statement.problem.eigenvalues:
        return None
    return _between_sectors(statement.terms[0], frame, group, size)


def _between_sectors(
    equation: GridTerm, frame: Frame, rays: list[End], size: float
) -> SectorFunctions | None:
    """The singular functions of a point at which interfaces end; None where it is worth none."""
    place = rays[0].place
    if float(frame.domain.level(place[None])) > -INSIDE * size or len(rays) < 2:
        return None
    # Beyond the end of an interface its ray would go on as a kink that no row sees.
    radius = min(ray.length for ray in rays)
    directions = torch.stack([ray.direction @ frame.rotation for ray in rays])
    angles = sorted(math.atan2(float(d[1]), float(d[0])) for d in directions)
    k = []
    for begin, end in pairwise([*angles, angles[0] + 2 * math.pi]):
        middle = torch.tensor([math.cos((begin + end) / 2), math.sin((begin + end) / 2)], dtype=torch.float64)
        _, (dF,) = linear_at(equation, (place + INSIDE * size * (frame.rotation @ middle))[None])
        A = _principal_part(equation, dF)
        k.append(float(A[0, 0]))
        # Sectors that conduct differently in different directions have exponents of their own.
        if float((A - A[0, 0] * torch.eye(2, dtype=torch.float64)).abs().max()) > JUMP * abs(k[-1]):
            return None
    if not (min(k) > 0 or max(k) < 0) or radius == 0:
        return None
    k = [abs(one) for one in k]
    found = sector_functions(place @ frame.rotation, angles, k, size, radius, MOST)
    if found is None or min(found.exponents) >= ROUGH:
        return None
    return found


def _is_known(statement: Statement) -> bool:
    problem = statement.problem
    other = problem.integrals or problem.seams or problem.data
    plane = problem.domain.dimension == 2 and problem.domain.space_dimension == 2
    # Points where interfaces end, and modes, have functions in one unknown alone.
    known = _is_scalar(statement) or not (problem.interfaces or problem.eigenvalues)
    return plane and known and not statement.fields and not other


def _is_scalar(statement: Statement) -> bool:
    """Whether it is a linear equation of second order in one unknown, whose functions are known in closed form."""
    one = len(statement.orders) == 1 and statement.terms[0].operator.components == 1
    return one and statement.linear and int(statement.orders.max()) == 2


def _functions(
    statement: Statement, frame: Frame, corner: _Corner, coefficients: _Coefficients, size: float
) -> CornerFunctions | None:
    """The singular functions between two ends that meet, None where it is worth none."""
    begin = corner.begin
    end = corner.end
    transform = _to_laplace(statement.terms[0], coefficients.inside)
    if transform is None:
        return None
    gradient = torch.complex(transform[0], transform[1])
    directions = [end.direction @ frame.rotation for end in (begin, end)]
    first, last = (complex((gradient * d).sum()) for d in directions)
    span = cmath.phase(last / first) % (2 * math.pi)
    # The middle of the wedge is turned to the positive real axis; lengths are those of the domain.
    gradient = (
        gradient
        * cmath.exp(-1j * (cmath.phase(first) + span / 2))
        / abs(complex(gradient.abs().max()) * size)
    )
    edges = [_edge(term_end, gradient, angle) for term_end, angle in ((begin, -span / 2), (end, span / 2))]
    if edges[0] is None or edges[1] is None:
        return None
    if statement.problem.eigenvalues:
        of_modes = tuple(powers_of_modes(edges[0], edges[1], MOST))
        if not any(_is_rough(power) for power in of_modes):
            return None
        return CornerFunctions(
            begin.place @ frame.rotation, gradient, of_modes, _radius(frame, begin, gradient, size)
        )
    jumps = _jump(begin, end)
    forced = source_asks_for_logarithm(edges[0], edges[1]) and _is_forced(
        statement.terms[0], frame, corner, coefficients, size
    )
    # The function of a jump is of no use where values do not jump.
    found = [power for power in powers(edges[0], edges[1], MOST) if power.exponent > 0 or jumps]
    if not (jumps or forced or any(_is_rough(power) for power in found)):
        return None
    radius = _radius(frame, begin, gradient, size)
    return CornerFunctions(begin.place @ frame.rotation, gradient, tuple(found), radius)


def _radius(frame: Frame, begin: End, gradient: Tensor, size: float) -> float:
    """Up to which distance from a corner the cut of its functions, arg ζ = π, does not meet the domain."""
    cut = -torch.linalg.solve(
        torch.stack([gradient.real, gradient.imag]), torch.tensor([1.0, 0.0], dtype=torch.float64)
    )
    return free_length(frame, begin.place, frame.rotation @ cut / cut.norm(), size)


def _is_rough(power: Power) -> bool:
    """Whether patches that hold a function without its like would be halved many times."""
    fraction = abs(power.exponent - round(power.exponent))
    return 0 < power.exponent < ROUGH and fraction > INTEGER


def _is_forced(
    equation: GridTerm, frame: Frame, corner: _Corner, coefficients: _Coefficients, size: float
) -> bool:
    """Whether values along two edges contradict an equation at their corner: then no quadratic function meets both.

    Values and their derivatives along the edges tell u, ∇u, and the second derivatives along each edge. In a wedge in
    which ζ² is singular, the equation holds no others.
    """
    begin = corner.begin
    end = corner.end
    if not (_fixes_values(begin) and _fixes_values(end)):
        return True  # rare: the functions are of use or not, and harmless
    directions = torch.stack([e.direction @ frame.rotation for e in (begin, end)])
    step = begin.step
    values = torch.stack([e.prescribed for e in (begin, end)])  # (2, 4)
    slopes = (-3 * values[:, 0] + 4 * values[:, 1] - values[:, 2]) / (2 * step)
    # One-sided and of second order, as a third derivative must not pass for a second one.
    curvature = values @ torch.tensor([2.0, -5.0, 4.0, -1.0], dtype=torch.float64) / step**2
    gradient = torch.linalg.solve(directions, slopes)
    inverse = torch.linalg.inv(directions)  # columns dual to the directions
    hessian = inverse @ torch.diag(curvature) @ inverse.mT
    jets = torch.zeros(len(equation.slots), dtype=torch.float64)
    for i, (_, beta) in enumerate(equation.slots):
        axes = np.repeat([0, 1], beta)
        known = (values[0, 0], gradient, hessian)[len(axes)]
        jets[i] = known[tuple(axes)]
    dF = coefficients.sensitivity
    # Where next to nothing happens at the corner, what is left is beside what happens elsewhere.
    natural = float(dF.abs().max() * values.abs().max()) / size**2
    left = abs(float(coefficients.residual + dF @ jets))
    if left <= CONTRADICTION * max(float((dF * jets).abs().sum()), natural):
        return False
    return left > CONTRADICTION * float((dF * jets).abs().sum() + _prescribed(equation).abs().max())


def _fixes_values(end: End) -> bool:
    return not any(any(beta) for _, beta in end.term.slots)


def _jump(begin: End, end: End) -> bool:
    """Whether prescribed values differ at a corner."""
    if not (_fixes_values(begin) and _fixes_values(end)):
        return False
    values = [float(e.prescribed[0]) for e in (begin, end)]
    jump = abs(values[0] - values[1])
    if jump <= JUMP * max(abs(value) for value in values):
        return False
    # Beside large values elsewhere, what differs at a corner may be their rounding.
    sizes = [float(_prescribed(e.term).abs().max() / abs(e.along[1][0, 0])) for e in (begin, end)]
    return jump > JUMP * max(sizes)


def _prescribed(term: GridTerm) -> Tensor:
    """Residuals (n,) of a condition at zero, at places all along it, or of the equation."""
    operator = term.operator
    domain = operator.problem.domain
    normals = None
    points = domain.sample(SAMPLES)
    if operator.term.place is not None:
        points, normals, *_ = operator.term.place.sample(domain, SAMPLES)
    zero = torch.zeros(len(points), len(operator.slots), dtype=torch.float64)
    return operator.residual(points, zero, normals, parameters_of(operator))[:, 0].detach()


def _to_laplace(term: GridTerm, dF: Tensor) -> Tensor | None:
    """T (2, 2) in grid coordinates with T A Tᵀ = 1 for the principal part A of ∂F (s,); None if it is not elliptic."""
    A = _principal_part(term, dF)
    if float(A.trace()) < 0:
        A = -A
    values, vectors = torch.linalg.eigh(A)
    if not float(values[0]) > 0:
        return None
    return vectors @ torch.diag(values.rsqrt()) @ vectors.mT


def _principal_part(term: GridTerm, dF: Tensor) -> Tensor:
    """A (2, 2) of Σ A_ij ∂_i∂_j u along grid axes, from sensitivities ∂F (s,) at a place."""
    A = torch.zeros(2, 2, dtype=torch.float64)
    for (_, beta), value in zip(term.slots, dF, strict=True):
        if sum(beta) == 2:
            i, j = np.repeat([0, 1], beta)
            A[i, j] += value / 2
            A[j, i] += value / 2
    return A


def _edge(end: End, gradient: Tensor, angle: float) -> Edge | None:
    """What a condition fixes at its end; None of conditions with second derivatives, or of several components."""
    orders = [sum(beta) for _, beta in end.term.slots]
    if end.term.operator.components != 1 or max(orders) > 1:
        return None
    dF = end.along[1][0]
    slope = torch.zeros(2, dtype=torch.float64)
    for (_, beta), value in zip(end.term.slots, dF, strict=True):
        slope += value * torch.tensor(beta, dtype=torch.float64)
    if not bool(slope.any()):
        if not bool(dF.any()):
            return None
        return Edge(angle, 0.0, True)
    # In ζ, a flux is the derivative across the edge. Other derivatives may leave several solutions of finite energy, of
    # which the patches find the smoothest.
    across = cmath.phase(complex((gradient * slope).sum())) - angle
    if abs(math.cos(across)) > OBLIQUE:
        return None
    return Edge(angle, math.pi / 2, False)
