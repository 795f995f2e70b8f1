"""An elastic beam clamped on the left, under its own weight: plane strain, λ = μ = 1.

Its tip sinks by 0.36453 (finite elements of degree two, graded at both clamped corners). The stresses are singular at
the corners (0, 0) and (0, 1), and the wall bears the weight, 0.005.
"""

from pdesolve import Condition, Dirichlet, Flux, Probe, Problem, Rectangle, Vector, div, vector
from pdesolve.mechanics import stress, von_mises

beam = Rectangle((0, 0), (5, 1))
lam, mu, nu = 1.0, 1.0, 0.25


def equilibrium(u: Vector, weight):
    return div(stress(u, lam, mu)) - vector(0, weight)


problem = Problem(
    beam,
    equilibrium,
    [
        Dirichlet(0, on=beam.left, unknown="u"),
        Condition(lambda u, n: stress(u, lam, mu) @ n, on=beam.right | beam.bottom | beam.top),
    ],
    constants={"weight": 1e-3},
    outputs={"von_mises": lambda u: von_mises(stress(u, lam, mu), nu=nu)},
    quantities={"tip": Probe((5, 0.5), "u_y"), "force on the wall": Flux(Rectangle((9, 9), (10, 10)).left, "u_y")},
)

# Made from cantilever.py by generate.py; check must say: quantity 'force on the wall'; no part of the boundary; left, right, bottom, top
