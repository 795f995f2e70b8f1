"""Fit a function whose gradient jumps across a circle.

    u = |x² + y² - ½|    in (-1, 1)²

No smooth approximator can converge fast here.
"""

from pdesolve import Problem, Rectangle

square = Rectangle((-1, -1), (1, 1))


def exact(x, y):
    return (x**2 + y**2 - 0.5).abs()


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
