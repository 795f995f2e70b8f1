"""Loads at which a straight column buckles, clamped at both ends: λ stands before a derivative.

 u'''' + λ u'' = 0 in (0, 1),  u = u' = 0 at both ends

λ = P L² / (E I) = 4π², 8.9868189158², 16π²: multiples of 2π, and twice the roots of tan x = x in between. The lowest
is four times Euler's load π² of pinned ends. Source: Timoshenko & Gere, Theory of Elastic Stability (1961), 2.2.
"""

from pdesolve import Dirichlet, Eigenvalues, Interval, Neumann, Problem

column = Interval(0, 1)


def buckling(u, lam):
    return u.xxxx + lam * u.xx


problem = Problem(
    domain=column,
    equation=buckling,
    conditions=[Dirichlet(0, on=column.boundary), Neumann(0, on=column.boundary)],
    eigenvalues=Eigenvalues("lam", count=3),
)
