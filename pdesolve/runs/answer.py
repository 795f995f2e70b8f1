"""What every method returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Findings:
    """What was identified from data.

    Attributes:
        parameters: scalars by name.
        intervals: their 95 % intervals, where the method knows them.
        uncertainty: relative standard deviation (L2) of each unknown due to noise in the data.
        noise: standard deviation of each group of observations, given or estimated.
    """

    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    uncertainty: dict[str, float] = field(default_factory=dict)
    noise: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answer:
    """How a method ended, and with what.

    Attributes:
        expansion: the approximate solution, with `jet(points (n, d), indices) -> (n, u, a)`.
        estimates: estimated relative L2 error of each unknown; None from a method without estimate.
        converged: whether the method's own criterion was met.
        status: a sentence: why it ended.
        findings: what was identified from data.
    """

    expansion: Any
    estimates: tuple[float, ...] | None
    converged: bool
    status: str
    findings: Findings = field(default_factory=Findings)
