"""Energies of an electron in a square lattice, for one wave vector k: a point of the band structure.

-Δψ + V ψ = λ ψ,  V = 10 (cos 2πx + cos 2πy),  ψ complex on a cell (0, 1)²,
 ψ(x + 1, y) = exp(i k₁) ψ(x, y),  ψ(x, y + 1) = exp(i k₂) ψ(x, y),  with derivatives

λ = -1.3719055, 27.5366947, 33.5606548, 46.0162052 for k = (1, 0.5): sums of two energies of Mathieu's equation.
"""

from torch import cos, pi

from pdesolve import Complex, Eigenvalues, Periodic, Problem, Rectangle, laplace

cell = Rectangle((0, 0), (1, 1))


def lattice(psi: Complex, x, y, lam):
    potential = 10 * (cos(2 * pi * x) + cos(2 * pi * y))
    return -laplace(psi) + (potential - lam) * psi


problem = Problem(
    domain=cell,
    equation=lattice,
    conditions=[Periodic("x", phase=lambda k1: k1), Periodic("y", phase=lambda k2: k2)],
    constants={"k1": 1.0, "k2": 0.5},
    eigenvalues=Eigenvalues("lam", count=4),
)
