"""Wave equation with speed 2: two standing waves between fixed walls.

       u_tt = 4 u_xx       x ∈ (0, 1),  t ∈ (0, 1]
    u(x, 0) = sin πx + ½ sin 4πx,   u_t(x, 0) = 0
    u(0, t) = u(1, t) = 0

Exact solution: u* = sin πx cos 2πt + ½ sin 4πx cos 8πt.
Source: Wang, Yu & Perdikaris, J. Comput. Phys. 449 (2022) 110768.
"""

from torch import cos, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval

space, time = Interval(0, 1), TimeInterval(0, 1)


def wave(u):
    return u.tt - 4 * u.xx


def exact(x, t):
    return sin(pi * x) * cos(2 * pi * t) + sin(4 * pi * x) * cos(8 * pi * t) / 2


problem = Problem(
    domain=space * time,
    equation=wave,
    conditions=[
        Initial(lambda x: sin(pi * x) + sin(4 * pi * x) / 2),
        Initial(1, order=1),
        Dirichlet(0, on=space.boundary),
    ],
    exact=exact,
)

# Made from wave_1d.py by generate.py; check must say: exact; Initial; order 1
