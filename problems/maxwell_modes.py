"""Electric modes of a cavity with conducting walls.

    curl curl E = λ E,  ∇·E = 0    in (0, π)²,    curl E = ∂E₂/∂x - ∂E₁/∂y
            E × n = 0              on the walls, where ∂(E · n)/∂n = 0 follows

λ = m² + n² = 1, 1, 2, 4, 4, 5, 5, 8, …: the divergence is an equation beside the others, so that gradients, of which
curl curl makes nothing, are no modes. In domains with re-entrant corners modes are unbounded, and there is no verdict.
Source: Boffi, Acta Numer. 19 (2010) 1, § 5.
"""

from math import pi

from pdesolve import Dirichlet, Eigenvalues, Neumann, Problem, Rectangle

cavity = Rectangle((0, 0), (pi, pi))
level, upright = cavity.bottom | cavity.top, cavity.left | cavity.right


def maxwell(u, v, lam):
    curl = v.x - u.y
    return curl.y - lam * u, -curl.x - lam * v, u.x + v.y


problem = Problem(
    domain=cavity,
    equation=maxwell,
    conditions=[
        Dirichlet(0, on=level, unknown="u"),
        Dirichlet(0, on=upright, unknown="v"),
        Neumann(0, on=upright, unknown="u"),
        Neumann(0, on=level, unknown="v"),
    ],
    eigenvalues=Eigenvalues("lam", count=5),
)
