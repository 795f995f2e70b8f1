"""What a function of the coordinates returned, as one number for each point."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.fields import Field
from pdesolve.statement.frame import Frame


def values_of(result: Any, frame: Frame, owner: str) -> Tensor:
    """A number, array, tensor or field as values (n,) at the points of a frame; one number is that of all points.

    Raises:
        ProblemError: it is none of these, complex, or of another shape.
    """
    points = next(iter(frame.coordinates.values()))
    if isinstance(result, (int, float)):
        return torch.full((frame.size,), float(result), dtype=points.dtype, device=points.device)
    result = _tensor(result, points, owner)
    if result.is_complex():
        message = (
            f"{owner} returned complex numbers for a real unknown; for a complex one write the argument of the "
            "equation as u: Complex"
        )
        raise ProblemError(message)
    # An expression of constants is the same number at all points.
    if result.ndim == 0:
        return result.to(points).expand(frame.size)
    if result.shape != (frame.size,):
        message = (
            f"{owner} returned shape {tuple(result.shape)}, expected ({frame.size},): one value per "
            "point. Coordinates arrive as separate (n,) tensors: write x, not x[0] or x[:, 0]."
        )
        raise ProblemError(message)
    return result


def _tensor(result: Any, points: Tensor, owner: str) -> Tensor:
    if isinstance(result, Field):
        return result.tensor
    if isinstance(result, Tensor):
        return result
    try:
        # Numpy arrays and lists, as a function without torch returns them.
        return torch.as_tensor(result, dtype=points.dtype, device=points.device)
    except Exception:
        message = (
            f"{owner} returned a {type(result).__name__}; "
            f"expected a number or a tensor of shape ({len(points)},)"
        )
        raise ProblemError(message) from None
