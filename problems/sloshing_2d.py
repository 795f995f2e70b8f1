"""Sloshing of water in a tank of depth 1 and length 2: the eigenvalue stands in a condition.

Δφ = 0              in (0, 2) × (-1, 0), φ the potential of the velocity
∂φ/∂n = λ φ         on the free surface y = 0, λ = ω²/g
∂φ/∂n = 0           on the walls

λ = k tanh k, k = j π/2: 0, 1.4406595, 3.1298838, 4.7116191, …
"""

from pdesolve import Condition, Eigenvalues, Neumann, Problem, Rectangle, laplace, normal_derivative

tank = Rectangle((0, -1), (2, 0))


def water(phi):
    return laplace(phi)


problem = Problem(
    domain=tank,
    equation=water,
    conditions=[
        Condition(lambda phi, lam: normal_derivative(phi) - lam * phi, on=tank.top),
        *[Neumann(0, on=wall) for wall in (tank.left, tank.right, tank.bottom)],
    ],
    eigenvalues=Eigenvalues("lam", count=4),
)
