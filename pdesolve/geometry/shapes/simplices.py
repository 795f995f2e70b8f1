"""Simplices: a quadrature rule on them, and their division into smaller ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pdesolve.quadrature import Rule, gauss_legendre, tensor_rule

# Corners of the parts of a simplex whose edges are halved; middles of edges are numbered after the corners.
CHILDREN = {
    2: [[0, 3, 4], [3, 1, 5], [4, 5, 2], [3, 5, 4]],
    3: [
        [0, 4, 5, 6], [4, 1, 7, 8], [5, 7, 2, 9], [6, 8, 9, 3],
        [4, 5, 6, 8], [4, 5, 7, 8], [5, 6, 8, 9], [5, 7, 8, 9],
    ],
}  # fmt: skip


def simplex_rule(corners: Tensor, order: int) -> Rule:
    """Collapsed Gauss rule on simplices (e, k + 1, d) in ℝ^d, k ≤ d, fewer points the more simplices there are.

    Source:
        Stroud, Approximate Calculation of Multiple Integrals (1971), conical product rules.
    """
    e = len(corners)
    k = corners.shape[1] - 1
    # Many small simplices need fewer points each: the number of all, per axis, stays four times the order.
    n = min(order, max(3, math.ceil(4 * order / e ** (1 / k))))
    u, w = tensor_rule(*[gauss_legendre(n, 0.0, 1.0)] * k)
    left = torch.ones(len(u), dtype=torch.float64)
    share = []
    for i in range(k):  # barycentric coordinates, the last takes what is left
        share.append(left * u[:, i])
        w = w * left
        left = left * (1 - u[:, i])
    share.append(left)
    points = torch.einsum("qk,ekd->eqd", torch.stack(share, dim=1), corners)
    edges = corners[:, 1:] - corners[:, :1]
    # Gram determinant: simplices may have fewer dimensions than their space, as triangles have.
    volume = torch.linalg.det(edges @ edges.mT).clamp_min(0).sqrt()
    return Rule(points.reshape(-1, corners.shape[2]), (volume[:, None] * w).reshape(-1))


def refined(points: np.ndarray, cells: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide every simplex into 2^d while that brings the number of points nearer to the target."""
    d = cells.shape[1] - 1
    while len(points) * 2 ** (d / 2) < target:
        pairs = [(i, j) for i in range(d + 1) for j in range(i + 1, d + 1)]
        edges = np.sort(cells[:, pairs], axis=2)
        known, place = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
        middle = len(points) + place.reshape(len(cells), len(pairs))
        points = np.concatenate([points, points[known].mean(axis=1)])
        every = np.concatenate([cells, middle], axis=1)
        cells = np.concatenate([every[:, child] for child in CHILDREN[d]])
        corner = points[cells]
        # Children that are cut off the middle come out in either orientation.
        flip = np.linalg.det(corner[:, 1:] - corner[:, :1]) < 0
        cells[flip] = cells[flip][:, [1, 0, *range(2, d + 1)]]
    return points, cells
