"""Linear elasticity in plane strain: a thick ring under pressure from inside, held at the outer edge (Lamé).

div σ = 0 with σ = λ (div w) I + μ (∇w + ∇wᵀ) and displacements w = (u, v); σ n = -p n inside, w = 0 outside.
Lengths and displacements are in units of the inner radius, stresses in units of μ.
"""

from pdesolve import Annulus, Condition, Dirichlet, Problem, div, vector

INNER = 1.0
OUTER = 2.0
ring = Annulus((0, 0), INNER, OUTER)


def stresses(u, v, lam):
    """σ_xx, σ_xy, σ_yy in units of μ."""
    trace = lam * (u.x + v.y)
    return trace + 2 * u.x, u.y + v.x, trace + 2 * v.y


def balance(u, v, lam):
    xx, xy, yy = stresses(u, v, lam)
    return div(vector(xx, xy)), div(vector(xy, yy))


def traction_x(u, v, n, lam, p):
    xx, xy, _ = stresses(u, v, lam)
    return xx * n.x + xy * n.y + p * n.x


def traction_y(u, v, n, lam, p):
    _, xy, yy = stresses(u, v, lam)
    return xy * n.x + yy * n.y + p * n.y


def radial(x, y, lam, p):
    """Lamé's solution w = (A + B/r²) (x, y), as a factor of (x, y)."""
    B = p / ((2 * lam + 2) / OUTER**2 + 2 / INNER**2)
    return B / (x**2 + y**2) - B / OUTER**2


problem = Problem(
    domain=ring,
    equation=balance,
    conditions=[
        Condition(traction_x, on=ring.inner),
        Condition(traction_y, on=ring.inner),
        Dirichlet(0, on=ring.outer, unknown="u"),
        Dirichlet(0, on=ring.outer, unknown="v"),
    ],
    exact={
        "u": lambda x, y, lam, p: radial(x, y, lam, p) * x,
        "v": lambda x, y, lam, p: radial(x, y, lam, p) * y,
    },
    constants={"lam": 1.5, "p": 0.1},
)
