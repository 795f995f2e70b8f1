"""A rod between pins under a load, bent as far as it likes: Euler's elastica, θ the angle of its tangent.

 θ'' + λ sin θ = 0 in (0, 1),  θ' = 0 at both ends (no moment)

λ = 4 K(m)² with m = sin²(θ(0)/2), K the complete elliptic integral: a rod bends above λ = π², Euler's load. Follow the
bent states down to it, and to those bent to the other side: pdesolve branch problems/elastica.py --along load=20:5.
Source: Love, A Treatise on the Mathematical Theory of Elasticity (1927), § 263.
"""

from torch import cos, pi, sin

from pdesolve import Interval, Neumann, Problem

rod = Interval(0, 1)


def elastica(theta, load):
    return theta.xx + load * sin(theta)


problem = Problem(
    domain=rod,
    equation=elastica,
    conditions=[Neumann(0, on=rod.boundary)],
    constants={"load": 20.0},
    guess=lambda x: 2 * cos(pi * x),
)
