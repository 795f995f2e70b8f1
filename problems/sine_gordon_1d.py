"""Sine–Gordon equation: a kink travels at half the speed of light.

    u_tt = u_xx - sin u     x ∈ (-10, 10),  t ∈ (0, 2]
       u = u*               at both ends;  u and u_t are given at t = 0

Exact solution: u* = 4 arctan e^((x - ct)/√(1 - c²)), c = ½.
Source: Perring & Skyrme, Nuclear Physics 31 (1962) 550–555.
"""

from torch import atan, cosh, exp, sin

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval

space, time = Interval(-10, 10), TimeInterval(0, 2)
speed, width = 0.5, 0.75**0.5


def sine_gordon(u):
    return u.tt - u.xx + sin(u)


def exact(x, t):
    return 4 * atan(exp((x - speed * t) / width))


problem = Problem(
    domain=space * time,
    equation=sine_gordon,
    conditions=[
        Initial(lambda x: exact(x, 0)),
        Initial(lambda x: -2 * speed / width / cosh(x / width), order=1),
        Dirichlet(exact, on=space.boundary),
    ],
    exact=exact,
)
