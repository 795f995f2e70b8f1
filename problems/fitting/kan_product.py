"""Fit a product, the second toy function of Liu et al. (KAN).

    u = x y    in (-1, 1)²

Source: Liu et al. 2024, arXiv:2404.19756, §3.1.
"""

from pdesolve import Problem, Rectangle

square = Rectangle((-1, -1), (1, 1))


def exact(x, y):
    return x * y


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
