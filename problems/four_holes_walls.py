"""Heat conduction in a square with four circular holes, over the temperatures of their walls.

    Δu = 0                       in (-½, ½)² less four discs of radius 0.1 at (±0.3, ±0.3)
     u = 1                       on the square
     u = g₁, g₂, g₃, g₄          on the circles

`pdesolve surrogate` answers for any temperatures between two values.
"""

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace

square = Rectangle((-0.5, -0.5), (0.5, 0.5))
holes = [Disk((x, y), 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]


def conduction(u):
    return -laplace(u)


problem = Problem(
    domain=square - holes[0] - holes[1] - holes[2] - holes[3],
    equation=conduction,
    conditions=[
        Dirichlet(1, on=square.boundary),
        Dirichlet(lambda g1: g1, on=holes[0].boundary),
        Dirichlet(lambda g2: g2, on=holes[1].boundary),
        Dirichlet(lambda g3: g3, on=holes[2].boundary),
        Dirichlet(lambda g4: g4, on=holes[3].boundary),
    ],
    constants={"g1": 0.0, "g2": 0.0, "g3": 0.0, "g4": 0.0},
)
