"""Allen–Cahn equation: two phases separate, with layers about 0.005 wide.

    u_t = 0.0001 u_xx + 5u - 5u³        x ∈ (-1, 1) periodic,  t ∈ (0, 1]
    u(x, 0) = x² cos πx                 (with a kink where the ends meet)

Reference: Fourier series with steps refined toward t = 0, computed on first use and verified by its own refinement.
Source: Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378 (2019) 686–707.
"""

from torch import cos, pi

from pdesolve import Initial, Interval, Periodic, Problem, SpectralReference, TimeInterval

domain = Interval(-1, 1) * TimeInterval(0, 1)
diffusivity = 1e-4


def start(x):
    return x**2 * cos(pi * x)


def reaction(u):
    return 5 * u - 5 * u**3


def allen_cahn(u):
    return u.t - diffusivity * u.xx - reaction(u)


reference = SpectralReference(
    domain, start, linear=lambda d: diffusivity * d**2, source=reaction, accuracy=5e-8, grading=2
)
problem = Problem(
    domain=domain, equation=allen_cahn, conditions=[Initial(start), Periodic("x")], reference=reference
)
