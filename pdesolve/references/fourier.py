"""Periodic evolution equations in one space dimension by a Fourier method.

    w_t = L(∂) w + ∂ f(w) + g(w),    ∂ = ∂/∂x,  one or several components, real or complex

Exponential time differencing of the fourth order, ETDRK4 (Kassam & Trefethen, SIAM J. Sci. Comput. 26 (2005)
1214–1233), in Fourier space. An engineer's way, kept apart from the methods it checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import fft
from torch import Tensor


@dataclass(frozen=True)
class PeriodicSystem:
    """w_t = L(∂) w + ∂ f(w) + g(w) on a periodic interval; arrays of values are (c, n), of coefficients (c, k)."""

    interval: tuple[float, float]
    duration: float
    start: Callable[[Tensor], Any]
    linear: Callable[[np.ndarray], Any]
    flux: Callable[..., Any] | None = None
    source: Callable[..., Any] | None = None

    def grid(self, n: int) -> np.ndarray:
        """The points (n,) of a Fourier method."""
        a, b = self.interval
        return a + (b - a) * np.arange(n) / n

    def initial(self, n: int) -> np.ndarray:
        """Initial values (c, n)."""
        values = as_tuple(self.start(torch.from_numpy(self.grid(n))))
        return np.stack([torch.as_tensor(v).numpy() * np.ones(n) for v in values])

    def derivative(self, n: int, real: bool) -> np.ndarray:
        """The symbol (k,) of ∂."""
        k = np.fft.rfftfreq(n, 1 / n) if real else np.fft.fftfreq(n, 1 / n)
        return 2j * np.pi * k / (self.interval[1] - self.interval[0])

    def rate(self, coefficients: np.ndarray, d: np.ndarray, n: int, real: bool) -> np.ndarray:
        """Coefficients (c, k) of ∂ f(w) + g(w)."""
        values = _to_values(coefficients, n, real)
        result = np.zeros_like(coefficients)
        if self.flux:
            result += d * _to_coefficients(self.apply(self.flux, values), real)
        if self.source:
            result += _to_coefficients(self.apply(self.source, values), real)
        return result

    @staticmethod
    def apply(function: Callable[..., Any], values: np.ndarray) -> np.ndarray:
        """A function of the components, at values (c, n)."""
        return np.stack(as_tuple(function(*values)))


def as_tuple(value: Any) -> tuple:
    """One component is a system of one."""
    if isinstance(value, tuple):
        return value
    return (value,)


def _to_coefficients(values: np.ndarray, real: bool) -> np.ndarray:
    return fft.rfft(values) if real else fft.fft(values)


def _to_values(coefficients: np.ndarray, n: int, real: bool) -> np.ndarray:
    return fft.irfft(coefficients, n) if real else fft.ifft(coefficients)


def phi_functions(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """φ₁, φ₂, φ₃ at z: φ₁ = (e^z - 1)/z, φ_{m+1} = (φ_m - 1/m!)/z; by Taylor series inside the unit disc.

    >>> [round(float(phi.real[0]), 6) for phi in phi_functions(np.zeros(1, complex))]
    [1.0, 0.5, 0.166667]
    """
    small = np.abs(z) < 1
    w = np.where(small, 1, z)
    one = np.expm1(w) / w
    two = (one - 1) / w
    three = (two - 0.5) / w
    # (e^z - 1)/z and what follows from it cancel where z is small; the series has 20 terms, 1/20! of the first.
    s = z[small]
    term = np.ones_like(s)
    sums = [0, 0, 0]
    for j in range(20):  # φ_m = Σ_j z^j / (j + m)!
        for m in range(3):
            sums[m] = sums[m] + term / np.prod(np.arange(j + 1, j + m + 2, dtype=float))
        term = term * s / (j + 1)
    for phi, series in zip((one, two, three), sums, strict=True):
        phi[small] = series
    return one, two, three


@dataclass(frozen=True)
class ExponentialStep:
    """One ETDRK4 step of length h: coefficients of the scheme for a diagonal linear part (c, k)."""

    full: np.ndarray
    half: np.ndarray
    inner: np.ndarray
    outer: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def of(cls, linear: np.ndarray, h: float) -> ExponentialStep:
        """Prepare the step."""
        one, two, three = phi_functions(h * linear)
        inner = h / 2 * phi_functions(h / 2 * linear)[0]
        outer = (h * (one - 3 * two + 4 * three), h * (two - 2 * three), h * (4 * three - two))
        return cls(np.exp(h * linear), np.exp(h / 2 * linear), inner, outer)

    def __call__(self, v: np.ndarray, rate: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Coefficients (c, k) one step later."""
        n_v = rate(v)
        half = self.half * v
        a = half + self.inner * n_v
        n_a = rate(a)
        n_b = rate(half + self.inner * n_a)
        n_c = rate(self.half * a + self.inner * (2 * n_b - n_v))
        f, g, last = self.outer
        return self.full * v + f * n_v + 2 * g * (n_a + n_b) + last * n_c


def march_periodic(
    system: PeriodicSystem, points: int, times: int, steps: int, grading: int = 1
) -> np.ndarray:
    """Values (times + 1, c, points) at t_j = T (j/times)^grading, `steps` steps from each to the next."""
    values = system.initial(points)
    real = not np.iscomplexobj(values)
    d = system.derivative(points, real)
    linear = np.stack(np.broadcast_arrays(*as_tuple(system.linear(d)))).astype(complex)
    if real:  # the highest mode is a cosine on the grid, with odd derivatives zero there
        linear[:, -1] = linear[:, -1].real
    if (linear.imag == 0).all():
        linear = linear.real
    odd = d.copy()
    odd[points // 2] = 0
    v = _to_coefficients(values, real)
    result = [values]
    h = 0.0
    step = None
    stored = system.duration * (np.arange(times + 1) / times) ** grading
    with np.errstate(over="ignore", invalid="ignore"):
        for length in np.diff(stored) / steps:
            # Equal times differ in length by rounding, for which the exponentials need not be made anew.
            if step is None or abs(length - h) > 1e-12 * length:
                h = length
                step = ExponentialStep.of(linear, length)
            for _ in range(steps):
                v = step(v, lambda w: system.rate(w, odd, points, real))
            result.append(_to_values(v, points, real))
            if not np.isfinite(result[-1]).all():
                return np.full((times + 1, *values.shape), np.nan)
    return np.stack(result)
