"""Reference solutions on a rectangle by the method of lines, verified by their own refinement and cached.

    w_t = F(w, Δw),   w = 0 on the boundary,   u = g(w)

Chebyshev collocation in space (Trefethen, Spectral Methods in MATLAB, SIAM 2000), scipy's DOP853 in time. Points and
stored times are made half as many again until that changes u by less than the accuracy wanted, in relative L2 over
scattered places: the change holds what collocation, integration and interpolation err by. An engineer's way, kept
apart from the methods it checks.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from pdesolve.references.cache import Arrays, cache_name, cached
from pdesolve.references.spectral import local_weights

VERSION = 2  # of the algorithm: a change forgets what is cached
# Intervals along an axis, and of time.
FEWEST = 32
MOST = 243
# Points that take part in an interpolation.
IN_SPACE = 16
IN_TIME = 6
GRADING = 3  # stored times are T (j/M)³: initial values need not fit the boundary's
# Of the integration in time, well below any accuracy that is asked of a reference.
TOLERANCE = 1e-9
PROBES = 20_000
# Of half as many points again: about twice the points, up to five times the steps of an explicit method.
COST = 12
CHUNK = 2048


def second_derivative(n: int) -> np.ndarray:
    """Matrix (n + 1, n + 1) of ∂² at the points cos(πk/n).

    >>> x = np.cos(np.pi * np.arange(5) / 4)
    >>> bool(abs(second_derivative(4) @ x**3 - 6 * x).max() < 1e-13)
    True
    """
    k = np.arange(n + 1)
    c = np.where((k == 0) | (k == n), 2.0, 1.0) * (-1.0) ** k
    half = np.pi / (2 * n)  # x_i - x_j without cancellation
    gap = 2 * np.sin((k[:, None] + k) * half) * np.sin((k - k[:, None]) * half)
    first = np.outer(c, 1 / c) / (gap + np.eye(n + 1))
    first -= np.diag(first.sum(axis=1))
    return first @ first


@dataclass(frozen=True)
class Lines:
    """w_t = F(w, Δw) on a rectangle for a duration, from w₀(x, y); functions of tensors.

    Attributes:
        bounds: lower and upper corner (2, 2).
    """

    bounds: np.ndarray
    duration: float
    start: Callable[[Tensor, Tensor], Tensor]
    rate: Callable[[Tensor, Tensor], Tensor]

    def march(self, n: int) -> np.ndarray:
        """Values (n + 1, n + 1, n + 1) at stored times and Chebyshev points of both axes, the boundary's among them."""
        (a, b), (c, d) = self.bounds.T
        matrix = torch.from_numpy(second_derivative(n)[1:-1, 1:-1].copy())
        along_x = matrix * (2 / (b - a)) ** 2
        along_y = matrix.T * (2 / (d - c)) ** 2
        s = torch.cos(torch.pi * torch.arange(1, n, dtype=torch.float64) / n)
        x, y = torch.meshgrid((a + b) / 2 + (b - a) / 2 * s, (c + d) / 2 + (d - c) / 2 * s, indexing="ij")

        def derivative(_: float, flat: np.ndarray) -> np.ndarray:
            w = torch.from_numpy(flat).reshape(x.shape)
            return self.rate(w, along_x @ w + w @ along_y).reshape(-1).numpy()

        first = self.start(x, y).reshape(-1).numpy()
        stored = self.duration * (np.arange(n + 1) / n) ** GRADING
        options = {"rtol": TOLERANCE, "atol": TOLERANCE * np.abs(first).max()}
        with np.errstate(over="ignore", invalid="ignore"):  # steps that are too long are rejected
            done = solve_ivp(derivative, (0, self.duration), first, "DOP853", t_eval=stored, **options)
        values = np.full((n + 1,) * 3, np.nan)  # where the integration fails
        values[: done.y.shape[1]] = 0.0
        values[: done.y.shape[1], 1:-1, 1:-1] = done.y.T.reshape(-1, n - 1, n - 1)
        return values

    def evaluate(self, values: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, 3), time last and from 0 on: local polynomials in angles and stored times."""
        n = len(values) - 1
        lower, upper = self.bounds
        s = np.clip(2 * (points[:, :2] - lower) / (upper - lower) - 1, -1, 1)
        angle = np.arccos(s) * n / np.pi
        stored = np.clip(points[:, 2] / self.duration, 0, 1) ** (1 / GRADING) * n
        result = np.empty(len(points))
        for begin in range(0, len(points), CHUNK):
            part = slice(begin, begin + CHUNK)
            i, in_x = _reflected(angle[part, 0], n)
            j, in_y = _reflected(angle[part, 1], n)
            first, in_time = local_weights(stored[part], n + 1, IN_TIME)
            k = first[:, None] + np.arange(IN_TIME)
            near = values[k[:, :, None, None], i[:, None, :, None], j[:, None, None, :]]
            result[part] = np.einsum("nkij,nk,ni,nj->n", near, in_time, in_x, in_y, optimize=True)
        return result


def _reflected(position: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (m, size) near a position (m,); a function of cos θ goes on evenly beyond 0 and π."""
    first, weight = local_weights(position, n + 1, IN_SPACE, wraps=True)
    node = np.abs(first[:, None] + np.arange(IN_SPACE))
    return np.where(node > n, 2 * n - node, node), weight


class LinesReference:
    """Reference u = g(w) of w_t = F(w, Δw), w = 0 on the boundary of a rectangle, computed on its first call.

    Args:
        domain: a rectangle times a time interval.
        start: initial values of w, a function of x and y; zero on the boundary, or a layer will form there.
        rate: F, a function of w and Δw.
        value: g; w itself where left out.
        accuracy: relative L2 error wanted of u.
        seconds: of the processor, after which refinement stops; `accuracy()` tells what was reached.
    """

    def __init__(
        self,
        domain: Any,
        start: Callable[[Tensor, Tensor], Tensor],
        rate: Callable[[Tensor, Tensor], Tensor],
        value: Callable[[Tensor], Tensor] = lambda w: w,
        accuracy: float = 1e-5,
        seconds: float = 60.0,
    ):
        self.begin = domain.time.t0
        self.wanted = accuracy
        self.seconds = seconds
        self.value = value
        self.lines = Lines(domain.space.bounds.numpy(), domain.time.length, start, rate)

    @cached_property
    def computed(self) -> Arrays:
        """The values behind it and their accuracy, from the cache where they are there."""
        x, y = torch.rand(2, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        lower, upper = torch.from_numpy(self.lines.bounds)
        first = self.lines.start(lower[0] + (upper - lower)[0] * x, lower[1] + (upper - lower)[1] * y)
        numbers = [*self.lines.bounds.ravel(), self.lines.duration, VERSION, self.wanted]
        key = cache_name([first, self.lines.rate(first, y - x), self.value(first), numbers])
        return cached(key, self._compute)

    def _compute(self) -> Arrays:
        """Refine until that changes less than the accuracy wanted, or the next step would take too long."""
        places = np.random.default_rng(0).random((PROBES, 3))
        lower, upper = self.lines.bounds
        places *= [*(upper - lower), self.lines.duration]
        places[:, :2] += lower
        deadline = clock.process_time() + self.seconds
        n = FEWEST
        before = None
        change = float("inf")
        while True:
            start = clock.process_time()
            values = self.lines.march(n)
            u = self.value(torch.from_numpy(self.lines.evaluate(values, places))).numpy()
            now = clock.process_time()
            late = False
            if before is not None:  # without two levels there is no accuracy to tell, however late it is
                change = float(np.linalg.norm(u - before) / np.linalg.norm(u))
                late = now + COST * (now - start) > deadline
            # Also where the change is NaN: finer levels will not be finite, either.
            if not change > self.wanted or n >= MOST or late:
                return {"values": values, "accuracy": np.array(change)}
            n = 3 * n // 2
            before = u

    def accuracy(self) -> float:
        """Relative L2 norm, over space and time, of what the last refinement changed."""
        return float(self.computed["accuracy"])

    def __call__(self, x: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """Values (n,) at x, y, t (n,)."""
        columns = torch.broadcast_tensors(*(torch.as_tensor(c) for c in (x, y, t - self.begin)))
        points = torch.stack([c.detach().cpu().double().reshape(-1) for c in columns], dim=1).numpy()
        w = self.lines.evaluate(self.computed["values"], points)
        return self.value(torch.from_numpy(w)).reshape(columns[0].shape).to(columns[0].device)
