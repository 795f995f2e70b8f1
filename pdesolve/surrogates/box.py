"""A box of constants: its ranges, points in it, and functions of its points."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pdesolve.errors import UsageError, did_you_mean

Array = NDArray[np.float64]
WIDE = 10.0  # ratio of the ends from which points are spread evenly in the logarithm
ROUNDING = 1e-12  # of a range, by which a value may lie outside


@dataclass(frozen=True)
class Box:
    """Ranges of constants.

    Attributes:
        names: of the constants, d of them.
        lower: (d,) ends.
        upper: (d,) ends.
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @classmethod
    def of(cls, ranges: Mapping[str, tuple[float, float]]) -> Box:
        """The box of ranges name → (one end, the other).

        Raises:
            UsageError: there is none, or one is empty.
        """
        if not ranges:
            message = "a surrogate needs a constant to vary: over={'k': (0.1, 10)}"
            raise UsageError(message)
        for name, ends in ranges.items():
            if not _are_ends(ends):
                message = f"over {name}={ends!r}: expected two finite ends that differ"
                raise UsageError(message)
        return cls(
            tuple(ranges),
            tuple(float(min(ends)) for ends in ranges.values()),
            tuple(float(max(ends)) for ends in ranges.values()),
        )

    @property
    def dimension(self) -> int:
        """Number of constants d."""
        return len(self.names)

    @property
    def logarithmic(self) -> list[bool]:
        """Whether a range spans decades."""
        return [low > 0 and high >= WIDE * low for low, high in zip(self.lower, self.upper, strict=True)]

    def at(self, t: Array) -> Array:
        """Points (n, d) of the box at t (n, d) in [0, 1]^d."""
        found = np.empty_like(t)
        ends = zip(self.lower, self.upper, self.logarithmic, strict=True)
        for i, (low, high, logarithmic) in enumerate(ends):
            if logarithmic:
                found[:, i] = low * (high / low) ** t[:, i]
            else:
                found[:, i] = low + (high - low) * t[:, i]
        return np.clip(found, self.lower, self.upper)

    @property
    def centre(self) -> Array:
        """The middle (d,)."""
        return self.at(np.full((1, self.dimension), 0.5))[0]

    def corners(self) -> Array:
        """All corners (2^d, d)."""
        return self.at(np.array(list(itertools.product((0.0, 1.0), repeat=self.dimension))))

    def sample(self, count: int, seed: int) -> Array:
        """Points (count, d) spread evenly (Sobol)."""
        engine = torch.quasirandom.SobolEngine(self.dimension, scramble=True, seed=seed)
        return self.at(engine.draw(count, dtype=torch.float64).numpy())

    def constants(self, point: Array) -> dict[str, float]:
        """A point (d,) by name."""
        return dict(zip(self.names, map(float, point), strict=True))

    def point(self, given: Mapping[str, float]) -> Array:
        """The point (d,) of constants by name.

        Raises:
            UsageError: one is missing, unknown, no number, or outside its range.
        """
        for name in given:
            if name not in self.names:
                message = f"{name} is no constant of this surrogate; its constants are: {self}"
                raise UsageError(message + did_you_mean(name, self.names))
        missing = [name for name in self.names if name not in given]
        if missing:
            message = f"the surrogate needs {', '.join(missing)}, too; its constants are: {self}"
            raise UsageError(message)
        return np.array([self._inside(i, given[name]) for i, name in enumerate(self.names)])

    def _inside(self, i: int, value: float) -> float:
        name, low, high = self.names[i], self.lower[i], self.upper[i]
        try:
            number = float(value)
        except (TypeError, ValueError):
            message = f"{name}={value!r}; expected a number from {low:g} to {high:g}"
            raise UsageError(message) from None
        # A value that was computed to be an end may lie beyond it by rounding.
        slack = ROUNDING * (high - low)
        if not low - slack <= number <= high + slack:
            message = (
                f"{name}={number:g} is outside of {low:g} to {high:g}, where this surrogate was made and checked; "
                "solve there, or make one over a wider range"
            )
            raise UsageError(message)
        return min(max(number, low), high)

    def __str__(self) -> str:
        ends = zip(self.names, self.lower, self.upper, strict=True)
        return ", ".join(f"{name} from {low:g} to {high:g}" for name, low, high in ends)


def _are_ends(ends: Any) -> bool:
    """Whether these are two finite numbers that differ."""
    if not isinstance(ends, (tuple, list, np.ndarray)) or len(ends) != 2:
        return False
    if any(isinstance(end, bool) or not isinstance(end, Real) or not math.isfinite(end) for end in ends):
        return False
    return bool(ends[0] != ends[1])
