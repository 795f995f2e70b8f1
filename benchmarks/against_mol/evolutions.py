"""The problems, stated a second time as systems w_t = F(w, w_x, w_xx, …), with the slopes of F for Newton's method.

Components are w₀, w₁, …, the unknowns first; an equation of second order in time adds u_t. A jet maps (component,
order) to values (n,) on a grid. Errors are measured against the problem file, so that a slip here shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi

import numpy as np

Jet = Mapping[tuple[int, int], np.ndarray]
Slopes = Mapping[tuple[int, int, int], np.ndarray | float]


@dataclass(frozen=True)
class Evolution:
    """An initial value problem on an interval.

    Attributes:
        name: stem of the problem file.
        interval, end: of space, and of time from 0 on.
        start: initial values of all components, functions of x.
        orders: derivatives in a jet.
        rate: jet ↦ w_t, one array for each component.
        slopes: jet ↦ {(i, j, k): ∂F_i/∂(∂^k w_j)}, zeros left out.
        boundary: (x, t) ↦ values of all components at an end; None where x is periodic.
        unknowns: how many components are unknowns of the problem.
        linear: whether slopes are constants.
        explicit: whether an explicit integrator is worth trying: waves, no diffusion.
    """

    name: str
    interval: tuple[float, float]
    end: float
    start: Callable[[np.ndarray], tuple[np.ndarray, ...]]
    orders: tuple[int, ...]
    rate: Callable[[Jet], tuple[np.ndarray, ...]]
    slopes: Callable[[Jet], Slopes]
    boundary: Callable[[float, float], tuple[float, ...]] | None = None
    unknowns: int = 1
    linear: bool = False
    explicit: bool = False

    @property
    def integrators(self) -> tuple[str, ...]:
        """Those of scipy that are worth trying."""
        return ("BDF", "Radau", "DOP853") if self.explicit else ("BDF", "Radau")


def zero(components: int) -> Callable[[float, float], tuple[float, ...]]:
    """No values at the ends."""
    return lambda *_: (0.0,) * components


def constant(slopes: Slopes) -> Callable[[Jet], Slopes]:
    """Slopes of a linear equation."""
    return lambda _: slopes


def burgers(name: str, nu: float) -> Evolution:
    """u_t = ν u_xx - u u_x."""
    return Evolution(
        name,
        (-1, 1),
        1,
        lambda x: (-np.sin(pi * x),),
        (0, 1, 2),
        lambda d: (nu * d[0, 2] - d[0, 0] * d[0, 1],),
        lambda d: {(0, 0, 0): -d[0, 1], (0, 0, 1): -d[0, 0], (0, 0, 2): nu},
        zero(1),
    )


def schroedinger(
    name: str,
    start: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    boundary: Callable[[float, float], tuple[float, ...]] | None,
) -> Evolution:
    """u_t = -½ v_xx - |h|² v, v_t = ½ u_xx + |h|² u."""

    def rate(d: Jet) -> tuple[np.ndarray, ...]:
        u, v = d[0, 0], d[1, 0]
        density = u**2 + v**2
        return -d[1, 2] / 2 - density * v, d[0, 2] / 2 + density * u

    def slopes(d: Jet) -> Slopes:
        u, v = d[0, 0], d[1, 0]
        return {
            (0, 0, 0): -2 * u * v,
            (0, 1, 0): -(u**2) - 3 * v**2,
            (0, 1, 2): -0.5,
            (1, 0, 0): 3 * u**2 + v**2,
            (1, 1, 0): 2 * u * v,
            (1, 0, 2): 0.5,
        }

    return Evolution(
        name, (-15, 15), pi / 2, start, (0, 2), rate, slopes, boundary, unknowns=2, explicit=True
    )


def soliton(x: np.ndarray | float, t: float) -> tuple[np.ndarray, ...]:
    """sech(x - t) e^(ix)."""
    return np.cos(x) / np.cosh(x - t), np.sin(x) / np.cosh(x - t)


def kink(x: np.ndarray | float, t: float) -> tuple[np.ndarray, ...]:
    """4 arctan e^((x - ct)/w) with its time derivative, c = ½, w = √(1 - c²)."""
    c, w = 0.5, 0.75**0.5
    s = (x - c * t) / w
    return 4 * np.arctan(np.exp(s)), -2 * c / w / np.cosh(s)


def front(x: np.ndarray | float, t: float) -> tuple[np.ndarray, ...]:
    """(1 + e^((x - 5t/√6)/√6))^(-2)."""
    root = 6**0.5
    return ((1 + np.exp((x - 5 * t / root) / root)) ** -2,)


def gray_scott() -> Evolution:
    """u_t = u_xx + f (1 - u) - u v², v_t = m v_xx - k v + u v²."""
    feed, decay, mobility = 0.02, 0.0862, 0.01

    def start(x: np.ndarray) -> tuple[np.ndarray, ...]:
        pulse = np.cos(pi * x / 100) ** 100
        return 1 - pulse / 2, pulse / 4

    def rate(d: Jet) -> tuple[np.ndarray, ...]:
        u, v = d[0, 0], d[1, 0]
        return d[0, 2] + feed * (1 - u) - u * v**2, mobility * d[1, 2] - decay * v + u * v**2

    def slopes(d: Jet) -> Slopes:
        u, v = d[0, 0], d[1, 0]
        return {
            (0, 0, 0): -feed - v**2,
            (0, 1, 0): -2 * u * v,
            (0, 0, 2): 1.0,
            (1, 0, 0): v**2,
            (1, 1, 0): 2 * u * v - decay,
            (1, 1, 2): mobility,
        }

    return Evolution("gray_scott_1d", (-50, 50), 100, start, (0, 2), rate, slopes, unknowns=2)


ALPHA, BETA, GAMMA, DELTA = 100 / 16, 100 / 16**2, 100 / 16**4, 0.022
EVOLUTIONS = {
    e.name: e
    for e in (
        burgers("burgers_1d", 0.01 / pi),
        burgers("burgers_1d_thick", 0.01),
        Evolution(
            "heat_1d",
            (0, 1),
            1,
            lambda x: (np.sin(pi * x),),
            (0, 2),
            lambda d: (d[0, 2] / 4,),
            constant({(0, 0, 2): 0.25}),
            zero(1),
            linear=True,
        ),
        Evolution(
            "wave_1d",
            (0, 1),
            1,
            lambda x: (np.sin(pi * x) + np.sin(4 * pi * x) / 2, 0 * x),
            (0, 2),
            lambda d: (d[1, 0], 4 * d[0, 2]),
            constant({(0, 1, 0): 1.0, (1, 0, 2): 4.0}),
            zero(2),
            linear=True,
            explicit=True,
        ),
        Evolution(
            "advection_1d",
            (0, 2 * pi),
            1,
            lambda x: (np.sin(x),),
            (0, 1),
            lambda d: (-30 * d[0, 1],),
            constant({(0, 0, 1): -30.0}),
            linear=True,
            explicit=True,
        ),
        Evolution(
            "sine_gordon_1d",
            (-10, 10),
            2,
            lambda x: kink(x, 0),
            (0, 2),
            lambda d: (d[1, 0], d[0, 2] - np.sin(d[0, 0])),
            lambda d: {(0, 1, 0): 1.0, (1, 0, 2): 1.0, (1, 0, 0): -np.cos(d[0, 0])},
            kink,
            explicit=True,
        ),
        Evolution(
            "fisher_kpp_1d",
            (-10, 15),
            2,
            lambda x: front(x, 0),
            (0, 2),
            lambda d: (d[0, 2] + d[0, 0] * (1 - d[0, 0]),),
            lambda d: {(0, 0, 2): 1.0, (0, 0, 0): 1 - 2 * d[0, 0]},
            front,
        ),
        schroedinger("schroedinger_soliton_1d", lambda x: soliton(x, 0), soliton),
        schroedinger("schroedinger_1d", lambda x: (2 / np.cosh(x), 0 * x), None),
        Evolution(
            "allen_cahn_1d",
            (-1, 1),
            1,
            lambda x: (x**2 * np.cos(pi * x),),
            (0, 2),
            lambda d: (1e-4 * d[0, 2] + 5 * d[0, 0] - 5 * d[0, 0] ** 3,),
            lambda d: {(0, 0, 2): 1e-4, (0, 0, 0): 5 - 15 * d[0, 0] ** 2},
        ),
        Evolution(
            "kdv_1d",
            (-1, 1),
            1,
            lambda x: (np.cos(pi * x),),
            (0, 1, 3),
            lambda d: (-d[0, 0] * d[0, 1] - DELTA**2 * d[0, 3],),
            lambda d: {(0, 0, 0): -d[0, 1], (0, 0, 1): -d[0, 0], (0, 0, 3): -(DELTA**2)},
            explicit=True,
        ),
        Evolution(
            "kuramoto_sivashinsky_1d",
            (0, 2 * pi),
            1,
            lambda x: (np.cos(x) * (1 + np.sin(x)),),
            (0, 1, 2, 4),
            lambda d: (-ALPHA * d[0, 0] * d[0, 1] - BETA * d[0, 2] - GAMMA * d[0, 4],),
            lambda d: {
                (0, 0, 0): -ALPHA * d[0, 1],
                (0, 0, 1): -ALPHA * d[0, 0],
                (0, 0, 2): -BETA,
                (0, 0, 4): -GAMMA,
            },
        ),
        gray_scott(),
    )
}
