"""Which of several sub-domains a point lies in."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pdesolve.geometry.domain import Domain


def part_of(subdomains: Sequence[Domain], x: Tensor) -> np.ndarray:
    """Number of the sub-domain in which each point (n, d) lies; the one whose boundary is nearest where none does."""
    if len(subdomains) < 2:
        return np.zeros(len(x), dtype=np.int64)
    level = torch.stack([domain.level(x) for domain in subdomains], dim=1)
    return level.argmin(dim=1).numpy()
