"""The boundary of a plane domain as a closed polygon whose vertices lie on it, finer where it needs to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Piece

# Points that measure the length of an arc: its error, 1/2048² of the length, is not seen.
_SAMPLES = 2048
# Largest change of direction within one segment: 24 segments on a small circle.
_TURN = np.pi / 12
# No segment is split below this fraction of the spacing asked for: in a cusp splitting would not end.
_SMALLEST = 1 / 64
# Ends closer than this fraction of the domain's size are one vertex: trim points are found by bisection, twice.
_MERGE = 1e-8


@dataclass(frozen=True)
class BoundaryPolygon:
    """Segments between points of the boundary.

    Attributes:
        points: (n, 2) vertices, all on the boundary.
        segments: (e, 2) indices of the end points.
        pieces: (e,) index of the boundary piece of each segment.
        parameters: (e, 2) the piece's parameter at both ends.
    """

    points: NDArray[np.float64]
    segments: NDArray[np.int64]
    pieces: NDArray[np.int64]
    parameters: NDArray[np.float64]

    @property
    def ends(self) -> NDArray[np.float64]:
        """(e, 2, 2): both end points of every segment."""
        return self.points[self.segments]

    def samples(self, spacing: float) -> NDArray[np.float64]:
        """Points on the segments not farther apart than `spacing`, the vertices included."""
        first = self.ends[:, 0]
        second = self.ends[:, 1]
        number = np.ceil(np.linalg.norm(second - first, axis=1) / spacing).astype(int)
        owner = np.repeat(np.arange(len(number)), number)
        share = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number)
        weight = (share / number[owner])[:, None]
        return np.concatenate([first[owner] * (1 - weight) + second[owner] * weight, self.points])


def boundary_polygon(domain: Domain, spacing: float) -> BoundaryPolygon:
    """Walk along every active arc of the boundary in steps of equal length, then split what is crowded.

    A step is at most `spacing` long and turns by at most 15°. A segment is split while another vertex lies in
    the circle over it, so that every segment is an edge of the Delaunay triangulation (Ruppert 1995,
    Lemma 1): this refines thin gaps and acute corners, and nothing else.

    Args:
        domain: a plane domain with `pieces`.
        spacing: length of a segment.

    Returns:
        The polygon; corners and the points where pieces are trimmed are vertices.
    """
    parts = []
    start = 0
    for index, piece in enumerate(domain.pieces):
        for first, last in _joined(piece.intervals.tolist()):
            parameter = _equal_steps(piece, first, last, spacing)
            points = _map(piece, parameter)
            number = np.arange(start, start + len(points))
            parts.append((points, number, index, parameter))
            start += len(points)
    polygon = BoundaryPolygon(
        np.concatenate([points for points, *_ in parts]),
        np.concatenate([np.column_stack([number[:-1], number[1:]]) for _, number, *_ in parts]),
        np.concatenate([np.full(len(number) - 1, index) for _, number, index, _ in parts]),
        np.concatenate([np.column_stack([s[:-1], s[1:]]) for *_, s in parts]),
    )
    return _split_crowded(domain, _merge_ends(polygon), _SMALLEST * spacing)


def _joined(intervals: list[list[float]]) -> list[list[float]]:
    """Intervals with those that follow one another made one: a smooth arc is stepped along as a whole."""
    joined: list[list[float]] = []
    for first, last in intervals:
        if joined and joined[-1][1] == first:
            joined[-1][1] = last
        else:
            joined.append([first, last])
    return joined


def _equal_steps(piece: Piece, first: float, last: float, spacing: float) -> NDArray[np.float64]:
    """Parameters from `first` to `last` at equal arc lengths."""
    s = np.linspace(first, last, _SAMPLES)
    steps = np.diff(_map(piece, s), axis=0)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(steps, axis=1))])
    direction = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    turning = float(np.abs(np.diff(direction)).sum())
    number = max(1, int(np.ceil(length[-1] / spacing - 1e-9)), int(np.ceil(turning / _TURN - 1e-3)))
    parameter = np.interp(np.linspace(0, length[-1], number + 1), length, s)
    # Exactly, so that arcs which meet in a corner end in the same point.
    parameter[0] = first
    parameter[-1] = last
    return parameter


def _map(piece: Piece, s: NDArray[np.float64]) -> NDArray[np.float64]:
    return piece.map(torch.as_tensor(s, dtype=torch.float64)[:, None]).detach().cpu().numpy()


def _merge_ends(polygon: BoundaryPolygon) -> BoundaryPolygon:
    """One vertex where two arcs meet."""
    size = float(np.ptp(polygon.points, axis=0).max())
    pairs = cKDTree(polygon.points).query_pairs(_MERGE * size, output_type="ndarray")
    name = np.arange(len(polygon.points))
    for a, b in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        name[b] = name[a]
    kept, compact = np.unique(name, return_inverse=True)
    segments = compact[polygon.segments]
    real = segments[:, 0] != segments[:, 1]
    return BoundaryPolygon(
        polygon.points[kept], segments[real], polygon.pieces[real], polygon.parameters[real]
    )


def _split_crowded(domain: Domain, polygon: BoundaryPolygon, smallest: float) -> BoundaryPolygon:
    """Halve segments until no vertex lies in the circle over another segment, or they are very short."""
    for _ in range(64):
        first = polygon.ends[:, 0]
        second = polygon.ends[:, 1]
        length = np.linalg.norm(second - first, axis=1)
        # Both ends of a segment are on its circle: the nearest three hold any other vertex in it.
        distance, nearest = cKDTree(polygon.points).query((first + second) / 2, k=min(3, len(polygon.points)))
        foreign = (nearest != polygon.segments[:, :1]) & (nearest != polygon.segments[:, 1:])
        crowded = (foreign & (distance < length[:, None] * (0.5 + 1e-9))).any(axis=1) & (length > smallest)
        if not crowded.any():
            break
        polygon = _halve(domain, polygon, np.flatnonzero(crowded))
    return polygon


def _halve(domain: Domain, polygon: BoundaryPolygon, chosen: NDArray[np.int64]) -> BoundaryPolygon:
    middle = polygon.parameters[chosen].mean(axis=1)
    points = np.empty((len(chosen), 2))
    for index in np.unique(polygon.pieces[chosen]):
        own = polygon.pieces[chosen] == index
        points[own] = _map(domain.pieces[index], middle[own])
    new = len(polygon.points) + np.arange(len(chosen))
    segments = polygon.segments.copy()
    parameters = polygon.parameters.copy()
    second = np.column_stack([new, segments[chosen, 1]])
    second_parameters = np.column_stack([middle, parameters[chosen, 1]])
    segments[chosen, 1] = new
    parameters[chosen, 1] = middle
    return BoundaryPolygon(
        np.concatenate([polygon.points, points]),
        np.concatenate([segments, second]),
        np.concatenate([polygon.pieces, polygon.pieces[chosen]]),
        np.concatenate([parameters, second_parameters]),
    )
