"""Fit Runge's function in two dimensions: analytic, with poles near the domain.

    u = 1 / (1 + 25 (x² + y²))    in (-1, 1)²

Polynomials of degree n converge like 1.22^-n only.
"""

from pdesolve import Problem, Rectangle

square = Rectangle((-1, -1), (1, 1))


def exact(x, y):
    return 1 / (1 + 25 * (x**2 + y**2))


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
