"""How data depend on time: intervals in which a polynomial of low degree says everything, and times at which data jump.

All functions of a problem are given, so what they do in time is looked at before the march. A source that acts for a
thousandth of the time leaves no trace in steps that jump over it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pdesolve.statement.residual import ResidualOperator

DEGREE = 12  # of the polynomial on each interval; the polynomials of a step have degrees 5 to 13
# Random times, one in each of as many equal parts: what lasts 1e-4 of the time has one or two.
SAMPLES = 2**14
SHORTEST = 1e-13  # of the whole time: data that are not resolved by so little jump
# Random ones, since data with a period could agree at all equal distances.
CHECKS = 9  # random times in each interval, beside those of the samples
FEW = 2**10  # intervals looked at together, which bounds the memory


@dataclass(frozen=True)
class Resolution:
    """Intervals (l + 1,) of time in which data are resolved, and the times at which they jump, in order."""

    borders: np.ndarray
    jumps: np.ndarray

    def within(self, times: Tensor, start: float, end: float) -> Tensor:
        """Times (n,) of a step, kept off its ends where data jump there: a step sees the values of its own side."""
        margin = 4 * SHORTEST * float(self.borders[-1] - self.borders[0])
        return kept_off(times, start, end, self.jumps, margin)

    def furthest(self, t: float, end: float) -> float:
        """The last time ≤ `end` to which a step from t may go.

        A step ends where data jump, and before an interval that is less than half as long as the step: what the data
        do there would lie between its stages.
        """
        ahead = self.jumps[(self.jumps > t) & (self.jumps < end)]
        if len(ahead):
            end = float(ahead[0])
        inside = (self.borders[1:] > t) & (self.borders[:-1] < end)
        starts = self.borders[:-1][inside]
        lengths = np.diff(self.borders)[inside]
        if not len(lengths):
            return end
        first = max(lengths[0], 0.0)
        short = (2 * lengths < np.maximum(starts - t, first)) & (starts > t)
        if short.any():
            end = float(starts[np.argmax(short)])
        return min(end, t + 2 * first)


def kept_off(times: Tensor, start: float, end: float, jumps: Container[float], margin: float) -> Tensor:
    """Times (n,) of a step, by a margin off those of its ends at which data jump."""
    if start in jumps:
        start = start + margin
    if end in jumps:
        end = end - margin
    return times.clamp(start, end)


def with_stated(resolution: Resolution, stated: Sequence[float]) -> Resolution:
    """Breaks that the user states beside those that were found; a found one that is the same counts once."""
    if not stated:
        return resolution
    same = 8 * SHORTEST * float(resolution.borders[-1] - resolution.borders[0])
    given = np.asarray(stated)
    far = np.abs(resolution.jumps[:, None] - given).min(1) > same
    jumps = np.union1d(resolution.jumps[far], given)
    inner = resolution.borders[1:-1]
    apart = np.abs(inner[:, None] - given).min(1) > same
    return Resolution(np.union1d(resolution.borders[[0, -1]], np.union1d(inner[apart], given)), jumps)


def resolve(function: Callable[[Tensor], Tensor], start: float, end: float, tol: float) -> Resolution:
    """Intervals in which every column of a function of time is a polynomial of degree 12 to a tolerance.

    Intervals are halved where the polynomial through Chebyshev points misses the function at random times by more
    than `tol` of the largest value of that column; what is still missed in an interval of 1e-13 of the time, jumps.

    Args:
        function: times (n,) → values (n, c).
        start: the first time.
        end: the last time.
        tol: relative to the largest value of each column.
    """
    generator = torch.Generator().manual_seed(0)
    parts = torch.arange(SAMPLES, dtype=torch.float64)
    samples = (parts + torch.rand(SAMPLES, generator=generator, dtype=torch.float64)) / SAMPLES
    samples = start + (end - start) * samples
    values = function(samples)
    size = values.abs().amax(0).clamp_min(torch.finfo(values.dtype).tiny)
    borders, jumps = _tree(function, start, end, (samples, values), tol * size)
    if not len(jumps):
        return Resolution(borders, jumps)
    # Between two jumps the intervals that were graded toward them are not needed.
    ends = np.concatenate([[start], jumps, [end]])
    pieces = [start]
    for a, b in pairwise(ends):
        inside = (samples > a) & (samples < b)
        # The value at a jump belongs to one side only: each piece ends a few roundings before it.
        margin = 4 * np.finfo(float).eps * max(abs(a), abs(b), end - start)
        found, _ = _tree(function, a + margin, b - margin, (samples[inside], values[inside]), tol * size)
        pieces += [*found[1:-1], b]
    return Resolution(np.array(pieces), jumps)


def _tree(
    function: Callable[[Tensor], Tensor],
    start: float,
    end: float,
    seen: tuple[Tensor, Tensor],
    allowed: Tensor,
) -> tuple[np.ndarray, np.ndarray]:
    """Borders of the intervals and places of jumps, by halving level by level."""
    generator = torch.Generator().manual_seed(1)
    samples, values = seen
    scale = max(abs(start), abs(end), end - start)
    shortest = max(SHORTEST * (end - start), 8 * np.finfo(float).eps * scale)
    open_intervals = torch.tensor([[start, end]], dtype=torch.float64)
    leaves, jumps = [], []
    while len(open_intervals):
        fine = torch.cat(
            [
                _resolved(function, part, samples, values, allowed, generator)
                for part in torch.split(open_intervals, FEW)
            ]
        )
        tiny = open_intervals[:, 1] - open_intervals[:, 0] <= shortest
        jumps.append(open_intervals[~fine & tiny].mean(1))
        leaves.append(open_intervals[fine | tiny])
        rest = open_intervals[~fine & ~tiny]
        middle = rest.mean(1, keepdim=True)
        open_intervals = torch.cat([torch.cat([rest[:, :1], middle], 1), torch.cat([middle, rest[:, 1:]], 1)])
    borders = torch.cat(leaves).flatten().unique()
    # A jump between two intervals that are resolved is seen by neither of them.
    inner = borders[1:-1]
    below = function(inner - shortest)
    above = function(inner + shortest)
    between = ~((above - below).abs() <= allowed).all(1)
    places = torch.cat([*jumps, inner[between]]).sort().values.numpy()
    borders = borders.numpy()
    # Neighbouring intervals that hold the same jump count once.
    apart = np.diff(places, prepend=-np.inf) > 4 * shortest
    return borders, places[apart]


def _resolved(
    function: Callable[[Tensor], Tensor],
    intervals: Tensor,
    samples: Tensor,
    values: Tensor,
    allowed: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Which intervals (e, 2) the polynomial through DEGREE + 1 Chebyshev points resolves: booleans (e,)."""
    e = len(intervals)
    middle = intervals.mean(1, keepdim=True)
    half = (intervals[:, 1:] - intervals[:, :1]) / 2
    k = torch.arange(DEGREE + 1, dtype=torch.float64)
    # Of the first kind: none is at an end, where data may jump.
    nodes = torch.cos(torch.pi * (2 * k + 1) / (2 * DEGREE + 2))
    at_nodes = function((middle + half * nodes).flatten()).view(e, DEGREE + 1, -1)
    checks = 2 * torch.rand(e, CHECKS, generator=generator, dtype=torch.float64) - 1
    found = function((middle + half * checks).flatten()).view(e, CHECKS, -1)
    missed = (_interpolated(nodes, at_nodes, checks) - found).abs()
    fine = (missed <= allowed).all(2).all(1)
    # What was sampled before is compared, too: the narrow feature that the random times of this level miss.
    owner = torch.searchsorted(intervals[:, 0].contiguous(), samples, right=True) - 1
    owner = owner.clamp_min(0)
    inside = (samples > intervals[owner, 0]) & (samples < intervals[owner, 1])
    owner = owner[inside]
    t = (samples[inside] - middle[owner, 0]) / half[owner, 0]
    for part in torch.split(torch.arange(len(owner)), 2**12):
        expected = _interpolated(nodes, at_nodes[owner[part]], t[part, None])[:, 0]
        bad = ~((expected - values[inside][part]).abs() <= allowed).all(1)
        fine[owner[part][bad]] = False
    return fine


def _interpolated(nodes: Tensor, values: Tensor, t: Tensor) -> Tensor:
    """Polynomials through values (e, k, c) at Chebyshev points (k,), at t (e, m): (e, m, c)."""
    k = torch.arange(len(nodes), dtype=torch.float64)
    weights = (-1.0) ** k * torch.sin(torch.pi * (2 * k + 1) / (2 * len(nodes)))
    distance = t[..., None] - nodes
    hit = distance == 0
    terms = weights / torch.where(hit, 1.0, distance)
    terms = torch.where(hit.any(-1, keepdim=True), hit.to(terms), terms)
    return (terms @ values) / terms.sum(-1, keepdim=True)


def at_fixed_jets(operator: ResidualOperator, t: Tensor) -> Tensor:
    """F (n, 2 m) as a function of time alone, at two random jets: how data depend on time."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for _ in range(2):
        jets = torch.rand(len(operator.slots), generator=generator, dtype=torch.float64) + 0.5
        with torch.set_grad_enabled(operator.depth != 0):
            found.append(operator.residual(t[:, None], jets.expand(len(t), -1)).detach())
    return torch.cat(found, 1)
