"""Grid coordinates of a domain, in which most of its boundary is axis-aligned."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry import Domain
from pdesolve.geometry.place import Piece, Place
from pdesolve.geometry.rules.subdivision import part_of

T = TypeVar("T")

# Of the extent: on a line, cells of any length are as good as others, and cost no more.
CLOSE = 1e-6
CLOSEST = 0.02  # of the extent: planes of the grid that refinement does not make are no closer
ALIGNED = 1e-9  # relative distance at which a boundary plane and a cell face coincide


@dataclass(frozen=True, eq=False)
class Frame:
    """Grid coordinates y = x @ rotation of a domain, and the planes of its boundary in them.

    Attributes:
        domain: the domain.
        rotation: (d, d) orthogonal.
        lower, upper: (d,) corners of the bounding box in grid coordinates.
        subdomains: what interfaces divide the domain into; the domain itself where there are none.
        reach: (d,) extent of the whole problem, of which a slab has only a part in time.
        memo: see `once`.
    """

    domain: Domain
    rotation: Tensor
    lower: np.ndarray
    upper: np.ndarray
    subdomains: tuple[Domain, ...]
    reach: np.ndarray
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        domain: Domain,
        subdomains: tuple[Domain, ...] = (),
        rotation: Tensor | None = None,
    ) -> Frame:
        """The frame of a rotation, or that in which most of the boundary is axis-aligned."""
        d = domain.dimension
        if rotation is None:
            rotation = torch.eye(d, dtype=torch.float64)
            space = domain.rotation
            rotation[: len(space), : len(space)] = space
        if torch.equal(rotation, torch.eye(d, dtype=torch.float64)):
            lower, upper = domain.bounds.numpy()
        else:
            # The box of a turned domain is not known from its bounds: it is measured at points of the boundary.
            points = torch.cat([p.map(_unit_grid(d - 1, 65)) for p in domain.pieces]) @ rotation
            lower = points.amin(0).numpy()
            upper = points.amax(0).numpy()
        corners = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        reach = corners[1] - corners[0]
        return cls(domain, rotation, *corners, subdomains or (domain,), reach)

    @property
    def extent(self) -> np.ndarray:
        """Side lengths of the bounding box (d,)."""
        return self.upper - self.lower

    @property
    def upright(self) -> bool:
        """Whether grid coordinates are those of the problem, and turning back and forth rounds nothing."""
        return torch.equal(self.rotation, torch.eye(len(self.rotation), dtype=self.rotation.dtype))

    def inside(self, y: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
        """Which points (b, ..., d) in grid coordinates lie in the open sub-domains `part` (b,)."""
        if len(self.subdomains) == 1:
            x = torch.from_numpy(np.ascontiguousarray(y.reshape(-1, y.shape[-1]))) @ self.rotation.T
            return (self.domain.level(x) < 0).numpy().reshape(y.shape[:-1])
        assert part is not None, "cells of several sub-domains say which one they belong to"
        found = np.zeros(y.shape[:-1], dtype=bool)
        for k in np.unique(part):
            mine = part == k
            x = torch.from_numpy(np.ascontiguousarray(y[mine].reshape(-1, y.shape[-1]))) @ self.rotation.T
            found[mine] = (self.subdomains[k].level(x) < 0).numpy().reshape(y[mine].shape[:-1])
        return found

    def part_of(self, y: Tensor) -> np.ndarray:
        """The sub-domain of each point (n, d) in grid coordinates."""
        return part_of(self.subdomains, y @ self.rotation.T)

    def pieces_on(self, place: Place) -> tuple[Piece, ...]:
        """Pieces of the domain's boundary that a place selects, the same objects on every call."""
        return once(self.memo, ("pieces", place), lambda: place.pieces_on(self.domain))

    def plane(self, piece: Piece) -> tuple[int, float, int] | None:
        """(axis, value, sign of the outward normal) of a piece in a grid-aligned plane."""
        return once(self.memo, ("plane", piece), lambda: self._plane(piece))

    def box_of(self, piece: Piece) -> tuple[Tensor, Tensor]:
        """Lower and upper corners (d,) of the box around a flat piece, whole, in grid coordinates."""
        y = piece.map(_unit_grid(self.domain.dimension - 1, 3)) @ self.rotation
        return y.amin(0), y.amax(0)

    def _plane(self, piece: Piece) -> tuple[int, float, int] | None:
        parameters = _unit_grid(self.domain.dimension - 1, 3)
        y = piece.map(parameters) @ self.rotation
        spread = (y.amax(0) - y.amin(0)).numpy() / self.extent
        flat = np.flatnonzero(spread < ALIGNED)
        points = piece.map(parameters)
        active = piece.active(points)
        if len(flat) == 0:
            return None
        # Parts of a piece that are cut away may have other normals; they do not decide.
        normal = piece.normal(parameters)[active if bool(active.any()) else slice(None)] @ self.rotation
        for axis in flat:
            column = normal[:, int(axis)]
            if bool((column.abs() > 1 - 1e-9).all()) and bool((column * column[0] > 0).all()):
                return int(axis), float(y[0, int(axis)]), int(column[0].sign())
        return None

    def marks(self) -> list[list[float]]:
        """For every axis both ends, and the planes of the boundary and of interfaces."""
        marks: list[list[float]] = [[a, b] for a, b in zip(self.lower, self.upper, strict=True)]
        for domain in dict.fromkeys((self.domain, *self.subdomains)):
            for piece in domain.pieces:
                if (plane := self.plane(piece)) is not None:
                    marks[plane[0]].append(plane[1])
        return marks

    def _facing(self, axis: int) -> set[float]:
        """Planes across an axis between which there is a channel, or a wall, that is narrower than planes may be.

        A cell wider than a channel is cut, and the part of its faces that lies in the channel is not seen; a cell
        wider than a wall goes through it, and its polynomials do, too.
        """
        found: set[float] = set()
        if len(self.lower) == 1:
            return found
        flat = self._flat(axis)
        places = [one[0] for one in flat]
        least, most = (part * float(self.extent[axis]) for part in (CLOSE, CLOSEST))
        others = [i for i in range(len(self.lower)) if i != axis]
        for i, (a, sign, low, high) in enumerate(flat):
            for b, other, its_low, its_high in flat[i + 1 : bisect_right(places, a + most)]:
                shared = torch.minimum(high, its_high) - torch.maximum(low, its_low)
                # Nearly opposite: what is much shorter than it is wide, as a notch, is no channel.
                along = bool((shared[others] > b - a).all())
                if sign != other and along and b - a > least:
                    found |= {a, b}
        return found

    def _flat(self, axis: int) -> list[tuple[float, int, Tensor, Tensor]]:
        """Place, side, and the corners of the box of all pieces of the boundary in planes across an axis, in order."""
        planes = [(plane, piece) for piece in self.domain.pieces if (plane := self.plane(piece)) is not None]
        flat = [
            (value, sign, *self.box_of(piece)) for (across, value, sign), piece in planes if across == axis
        ]
        return sorted(flat, key=lambda one: one[:2])

    def breaks(
        self, cells: int, periodic: tuple[int, ...] = (), planes: Sequence[Sequence[float]] = ()
    ) -> list[np.ndarray]:
        """Break points of the root grid: planes of the boundary, and about `cells` cells on the longest side.

        Args:
            cells: the number.
            periodic: axes.
            planes: more of them for every axis.
        """
        d = self.domain.dimension
        marks = self.marks()
        space = self.domain.space_dimension
        # Time has units of its own, so that its cells are not compared with those in space.
        width = self.extent[:space].max() / cells
        closest = CLOSEST
        if d == 1:
            closest = CLOSE
        result = []
        for i in range(d):
            # Planes closer than 2 % would make slivers of root cells; refinement resolves what lies between them.
            facing = once(self.memo, ("facing", i), partial(self._facing, i))
            values = _merge(np.array(marks[i]), CLOSEST * self.extent[i], facing, CLOSE * self.extent[i])
            if planes:
                values = _added(values, planes[i], closest * self.extent[i])
            target = width
            if i >= space:
                target = self.extent[i] / cells
            least = 1
            if i in periodic:
                # A single cell would be its own neighbour over the period.
                least = 2
            parts = [
                np.linspace(a, b, max(least, math.ceil((b - a) / target * (1 - 1e-9))) + 1)[:-1]
                for a, b in itertools.pairwise(values)
            ]
            result.append(np.append(np.concatenate(parts), values[-1]))
        return result


def once(memo: dict[Any, Any], key: tuple[Any, ...], make: Callable[[], T]) -> T:
    """What `make` returns, made on the first call with this key only; objects in the key count by identity.

    Orders and coefficients change more often than cells, and cells more often than the domain.
    """
    identity = tuple(part if isinstance(part, (str, int, float)) else id(part) for part in key)
    if identity not in memo:
        memo[identity] = (make(), key)  # the key is kept, or its identity might be given away
    return memo[identity][0]  # type: ignore[no-any-return]


def _added(values: np.ndarray, more: Sequence[float], gap: float) -> np.ndarray:
    """Sorted values and those of `more` that are further than `gap` from all others."""
    for value in more:
        if np.abs(values - value).min() > gap and values[0] < value < values[-1]:
            values = np.sort(np.append(values, value))
    return values


def _merge(values: np.ndarray, gap: float, facing: set[float], rounding: float) -> np.ndarray:
    """Sorted values, keeping the ends, without those closer than `gap` to an earlier one, or `rounding` if `facing`."""
    values = np.unique(values)
    kept = [values[0]]
    for v in values[1:-1]:
        least = rounding if v in facing else gap
        if v - kept[-1] > least and values[-1] - v > least:
            kept.append(v)
    return np.array([*kept, values[-1]])


@lru_cache
def _unit_grid(dimension: int, n: int) -> Tensor:
    if dimension == 0:
        return torch.zeros(1, 0, dtype=torch.float64)
    axis = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension)
