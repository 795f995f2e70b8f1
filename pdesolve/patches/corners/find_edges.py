"""Straight edges of a solid at which solutions are singular, and the functions that they are made of there.

An edge is where two planes of the boundary meet along an axis of the grid, or where the condition in a plane changes.
Across it lies a wedge of the plane. What does not change along the edge has the exponents and functions of that wedge:
u(y₁, y₂) of Poisson's equation, plane strain and shear along the edge of an elastic body. They are those of the
principal part without its derivatives along the edge, and `systems` finds them. With polynomials along the edge they
stand beside the functions of the patches. What is left is smoother; that of the vertices, patches must hold.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.corners.edges import EdgeFunctions
from pdesolve.patches.corners.ends import INSIDE
from pdesolve.patches.corners.find_systems import AtPlace, Parts, coefficients_at, functions_across, together
from pdesolve.patches.frame import ALIGNED, Frame

MOST = (
    2.0  # Re λ of the last function; what is left goes with r² and is as good as smooth at an error of 1e-6
)
ALONG = 6  # polynomials along an edge: of the Fichera corner five to seven leave the same, that of its vertex
BESIDE = 1e-3  # of the size of the domain, at which the domain is asked for beside an edge
PLACES = (0.13, 0.31, 0.5, 0.71, 0.89)  # along an edge, at which it must be the same wedge
MOST_COLUMNS = (
    150  # functions in all: each is projected onto the patches, and takes a vector as long as the rows
)
RAY = 256  # places on a ray away from an edge, at which the domain is asked for
QUADRANT = math.pi / 2


@dataclass(frozen=True, eq=False)
class _Wedge:
    """What lies across a part of an edge.

    Attributes:
        axis: along the edge.
        place: (3,) its middle, in grid coordinates.
        ends: of the part along the axis.
        begin: the direction of the first side, in quarters of a turn.
        quadrants: of the opening.
        sides: numbers of the terms that hold on both sides.
    """

    axis: int
    place: np.ndarray
    ends: tuple[float, float]
    begin: int
    quadrants: int
    sides: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def others(self) -> list[int]:
        """The two axes across the edge."""
        return [i for i in range(3) if i != self.axis]

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for wedges that have the same functions where coefficients are constant."""
        return self.axis, self.begin, self.quadrants, self.sides

    @property
    def opening(self) -> float:
        """ω."""
        return self.quadrants * QUADRANT

    @property
    def middle(self) -> float:
        """Direction of the middle between both sides."""
        return self.begin * QUADRANT + self.opening / 2

    def direction(self, angle: float) -> np.ndarray:
        """A direction (3,) across the edge, in grid coordinates."""
        found = np.zeros(3)
        found[self.others] = math.cos(angle), math.sin(angle)
        return found


def edge_functions(statement: Statement, frame: Frame) -> tuple[EdgeFunctions, ...]:
    """The singular functions at the edges of a solid; none where they are of a kind that these are not known for."""
    if not _is_known(statement):
        return ()
    size = float(np.linalg.norm(frame.extent))
    found = []
    for wedge in _joined(_wedges(statement, frame, size)):
        functions = _functions(statement, frame, wedge, size)
        if functions is not None:
            found.append(functions)
    if sum(map(len, found)) > MOST_COLUMNS:
        return ()
    return tuple(found)


def _is_known(statement: Statement) -> bool:
    """Whether it is a steady problem in space without anything that edges are not known for."""
    problem = statement.problem
    other = problem.integrals or problem.seams or problem.data or problem.interfaces or problem.eigenvalues
    in_space = problem.domain.dimension == 3 and problem.domain.space_dimension == 3
    return in_space and not statement.fields and not other


def _wedges(statement: Statement, frame: Frame, size: float) -> Iterator[_Wedge]:
    """The wedges across all lines in which planes of the boundary meet, part by part."""
    marks = [np.unique(np.round(values, 12)) for values in frame.marks()]
    for axis in range(3):
        others = [i for i in range(3) if i != axis]
        for across in itertools.product(*(marks[i] for i in others)):
            for ends in pairwise(marks[axis]):
                wedge = _wedge(statement, frame, axis, across, ends, size)
                if wedge is not None:
                    yield wedge


def _wedge(
    statement: Statement,
    frame: Frame,
    axis: int,
    across: tuple[float, ...],
    ends: tuple[float, float],
    size: float,
) -> _Wedge | None:
    """The wedge across a part of a line; None where there is no edge, or not the same along all of it."""
    others = [i for i in range(3) if i != axis]
    places = np.zeros((len(PLACES), 3))
    places[:, others] = across
    places[:, axis] = ends[0] + (ends[1] - ends[0]) * np.array(PLACES)
    quarter = np.zeros((4, 3))
    quarter[:, others] = [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    inside = frame.inside(places[:, None] + BESIDE * size * quarter)
    if (inside != inside[0]).any():
        return None
    count = int(inside[0].sum())
    begins = [k for k in range(4) if inside[0, k] and not inside[0, k - 1]]
    # Of none and of four quadrants there is no edge; two that lie opposite meet in a line.
    if len(begins) != 1:
        return None
    blank = _Wedge(axis, places[2], ends, begins[0], count, ((), ()))
    sides = [_terms_on(statement, frame, blank, k, places, size) for k in (begins[0], begins[0] + count)]
    if sides[0] is None or sides[1] is None:
        return None
    # Two quadrants make a plane, which is no edge where one condition holds on all of it.
    return None if count == 2 and sides[0] == sides[1] else replace(blank, sides=(sides[0], sides[1]))


def _terms_on(
    statement: Statement, frame: Frame, wedge: _Wedge, quarter: int, places: np.ndarray, size: float
) -> tuple[int, ...] | None:
    """Numbers of the terms that hold on the side in this direction; None where that differs along it, or none does."""
    direction = wedge.direction(quarter * QUADRANT).round()
    axis = next(i for i in wedge.others if direction[i] == 0)
    y = torch.from_numpy(places + BESIDE * size * direction)
    found = []
    for number, term in enumerate(statement.terms[1:], start=1):
        active = _active(term, frame, axis, y, size)
        if bool(active.any()) and not bool(active.all()):
            return None
        if bool(active.all()):
            found.append(number)
    return tuple(found) or None


def _active(term: GridTerm, frame: Frame, axis: int, y: Tensor, size: float) -> Tensor:
    """Whether (n,) a term holds at points y (n, 3) of a plane across an axis."""
    place = term.operator.term.place
    active = torch.zeros(len(y), dtype=torch.bool)
    for piece in frame.pieces_on(place) if place is not None else ():
        plane = frame.plane(piece)
        if plane is None or plane[0] != axis or abs(plane[1] - float(y[0, axis])) > ALIGNED * size:
            continue
        low, high = frame.box_of(piece)
        within = ((y >= low - ALIGNED * size) & (y <= high + ALIGNED * size)).all(dim=1)
        active |= within & piece.active(y @ frame.rotation.T)
    return active


def _joined(wedges: Iterator[_Wedge]) -> list[_Wedge]:
    """Wedges of one kind that follow each other on a line as one."""
    found: list[_Wedge] = []
    for wedge in wedges:
        if found and found[-1].kind == wedge.kind:
            last = found[-1]
            on_line = np.array_equal(last.place[last.others], wedge.place[last.others])
            if on_line and last.ends[1] == wedge.ends[0]:
                found[-1] = replace(last, ends=(last.ends[0], wedge.ends[1]))
                continue
        found.append(wedge)
    return found


def _functions(statement: Statement, frame: Frame, wedge: _Wedge, size: float) -> EdgeFunctions | None:
    """The singular functions at an edge; None where it is worth none, or they are not known."""
    parts = _parts(statement, frame, wedge, size)
    if parts is None:
        return None
    radius = _radius(frame, wedge, size)
    place = torch.from_numpy(wedge.place[wedge.others])
    across = functions_across(parts, place, wedge.middle, wedge.opening, radius, size, MOST)
    if across is None:
        return None
    return EdgeFunctions(across, wedge.axis, *wedge.ends, ALONG)


def _radius(frame: Frame, wedge: _Wedge, size: float) -> float:
    """Up to which distance from an edge the direction opposite to its wedge does not meet the domain; or infinite."""
    steps = size * (np.arange(RAY) + 1) / RAY
    places = np.repeat(wedge.place[None], len(PLACES), axis=0)
    places[:, wedge.axis] = wedge.ends[0] + np.array(PLACES) * (wedge.ends[1] - wedge.ends[0])
    ray = places[:, None] + steps[:, None] * wedge.direction(wedge.middle + math.pi)
    met = frame.inside(ray).any(axis=0)
    return float(steps[met.argmax()]) - size / RAY if met.any() else math.inf


def _parts(statement: Statement, frame: Frame, wedge: _Wedge, size: float) -> Parts | None:
    """Principal parts across an edge, without derivatives along it; None where they are not those of one kind."""
    middle = wedge.place + INSIDE * size * wedge.direction(wedge.middle)
    equation = _across(statement.terms[0], frame, middle, None, wedge, size)
    if equation is None:
        return None
    sides = []
    # Seen from its begin, the domain is on the left of the first side: its outward normal is on the right.
    ends = ((wedge.begin * QUADRANT, -1), (wedge.begin * QUADRANT + wedge.opening, 1))
    for numbers, (angle, turn) in zip(wedge.sides, ends, strict=True):
        normal = wedge.direction(angle + turn * QUADRANT)
        terms = [statement.terms[n] for n in numbers]
        found = [_across(term, frame, wedge.place, normal, wedge, size) for term in terms]
        sides.append(together([one for one in found if one is not None]))
    return Parts.among(equation, sides, len(statement.orders))


def _across(
    term: GridTerm, frame: Frame, place: np.ndarray, normal: np.ndarray | None, wedge: _Wedge, size: float
) -> AtPlace | None:
    """What a term says at an edge of what does not change along it; None where that is not finite, or nothing."""
    x = frame.rotation @ torch.from_numpy(place)
    n: Tensor | None = None
    if normal is not None:
        n = frame.rotation @ torch.from_numpy(normal)
    found = coefficients_at(term, x, n, size)
    if found is None:
        return None
    first, second = wedge.others

    def reduced(entries: Sequence[tuple[int, int, tuple[int, ...], float]]) -> list:
        return [(c, i, (beta[first], beta[second]), a) for c, i, beta, a in entries if beta[wedge.axis] == 0]

    entries = reduced(found.entries)
    return replace(found, entries=entries, moving=reduced(found.moving)) if entries else None
