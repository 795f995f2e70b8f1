"""The coordinate frame in which most of a boundary is straight along the axes."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def frame(edges: Iterable[tuple[tuple[float, float], float]]) -> Tensor:
    """Return the rotation (2, 2) whose columns lie, modulo 90°, along most of the edges (tangent, length)."""
    bins: list[list[float]] = []  # angle, total length
    for (tx, ty), length in edges:
        angle = math.atan2(ty, tx) % (math.pi / 2)
        for entry in bins:
            gap = abs(entry[0] - angle)
            if min(gap, math.pi / 2 - gap) < 1e-9:
                entry[1] += length
                break
        else:
            bins.append([angle, length])
    longest = max((length for _, length in bins), default=0.0)
    # Of equally long directions the first counts, so that the frame does not hang on rounding errors.
    angle = next((angle for angle, length in bins if length >= (1 - 1e-9) * longest), 0.0)
    if min(angle, math.pi / 2 - angle) < 1e-9:
        return torch.eye(2, dtype=torch.float64)
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
