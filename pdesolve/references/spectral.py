"""Reference solutions on a periodic interval by a Fourier method, verified by its own refinement and cached.

    w_t = L(∂) w + ∂ f(w) + g(w),    ∂ = ∂/∂x,  one or several components, real or complex

A Fourier method with ETDRK4 in time (`fourier`); two step lengths are combined to the fifth order (Richardson).
Refinement goes on until doubling the points, halving the step and leaving out every other stored time each change the
solution by less than the accuracy wanted.
Nothing is computed before the first evaluation, and the result is kept in the user's cache directory.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from pdesolve.references.cache import Arrays, cache_name, cached
from pdesolve.references.fourier import PeriodicSystem, as_tuple, march_periodic

VERSION = 2  # of the algorithm: a change forgets what is cached
STENCIL = 12  # stored times that take part in an interpolation
NEAREST = 16  # points in space that do, on a grid `OVERSAMPLING` times as fine as the method's
OVERSAMPLING = 4
# A reference of 2¹⁶ points at 4096 times is half a gigabyte of numbers: what is not known then is not refined further.
FEWEST = 64
MOST_POINTS = 2**16
MOST_TIMES = 4096
MOST_STEPS = 1024
# The interpolant of degree 11 gains 2¹² where times are doubled; 2⁸ of that is claimed at most, as high derivatives
# grow.
GAIN_BETWEEN_TIMES = 2**8
CHUNK = 8192


# -------------------------------------------------------------------- refinement


@dataclass(frozen=True)
class Computed:
    """A computed reference: values (times + 1, c, points), and by how much each refinement changed it."""

    values: np.ndarray
    grading: int
    steps: int
    in_space: float
    in_time: float
    between_times: float

    @property
    def accuracy(self) -> float:
        """Verified relative L2 error over space and time."""
        return max(self.in_space, self.in_time, self.between_times)


def compute(system: PeriodicSystem, accuracy: float, seconds: float, grading: int = 1) -> Computed:
    """Refine in space and time until each refinement changes less than `accuracy`, or `seconds` have passed.

    The error in space is the change when the points are doubled; in time, the change of the extrapolated values from
    twice the step; between stored times, what interpolation from every other one errs by, over what that gains on every
    fourth one, mode by mode (`between_times`).
    """
    deadline = clock.process_time() + seconds
    level = Level(FEWEST, 8 * STENCIL, 2)
    base = level.march(system, grading)
    while True:
        in_space = _change(level.finer_in_space().march(system, grading)[..., ::2], base)
        finer = _next_level(level, in_space, between_times(base), accuracy)
        if finer is not None and clock.process_time() <= deadline:
            level = finer
            base = level.march(system, grading)
            continue
        begin = clock.process_time()
        half = level.with_steps(2).march(system, grading)
        quarter = level.with_steps(4).march(system, grading)
        best = _extrapolated_in_time(level, (base, half, quarter), in_space, grading)
        now = clock.process_time()
        # Another round takes up to four times the steps, and so at least three times as long.
        if best.accuracy <= accuracy or now + 3 * (now - begin) > deadline:
            return best
        # Each halving gains about 2⁵ in the extrapolated values: two where one would not be enough.
        if best.in_time < 50 * accuracy:
            level, base = level.with_steps(2), half
        else:
            level, base = level.with_steps(4), quarter


@dataclass(frozen=True)
class Level:
    """Points in space, stored times, and steps between two of these."""

    points: int
    times: int
    steps: int

    def march(self, system: PeriodicSystem, grading: int) -> np.ndarray:
        """Values (times + 1, c, points)."""
        return march_periodic(system, self.points, self.times, self.steps, grading)

    def finer_in_space(self) -> Level:
        """Twice the points."""
        return replace(self, points=2 * self.points)

    def with_steps(self, factor: int) -> Level:
        """So many times the steps."""
        return replace(self, steps=factor * self.steps)


def _next_level(level: Level, in_space: float, between: float, accuracy: float) -> Level | None:
    """What to refine before the step in time is looked at; None where space and stored times are fine enough."""
    if not np.isfinite(in_space) and level.steps < MOST_STEPS:
        return level.with_steps(4)  # unstable: no other error can be told before the step is short enough
    if in_space > accuracy and level.points < MOST_POINTS:
        return level.finer_in_space()
    if between > accuracy and level.times < MOST_TIMES:
        # The step stays what it was, as twice the times halve what is between them.
        return Level(level.points, 2 * level.times, max(1, level.steps // 2))
    return None


def _extrapolated_in_time(
    level: Level, marched: tuple[np.ndarray, np.ndarray, np.ndarray], in_space: float, grading: int
) -> Computed:
    """The values extrapolated from a half and a quarter of the step, and by how much they differ from those before."""
    base, half, quarter = marched
    values = _extrapolated(half, quarter)
    in_time = _change(_extrapolated(base, half), values)
    between = between_times(values)
    return Computed(values, grading, 4 * level.steps, in_space, in_time, between)


def _extrapolated(coarse: np.ndarray, fine: np.ndarray) -> np.ndarray:
    # Richardson: the error of a method of fourth order falls by 2⁴ = 16 with half the step.
    return fine + (fine - coarse) / 15


def _change(values: np.ndarray, other: np.ndarray) -> float:
    """Relative root-mean-square difference; infinite where either is not finite."""
    change = float(np.linalg.norm(values - other))
    size = float(np.linalg.norm(values))
    if size > 0:
        change /= size
    if not np.isfinite(change):
        return np.inf
    return change


def between_times(values: np.ndarray) -> float:
    """Estimated relative error of interpolation between stored times of values (times + 1, c, points).

    A Fourier mode that interpolation from every other time misses by e₂, and from every fourth one by e₄, is missed by
    e₂ / min(e₄/e₂, 2⁸) from all times. Mode by mode: beside a smooth wave, which gains much, dispersed waves of a kink
    would not be seen, which are in modes of their own and gain nothing.
    """
    size = np.linalg.norm(values) / len(values) ** 0.5
    # Interpolation of zeros is exact; zero over zero would be refined until the time is over.
    if size == 0:
        return 0.0
    error = _skipped(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.nan_to_num(_skipped(values[::2]) / error, nan=1.0, posinf=GAIN_BETWEEN_TIMES)
        found = float(np.linalg.norm(error / gain.clip(1.0, GAIN_BETWEEN_TIMES)) / size)
    if not np.isfinite(found):
        return np.inf
    return found


def _skipped(values: np.ndarray) -> np.ndarray:
    """By how much (c, points) interpolation from every other stored time misses each Fourier mode between them."""
    coarse = values[::2]
    odd = values[1::2]
    position = np.arange(len(odd)) + 0.5
    first, weight = local_weights(position, len(coarse), STENCIL)
    guess = sum(weight[:, j, None, None] * coarse[first + j] for j in range(STENCIL))
    missed = fft.fft(odd - guess, norm="ortho")
    return np.asarray((np.abs(missed) ** 2).mean(axis=0) ** 0.5)


# -------------------------------------------------------------------- interpolation


def local_weights(
    position: np.ndarray, n: int, size: int, wraps: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """First index (m,) and weights (m, size) of Lagrange interpolation from integer nodes 0 … n - 1 near `position`.

    >>> first, weight = local_weights(np.array([2.5]), 8, 4)
    >>> first.tolist(), (weight * 16).tolist()
    ([1], [[-1.0, 9.0, 9.0, -1.0]])
    """
    first = np.floor(position).astype(int) - (size // 2 - 1)
    if not wraps:
        first = first.clip(0, n - size)
    nodes = np.arange(size)
    s = (position - first)[:, None]
    weight = np.ones((len(position), size))
    for j in nodes:
        for i in nodes[nodes != j]:
            weight[:, j] *= (s[:, 0] - i) / (j - i)
    return first, weight


def on_finer_grid(values: np.ndarray, factor: int) -> np.ndarray:
    """The trigonometric interpolant of values (…, n) on `factor` times as many points."""
    n = values.shape[-1]
    real = not np.iscomplexobj(values)
    coefficients = fft.fft(values)
    result = np.zeros((*values.shape[:-1], factor * n), dtype=complex)
    result[..., : n // 2] = coefficients[..., : n // 2]
    result[..., -(n // 2) + 1 :] = coefficients[..., n // 2 + 1 :]
    # The highest mode of an even number of points is a cosine: half of it has each sign of the frequency.
    result[..., n // 2] = result[..., -(n // 2)] = coefficients[..., n // 2] / 2
    fine = factor * fft.ifft(result)
    if real:
        return fine.real
    return fine


def evaluate(
    system: PeriodicSystem, computed: Computed, fine: np.ndarray, x: np.ndarray, t: np.ndarray
) -> np.ndarray:
    """Values (n, c) at x, t (n,), from values `fine` (times + 1, c, k) on a refined grid."""
    times = len(fine)
    n = fine.shape[-1]
    a, b = system.interval
    s = (np.clip(t / system.duration, 0, 1) ** (1 / computed.grading)) * (times - 1)
    result = np.empty((len(x), fine.shape[1]), dtype=fine.dtype)
    for start in range(0, len(x), CHUNK):
        part = slice(start, start + CHUNK)
        first_t, weight_t = local_weights(s[part], times, STENCIL)
        first_x, weight_x = local_weights((x[part] - a) / (b - a) * n, n, NEAREST, wraps=True)
        i = first_t[:, None, None] + np.arange(STENCIL)[:, None]
        j = (first_x[:, None, None] + np.arange(NEAREST)) % n
        for c in range(fine.shape[1]):
            near = fine[i, c, j]
            result[part, c] = np.einsum("nij,ni,nj->n", near, weight_t, weight_x)
    return result


# -------------------------------------------------------------------- what problem files use


def key_of(system: PeriodicSystem, *numbers: float) -> str:
    """The name of a reference in the cache."""
    values = system.initial(FEWEST)
    d = system.derivative(FEWEST, not np.iscomplexobj(values))
    # Functions cannot be hashed; what they give for numbers drawn at random tells them apart.
    tried = np.random.default_rng(0).normal(size=values.shape).astype(values.dtype)
    parts = [values, *as_tuple(system.linear(d)), [*system.interval, system.duration, VERSION, *numbers]]
    parts += [PeriodicSystem.apply(f, tried) if f else np.zeros(1) for f in (system.flux, system.source)]
    return cache_name(parts)


class SpectralReference:
    """Reference solution u(x, t) of a periodic problem in one space dimension, computed on its first call.

    >>> from pdesolve import Interval, TimeInterval
    >>> heat = SpectralReference(
    ...     Interval(0, 2 * torch.pi) * TimeInterval(0, 1), start=torch.sin, linear=lambda d: d**2
    ... )
    >>> value = heat(torch.tensor([0.5], dtype=torch.float64), torch.tensor([0.25], dtype=torch.float64))
    >>> round(float(value), 8) == round(float(np.exp(-0.25) * np.sin(0.5)), 8)
    True

    Args:
        domain: an interval times a time interval.
        start: initial values, a function of x; a tuple of them for a system.
        linear: L, a function of d = ∂/∂x, e.g. `lambda d: nu * d**2`; a tuple for a system.
        flux: f, a function of the components, of which ∂f/∂x enters; a tuple for a system.
        source: g, likewise.
        accuracy: relative L2 error wanted.
        seconds: of the processor, after which refinement stops; `accuracy()` tells what was reached.
        grading: stored times are T (j/M)^grading; 2 where initial values have a kink.
    """

    def __init__(
        self,
        domain: Any,
        start: Callable,
        linear: Callable,
        flux: Callable | None = None,
        source: Callable | None = None,
        accuracy: float = 1e-11,
        seconds: float = 60.0,
        grading: int = 1,
    ):
        a, b = domain.space.bounds[:, 0].tolist()
        self.begin = domain.time.t0
        self.wanted = accuracy
        self.seconds = seconds
        self.grading = grading
        self.system = PeriodicSystem((a, b), domain.time.length, start, linear, flux, source)
        self._computed: Computed | None = None
        self._fine: np.ndarray | None = None

    @property
    def computed(self) -> Computed:
        """The values behind it, from the cache where they are there."""
        if self._computed is None:
            arrays = cached(key_of(self.system, self.wanted, self.grading), self._compute)
            grading, steps, *errors = arrays["numbers"].tolist()
            self._computed = Computed(arrays["values"], int(grading), int(steps), *errors)
        return self._computed

    def _compute(self) -> Arrays:
        c = compute(self.system, self.wanted, self.seconds, self.grading)
        numbers = np.array([c.grading, c.steps, c.in_space, c.in_time, c.between_times])
        return {"values": c.values, "numbers": numbers}

    def accuracy(self) -> float:
        """Verified relative L2 error over space and time."""
        return self.computed.accuracy

    def components(self, x: Tensor, t: Tensor) -> Tensor:
        """Values (n, c) at x, t (n,)."""
        if self._fine is None:
            self._fine = on_finer_grid(self.computed.values, OVERSAMPLING)
        x, t = torch.broadcast_tensors(torch.as_tensor(x), torch.as_tensor(t))
        where, when = (v.detach().cpu().double().numpy() for v in (x, t - self.begin))
        return torch.from_numpy(evaluate(self.system, self.computed, self._fine, where, when)).to(x.device)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """The first component (n,) at x, t (n,)."""
        return self.components(x, t)[:, 0]
