"""Ground state of a cloud of cold atoms in a trap: an eigenvalue problem nonlinear in u, normalised.

 -u'' + x² u + g u³ = μ u in (-8, 8),  ∫ u² = 1,  u = 0 at both ends

The chemical potential μ is an unknown that does not change, μ' = 0, and the mass to the left of x is one, too: m' = u²,
from 0 to 1. Without interaction, g = 0, μ = 1. A known identity (virial): 2 ∫ u'² - 2 ∫ x² u² + g/2 ∫ u⁴ = 0.
Source: Bao & Du, SIAM J. Sci. Comput. 25 (2004) 1674, there with u''/2 and x²/2.
"""

from torch import exp, tanh

from pdesolve import Dirichlet, Integral, Interval, Problem

trap = Interval(-8, 8)


def condensate(u, m, mu, x, g):
    return -u.xx + (x**2 - mu) * u + g * u**3, m.x - u**2, mu.x


problem = Problem(
    domain=trap,
    equation=condensate,
    conditions=[
        Dirichlet(0, on=trap.boundary, unknown="u"),
        Dirichlet(0, on=trap.left, unknown="m"),
        Dirichlet(1, on=trap.right, unknown="m"),
    ],
    constants={"g": 10.0},
    guess={"u": lambda x: exp(-(x**2) / 4) / 2, "m": lambda x: (1 + tanh(x)) / 2, "mu": 3.0},
    quantities={
        "virial": Integral(lambda u, x, g: 2 * u.x**2 - 2 * x**2 * u**2 + g / 2 * u**4),
        "energy": Integral(lambda u, x, g: u.x**2 + x**2 * u**2 + g / 2 * u**4),
    },
)
