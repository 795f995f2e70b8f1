"""Steady Navier–Stokes in a lid-driven square cavity, Re = 100, smooth lid u = 4x(1 - x)."""

from pdesolve import Dirichlet, Point, Problem, Rectangle, laplace

cavity = Rectangle((0, 0), (1, 1))
reynolds = 100
walls = [cavity.left, cavity.right, cavity.bottom]


def navier_stokes(u, v, p):
    return (
        u * u.x + v * u.y + p.x - laplace(u) / reynolds,
        u.x + u.y,
        u.x - u.y,
    )


problem = Problem(
    domain=cavity,
    equation=navier_stokes,
    conditions=[
        Dirichlet(lambda x: 4 * x * (1 - x), on=cavity.top, unknown="u"),
        Dirichlet(0, on=cavity.top, unknown="v"),
        *[Dirichlet(0, on=wall, unknown=name) for wall in walls for name in "uv"],
        Dirichlet(0, on=Point((0, 0)), unknown="p"),
    ],
)

# Made from cavity_2d.py by generate.py; check must say: no equation; left to determine
