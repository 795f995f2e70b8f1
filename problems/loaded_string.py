"""Tones of a string that a mass hangs on by a spring: λ enters the condition at its end by a rational function.

 u'' + λ u = 0 in (0, 1),  u = 0 on the left,  u' + κ λ m / (λ m - κ) u = 0 on the right

Multiplied by its denominator the condition is linear in λ. κ = m = 1: λ = 0.4573183, 4.4820243, 24.2187014, the roots
of (1 - λ) √λ cos √λ = λ sin √λ. Source: `loaded_string` of Betcke, Higham, Mehrmann, Schröder & Tisseur, NLEVP: A
Collection of Nonlinear Eigenvalue Problems, ACM Trans. Math. Softw. 39 (2013) 7.
"""

from pdesolve import Condition, Dirichlet, Eigenvalues, Interval, Problem

line = Interval(0, 1)


def string(u, lam):
    return u.xx + lam * u


def mass_on_a_spring(u, lam, kappa, m):
    return (kappa - lam * m) * u.x - kappa * lam * m * u


problem = Problem(
    domain=line,
    equation=string,
    conditions=[Dirichlet(0, on=line.left), Condition(mass_on_a_spring, on=line.right)],
    constants={"kappa": 1.0, "m": 1.0},
    eigenvalues=Eigenvalues("lam", count=3),
)
