"""Rules on a curve whose panels end where patches do: derivatives of a solution jump there, if only a little."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pdesolve.geometry.piece import Piece
from pdesolve.quadrature import gauss_legendre

SAMPLES = 513  # of an interval, between which a patch that begins and ends again is not seen
HALVINGS = 40  # from a five-hundredth of a curve to rounding

Number = Callable[[Tensor], Tensor]  # points (n, d) ↦ numbers (n,) of the patches they lie in


def panels(piece: Piece, number: Number) -> Tensor:
    """Parameter intervals (k, 2) of a curve, each in one patch."""
    found = []
    for a, b in piece.intervals.tolist():
        ends = torch.tensor([a, *_changes(piece, number, a, b), b], dtype=torch.float64)
        found.append(torch.stack([ends[:-1], ends[1:]], dim=1))
    if not found:
        return torch.zeros(0, 2, dtype=torch.float64)
    return torch.cat(found)


def aligned_rule(piece: Piece, intervals: Tensor, order: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points (n, d), normals (n, d) and weights (n,): Gauss's rule with `order` points on each interval (k, 2)."""
    node, weight = gauss_legendre(order, 0.0, 1.0)
    lengths = intervals[:, 1:] - intervals[:, :1]
    s = (intervals[:, :1] + lengths * node).reshape(-1, 1)
    points = piece.map(s)
    return points, piece.normal_at(points), (lengths * weight).reshape(-1) * piece.area(s)


def _changes(piece: Piece, number: Number, a: float, b: float) -> list[float]:
    """Parameters between a and b at which the patch changes, by bisection."""
    # Not the ends themselves, which may belong to a neighbour.
    s = a + (b - a) * torch.linspace(1e-9, 1 - 1e-9, SAMPLES, dtype=torch.float64)
    left = s[:-1]
    right = s[1:]
    for _ in range(HALVINGS):
        differ = _numbers(piece, number, left) != _numbers(piece, number, right)
        left = left[differ]
        right = right[differ]
        middle = (left + right) / 2
        # Several patches may begin between two samples, so both halves are looked at.
        left = torch.cat([left, middle])
        right = torch.cat([middle, right])
    differ = _numbers(piece, number, left) != _numbers(piece, number, right)
    return sorted(((left + right) / 2)[differ].tolist())


def _numbers(piece: Piece, number: Number, s: Tensor) -> Tensor:
    if not len(s):
        return torch.zeros(0, dtype=torch.long)
    return number(piece.map(s[:, None]))
