"""Boundary-fitted triangles for any plane domain."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import Delaunay, cKDTree

from pdesolve.geometry.domain import Domain
from pdesolve.output.boundary_curves import boundary_polygon
from pdesolve.output.cells import OutputMesh, corners_of

_CLEARANCE = (
    0.6  # Interior points keep this many spacings from the boundary: > 1/2, so no segment is crowded.
)


def triangulate(domain: Domain, target: int) -> OutputMesh:
    """Triangles between points on the boundary and a hexagonal grid inside.

    Equilateral triangles of side h have area √3/4 h², two of them per point, hence h² = 2 |Ω| / (√3 n). The
    boundary's segments are edges of the Delaunay triangulation, so they part it into pieces which lie
    inside or outside as a whole: the mesh is exactly the polygon through the boundary points, its area
    right to O(h²).

    Args:
        domain: a plane domain.
        target: how many points, about.

    Returns:
        Triangles, counter-clockwise.
    """
    h = math.sqrt(2 * float(domain.measure) / (math.sqrt(3) * target))
    polygon = boundary_polygon(domain, h)
    inner = _hexagonal_grid(domain, h)
    inner = inner[inside(domain, inner)]
    distance, _ = cKDTree(polygon.samples(h / 4)).query(inner, distance_upper_bound=h)
    inner = inner[distance > _CLEARANCE * h]
    points = np.concatenate([polygon.points, inner])
    triangles = _inner_triangles(domain, points, polygon.segments)
    used, compact = np.unique(triangles, return_inverse=True)
    return OutputMesh(points[used], compact.reshape(-1, 3), "triangle", tuple(domain.coordinates))


def inside(domain: Domain, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (n, d) lie in the domain or, to rounding, on its boundary or on a seam of a union."""
    return domain.contains(torch.as_tensor(points), domain.rounding).cpu().numpy()


def centred(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, d) moved and scaled into [-1, 1]^d: Delaunay's test squares coordinates, and cancels."""
    lower, upper = points.min(axis=0), points.max(axis=0)
    return 2 * (points - (lower + upper) / 2) / (upper - lower).max()


def _hexagonal_grid(domain: Domain, h: float) -> NDArray[np.float64]:
    lower, upper = corners_of(domain)
    columns, rows = np.ceil((upper - lower) / (h, h * math.sqrt(3) / 2)).astype(int) + 1
    i, j = np.meshgrid(np.arange(-1, columns), np.arange(rows))
    x = (i + 0.5 * (j % 2)) * h
    y = j * h * math.sqrt(3) / 2
    centre = (lower + upper) / 2
    points = np.column_stack([x.ravel(), y.ravel()])
    return points - (points.min(axis=0) + points.max(axis=0)) / 2 + centre


def _inner_triangles(
    domain: Domain, points: NDArray[np.float64], segments: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The Delaunay triangles of the domain, (e, 3)."""
    n = len(points)
    angle = 2 * np.pi * (np.arange(12) + 0.1) / 12
    # A far ring keeps the boundary off the convex hull, where rounding makes flat triangles.
    ring = 4 * np.column_stack([np.cos(angle), np.sin(angle)])
    delaunay = Delaunay(np.concatenate([centred(points), ring]))
    triangles = delaunay.simplices.astype(np.int64)
    real = (triangles < n).all(axis=1)
    area = _signed_area(points, np.where(real[:, None], triangles, 0))
    vote = np.where(real, -np.abs(area) * _sign_at_centroid(domain, points, triangles, real), -np.inf)
    parts = _parts_between(triangles, delaunay.neighbors, segments, n + len(ring))
    if parts is not None:  # otherwise a cusp hid a segment, and every triangle speaks for itself
        vote = np.bincount(parts, np.where(real, vote, 0.0))[parts]
    chosen = triangles[real & (vote > 0)]
    clockwise = _signed_area(points, chosen) < 0
    chosen[clockwise] = chosen[clockwise][:, ::-1]
    return chosen


def _sign_at_centroid(
    domain: Domain, points: NDArray[np.float64], triangles: NDArray[np.int64], real: NDArray[np.bool_]
) -> NDArray[np.float64]:
    sign = np.ones(len(triangles))
    sign[real] = np.where(inside(domain, points[triangles[real]].mean(axis=1)), -1.0, 1.0)
    return sign


def _parts_between(
    triangles: NDArray[np.int64], neighbours: NDArray[np.int32], segments: NDArray[np.int64], n: int
) -> NDArray[np.int64] | None:
    """Which connected part each triangle belongs to when the segments are walls; None if one is missing."""
    walls = np.sort(segments, axis=1) @ (n, 1)
    opposite = np.stack([triangles[:, [1, 2]], triangles[:, [0, 2]], triangles[:, [0, 1]]], axis=1)
    edges = np.sort(opposite, axis=2) @ (n, 1)
    if not np.isin(walls, edges).all():
        return None
    open_edge = (neighbours >= 0) & ~np.isin(edges, walls)
    row, column = np.nonzero(open_edge)[0], neighbours[open_edge]
    graph = coo_array((np.ones(len(row)), (row, column)), shape=(len(triangles),) * 2)
    return connected_components(graph, directed=False)[1]


def _signed_area(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    first, second = (
        points[triangles[:, 1]] - points[triangles[:, 0]],
        points[triangles[:, 2]] - points[triangles[:, 0]],
    )
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
