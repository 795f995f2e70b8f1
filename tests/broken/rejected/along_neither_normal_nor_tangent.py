"""A plate with a hole under tension: three times the stress at the edge of the hole (Kirsch, 1898).

A quarter in plane stress, E = 1, ν = 0.3: the axes are lines of symmetry, the hole is free, and the outer edges have
the displacement of the infinite plate (Timoshenko and Goodier, Theory of Elasticity, § 35; radius and tension are 1).
"""

from torch import atan2, cos, sin, sqrt

from pdesolve import Condition, Dirichlet, Disk, Maximum, Problem, Rectangle, Vector, div, tangential
from pdesolve.mechanics import plane_stress, stress, von_mises

lam, mu = plane_stress(E=1.0, nu=0.3)
hole, plate = Disk((0, 0), 1), Rectangle((0, 0), (3, 3))
axes = plate.left | plate.bottom


def equilibrium(u: Vector):
    return div(stress(u, lam, mu))


def infinite_plate(x, y):
    r, a, k = sqrt(x**2 + y**2), 2 * atan2(y, x), 2.7 / 1.3  # k = (3 - ν)/(1 + ν)
    u_r = (k - 1) * r / 2 + r * cos(a) + (1 + (1 + k) * cos(a)) / r - cos(a) / r**3
    u_a = ((1 - k) / r - r - 1 / r**3) * sin(a)
    return (u_r * x - u_a * y) / (4 * mu * r), (u_r * y + u_a * x) / (4 * mu * r)


problem = Problem(
    plate - hole,
    equilibrium,
    [
        Dirichlet(infinite_plate, on=plate.right | plate.top, unknown="u"),
        Dirichlet(0, on=axes, unknown="u", along="x"),
        Condition(lambda u, n: tangential(stress(u, lam, mu) @ n, n), on=axes),
        Condition(lambda u, n: stress(u, lam, mu) @ n, on=hole.boundary),
    ],
    exact={"u": infinite_plate},
    outputs={"von_mises": lambda u: von_mises(stress(u, lam, mu))},
    quantities={"concentration": Maximum(lambda u: stress(u, lam, mu).x.x, on=hole.boundary)},
)

# Made from kirsch.py by generate.py; check must say: along the x; along='normal' or along='tangent'
