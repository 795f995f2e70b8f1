"""Taylor–Green vortices: Navier–Stokes flow in a doubly periodic square, decaying by viscosity.

    u_t + (u·∇)u + ∇p = ν Δu,   ∇·u = 0    in (0, 2π)² × (0, 1],  ν = 0.05

Exact solution: u = cos x sin y e^(-2νt), v = -sin x cos y e^(-2νt), p = -¼ (cos 2x + cos 2y) e^(-4νt);
the velocity is given at t = 0, the pressure at one corner.
Source: Taylor & Green, Proc. R. Soc. A 158 (1937) 499–521.
"""

from torch import cos, exp, pi, sin

from pdesolve import Dirichlet, Initial, Periodic, Point, Problem, Rectangle, TimeInterval, laplace

square, time = Rectangle((0, 0), (2 * pi, 2 * pi)), TimeInterval(0, 1)
nu = 0.05
exact = {
    "u": lambda x, y, t: cos(x) * sin(y) * exp(-2 * nu * t),
    "v": lambda x, y, t: -sin(x) * cos(y) * exp(-2 * nu * t),
    "p": lambda x, y, t: -(cos(2 * x) + cos(2 * y)) * exp(-4 * nu * t) / 4,
}


def navier_stokes(u, v, p):
    return (
        u.t + u * u.x + v * u.y + p.x - nu * laplace(u),
        v.t + u * v.x + v * v.y + p.y - nu * laplace(v),
        u.x + v.y,
    )


start = [
    Initial(lambda x, y: cos(x) * sin(y), unknown="u"),
    Initial(lambda x, y: -sin(x) * cos(y), unknown="v"),
]
pressure = Dirichlet(exact["p"], on=Point((0, 0)), unknown="p")
conditions = [*start, Periodic("x", shift={"y": 1.0}), pressure]
problem = Problem(domain=square * time, equation=navier_stokes, conditions=conditions, exact=exact)

# Made from taylor_green_2d.py by generate.py; check must say: do not fit on each other; make y periodic, too
