"""Domains given by mesh files, and the polygon that a mesh of triangles fills."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pdesolve.geometry.domain import Domain
from pdesolve.geometry.paths import Polyline
from pdesolve.geometry.shapes.facets import STRAIGHT
from pdesolve.geometry.shapes.groups import Groups
from pdesolve.geometry.shapes.mesh_data import MeshData, find, read
from pdesolve.geometry.shapes.region import Region
from pdesolve.geometry.shapes.simplices import refined, simplex_rule
from pdesolve.geometry.shapes.solid_mesh import SolidMesh
from pdesolve.geometry.surface import Surface
from pdesolve.geometry.surfaces import Curve, Segment
from pdesolve.quadrature import Rule

# Of the boundary's size. A straight run longer than this is an edge of its own; shorter ones are steps of a curve.
LONG = 0.05
# Radians, 29 degrees: a polygon that stands for a smooth curve turns by less at each vertex if it has 13 or more.
SHARP = 0.5


def load_mesh(path: str | Path) -> Domain:
    """Return the domain that a mesh file fills, with its named boundary groups as parts.

    A relative path counts from the problem file, then from the current folder. Formats are those that meshio
    reads: `.msh`, `.vtu`, `.vtk`, `.stl`, `.obj` and more. Triangles at z = 0 make a plane domain, tetrahedra
    a solid, and a closed surface of triangles the solid inside (this needs the extra `mesh`). Quadrilaterals,
    hexahedra, wedges and pyramids are divided into these. Edges and faces are straight: of cells of higher order
    only the corners count, and boundary faces of hexahedra must be flat.

    Raises:
        ProblemError: the file cannot be read, or what it holds bounds no domain.
    """
    data = read(find(path))
    if data.dimension == 2:
        return PlaneMesh(data)
    return SolidMesh(data)


@dataclass(frozen=True, repr=False)
class PlaneMesh(Groups, Region):
    """The polygon that a mesh of triangles fills.

    Its boundary is divided at ends of groups and of long straight runs; shorter edges make polylines.
    """

    data: MeshData

    def __repr__(self) -> str:
        return f"Mesh({self.data.label})"

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Straight runs and polylines, named by group and number."""
        found: list[Surface] = []
        size = float(np.ptp(self.data.points, axis=0).max())
        for loop in _loops(self.data.facets):
            for group, chain, closed in _runs(self.data, loop, LONG * size):
                owner = (self, f"{self.data.names[group]} {len(found)}")
                vertices = tuple(map(tuple, self.data.points[chain].tolist()))
                if len(vertices) == 2:
                    found.append(Segment(owner, vertices[0], vertices[1], 1))
                elif closed:  # the last vertex is the first again
                    found.append(Curve(owner, Polyline(vertices[:-1], closed)))
                else:
                    found.append(Curve(owner, Polyline(vertices, closed)))
        return tuple(found)

    def simplices(self, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices (n, 2) and triangles (e, 3) that fill it: its own, divided if there are much fewer."""
        return refined(self.data.points, self.data.cells, points)

    def rule(self, order: int) -> Rule:
        """Gauss rules on the triangles."""
        return simplex_rule(torch.from_numpy(self.data.points[self.data.cells]), order)


def _loops(edges) -> list[np.ndarray]:
    """Numbers of the edges (f, 2) in the order in which they follow one another, for every closed loop."""
    start: dict[int, list[int]] = {}
    for i, a in enumerate(edges[:, 0].tolist()):
        start.setdefault(a, []).append(i)
    free = set(range(len(edges)))
    loops = []
    for first in range(len(edges)):
        if first in free:
            loops.append(np.array(_loop_from(first, edges, start, free)))
    return loops


def _loop_from(edge: int, edges, start: dict[int, list[int]], free: set[int]) -> list[int]:
    """Take edges from those that are free, each beginning where the one before ends, until none does."""
    loop = []
    while edge in free:
        free.remove(edge)
        loop.append(edge)
        ahead = [i for i in start[int(edges[edge, 1])] if i in free]
        if not ahead:
            break
        edge = ahead[0]
    return loop


def _runs(data: MeshData, loop: np.ndarray, long: float):
    """Yield (group, vertices, closed) of the parts of a loop: long straight runs, and what lies between."""
    edges = data.facets[loop]
    group = data.group[loop]
    bend, cosine = _bends(data, edges)
    new_group = group != np.roll(group, 1)
    breaks = np.flatnonzero(bend | new_group)
    if len(breaks) == 0:
        return
    runs = [_between(edges, a, b) for a, b in zip(breaks, np.roll(breaks, -1), strict=True)]
    straight = _are_edges(data, runs, cosine[breaks], long)
    # A run joins the one before it if both are short and of one group.
    fresh = straight | np.roll(straight, 1) | new_group[breaks]
    if not fresh.any():
        yield int(group[0]), np.concatenate([r[:-1] for r in runs] + [runs[0][:1]]), True
        return
    starts = np.flatnonzero(fresh)
    for first, last in zip(starts, np.roll(starts, -1), strict=True):
        members = _around(int(first), int(last), len(runs))
        # Of a straight run, both ends are enough: it is one edge.
        chain = [runs[members[0]][0], *(runs[i][-1] for i in members)]
        yield int(group[breaks[first]]), np.array(chain), False


def _bends(data: MeshData, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell at which edges of a loop its direction changes, and by what cosine."""
    step = data.points[edges[:, 1]] - data.points[edges[:, 0]]
    step = step / np.linalg.norm(step, axis=1)[:, None]
    back = np.roll(step, 1, axis=0)
    sine = back[:, 0] * step[:, 1] - back[:, 1] * step[:, 0]
    cosine = (back * step).sum(axis=1)
    return (np.abs(sine) > STRAIGHT) | (cosine < 0), cosine


def _are_edges(data: MeshData, runs: list[np.ndarray], cosine: np.ndarray, long: float) -> np.ndarray:
    """Tell which straight runs are edges of the shape, rather than steps of a curve."""
    length = np.array([np.linalg.norm(data.points[r[-1]] - data.points[r[0]]) for r in runs])
    sharp = cosine < math.cos(SHARP)
    # Single edges between gentle bends are steps of a curve, however long.
    several = np.array([len(r) > 2 for r in runs])
    return (length > long) & (several | (sharp & np.roll(sharp, -1)))


def _around(first: int, last: int, n: int) -> list[int]:
    """Numbers from `first` to before `last` around a loop of n; all of them where these are the same."""
    count = (last - first) % n or n
    return [(first + k) % n for k in range(count)]


def _between(edges: np.ndarray, first: Any, last: Any) -> np.ndarray:
    """Vertices of the edges from `first` to before `last` around a loop."""
    index = _around(int(first), int(last), len(edges))
    return np.append(edges[index, 0], edges[index[-1], 1])
