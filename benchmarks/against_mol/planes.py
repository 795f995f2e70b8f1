"""The problems in two space dimensions, stated a second time, and their method of lines on a grid of tensor products.

    w_t = F(w, w_x, w_y, w_xx, …; x, y, t)

Arrays of values are (c, k, l): components, then points in x and in y. Errors are measured against the problem file, so
that a slip here shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import pi
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.sparse import csc_matrix, issparse, kron

from benchmarks.against_mol.grids import Grid
from benchmarks.against_mol.lines import GRIDS, SMALLEST_TOLERANCE, Failed, TooLong
from benchmarks.work_precision import clock

CHUNK = 64
Jet = Mapping[tuple[int, int, int], np.ndarray]


def everywhere(x: np.ndarray, _y: np.ndarray) -> np.ndarray:
    """All boundary values are given."""
    return np.ones_like(x, dtype=bool)


def as_it_is(values: np.ndarray) -> np.ndarray:
    """The unknowns are the components."""
    return values


@dataclass(frozen=True)
class Plane:
    """An initial value problem on a square.

    Attributes:
        name: stem of the problem file.
        interval, end: of both axes, and of time from 0 on.
        start: initial values of all components (c arrays), functions of x and y.
        orders: derivatives in a jet, such as (2, 0) for w_xx.
        rate: jet (component, order in x, order in y) ↦ values, and x, y, t ↦ w_t of each component.
        boundary: x, y, t ↦ values of all components on the boundary; None where x and y are periodic.
        given: x, y ↦ whether a boundary point is given; elsewhere the equation holds there, too.
        unknowns: values (c, k, l) ↦ what is interpolated (u, k, l).
        value: that ↦ the problem's unknowns, where these are less smooth.
        power: of the unknowns that the components are: their tolerance is to that power, too.
        slopes: {(i, j, orders): ∂F_i/∂(derivative of w_j)} of a linear equation with constant coefficients.
    """

    name: str
    interval: tuple[float, float]
    end: float
    start: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, ...]]
    orders: tuple[tuple[int, int], ...]
    rate: Callable[..., tuple[np.ndarray, ...]]
    boundary: Callable[..., tuple[np.ndarray, ...]] | None = None
    given: Callable[[np.ndarray, np.ndarray], np.ndarray] = everywhere
    unknowns: Callable[[np.ndarray], np.ndarray] = as_it_is
    value: Callable[[np.ndarray], np.ndarray] = as_it_is
    power: int = 1
    slopes: Mapping[tuple[int, int, tuple[int, int]], float] | None = None

    @property
    def integrators(self) -> tuple[str, ...]:
        """Those of scipy that are worth trying: implicit ones where the Jacobian is constant."""
        return ("BDF", "Radau", "DOP853") if self.slopes else ("DOP853",)


@dataclass(frozen=True)
class Lines:
    """w' = F(w) for the values (c, m) at the points that are not given."""

    plane: Plane
    grid: Grid

    @cached_property
    def x(self) -> np.ndarray:
        """(k, k)."""
        return np.repeat(self.grid.x[:, None], len(self.grid.x), axis=1)

    @cached_property
    def free(self) -> np.ndarray:
        """Which points (k, k) are not given by boundary values."""
        free = np.ones_like(self.x, dtype=bool)
        if self.plane.boundary is not None:
            edge = free.copy()
            edge[1:-1, 1:-1] = False
            free = ~(edge & self.plane.given(self.x, self.x.T))
        return free

    def start(self) -> np.ndarray:
        """Initial values, flat."""
        return np.stack(self.plane.start(self.x, self.x.T))[:, self.free].ravel()

    def filled(self, t: float, w: np.ndarray) -> np.ndarray:
        """Values (c, k, k) with those that are given."""
        values = np.empty((w.size // self.free.sum(), *self.free.shape))
        values[:, self.free] = w.reshape(len(values), -1)
        if self.plane.boundary is not None:
            known = self.plane.boundary(self.x[~self.free], self.x.T[~self.free], t)
            values[:, ~self.free] = np.stack(np.broadcast_arrays(*known))
        return values

    def derivative(self, values: np.ndarray, orders: tuple[int, int]) -> np.ndarray:
        """Of values (k, k)."""
        for axis, order in enumerate(orders):
            if order:
                matrix = self.grid.derivatives[order]
                values = matrix @ values if axis == 0 else (matrix @ values.T).T
        return values

    def rate(self, t: float, w: np.ndarray) -> np.ndarray:
        """w', flat."""
        values = self.filled(t, w)
        jet = {(i, 0, 0): v for i, v in enumerate(values)}
        jet |= {(i, *k): self.derivative(v, k) for i, v in enumerate(values) for k in self.plane.orders}
        return np.stack(self.plane.rate(jet, self.x, self.x.T, t))[:, self.free].ravel()

    def jacobian(self) -> Any:
        """∂w'/∂w of a linear equation for one component; sparse for finite differences."""
        unit, total = np.eye(len(self.grid.x)), 0.0
        for (_, _, orders), slope in self.plane.slopes.items():
            along = [self.grid.derivatives[k] if k else unit for k in orders]
            total = total + slope * kron(*along, format="csr")
        chosen = total[self.free.ravel()][:, self.free.ravel()]
        sparse = all(issparse(matrix) for matrix in self.grid.derivatives.values())
        return csc_matrix(chosen) if sparse else chosen.toarray()


@dataclass(frozen=True)
class Solution:
    """Values on the lines at all times."""

    lines: Lines
    dense: Callable[[np.ndarray], np.ndarray]

    @property
    def unknowns(self) -> int:
        """Ordinary differential equations."""
        return self.lines.start().size

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n, u) at points (n, 3), time last."""
        found = []
        for begin in range(0, len(points), CHUNK):
            x, y, t = points[begin : begin + CHUNK].T
            in_x, in_y = (self.lines.grid.interpolate(s) for s in (x, y))
            in_x, in_y = (m.toarray() if issparse(m) else m for m in (in_x, in_y))
            columns = self.dense(t).T
            values = np.stack(
                [self.lines.plane.unknowns(self.lines.filled(*v)) for v in zip(t, columns, strict=True)]
            )
            found.append(np.einsum("nukl,nk,nl->nu", values, in_x, in_y, optimize=True))
        return self.lines.plane.value(np.concatenate(found))


def solve(plane: Plane, space: str, integrator: str, points: int, tol: float, limit: float) -> Solution:
    """As `lines.solve`, with `points` along each axis.

    Raises:
        TooLong: the limit of seconds passed.
        Failed: the integrator gave up.
    """
    deadline = clock() + limit
    orders = tuple({k for pair in plane.orders for k in pair if k})
    lines = Lines(plane, GRIDS[space](*plane.interval, points, orders, plane.boundary is None))

    def rate(t: float, w: np.ndarray) -> np.ndarray:
        if clock() > deadline:
            raise TooLong
        return lines.rate(t, w)

    options: dict[str, Any] = {"jac": lines.jacobian()} if integrator in ("BDF", "Radau") else {}
    tol = max(tol**plane.power, SMALLEST_TOLERANCE)
    with np.errstate(over="ignore", invalid="ignore"):
        done = solve_ivp(
            rate, (0, plane.end), lines.start(), integrator, dense_output=True, rtol=tol, atol=tol, **options
        )
    if not done.success:
        raise Failed(done.message)
    return Solution(lines, done.sol)


# -------------------------------------------------------------------- the problems


def heat() -> Plane:
    """u_t = 0.1 Δu."""

    def start(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.sin(pi * x) * np.sin(pi * y) + np.sin(2 * pi * x) * np.sin(3 * pi * y),)

    return Plane(
        "heat_2d",
        (0, 1),
        1,
        start,
        ((2, 0), (0, 2)),
        lambda d, *_: (0.1 * (d[0, 2, 0] + d[0, 0, 2]),),
        lambda *_: (0.0,),
        slopes={(0, 0, (2, 0)): 0.1, (0, 0, (0, 2)): 0.1},
    )


def klein_gordon() -> Plane:
    """u_tt = Δu - u² + f, as a system for u and u_t."""

    def exact(x: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
        return (x + y) * np.cos(2 * t) + x * y * np.sin(2 * t)

    def rate(d: Jet, x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, ...]:
        wave = exact(x, y, t)
        return d[1, 0, 0], d[0, 2, 0] + d[0, 0, 2] - d[0, 0, 0] ** 2 + wave**2 - 4 * wave

    def boundary(x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, ...]:
        return exact(x, y, t), -2 * (x + y) * np.sin(2 * t) + 2 * x * y * np.cos(2 * t)

    return Plane(
        "klein_gordon_2d",
        (-1, 1),
        10,
        lambda x, y: (x + y, 2 * x * y),
        ((2, 0), (0, 2)),
        rate,
        boundary,
        unknowns=lambda values: values[:1],
    )


def flow_mixing() -> Plane:
    """u_t = ω(r) (y u_x - x u_y), given where the flow enters: on the right half of each side, seen from inside."""

    def turning(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = np.maximum(np.hypot(x, y), 1e-12)
        return np.tanh(r) / (0.385 * r * np.cosh(r) ** 2)

    def exact(x: np.ndarray, y: np.ndarray, t: float) -> tuple[np.ndarray, ...]:
        angle = turning(x, y) * t
        return (-np.tanh(y / 2 * np.cos(angle) - x / 2 * np.sin(angle)),)

    def rate(d: Jet, x: np.ndarray, y: np.ndarray, _t: float) -> tuple[np.ndarray, ...]:
        return (turning(x, y) * (y * d[0, 1, 0] - x * d[0, 0, 1]),)

    def enters(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        outward = np.where(np.isclose(abs(x), 4), -x * y, 0) + np.where(np.isclose(abs(y), 4), y * x, 0)
        return outward < 0

    return Plane(
        "flow_mixing_2d", (-4, 4), 4, lambda x, y: exact(x, y, 0), ((1, 0), (0, 1)), rate, exact, enters
    )


def nonlinear_diffusion() -> Plane:
    """(u²)_t = 0.05 u Δ(u²)."""

    def start(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        right = np.exp(-((x - 0.3) ** 2 + (y - 0.2) ** 2) / 0.1) / 4
        left = 0.4 * np.exp(-15 * ((x + 0.5) ** 2 + (y + 0.1) ** 2))
        return ((right + left + 0.3 * np.exp(-20 * (x**2 + (y + 0.5) ** 2))) ** 2,)

    def root(w: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(w, 0))

    return Plane(
        "nonlinear_diffusion_2d",
        (-1, 1),
        1,
        start,
        ((2, 0), (0, 2)),
        lambda d, *_: (0.05 * root(d[0, 0, 0]) * (d[0, 2, 0] + d[0, 0, 2]),),
        lambda *_: (0.0,),
        value=root,
        power=2,
    )


def taylor_green() -> Plane:
    """Navier–Stokes flow by Fourier: what a velocity loses by the pressure gradient is projected away."""
    nu = 0.05

    def waves(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        k = np.fft.fftfreq(n, 1 / n)
        k[n // 2] = 0
        square = k[:, None] ** 2 + k**2
        return k[:, None], k, np.where(square, square, 1)

    def pressure_of(convection: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Coefficients of p with Δp = -∇·c."""
        kx, ky, square = waves(len(convection[0]))
        x, y = (np.fft.fft2(c) for c in convection)
        return 1j * (kx * x + ky * y) / square

    def rate(d: Jet, *_: Any) -> tuple[np.ndarray, ...]:
        u, v = d[0, 0, 0], d[1, 0, 0]
        convection = [u * d[i, 1, 0] + v * d[i, 0, 1] for i in (0, 1)]
        p = pressure_of(convection)
        kx, ky, _ = waves(len(u))
        slopes = [np.fft.ifft2(1j * k * p).real for k in (kx, ky)]
        return tuple(nu * (d[i, 2, 0] + d[i, 0, 2]) - convection[i] - slopes[i] for i in (0, 1))

    def with_pressure(values: np.ndarray) -> np.ndarray:
        kx, ky, _ = waves(values.shape[1])
        u, v = values
        changes = [[np.fft.ifft2(1j * k * np.fft.fft2(w)).real for k in (kx, ky)] for w in (u, v)]
        p = np.fft.ifft2(pressure_of([u * a + v * b for a, b in changes])).real
        return np.stack([u, v, p])

    return Plane(
        "taylor_green_2d",
        (0, 2 * pi),
        1,
        lambda x, y: (np.cos(x) * np.sin(y), -np.sin(x) * np.cos(y)),
        ((1, 0), (0, 1), (2, 0), (0, 2)),
        rate,
        unknowns=with_pressure,
    )


PLANES = {p.name: p for p in (heat(), klein_gordon(), flow_mixing(), nonlinear_diffusion(), taylor_green())}
