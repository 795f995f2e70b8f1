"""Patches over a domain: which cells meet it, their local frames, and the collocation points of a least-squares solve.

A cell cut by the boundary keeps the points inside and measures itself by what lies inside; a cell without any part of
the domain is dropped. Weights are square roots of reference quadrature weights on [-1, 1]^d, so that cells of every
size count alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry import Domain
from pdesolve.geometry.place import Piece, Place
from pdesolve.geometry.rules.subdivision import part_of
from pdesolve.patches.basis import basis_size, degrees, legendre_table
from pdesolve.patches.partition import Partition
from pdesolve.quadrature import gauss_legendre, sobol

T = TypeVar("T")

CUT_ROWS = 6  # most collocation points of a cut cell, for each of its basis functions
NUDGE = 1e-9  # of the period, inwards, where faces on the seam of a periodic axis are clipped to the domain
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
        duration: float = 0.0,
        rotation: Tensor | None = None,
    ) -> Frame:
        """The frame of a rotation, or that in which most of the boundary is axis-aligned.

        `duration` is that of the whole problem.
        """
        d = domain.dimension
        if rotation is None:
            rotation, space = torch.eye(d, dtype=torch.float64), domain.rotation
            rotation[: len(space), : len(space)] = space
        if torch.equal(rotation, torch.eye(d, dtype=torch.float64)):
            lower, upper = domain.bounds.numpy()
        else:
            points = torch.cat([p.map(_unit_grid(d - 1, 65)) for p in domain.pieces]) @ rotation
            lower, upper = points.amin(0).numpy(), points.amax(0).numpy()
        corners = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        reach = corners[1] - corners[0]
        reach[-1] = max(reach[-1], duration)
        return cls(domain, rotation, *corners, subdomains or (domain,), reach)

    @property
    def extent(self) -> np.ndarray:
        """Side lengths of the bounding box (d,)."""
        return self.upper - self.lower

    def inside(self, y: np.ndarray, part: np.ndarray | None = None) -> np.ndarray:
        """Which points (b, ..., d) in grid coordinates lie in the open sub-domains `part` (b,)."""
        if len(self.subdomains) == 1:
            x = torch.from_numpy(np.ascontiguousarray(y.reshape(-1, y.shape[-1]))) @ self.rotation.T
            return (self.domain.level(x) < 0).numpy().reshape(y.shape[:-1])
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

    def _plane(self, piece: Piece) -> tuple[int, float, int] | None:
        parameters = _unit_grid(self.domain.dimension - 1, 3)
        y = piece.map(parameters) @ self.rotation
        spread = (y.amax(0) - y.amin(0)).numpy() / self.extent
        flat = np.flatnonzero(spread < ALIGNED)
        points = piece.map(parameters)
        active = piece.active(points)
        if len(flat) == 0:
            return None
        normal = piece.normal(parameters)[active if bool(active.any()) else slice(None)] @ self.rotation
        for axis in flat:
            column = normal[:, int(axis)]
            if bool((column.abs() > 1 - 1e-9).all()) and bool((column * column[0] > 0).all()):
                return int(axis), float(y[0, int(axis)]), int(column[0].sign())
        return None

    def breaks(self, cells: int, periodic: tuple[int, ...] = ()) -> list[np.ndarray]:
        """Break points of the root grid: planes of the boundary, and about `cells` cells on the longest side."""
        d = self.domain.dimension
        marks: list[list[float]] = [[self.lower[i], self.upper[i]] for i in range(d)]
        for domain in dict.fromkeys((self.domain, *self.subdomains)):
            for piece in domain.pieces:
                if (plane := self.plane(piece)) is not None:
                    marks[plane[0]].append(plane[1])
        space = self.domain.space_dimension
        width = self.extent[:space].max() / cells
        result = []
        for i in range(d):
            values = _merge(np.array(marks[i]), 0.02 * self.extent[i])
            target = width if i < space else self.extent[i] / cells
            least = 2 if i in periodic else 1
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


def _merge(values: np.ndarray, gap: float) -> np.ndarray:
    """Sorted values, keeping the ends, without those closer than `gap` to an earlier one."""
    values = np.unique(values)
    kept = [values[0]]
    for v in values[1:-1]:
        if v - kept[-1] > gap and values[-1] - v > gap:
            kept.append(v)
    return np.array([*kept, values[-1]])


@lru_cache
def _unit_grid(dimension: int, n: int) -> Tensor:
    if dimension == 0:
        return torch.zeros(1, 0, dtype=torch.float64)
    axis = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.cartesian_prod(*[axis] * dimension).reshape(-1, dimension)


@lru_cache
def gauss_grid(dimension: int, n: int) -> tuple[Tensor, Tensor]:
    """Tensor Gauss–Legendre points (n^d, d) on [-1, 1]^d and weights (n^d,)."""
    if dimension == 0:
        return torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    x, w = gauss_legendre(n)
    points = torch.cartesian_prod(*[x] * dimension).reshape(-1, dimension)
    weights = torch.cartesian_prod(*[w] * dimension).reshape(-1, dimension).prod(1)
    return points, weights


@lru_cache(maxsize=32)
def sobol_grid(dimension: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """As many Sobol points (n^d, d) in [-1, 1]^d, each of weight 1."""
    points = 2 * sobol(n**dimension, dimension, seed) - 1
    return points, torch.ones(len(points), dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Patches:
    """The cells of a partition that meet a domain.

    Attributes:
        frame: grid coordinates.
        partition: the kept cells.
        centre, half: (e, d) local frames: the cell, or the bounding box of what lies inside a cut cell.
        cut: (e,) whether the boundary passes through.
        memo: see `once`.
    """

    frame: Frame
    partition: Partition
    centre: np.ndarray
    half: np.ndarray
    cut: np.ndarray
    memo: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def over(cls, frame: Frame, partition: Partition) -> tuple[Patches, np.ndarray]:
        """Classify cells; returns the patches and the numbers of the cells kept."""
        samples = {1: 33, 2: 17, 3: 10}.get(partition.dimension, 4)
        axis = (torch.arange(samples, dtype=torch.float64) + 0.5) * (2 / samples) - 1
        axis[0], axis[-1] = -1 + 1e-6, 1 - 1e-6
        t = torch.cartesian_prod(*[axis] * partition.dimension).reshape(-1, partition.dimension).numpy()
        centre, half = partition.centre.copy(), partition.half.copy()
        part = partition.part
        inside = frame.inside(centre[:, None] + half[:, None] * t, part)
        keep = np.flatnonzero(inside.any(axis=1))
        cut = np.asarray(~inside.all(axis=1))
        crossed = np.flatnonzero(cut & inside.any(axis=1))
        seen = inside[crossed]
        for _ in range(3):  # each pass looks closer at the box that the last one found
            low = np.where(seen[..., None], t, 1.0).min(axis=1) - 2 / samples
            high = np.where(seen[..., None], t, -1.0).max(axis=1) + 2 / samples
            low, high = np.maximum(low, -1), np.minimum(high, 1)
            centre[crossed] += half[crossed] * (low + high) / 2
            half[crossed] *= (high - low) / 2
            seen = frame.inside(centre[crossed][:, None] + half[crossed][:, None] * t, part[crossed])
        patches = cls(frame, partition.keep(keep), centre[keep], half[keep], cut[keep])
        return patches, keep

    def __len__(self) -> int:
        return len(self.centre)

    @cached_property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.partition.dimension


@dataclass(frozen=True)
class Points:
    """Collocation points in batches: b cells with m points each.

    Attributes:
        cells: (b,) patches.
        y: (b, m, d) in grid coordinates.
        weight: (b, m) square roots of reference weights, zero where padded.
        congruent: whether all cells share the same local coordinates t (tables of one serve all).
        normals: (b, m, d) outward normals in x coordinates, on boundaries.
    """

    cells: np.ndarray
    y: Tensor
    weight: Tensor
    congruent: bool = False
    normals: Tensor | None = None


Rule = Callable[[int, int], tuple[Tensor, Tensor]]


def interior_points(
    patches: Patches, q: np.ndarray, per_axis: Callable[[int], int], batch: int, rule: Rule = gauss_grid
) -> list[Points]:
    """Points of a rule in every cell; in cut cells those inside of twice as many per axis, or a random part of them.

    Args:
        patches: the patches.
        q: (e,) their orders.
        per_axis: order ↦ points per axis.
        batch: at most so many cells in a batch.
        rule: (d, n) ↦ n^d points (n^d, d) on [-1, 1]^d and their weights (n^d,).

    Returns:
        Batches of cells of one order, congruent or cut; every patch is in one of them.
    """
    result = []
    classes = _classes(patches, q)
    for cells in classes:
        order, cut = int(q[cells[0]]), bool(patches.cut[cells[0]])
        n = per_axis(order)
        t, w = rule(patches.dimension, 2 * n if cut else n)
        w = w.sqrt()
        for start in range(0, len(cells), batch):
            part = cells[start : start + batch]
            centre, half = (torch.from_numpy(a[part])[:, None] for a in (patches.centre, patches.half))
            y = centre + half * t
            if not cut:
                result.append(Points(part, y, w.expand(len(part), -1), congruent=True))
                continue
            inside = torch.from_numpy(patches.frame.inside(y.numpy(), patches.partition.part[part]))
            count = inside.sum(1)
            most = CUT_ROWS * basis_size(patches.dimension, order)
            m = max(1, min(int(count.max()), most))
            pick = torch.argsort((~inside).to(w) + _shuffle(len(t)), dim=1)[:, :m]
            y = torch.gather(y, 1, pick[:, :, None].expand(-1, -1, y.shape[2]))
            weight = torch.gather(w.expand(len(part), -1) * inside, 1, pick)
            measure = (w**2 * inside).sum(1) / (weight**2).sum(1).clamp_min(1e-300)
            weight = weight * measure.sqrt()[:, None]
            y = torch.where((weight > 0)[:, :, None], y, y[:, :1])
            result.append(Points(part, y, weight))
    return result


@lru_cache
def _shuffle(n: int) -> Tensor:
    """Random numbers (n,) in [0, 1), always the same."""
    return torch.rand(n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


def _classes(patches: Patches, q: np.ndarray) -> list[np.ndarray]:
    """Groups of cells with the same order that are uncut and congruent, or cut."""
    extent = patches.frame.extent
    size = np.round(patches.half / extent * 1e12).astype(np.int64)
    size[patches.cut] = 0
    key = np.concatenate([size, np.asarray(q)[:, None], patches.cut[:, None]], axis=1)
    _, label = np.unique(key, axis=0, return_inverse=True)
    label = label.reshape(-1)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


@dataclass(frozen=True)
class FacePoints:
    """Collocation points on faces between two patches.

    Attributes:
        minus, plus: (b,) patches.
        axis: direction of the normal, the same in a batch.
        y: (b, m, d) in the coordinates of `minus`; subtract `shift` (b, d) to see them in `plus`.
        weight: (b, m).
        half: (b,) the smaller of the two half widths along the axis.
        modes: (b, m, r) orthonormal columns to which jumps are reduced, None for all points: the trace of a patch on
            a square has q(q + 1)/2 degrees of freedom, at no fewer than q² points.
    """

    minus: np.ndarray
    plus: np.ndarray
    axis: int
    y: Tensor
    shift: Tensor
    weight: Tensor
    half: Tensor
    modes: Tensor | None = None


def face_points(patches: Patches, q: np.ndarray, batch: int) -> list[FacePoints]:
    """Gauss points on every face between two patches, clipped to the domain.

    Args:
        patches: the patches.
        q: (e,) their orders; a face takes as many points per axis as the higher order of its two sides.
        batch: at most so many faces in a batch.

    Returns:
        Batches of faces with one axis and one pair of orders; faces outside the domain are left out.
    """
    faces, d = patches.partition.faces, patches.dimension
    touched = patches.cut[faces.minus] & patches.cut[faces.plus]
    key = np.stack([faces.axis, q[faces.minus], q[faces.plus], touched], axis=1)
    result = []
    for axis, q_minus, q_plus, clip in np.unique(key, axis=0):
        members = np.flatnonzero((key == (axis, q_minus, q_plus, clip)).all(axis=1))
        n = int(max(q_minus, q_plus))
        for start in range(0, len(members), batch):
            f = members[start : start + batch]
            low, high = faces.lower[f], faces.upper[f]
            if clip and d > 1:
                f, y, weight = _clipped(patches, f, low, high, int(axis), n)
                if not len(f):
                    continue
                low, high = faces.lower[f], faces.upper[f]
            else:
                y, weight = _on_box(low, high, int(axis), n)
            half = np.minimum(patches.half[faces.minus[f], axis], patches.half[faces.plus[f], axis])
            result.append(
                FacePoints(
                    faces.minus[f],
                    faces.plus[f],
                    int(axis),
                    y,
                    torch.from_numpy(faces.shift[f]),
                    weight,
                    torch.from_numpy(half),
                    _moments(low, high, int(axis), y, weight, n) if d > 2 else None,
                )
            )
    return result


def _moments(low: np.ndarray, high: np.ndarray, axis: int, y: Tensor, weight: Tensor, n: int) -> Tensor:
    """Orthonormal columns (b, m, r) that span the polynomials of total degree < n at weighted points of faces."""
    across = [i for i in range(low.shape[1]) if i != axis]
    centre, half = torch.from_numpy((low + high) / 2)[:, None], torch.from_numpy((high - low) / 2)[:, None]
    t = ((y - centre) / half.clamp_min(1e-300))[..., across]
    univariate = legendre_table(t, n, 0)[0]  # (b, m, d - 1, n)
    chosen = torch.tensor(degrees(len(across), n))
    columns = torch.stack([univariate[..., i, chosen[:, i]] for i in range(len(across))]).prod(0)
    return torch.linalg.qr(columns * weight[..., None])[0]


def _on_box(low: np.ndarray, high: np.ndarray, axis: int, n: int) -> tuple[Tensor, Tensor]:
    d = low.shape[1]
    t, w = gauss_grid(d - 1, n)
    full = torch.zeros(len(t), d, dtype=torch.float64)
    full[:, [i for i in range(d) if i != axis]] = t
    centre, half = torch.from_numpy((low + high) / 2)[:, None], torch.from_numpy((high - low) / 2)[:, None]
    return centre + half * full, w.sqrt().expand(len(low), -1)


def _clipped(
    patches: Patches, f: np.ndarray, low: np.ndarray, high: np.ndarray, axis: int, n: int
) -> tuple[np.ndarray, Tensor, Tensor]:
    """Face points inside the domain: exact intervals in 2-D, a clipped finer grid in 3-D; empty faces dropped."""
    frame, part = patches.frame, patches.partition.part[patches.partition.faces.minus[f]]
    if low.shape[1] == 2:
        owner, a, b = _intervals_of(patches, f)
        y, weight = _on_box(a, b, axis, n)
        ratio = np.linalg.norm(b - a, axis=1) / np.linalg.norm(high - low, axis=1)[owner]
        keep = ratio > 1e-6
        weight = weight * torch.from_numpy(np.sqrt(ratio))[:, None]
        return f[owner][keep], y[torch.from_numpy(keep)], weight[torch.from_numpy(keep)]
    y, weight = _on_box(low, high, axis, 2 * n)
    weight = weight * torch.from_numpy(frame.inside(y.numpy() - _seam_nudge(patches, f)[:, None], part))
    keep = (weight > 0).any(dim=1)
    y = torch.where((weight > 0)[:, :, None], y, y[:, :1])
    return f[keep.numpy()], y[keep], weight[keep]


def _seam_nudge(patches: Patches, f: np.ndarray) -> np.ndarray:
    """What to subtract (f, d) from points of faces to see them inside: seams lie on the boundary of the domain."""
    faces = patches.partition.faces
    nudge = np.zeros_like(faces.shift[f])
    place = np.arange(len(f)), faces.axis[f]
    nudge[place] = NUDGE * faces.shift[f][place]
    return nudge


def _intervals_of(patches: Patches, f: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_inside_intervals` of the faces f, which are found once for all faces between cut cells."""
    faces = patches.partition.faces

    def find() -> tuple[np.ndarray, ...]:
        clipped = np.flatnonzero(patches.cut[faces.minus] & patches.cut[faces.plus])
        part = patches.partition.part[faces.minus[clipped]]
        nudge = _seam_nudge(patches, clipped)
        low, high = faces.lower[clipped] - nudge, faces.upper[clipped] - nudge
        seg, a, b = _inside_intervals(patches.frame, part, low, high)
        return clipped[seg], a + nudge[seg], b + nudge[seg]

    face, a, b = once(patches.memo, ("faces",), find)
    number = np.full(len(faces.minus), -1)
    number[f] = np.arange(len(f))
    mine = number[face] >= 0
    order = np.argsort(number[face[mine]], kind="stable")
    return number[face[mine]][order], a[mine][order], b[mine][order]


def _inside_intervals(
    frame: Frame, part: np.ndarray, low: np.ndarray, high: np.ndarray, samples: int = 48
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of segments that lie inside the domain: (segment number, begin (k, d), end (k, d))."""
    s = np.concatenate([[0.0], (np.arange(samples) + 0.5) / samples, [1.0]])
    point = lambda seg, at: low[seg] + (high[seg] - low[seg]) * at[:, None]  # noqa: E731
    inside = frame.inside(low[:, None] + (high - low)[:, None] * s[None, :, None], part)
    inside[:, 0], inside[:, -1] = inside[:, 1], inside[:, -2]
    change = inside[:, 1:] != inside[:, :-1]
    seg, place = np.nonzero(change)
    a, b, state = s[place], s[place + 1], inside[seg, place]
    for _ in range(45):
        middle = (a + b) / 2
        same = frame.inside(point(seg, middle), part[seg]) == state if len(seg) else np.zeros(0, dtype=bool)
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    starts_seg = np.concatenate([np.flatnonzero(inside[:, 0]), seg[~state]])
    starts = np.concatenate([np.zeros(int(inside[:, 0].sum())), a[~state]])
    ends_seg = np.concatenate([np.flatnonzero(inside[:, -1]), seg[state]])
    ends = np.concatenate([np.ones(int(inside[:, -1].sum())), a[state]])
    first, last = np.lexsort((starts, starts_seg)), np.lexsort((ends, ends_seg))
    owner = starts_seg[first]
    return owner, point(owner, starts[first]), point(owner, ends[last])
