"""Sentences for bad input, shared by the layers."""

import torch
from torch import Tensor

from pdesolve.errors import UsageError


def require_counts(layer: str, **counts: int) -> None:
    """See that sizes are whole numbers from one on.

    Raises:
        UsageError: One is not.
    """
    for name, count in counts.items():
        # A truth value is an int of Python's, and no size.
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            message = f"{layer} received {name}={count!r}; expected a whole number from 1 on"
            raise UsageError(message)


def require_features(layer: str, x: Tensor, features: int) -> None:
    """See that the last axis has the features of a layer.

    Raises:
        UsageError: It has not, or the numbers are no floating-point ones.
    """
    if not x.dim() or x.shape[-1] != features:
        message = f"{layer} received a tensor {tuple(x.shape)}; expected (…, {features})"
        raise UsageError(message)
    if not torch.is_floating_point(x):
        message = f"{layer} received numbers of type {x.dtype}; expected floating-point ones: try x.float()"
        raise UsageError(message)
