"""Fit an entire function that varies slowly.

    u = cos(3x) e^y    in (0, 1)²

The easiest of the family: every basis that deserves the name converges fast.
"""

from torch import cos, exp

from pdesolve import Problem, Rectangle

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    return cos(3 * x) * exp(y)


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
