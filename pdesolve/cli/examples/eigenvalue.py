"""An eigenvalue problem: the lowest tones of a drum in the shape of an L.

-Δu = λ u in the L, u = 0 on its edge. The third eigenvalue is 2 π² (Fox, Henrici and Moler 1967).
"""

from pdesolve import Dirichlet, Eigenvalues, Polygon, Problem, laplace

drum = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])


def membrane(u, lam):
    return -laplace(u) - lam * u


problem = Problem(
    domain=drum,
    equation=membrane,
    conditions=[Dirichlet(0, on=drum.boundary)],
    eigenvalues=Eigenvalues("lam", count=4),
)
