"""Vibrations of a square plate that is clamped on all sides.

Δ²u = λ u       in (0, 1)²
u = ∂u/∂n = 0   on the boundary

λ = 1294.9339796, 5386.6566 (twice), 11710.811 (Leissa, Vibration of Plates, NASA SP-160 (1969); Wieners 1997)
"""

from pdesolve import Dirichlet, Eigenvalues, Neumann, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def plate(u, lam):
    return laplace(laplace(u)) - lam * u


problem = Problem(
    domain=square,
    equation=plate,
    conditions=[Dirichlet(0, on=square.boundary), Neumann(0, on=square.boundary)],
    eigenvalues=Eigenvalues("lam", count=4),
)
