"""Linear advection at speed 30: a sine wave passes a periodic interval almost five times.

    u_t + 30 u_x = 0        x ∈ (0, 2π) periodic,  t ∈ (0, 1]
         u(x, 0) = sin x

Exact solution: u* = sin(x - 30 t).
Source: Krishnapriyan et al., NeurIPS 2021 (there with speeds from 1 to 40).
"""

from torch import pi, sin

from pdesolve import Dirichlet, Initial, Interval, Periodic, Problem, TimeInterval

space, time = Interval(0, 2 * pi), TimeInterval(0, 1)
speed = 30


def advection(u):
    return u.t + speed * u.x


def exact(x, t):
    return sin(x - speed * t)


problem = Problem(
    domain=space * time,
    equation=advection,
    conditions=[Initial(lambda x: sin(x)), Periodic("x"), Dirichlet(lambda t: sin(-speed * t), on=space.left)],
    exact=exact,
)

# Made from advection_1d.py by generate.py; check must say: Dirichlet; an end of the periodic axis x; one condition too many
