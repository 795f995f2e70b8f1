"""Kovasznay flow: steady Navier–Stokes behind a grid of cylinders, Re = 40.

    (u·∇)u + ∇p = Δu / Re,   ∇·u = 0    in (-½, 1) × (-½, 3/2)

Exact solution: u = 1 - e^(λx) cos 2πy, v = λ/2π e^(λx) sin 2πy, p = ½ (1 - e^(2λx)),
λ = Re/2 - √(Re²/4 + 4π²); u and v are given on the boundary, p at one corner.
Source: Kovasznay, Proc. Camb. Phil. Soc. 44 (1948) 58–62.
"""

from torch import cos, exp, pi, sin

from pdesolve import Dirichlet, Point, Problem, Rectangle, laplace

channel = Rectangle((-0.5, -0.5), (1, 1.5))
reynolds = 40
decay = reynolds / 2 - (reynolds**2 / 4 + 4 * pi**2) ** 0.5  # λ
exact = {
    "u": lambda x, y: 1 - exp(decay * x) * cos(2 * pi * y),
    "v": lambda x, y: decay / (2 * pi) * exp(decay * x) * sin(2 * pi * y),
    "p": lambda x: (1 - exp(decay * x)) / 2,
}


def navier_stokes(u, v, p):
    return (
        u * u.x + v * u.y + p.x - laplace(u) / reynolds,
        u * v.x + v * v.y + p.y - laplace(v) / reynolds,
        u.x + v.y,
    )


velocity = [Dirichlet(exact[name], on=channel.boundary, unknown=name) for name in "uv"]
pressure = Dirichlet(exact["p"], on=Point((-0.5, -0.5)), unknown="p")
problem = Problem(domain=channel, equation=navier_stokes, conditions=[*velocity, pressure], exact=exact)

# Made from kovasznay.py by generate.py; check must say: exact; equation 'navier_stokes'
