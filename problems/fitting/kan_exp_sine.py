"""Fit the first toy function of Liu et al. (KAN).

    u = exp(sin(πx) + y²)    in (-1, 1)²

A composition of univariate functions: the home game of a KAN.
Source: Liu et al. 2024, arXiv:2404.19756, §3.1.
"""

from torch import exp, pi, sin

from pdesolve import Problem, Rectangle

square = Rectangle((-1, -1), (1, 1))


def exact(x, y):
    return exp(sin(pi * x) + y**2)


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
