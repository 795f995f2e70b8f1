"""Modes of a viscous fluid at rest in a square: how slowly a creeping flow comes to an end.

-Δu + ∂p/∂x = λ u,  -Δv + ∂p/∂y = λ v,  ∂u/∂x + ∂v/∂y = 0    in (0, 1)²
 u = v = 0 on the boundary,  ∫ p = 0

λ = 52.3446911, 92.1243939 (twice) (Leriche & Labrosse, SIAM J. Sci. Comput. 22 (2000) 1386)
"""

from pdesolve import Dirichlet, Eigenvalues, Integral, Problem, Rectangle, laplace

square = Rectangle((0, 0), (1, 1))


def stokes(u, v, p, lam):
    return -laplace(u) + p.x - lam * u, -laplace(v) + p.y - lam * v, u.x + v.y


problem = Problem(
    domain=square,
    equation=stokes,
    conditions=[
        Dirichlet(0, on=square.boundary, unknown="u"),
        Dirichlet(0, on=square.boundary, unknown="v"),
        Integral(0, unknown="p"),
    ],
    eigenvalues=Eigenvalues("lam", count=3),
)
