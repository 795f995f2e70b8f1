"""Fit Franke's function, the standard test of scattered data interpolation.

    u = ¾ e^(…) + ¾ e^(…) + ½ e^(…) - ⅕ e^(…)    in (0, 1)²

Source: R. Franke, Math. Comp. 38 (1982) 181-200, function 1.
"""

from torch import exp

from pdesolve import Problem, Rectangle

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    a = 0.75 * exp(-((9 * x - 2) ** 2) / 4 - (9 * y - 2) ** 2 / 4)
    b = 0.75 * exp(-((9 * x + 1) ** 2) / 49 - (9 * y + 1) / 10)
    c = 0.5 * exp(-((9 * x - 7) ** 2) / 4 - (9 * y - 3) ** 2 / 4)
    d = 0.2 * exp(-((9 * x - 4) ** 2) - (9 * y - 7) ** 2)
    return a + b + c - d


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
