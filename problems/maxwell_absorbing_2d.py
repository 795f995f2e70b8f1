"""An electric wave that leaves a box, with boundaries that let it out: curl curl E - k² E = 0, k = 6.

E is a vector of complex fields, stated by its components, with div E = 0 as a third equation for the two. On the
boundary curl E - i k E·t = g with the tangent t; g makes the plane wave E = d exp(i k s·x) the solution, s = (0.8, 0.6)
its direction and d = (-0.6, 0.8) across it (Monk, Finite Element Methods for Maxwell's Equations, 2003, § 1.2).
"""

from torch import exp

from pdesolve import Complex, Condition, Problem, Rectangle, div, vector

box = Rectangle((0, 0), (1, 1))
k = 6.0


def curl_of(Ex, Ey):
    return Ey.x - Ex.y


def maxwell(Ex: Complex, Ey: Complex):
    c = curl_of(Ex, Ey)
    return c.y - k**2 * Ex, -c.x - k**2 * Ey, div(vector(Ex, Ey))


def wave(x, y):
    return exp(1j * k * (0.8 * x + 0.6 * y))


def absorbing(Ex, Ey, x, y, n):
    along = n.x * Ey - n.y * Ex
    arriving = 1j * k * (1 - 0.8 * n.x - 0.6 * n.y) * wave(x, y)
    return curl_of(Ex, Ey) - 1j * k * along - arriving


problem = Problem(
    box,
    maxwell,
    [Condition(absorbing, on=box.boundary)],
    exact={"Ex": lambda x, y: -0.6 * wave(x, y), "Ey": lambda x, y: 0.8 * wave(x, y)},
    outputs={"energy": lambda Ex, Ey: abs(Ex) ** 2 + abs(Ey) ** 2},
)
