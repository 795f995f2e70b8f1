"""Fit a composition in four dimensions, a toy function of Liu et al. (KAN).

    u = exp(½ (sin(π(x1² + x2²)) + sin(π(x3² + x4²))))    in (-1, 1)⁴

Source: Liu et al. 2024, arXiv:2404.19756, §3.1.
"""

from torch import exp, pi, sin

from pdesolve import Box, Problem

box = Box((-1,) * 4, (1,) * 4)


def exact(x1, x2, x3, x4):
    first = sin(pi * (x1**2 + x2**2))
    return exp((first + sin(pi * (x3**2 + x4**2))) / 2)


def fit(u, x1, x2, x3, x4):
    return u - exact(x1, x2, x3, x4)


problem = Problem(domain=box, equation=fit, conditions=[], exact=exact)
