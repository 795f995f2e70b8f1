"""Vibrations of a square membrane: the ten lowest modes.

-Δu = λ u    in (0, 1)²
  u = 0      on the boundary

λ = π² (j² + k²), j, k = 1, 2, …: 19.739, 49.348 (twice), 78.957, 98.696 (twice), …
"""

from pdesolve import Dirichlet, Eigenvalues, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def membrane(u, lam):
    return -laplace(u) - lam * u


problem = Problem(
    domain=square,
    equation=membrane,
    conditions=[Dirichlet(0, on=square.boundary)],
    eigenvalues=Eigenvalues("lam", count=10),
)
