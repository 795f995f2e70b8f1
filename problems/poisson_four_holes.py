"""Laplace's equation on a square with four circular holes (Poisson2d-C of PINNacle, NeurIPS 2024).

    Δu = 0    in (-½, ½)² less four discs of radius 0.1 at (±0.3, ±0.3)
     u = 1    on the square
     u = 0    on the circles

No closed form.
"""

from pdesolve import Dirichlet, Disk, Problem, Rectangle, laplace

square = Rectangle((-0.5, -0.5), (0.5, 0.5))
holes = [Disk((x, y), 0.1) for x in (-0.3, 0.3) for y in (-0.3, 0.3)]


def poisson(u):
    return -laplace(u)


problem = Problem(
    domain=square - holes[0] - holes[1] - holes[2] - holes[3],
    equation=poisson,
    conditions=[Dirichlet(1, on=square.boundary), *[Dirichlet(0, on=hole.boundary) for hole in holes]],
)
