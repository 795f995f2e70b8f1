"""The strong Wolfe line search that both quasi-Newton optimisers use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pdesolve.training.minimiser import Point


@dataclass(frozen=True)
class WolfeConstants:
    """c₁, c₂ of the strong Wolfe conditions and the number of evaluations after which the search gives up.

    f(t) ≤ f(0) + c₁ t f'(0)   and   |f'(t)| ≤ c₂ |f'(0)|,   0 < c₁ < c₂ < 1.
    """

    # As for quasi-Newton methods in Nocedal & Wright 2006, §3.1.
    c1: float = 1e-4
    c2: float = 0.9
    evaluations: int = 30
    longest: float = 1e10


class Found(NamedTuple):
    """What a line search found: the step length t, the point there, and whether it may be taken."""

    length: float
    point: Point
    success: bool


@dataclass(frozen=True)
class _Sample:
    """f and f' at one step length t, with the point there."""

    t: float
    f: float
    slope: float
    point: Point

    @property
    def finite(self) -> bool:
        return math.isfinite(self.f) and math.isfinite(self.slope)


def strong_wolfe(
    evaluate: Callable[[Tensor], Point],
    start: Point,
    direction: Tensor,
    first: float = 1.0,
    constants: WolfeConstants | None = None,
) -> Found:
    """A step length t and the point θ + t d that satisfy the strong Wolfe conditions.

    Brackets an interval that contains such a t by extrapolation, then shrinks it by safeguarded cubic
    interpolation. A value that is not finite counts as an upper end. Where f is flat to rounding, Hager and
    Zhang's approximate condition (2c₁ - 1) f'(0) ≥ f'(t) takes the place of the first one. If the
    evaluations run out, the lowest point that satisfies the first condition is returned.

    Args:
        evaluate: θ → point with loss and gradient.
        start: the point at t = 0.
        direction: d, shape (p,), with f'(0) = gᵀd < 0.
        first: the first t tried.
        constants: c₁, c₂ and the limits.

    Returns:
        What was found; its `point` is the last one tried, and `success` is false, if no t lowers f enough.

    Source: Nocedal & Wright, *Numerical Optimization*, 2nd ed., Algorithms 3.5 and 3.6; Hager & Zhang 2005,
    SIAM J. Optim. 16, 170–192, eq. 4.1.
    """
    search = _Search(evaluate, start, direction, constants or WolfeConstants())
    if not search.zero.slope < 0:
        return Found(0.0, start, success=False)
    bracket = search.bracket(first)
    if isinstance(bracket, tuple):
        found = search.zoom(*bracket)
    else:
        found = bracket
    if found is None:
        return Found(0.0, search.last.point, success=False)
    return Found(found.t, found.point, success=True)


class _Search:
    """The state of one search: the origin, the constants and the evaluations that are left."""

    def __init__(self, evaluate, start: Point, direction: Tensor, constants: WolfeConstants):
        self.evaluate = evaluate
        self.start = start
        self.direction = direction
        self.constants = constants
        self.left = constants.evaluations
        self.last = self.zero = _Sample(0.0, start.loss, float(start.gradient @ direction), start)

    def sample(self, t: float) -> _Sample:
        """Evaluate f at t."""
        self.left -= 1
        point = self.evaluate(self.start.theta + t * self.direction)
        if math.isfinite(point.loss):
            slope = float(point.gradient @ self.direction)
        else:
            slope = math.nan
        self.last = _Sample(t, point.loss, slope, point)
        return self.last

    def decreases(self, s: _Sample) -> bool:
        """The first Wolfe condition, or its approximate form where f changes by rounding only."""
        if not s.finite:
            return False
        c1 = self.constants.c1
        zero = self.zero
        if s.f <= zero.f + c1 * s.t * zero.slope:
            return True
        # Of a sum of squares; smaller differences of f have no sign that could be trusted.
        rounding = 4 * torch.finfo(self.direction.dtype).eps * abs(zero.f)
        return abs(s.f - zero.f) <= rounding and s.slope <= (2 * c1 - 1) * zero.slope

    def flat(self, s: _Sample) -> bool:
        """The second Wolfe condition."""
        return abs(s.slope) <= self.constants.c2 * abs(self.zero.slope)

    def bracket(self, t: float) -> _Sample | tuple[_Sample, _Sample] | None:
        """A sample that satisfies both conditions, or the ends (low, high) of an interval with one."""
        last = self.zero
        while True:
            s = self.sample(t)
            if not self.decreases(s) or (last.t > 0 and s.f >= last.f):
                return last, s
            if self.flat(s):
                return s
            if s.slope >= 0:
                return s, last
            if self.left <= 0 or t >= self.constants.longest:
                return self.if_lower(s)
            t = _longer(t, _cubic_minimiser(last, s))
            last = s

    def if_lower(self, s: _Sample) -> _Sample | None:
        """A sample at which f is at least lower than at the start."""
        if s.f < self.zero.f:
            return s
        return None

    def zoom(self, low: _Sample, high: _Sample) -> _Sample | None:
        """Shrink [low, high]; low always satisfies the first condition (or is the origin)."""
        # An interval of some ε of its place holds no further floating-point number worth trying.
        while self.left > 0 and abs(high.t - low.t) > 1e-14 * max(low.t, high.t):
            s = self.sample(_inside(low, high))
            if not self.decreases(s) or s.f > low.f:
                high = s
                continue
            if self.flat(s):
                return s
            if s.slope * (high.t - low.t) >= 0:
                high = low
            low = s
        return self.if_lower(low)


def _inside(low: _Sample, high: _Sample) -> float:
    """The cubic minimiser, kept away from the ends by a tenth; the middle where there is none."""
    if not high.finite:
        # Where f is not finite there is no model; stay near the end that is good.
        return low.t + 0.2 * (high.t - low.t)
    t = _cubic_minimiser(low, high)
    ends = sorted((low.t, high.t))
    # A minimum of the cubic at an end would leave the interval as long as it is.
    margin = 0.1 * (ends[1] - ends[0])
    if not math.isfinite(t):
        return 0.5 * (low.t + high.t)
    return min(max(t, ends[0] + margin), ends[1] - margin)


def _longer(t: float, grown: float) -> float:
    """The next length: where the cubic through the last two has its minimum, two to ten times as long."""
    if math.isfinite(grown):
        return min(max(grown, 2 * t), 10 * t)
    return 4 * t


def _cubic_minimiser(a: _Sample, b: _Sample) -> float:
    """The minimiser of the cubic through f and f' at a and b (Nocedal & Wright, eq. 3.59), or nan."""
    if a.t == b.t or not (a.finite and b.finite):
        return math.nan
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if square < 0:  # the cubic has no minimum
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.t - a.t)
    denominator = b.slope - a.slope + 2 * d2
    if denominator != 0:
        return b.t - (b.t - a.t) * (b.slope + d2 - d1) / denominator
    return math.nan
