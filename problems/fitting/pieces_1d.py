"""Fit three pieces of one variable, with two jumps and kinks between them.

    u = sin(20πx) + x²                  x < 1/2
    u = ½ x e^{-x} + |sin(5πx)|         1/2 ≤ x < 3/2
    u = log₂(x - 1) - cos(2πx)          3/2 ≤ x        in (0, 2)

The test function of the authors of the Chebyshev Kolmogorov-Arnold layer.
Source: github.com/SynodicMonth/ChebyKAN, Function_Interpolation_Test.ipynb.
"""

from torch import cos, exp, log2, pi, sin, where

from pdesolve import Interval, Problem

line = Interval(0, 2)


def exact(x):
    first = sin(20 * pi * x) + x**2
    second = x * exp(-x) / 2 + sin(5 * pi * x).abs()
    third = log2((x - 1).clamp_min(0.25)) - cos(2 * pi * x)
    return where(x < 0.5, first, where(x < 1.5, second, third))


def fit(u, x):
    return u - exact(x)


problem = Problem(domain=line, equation=fit, conditions=[], exact=exact)
