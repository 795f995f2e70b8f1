"""Functions of the user make tensors in double precision, wherever they are called from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def in_double() -> Iterator[None]:
    """Let `torch.tensor(0.1)` be a number in double precision, as while a problem file is read; then as before."""
    before = torch.get_default_dtype()
    # Setting it takes a microsecond, and most calls come from where it is set already.
    if before == torch.float64:
        yield
        return
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
