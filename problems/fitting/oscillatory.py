"""Fit an oscillation: six and four half waves, and a finer one of half the height.

    u = sin(6πx) cos(4πy) + ½ sin(10πx) sin(8πy)    in (0, 1)²

Tests the spectral bias (Rahaman et al. 2019, arXiv:1806.08734).
"""

from torch import cos, pi, sin

from pdesolve import Problem, Rectangle

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    coarse = sin(6 * pi * x) * cos(4 * pi * y)
    return coarse + sin(10 * pi * x) * sin(8 * pi * y) / 2


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
