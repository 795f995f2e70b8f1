"""Collocation points of a solve on faces between two patches, clipped to the domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.basis import degrees, legendre_table
from pdesolve.patches.cells import Patches
from pdesolve.patches.frame import Frame, once
from pdesolve.patches.points.grids import gauss_grid

NUDGE = 1e-9  # of the period, inwards, where faces on the seam of a periodic axis are clipped to the domain
SAMPLES = 48  # on a face between cut cells, to find the parts of it inside
BISECTIONS = 45  # of the ends of such a part, to rounding


@dataclass(frozen=True)
class FacePoints:
    """Collocation points on faces between two patches.

    Attributes:
        minus, plus: (b,) patches.
        axis: direction of the normal, the same in a batch.
        y: (b, m, d) in the coordinates of `minus`; subtract `shift` (b, d) to see them in `plus`.
        weight: (b, m).
        half: (b,) the smaller of the two half widths along the axis.
        area: (b,) of a face, whole, over that of [-1, 1]^(d-1): times squares of the weights, quadrature weights.
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
    area: Tensor
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
    faces = patches.partition.faces
    d = patches.dimension
    touched = patches.cut[faces.minus] & patches.cut[faces.plus]
    key = np.stack([faces.axis, q[faces.minus], q[faces.plus], touched], axis=1)
    result = []
    for axis, q_minus, q_plus, clip in np.unique(key, axis=0):
        members = np.flatnonzero((key == (axis, q_minus, q_plus, clip)).all(axis=1))
        n = int(max(q_minus, q_plus))
        for start in range(0, len(members), batch):
            f = members[start : start + batch]
            low = faces.lower[f]
            high = faces.upper[f]
            if clip and d > 1:
                f, y, weight = _clipped(patches, f, low, high, int(axis), n)
                if not len(f):
                    continue
                low = faces.lower[f]
                high = faces.upper[f]
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
                    torch.from_numpy(np.delete((high - low) / 2, int(axis), axis=1).prod(axis=1)),
                    _moments(low, high, int(axis), y, weight, n) if d > 2 else None,
                )
            )
    return result


def _moments(low: np.ndarray, high: np.ndarray, axis: int, y: Tensor, weight: Tensor, n: int) -> Tensor:
    """Orthonormal columns (b, m, r) that span the polynomials of total degree < n at weighted points of faces."""
    across = [i for i in range(low.shape[1]) if i != axis]
    centre = torch.from_numpy((low + high) / 2)[:, None]
    half = torch.from_numpy((high - low) / 2)[:, None]
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
    centre = torch.from_numpy((low + high) / 2)[:, None]
    half = torch.from_numpy((high - low) / 2)[:, None]
    return centre + half * full, w.sqrt().expand(len(low), -1)


def _clipped(
    patches: Patches, f: np.ndarray, low: np.ndarray, high: np.ndarray, axis: int, n: int
) -> tuple[np.ndarray, Tensor, Tensor]:
    """Face points inside the domain: exact intervals in 2-D, a clipped finer grid in 3-D; empty faces dropped."""
    frame = patches.frame
    part = patches.partition.part[patches.partition.faces.minus[f]]
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
    """`inside_intervals` of the faces f, which are found once for all faces between cut cells."""
    faces = patches.partition.faces

    def find() -> tuple[np.ndarray, ...]:
        clipped = np.flatnonzero(patches.cut[faces.minus] & patches.cut[faces.plus])
        part = patches.partition.part[faces.minus[clipped]]
        nudge = _seam_nudge(patches, clipped)
        low = faces.lower[clipped] - nudge
        high = faces.upper[clipped] - nudge
        seg, a, b = inside_intervals(patches.frame, part, low, high)
        return clipped[seg], a + nudge[seg], b + nudge[seg]

    face, a, b = once(patches.memo, ("faces",), find)
    number = np.full(len(faces.minus), -1)
    number[f] = np.arange(len(f))
    mine = number[face] >= 0
    order = np.argsort(number[face[mine]], kind="stable")
    return number[face[mine]][order], a[mine][order], b[mine][order]


def inside_intervals(
    frame: Frame, part: np.ndarray, low: np.ndarray, high: np.ndarray, samples: int = SAMPLES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of segments that lie inside the domain: (segment number, begin (k, d), end (k, d))."""
    s = np.concatenate([[0.0], (np.arange(samples) + 0.5) / samples, [1.0]])
    point = lambda seg, at: low[seg] + (high[seg] - low[seg]) * at[:, None]  # noqa: E731
    inside = frame.inside(low[:, None] + (high - low)[:, None] * s[None, :, None], part)
    inside[:, 0] = inside[:, 1]
    inside[:, -1] = inside[:, -2]
    change = inside[:, 1:] != inside[:, :-1]
    seg, place = np.nonzero(change)
    a = s[place]
    b = s[place + 1]
    state = inside[seg, place]
    for _ in range(BISECTIONS):
        middle = (a + b) / 2
        same = frame.inside(point(seg, middle), part[seg]) == state if len(seg) else np.zeros(0, dtype=bool)
        a = np.where(same, middle, a)
        b = np.where(same, b, middle)
    starts_seg = np.concatenate([np.flatnonzero(inside[:, 0]), seg[~state]])
    starts = np.concatenate([np.zeros(int(inside[:, 0].sum())), a[~state]])
    ends_seg = np.concatenate([np.flatnonzero(inside[:, -1]), seg[state]])
    ends = np.concatenate([np.ones(int(inside[:, -1].sum())), a[state]])
    first = np.lexsort((starts, starts_seg))
    last = np.lexsort((ends, ends_seg))
    owner = starts_seg[first]
    return owner, point(owner, starts[first]), point(owner, ends[last])
