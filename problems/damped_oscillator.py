"""Damped oscillator: u'' + 2 γ u' + ω² u = 0 for 0 < t < 20, u(0) = 1, u'(0) = 0, with γ = 0.1 and ω = 2.

An ordinary differential equation: the domain is a time interval alone.
Exact: e^{-γt} (cos νt + (γ/ν) sin νt) with ν² = ω² - γ².
Source: Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section I.6.
"""

from math import sqrt

from torch import cos, exp, sin

from pdesolve import Initial, Problem, TimeInterval

gamma, omega = 0.1, 2.0
nu = sqrt(omega**2 - gamma**2)


def exact(t):
    return exp(-gamma * t) * (cos(nu * t) + gamma / nu * sin(nu * t))


def oscillator(u):
    return u.tt + 2 * gamma * u.t + omega**2 * u


problem = Problem(
    domain=TimeInterval(0, 20),
    equation=oscillator,
    conditions=[Initial(1), Initial(0, order=1)],
    exact=exact,
)
