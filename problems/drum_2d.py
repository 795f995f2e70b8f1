"""One of the two drums of Gordon, Webb and Wolpert, which have different shapes and the same tones.

-Δu = λ u    in the polygon
  u = 0      on its boundary

λ = 10.1517759993 for the lowest of both, 4 × 2.5379439998 (Driscoll, SIAM Review 39 (1997) 1, whose drums are twice as
large); the other drum has the corners (1, 0) (0, 1) (0, 2) (2, 2) (2, 3) (3, 2) (2, 1) (1, 1).
"""

from pdesolve import Dirichlet, Eigenvalues, Polygon, Problem, laplace

drum = Polygon([(0, 0), (0, 1), (2, 3), (2, 2), (3, 2), (2, 1), (1, 1), (1, 0)])


def membrane(u, lam):
    return -laplace(u) - lam * u


problem = Problem(
    domain=drum,
    equation=membrane,
    conditions=[Dirichlet(0, on=drum.boundary)],
    eigenvalues=Eigenvalues("lam", count=3),
)
