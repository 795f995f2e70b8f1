"""Steady flow of an incompressible fluid in a box with a moving lid (Navier–Stokes).

(w · ∇) w + ∇p - Δw/Re = 0, div w = 0 with w = (u, v). The lid moves fast in its middle and rests at its ends, so that
the velocity is continuous. `--param Re=50` sets another Reynolds number.
"""

from pdesolve import Dirichlet, Integral, Problem, Rectangle, grad, laplace, vector

box = Rectangle((0, 0), (1, 1))
walls = box.left | box.right | box.bottom


def navier_stokes(u, v, p, Re):
    flow = vector(u, v)
    return (
        flow @ grad(u) + p.x - laplace(u) / Re,
        flow @ grad(v) + p.y - laplace(v) / Re,
        u.x + v.y,
    )


problem = Problem(
    domain=box,
    equation=navier_stokes,
    conditions=[
        Dirichlet(lambda x: 16 * x**2 * (1 - x) ** 2, on=box.top, unknown="u"),
        Dirichlet(0, on=walls, unknown="u"),
        Dirichlet(0, on=box.boundary, unknown="v"),
        Integral(0, unknown="p"),  # a pressure is known up to a constant
    ],
    constants={"Re": 20.0},
)
