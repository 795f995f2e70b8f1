"""Korteweg–de Vries equation: a cosine wave breaks up into solitons.

    u_t + u u_x + δ² u_xxx = 0      x ∈ (-1, 1) periodic,  t ∈ (0, 1],  δ = 0.022
                   u(x, 0) = cos πx

Reference: Fourier series, computed on first use and verified by its own refinement.
Source: Zabusky & Kruskal, Phys. Rev. Lett. 15 (1965) 240–243 (there on an interval of length 2, too).
"""

from torch import cos, pi

from pdesolve import Initial, Interval, Periodic, Problem, SpectralReference, TimeInterval

domain = Interval(-1, 1) * TimeInterval(0, 1)
delta = 0.022


def start(x):
    return cos(pi * x)


def korteweg_de_vries(u):
    return u.t + u * u.x + delta**2 * u.xxx


problem = Problem(
    domain=domain,
    equation=korteweg_de_vries,
    conditions=[Initial(start), Periodic("x")],
    reference=SpectralReference(
        domain, start, linear=lambda d: -(delta**2) * d**3, flux=lambda u: -(u**2) / 2, accuracy=2e-11
    ),
)
