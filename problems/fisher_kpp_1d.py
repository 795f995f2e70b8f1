"""Fisher–KPP equation: a front invades an unstable state at speed 5/√6.

    u_t = u_xx + u (1 - u)      x ∈ (-10, 15),  t ∈ (0, 2]
      u = u*                    at t = 0 and at both ends

Exact solution: u* = (1 + e^((x - 5t/√6)/√6))^(-2).
Source: Ablowitz & Zeppetella, Bull. Math. Biology 41 (1979) 835–840.
"""

from torch import exp

from pdesolve import Dirichlet, Initial, Interval, Problem, TimeInterval

space, time = Interval(-10, 15), TimeInterval(0, 2)
root = 6**0.5


def fisher_kpp(u):
    return u.t - u.xx - u * (1 - u)


def exact(x, t):
    return (1 + exp((x - 5 * t / root) / root)) ** -2


problem = Problem(
    domain=space * time,
    equation=fisher_kpp,
    conditions=[Initial(lambda x: exact(x, 0)), Dirichlet(exact, on=space.boundary)],
    exact=exact,
)
