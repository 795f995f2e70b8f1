"""When the data of an evolution jump: sources and boundary values that are switched on and off.

Every term is looked at as a function of time alone, at a few points and with jets that do not change (`breaks`). What
jumps at one point in space only is a front that passes by; a switch acts at several points at the same time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.breaks import SAMPLES, Resolution, at_fixed_jets, resolve, with_stated
from pdesolve.marching.evolution import Evolution
from pdesolve.patches.compiled import GridTerm
from pdesolve.patches.frame import once
from pdesolve.statement.residual import sample_points

POINTS = 8  # of each term, in two halves that must agree
AT_ONCE = 2**17  # evaluations, which bounds the memory
FINEST = 1e-9  # relative to the largest value: smaller jumps are left to the steps
MOST = 1000  # breaks: more of them are no switches but noise, which steps cannot end at
SAME = 1e-11  # of the interval: jumps nearer than that are one


def breaks_of(evolution: Evolution, tol: float) -> tuple[float, ...]:
    """Times between the first and the last at which data jump, those that the user states among them.

    Args:
        evolution: the problem.
        tol: relative jump that matters, 1e-9 at least.
    """
    time = evolution.problem.domain.time
    found: list[float] = []
    for number in (0, *evolution.places):
        found += _jumps(evolution, evolution.term_of(number), max(tol, FINEST))
    resolution = resolution_in_time(evolution, max(tol, FINEST))
    if resolution is not None:
        found += resolution.jumps.tolist()
    jumps = np.unique(np.array(found))
    jumps = jumps[np.diff(jumps, prepend=-np.inf) > SAME * time.length]
    jumps = jumps[(jumps > time.t0) & (jumps < time.t1)]
    if len(jumps) > MOST:
        jumps = jumps[:0]
    ends = np.array([time.t0, time.t1])
    return tuple(with_stated(Resolution(ends, jumps), time.breaks).jumps.tolist())


def resolution_in_time(evolution: Evolution, tol: float) -> Resolution | None:
    """Intervals in which the data of the equations of Scalars are resolved; None where there are no such equations."""
    operator = evolution.in_time
    if operator is None:
        return None
    time = evolution.problem.domain.time

    def resolved() -> Resolution:
        return resolve(lambda t: at_fixed_jets(operator, t), time.t0, time.t1, tol)

    return once(evolution.memo, ("resolution", tol), resolved)


def _jumps(evolution: Evolution, term: GridTerm, tol: float) -> list[float]:
    """Times at which both halves of the points of a term see a jump."""
    time = evolution.problem.domain.time
    points, normals = sample_points(evolution.problem, term.operator.term, POINTS)
    half = max(1, len(points) // 2)
    parts = []
    for chosen in (slice(0, half), slice(len(points) - half, len(points))):
        data = _Data(evolution, term, points[chosen, :-1], None if normals is None else normals[chosen])
        if not data.depend_on_time():
            return []
        parts.append(resolve(data, time.t0, time.t1, tol).jumps)
        if not len(parts[0]):
            return []
    first, second = parts
    if not len(second):
        return []
    distance = np.abs(first[:, None] - second).min(1)
    return [float(t) for t in first[distance <= SAME * time.length]]


class _Data:
    """A term (n,) ↦ (n, c) as a function of time at points x (p, d), with two jets that do not change."""

    def __init__(self, evolution: Evolution, term: GridTerm, x: Tensor, normals: Tensor | None):
        self.evolution = evolution
        self.term = term
        self.x = x
        self.normals = normals
        generator = torch.Generator().manual_seed(3)
        size = (2 * len(x), len(term.operator.slots))
        # Two jets that are not zero: data times a field would vanish with it.
        self.jets = torch.rand(size, generator=generator, dtype=torch.float64) + 0.5

    def __call__(self, t: Tensor) -> Tensor:
        most = max(1, AT_ONCE // len(self.jets))
        return torch.cat([self._values(part) for part in torch.split(t, most)])

    def _values(self, t: Tensor) -> Tensor:
        n = len(t)
        count = len(self.jets)
        places = self.x.repeat(2, 1).repeat(n, 1)
        points = torch.cat([places, t.repeat_interleave(count)[:, None]], dim=1)
        normals = self.normals
        if normals is not None:
            normals = normals.repeat(2, 1).repeat(n, 1)
        operator = self.term.operator
        with torch.set_grad_enabled(operator.depth != 0):
            r = operator.residual(points, self.jets.repeat(n, 1), normals, self.evolution.parameters)
        return r.detach().reshape(n, count * operator.components).nan_to_num(0.0)

    def depend_on_time(self) -> bool:
        """Whether any value changes."""
        time = self.evolution.problem.domain.time
        parts = torch.arange(SAMPLES, dtype=torch.float64)
        values = self(time.t0 + time.length * (parts + 0.5) / SAMPLES)
        return bool((values != values[:1]).any())
