"""Mathieu's equation with q = 5, whose even periodic solutions have the characteristic values a₀ to a₄.

-u'' + 2 q cos(2x) u = λ u    in (0, π)
  u' = 0                      at both ends

λ = -5.80004602085, 1.85818754151, 7.44910973965, 11.5488320364, 17.0965816843 (scipy.special.mathieu_a)
"""

from torch import cos, pi

from pdesolve import Eigenvalues, Interval, Neumann, Problem

line = Interval(0, pi)


def mathieu(u, x, q, lam):
    return -u.xx + 2 * q * cos(2 * x) * u - lam * u


problem = Problem(
    domain=line,
    equation=mathieu,
    conditions=[Neumann(0, on=line.boundary)],
    constants={"q": 5.0},
    eigenvalues=Eigenvalues("lam", count=5, near=-6),
)
