"""A plane wave that enters a square on two sides and leaves it on the others: absorbing boundary of first order.

 Δu + k² u = 0                  in (0, 1)²,  k = 10,  u complex
 ∂u/∂n - i k u = g              on the boundary (a wave at a right angle to it leaves without reflection)

Exact: u = exp(i k (x cos φ + y sin φ)), whose g is what comes in; φ = 0.5. Source of the condition: Engquist & Majda,
Math. Comput. 31 (1977) 629–651, first approximation.
"""

import math

from torch import exp

from pdesolve import Complex, Condition, Integral, Problem, Rectangle, grad, laplace, normal_derivative

square = Rectangle((0, 0), (1, 1))
a, b = math.cos(0.5), math.sin(0.5)


def wave(x, y, k):
    return exp(1j * k * (a * x + b * y))


def helmholtz(u: Complex, k):
    return laplace(u) + k**2 * u


def absorbing(u, x, y, n, k):
    incoming = 1j * k * (a * n.x + b * n.y - 1) * wave(x, y, k)
    return normal_derivative(u) - 1j * k * u - incoming


problem = Problem(
    domain=square,
    equation=helmholtz,
    conditions=[Condition(absorbing, on=square.boundary)],
    constants={"k": 10.0},
    exact=wave,
    outputs={"power": lambda u: (u.conj() * grad(u)).imag},
    quantities={"out": Integral(lambda u: (u.conj() * normal_derivative(u)).imag, on=square.right)},
)
