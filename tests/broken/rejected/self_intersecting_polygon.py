"""Poisson equation with a unit source on the L-shaped domain: torsion of an L-shaped bar.

    -Δu = 1    in (-1, 1)² less [0, 1] × [-1, 0]
      u = 0    on the boundary

No closed form. Near the re-entrant corner u ~ r^(2/3) sin(2θ/3), near the others u ~ r² log r.
"""

from pdesolve import Dirichlet, Polygon, Problem, laplace

lshape = Polygon([(0, 0), (1, 1), (1, 0), (-1, 1), (-1, -1), (0, -1)])


def poisson(u):
    return -laplace(u) - 1


problem = Problem(
    domain=lshape,
    equation=poisson,
    conditions=[Dirichlet(0, on=lshape.boundary)],
)

# Made from poisson_lshape_f1.py by generate.py; check must say: Polygon; edges; cross
