"""Steady flow in a square under a lid that moves, over its Reynolds number.

    u·∇u + ∇p - Δu/Re = 0,  ∇·u = 0    in (0, 1)²,    Re = 100
                   u = (4x(1 - x), 0)    on the lid y = 1
                   u = 0                 on the other walls

`pdesolve surrogate problems/cavity_reynolds.py --over reynolds=50:150 --tol 1e-2` answers for all flows between.
"""

from pdesolve import Dirichlet, Point, Problem, Rectangle, laplace

cavity = Rectangle((0, 0), (1, 1))
walls = [cavity.left, cavity.right, cavity.bottom]


def navier_stokes(u, v, p, reynolds):
    return (
        u * u.x + v * u.y + p.x - laplace(u) / reynolds,
        u * v.x + v * v.y + p.y - laplace(v) / reynolds,
        u.x + v.y,
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
    constants={"reynolds": 100.0},
)
