"""What every method returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Findings:
    """What was found beside the solution: identified from data, or eigenvalues.

    Attributes:
        parameters: scalars by name.
        intervals: their 95 % intervals, where the method knows them.
        uncertainty: relative standard deviation (L2) of each unknown due to noise in the data.
        noise: standard deviation of each group of observations, given or estimated.
        spectrum: eigenvalues with their errors, bounds and groups; empty where none are sought.
    """

    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    uncertainty: dict[str, float] = field(default_factory=dict)
    noise: tuple[float, ...] = ()
    spectrum: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SecondSolution:
    """A second solution, from which the error of everything that is computed from the first is estimated.

    Attributes:
        expansion: the solution of a higher order, or of the level before where a run was stopped early.
        shared: σ, the part of the error that both share: an error is estimated as |difference| / (1 - √σ).
        condition: estimated condition number of its rows, with columns of length one, where they were factored.
        widened: how many times larger the error of each unknown is than that, where something else than the difference
            tells it, or of which part it is, where the solution is the finer of the two; empty where it is that.
    """

    expansion: Any
    shared: float = 0.0
    condition: float | None = None
    widened: tuple[float, ...] = ()

    def times(self, unknown: int) -> float:
        """How much larger than a difference an error of an unknown may be."""
        return (self.widened[unknown] if self.widened else 1.0) / (1 - self.shared**0.5)


@dataclass(frozen=True)
class Answer:
    """How a method ended, and with what.

    Attributes:
        expansion: the approximate solution, with `jet(points (n, d), indices) -> (n, u, a)`.
        estimates: estimated relative L2 error of each unknown; None from a method without estimate.
        converged: whether the method's own criterion was met.
        status: a sentence: why it ended.
        findings: what was identified from data.
        verification: the solution that the estimates come from, where there is one.
    """

    expansion: Any
    estimates: tuple[float, ...] | None
    converged: bool
    status: str
    findings: Findings = field(default_factory=Findings)
    verification: SecondSolution | None = None
