"""Nonlinear Schrödinger equation for h = u + iv: a bound state of two solitons breathes.

    i h_t + ½ h_xx + |h|² h = 0         x ∈ (-15, 15) periodic,  t ∈ (0, π/2]
                    h(x, 0) = 2 sech x

Reference: Fourier series, computed on first use and verified by its own refinement. (On the whole line there
is a formula: Satsuma & Yajima, Prog. Theor. Phys. Suppl. 55 (1974) 284–306; it differs by 1e-6 near the ends.)
Source: Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378 (2019) 686–707, there on (-5, 5).
"""

from torch import cosh, pi

from pdesolve import Initial, Interval, Periodic, Problem, SpectralReference, TimeInterval

domain = Interval(-15, 15) * TimeInterval(0, pi / 2)


def schroedinger(u, v):
    density = u**2 + v**2
    return u.t + v.xx / 2 + density * v, v.t - u.xx / 2 - density * u


wave = SpectralReference(
    domain,
    lambda x: 2 / cosh(x) + 0j,
    linear=lambda d: 0.5j * d**2,
    source=lambda h: 1j * abs(h) ** 2 * h,
    # The kink at the ends disperses into waves that 1,024 points and 6,144 stored times resolve to this, and more hold
    # half a gigabyte.
    accuracy=1e-9,
    seconds=300,
)
problem = Problem(
    domain=domain,
    equation=schroedinger,
    conditions=[Initial(lambda x: 2 / cosh(x), unknown="u"), Initial(0, unknown="v"), Periodic("x")],
    reference={"u": lambda x, t: wave(x, t).real, "v": lambda x, t: wave(x, t).imag},
)
