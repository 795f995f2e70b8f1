"""Steady Burgers equation with a source on a line, over its viscosity.

    u u' = ν u'' + 1    in (0, 1),    ν = 0.1
       u = 0            at both ends

A layer of width ν forms at the right end. `pdesolve surrogate` answers for all ν between 0.02 and 1.
"""

from pdesolve import Dirichlet, Interval, Problem

line = Interval(0, 1)


def burgers(u, nu):
    return u * u.x - nu * u.xx - 1


problem = Problem(
    domain=line,
    equation=burgers,
    conditions=[Dirichlet(0, on=line.boundary)],
    constants={"nu": 0.1},
)
