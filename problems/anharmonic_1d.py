"""The quartic oscillator of quantum mechanics, on an interval beyond which its states are zero to rounding.

-u'' + x⁴ u = λ u    in (-8, 8)
  u = 0              at both ends

λ = 1.06036209048, 3.79967302980, 7.45569793799, 11.6447455114 (Banerjee et al., Proc. R. Soc. A 360 (1978) 575)
"""

from pdesolve import Dirichlet, Eigenvalues, Interval, Problem

line = Interval(-8, 8)


def oscillator(u, x, lam):
    return -u.xx + x**4 * u - lam * u


problem = Problem(
    domain=line,
    equation=oscillator,
    conditions=[Dirichlet(0, on=line.boundary)],
    eigenvalues=Eigenvalues("lam", count=4),
)
