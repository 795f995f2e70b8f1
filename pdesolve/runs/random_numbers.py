"""Torch's own random generator, lent to a solve and given back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawing_from(seed: int, device: str = "cpu") -> Iterator[None]:
    """Let torch draw from a seed while the block runs; afterwards its generators go on where they were.

    Methods draw from generators of their own: this is for modules and functions of the user, which draw from torch's.

    Args:
        seed: where it begins.
        device: whose generator is lent beside that of the CPU; those of others are not touched.
    """
    if device == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
        return
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
