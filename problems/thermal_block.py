"""Heat conduction through four blocks of different conductivities.

    -∇·(k ∇u) = 1    in (0, 1)²,    k = k₁, k₂ below and k₃, k₄ above, from left to right
            u = 0    on the boundary

The standard example of reduced bases: `pdesolve surrogate` answers for any conductivities. Where the blocks meet, u
has a corner singularity whose strength depends on them.
Source: Rozza, Huynh & Patera, Arch. Comput. Methods Eng. 15 (2008).
"""

from pdesolve import Dirichlet, Interface, Piecewise, Problem, Rectangle, div, grad

square = Rectangle((0, 0), (1, 1))
lower_right = Rectangle((0.5, 0), (1, 0.5))
upper_left = Rectangle((0, 0.5), (0.5, 1))
upper_right = Rectangle((0.5, 0.5), (1, 1))
k = Piecewise({lower_right: "k2", upper_left: "k3", upper_right: "k4"}, otherwise="k1")


def conduction(u, x, y, k1, k2, k3, k4):
    return -div(k(x, y, k1=k1, k2=k2, k3=k3, k4=k4) * grad(u)) - 1


problem = Problem(
    domain=square,
    equation=conduction,
    conditions=[
        Dirichlet(0, on=square.boundary),
        *[Interface(k, on=block.boundary) for block in (lower_right, upper_left, upper_right)],
    ],
    constants={"k1": 1.0, "k2": 1.0, "k3": 1.0, "k4": 1.0},
)
