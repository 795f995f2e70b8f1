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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.place import Piece
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.corners.edges import EdgeFunctions
from pdesolve.patches.corners.ends import INSIDE
from pdesolve.patches.corners.find_systems import AtPlace, Parts, coefficients_at, functions_across, together
from pdesolve.patches.frame import ALIGNED, Frame
from pdesolve.runs.deadline import check_deadline

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
        return _direction(self.axis, angle)


@dataclass(frozen=True, eq=False)
class _Face:
    """A flat piece of the boundary across an axis of the grid, on which a term holds.

    Attributes:
        number: of the term.
        piece: the piece.
        axis, value: its plane.
        low, high: (3,) corners of the box around it, in grid coordinates.
    """

    number: int
    piece: Piece
    axis: int
    value: float
    low: Tensor
    high: Tensor


def edge_functions(statement: Statement, frame: Frame) -> tuple[EdgeFunctions, ...]:
    """The singular functions at the edges of a solid; none where they are of a kind that these are not known for."""
    if not _is_known(statement):
        return ()
    size = float(np.linalg.norm(frame.extent))
    found: list[EdgeFunctions] = []
    for wedge in _joined(_wedges(statement, frame, size)):
        check_deadline()
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
    faces = _faces(statement, frame)
    for axis in range(3):
        # Most lines of the grid run through the domain, beside it, or in a plane: their middle tells.
        lines = _lines(frame, axis)
        middle = _quadrants(frame, _places_on(lines, axis, (0.5,)), axis, size)[:, 0]
        for line, inside in zip(lines, middle, strict=True):
            check_deadline()
            begin = _begin(inside)
            if begin is None or (inside.sum() == 2 and not _changes(faces, line, axis, begin, size)):
                continue
            wedge = _wedge(faces, frame, axis, line, inside, size)
            if wedge is not None:
                yield wedge


def _faces(statement: Statement, frame: Frame) -> list[_Face]:
    """The flat pieces of the boundary that terms hold on, term by term."""
    found = []
    for number, term in enumerate(statement.terms[1:], start=1):
        place = term.operator.term.place
        for piece in frame.pieces_on(place) if place is not None else ():
            plane = frame.plane(piece)
            if plane is not None:
                found.append(_Face(number, piece, plane[0], plane[1], *frame.box_of(piece)))
    return found


def _lines(frame: Frame, axis: int) -> np.ndarray:
    """Parts of lines along an axis in which planes of the boundary meet: (l, 2, 3), their two ends."""
    marks = [np.unique(np.round(values, 12)) for values in frame.marks()]
    first, second = (marks[i] for i in range(3) if i != axis)
    found = []
    for across in itertools.product(first, second):
        for ends in pairwise(marks[axis]):
            found.append([np.insert(across, axis, end) for end in ends])
    return np.array(found)


def _places_on(lines: np.ndarray, axis: int, parts: Sequence[float]) -> np.ndarray:
    """Places (l, k, 3) on lines (l, 2, 3) along an axis, at parts (k,) of their lengths."""
    places = np.repeat(lines[:, :1], len(parts), axis=1)
    places[..., axis] += (lines[:, 1, axis] - lines[:, 0, axis])[:, None] * np.array(parts)
    return places


def _quadrants(frame: Frame, places: np.ndarray, axis: int, size: float) -> np.ndarray:
    """Which quadrants (..., 4) about a line along an axis lie in the domain, at places (..., 3) on it."""
    others = [i for i in range(3) if i != axis]
    quarter = np.zeros((4, 3))
    quarter[:, others] = [[1, 1], [-1, 1], [-1, -1], [1, -1]]
    return frame.inside(places[..., None, :] + BESIDE * size * quarter)


def _begin(inside: np.ndarray) -> int | None:
    """The first of the quadrants (4,) inside, counted on from one outside; None where there is no edge.

    Of none and of four quadrants there is no edge; two that lie opposite meet in a line.
    """
    begins = [k for k in range(4) if inside[k] and not inside[k - 1]]
    return begins[0] if len(begins) == 1 else None


def _direction(axis: int, angle: float) -> np.ndarray:
    """A direction (3,) across an axis, in grid coordinates."""
    found = np.zeros(3)
    found[[i for i in range(3) if i != axis]] = math.cos(angle), math.sin(angle)
    return found


def _changes(faces: Sequence[_Face], line: np.ndarray, axis: int, begin: int, size: float) -> bool:
    """Whether the condition may change in the plane whose half lies inside, from this quadrant on."""
    return len({face.number for face in _faces_in(faces, axis, begin, line[0], size)}) > 1


def _faces_in(faces: Sequence[_Face], axis: int, quarter: int, place: np.ndarray, size: float) -> list[_Face]:
    """The faces in the plane through a place that an axis and a direction across it span, in quarters of a turn."""
    direction = _direction(axis, quarter * QUADRANT).round()
    normal = next(i for i in range(3) if i != axis and direction[i] == 0)
    return [f for f in faces if f.axis == normal and abs(f.value - place[normal]) <= ALIGNED * size]


def _wedge(
    faces: Sequence[_Face], frame: Frame, axis: int, line: np.ndarray, inside: np.ndarray, size: float
) -> _Wedge | None:
    """The wedge across a part of a line (2, 3), with quadrants (4,) inside; None where it is not the same all along."""
    places = _places_on(line[None], axis, PLACES)[0]
    if (_quadrants(frame, places, axis, size) != inside).any():
        return None
    begin = _begin(inside)
    assert begin is not None, "a line without an edge has no wedge"
    count = int(inside.sum())
    blank = _Wedge(axis, places[2], (float(line[0, axis]), float(line[1, axis])), begin, count, ((), ()))
    sides = [_terms_on(faces, frame, blank, k, places, size) for k in (begin, begin + count)]
    if sides[0] is None or sides[1] is None:
        return None
    # Two quadrants make a plane, which is no edge where one condition holds on all of it.
    return None if count == 2 and sides[0] == sides[1] else replace(blank, sides=(sides[0], sides[1]))


def _terms_on(
    faces: Sequence[_Face], frame: Frame, wedge: _Wedge, quarter: int, places: np.ndarray, size: float
) -> tuple[int, ...] | None:
    """Numbers of the terms that hold on the side in this direction; None where that differs along it, or none does."""
    y = torch.from_numpy(places + BESIDE * size * _direction(wedge.axis, quarter * QUADRANT).round())
    active: dict[int, Tensor] = {}
    for face in _faces_in(faces, wedge.axis, quarter, wedge.place, size):
        within = ((y >= face.low - ALIGNED * size) & (y <= face.high + ALIGNED * size)).all(dim=1)
        if bool(within.any()):
            within &= face.piece.active(y @ frame.rotation.T)
        active[face.number] = active.get(face.number, torch.zeros_like(within)) | within
    if any(bool(mask.any()) and not bool(mask.all()) for mask in active.values()):
        return None
    return tuple(number for number, mask in active.items() if bool(mask.all())) or None


def _joined(wedges: Iterable[_Wedge]) -> list[_Wedge]:
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
