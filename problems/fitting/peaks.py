"""Fit three sharp peaks, one of them stretched along a diagonal.

    u = Σ_k a_k exp(-q_k(x, y))    in (0, 1)²

q_k quadratic, widths 0.03 to 0.07. It lies in the span of Gaussians of full covariance, and is stated as what
it is: the home game of a Gaussian mixture.
"""

from torch import exp

from pdesolve import Problem, Rectangle

square = Rectangle((0, 0), (1, 1))


def exact(x, y):
    along, across = x + y - 1.2, x - y + 0.1
    first = exp(-500 * ((x - 0.25) ** 2 + (y - 0.3) ** 2))
    second = exp(-300 * (x - 0.7) ** 2 - 900 * (y - 0.75) ** 2) / 2
    return first + second + 0.8 * exp(-60 * along**2 - 600 * across**2)


def fit(u, x, y):
    return u - exact(x, y)


problem = Problem(domain=square, equation=fit, conditions=[], exact=exact)
