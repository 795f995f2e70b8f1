"""Heat equation on the unit square: two modes decay at different rates.

           u_t = 0.1 Δu    in (0, 1)² × (0, 1]
    u(x, y, 0) = sin πx sin πy + sin 2πx sin 3πy
             u = 0         on the boundary of the square

Exact solution: u* = e^(-0.2π²t) sin πx sin πy + e^(-1.3π²t) sin 2πx sin 3πy.
"""

from torch import exp, pi, sin

from pdesolve import Dirichlet, Initial, Problem, Rectangle, TimeInterval, laplace

square, time = Rectangle((0, 0), (1, 1)), TimeInterval(0, 1)


def heat(u):
    return u.t - 0.1 * laplace(u)


def exact(x, y, t):
    slow = exp(-0.2 * pi**2 * t) * sin(pi * x) * sin(pi * y)
    fast = exp(-1.3 * pi**2 * t) * sin(2 * pi * x) * sin(3 * pi * y)
    return slow + fast


def start(x, y):
    return sin(pi * x) * sin(pi * y) + sin(2 * pi * x) * sin(3 * pi * y)


problem = Problem(
    domain=square * time,
    equation=heat,
    conditions=[Initial(start), Dirichlet(0, on=square.boundary)],
    exact=exact,
)
