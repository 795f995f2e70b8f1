"""Energies of an electron in a square lattice, for one wave vector k: a point of the band structure.

-Δψ + V ψ = λ ψ,  V = 10 (cos 2πx + cos 2πy),  ψ = exp(i k·x) (a + i b),  a and b periodic on (0, 1)²

λ = -1.3719055, 27.5366947, 33.5606548, 46.0162052 for k = (1, 0.5), each twice: a + i b may be multiplied by i.
"""

from torch import cos, pi

from pdesolve import Eigenvalues, Periodic, Problem, Rectangle, laplace

cell = Rectangle((0, 0), (1, 1))


def lattice(a, b, x, y, k1, k2, lam):
    rest = k1**2 + k2**2 + 10 * (cos(2 * pi * x) + cos(2 * pi * y)) - lam
    return (
        -laplace(a) + 2 * (k1 * b.x + k2 * b.y) + rest * a,
        -laplace(b) - 2 * (k1 * a.x + k2 * a.y) + rest * b,
    )


problem = Problem(
    domain=cell,
    equation=lattice,
    conditions=[Periodic("x"), Periodic("y")],
    constants={"k1": 1.0, "k2": 0.5},
    eigenvalues=Eigenvalues("lam", count=8),
)
