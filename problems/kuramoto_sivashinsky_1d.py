"""Kuramoto–Sivashinsky equation: growth at long waves, damping at short ones, chaos between them.

    u_t + α u u_x + β u_xx + γ u_xxxx = 0       x ∈ (0, 2π) periodic,  t ∈ (0, 1]
                              u(x, 0) = cos x (1 + sin x)

with α = 100/16, β = 100/16², γ = 100/16⁴. A disturbance grows 2e4-fold until t = 1.
Reference: Fourier series, computed on first use and verified by its own refinement.
Source: Wang, Sankaran & Perdikaris, Comput. Methods Appl. Mech. Engrg. 421 (2024) 116813.
"""

from torch import cos, pi, sin

from pdesolve import Initial, Interval, Periodic, Problem, SpectralReference, TimeInterval

domain = Interval(0, 2 * pi) * TimeInterval(0, 1)
alpha, beta, gamma = 100 / 16, 100 / 16**2, 100 / 16**4


def start(x):
    return cos(x) * (1 + sin(x))


def kuramoto_sivashinsky(u):
    return u.t + alpha * u * u.x + beta * u.xx + gamma * u.xxxx


problem = Problem(
    domain=domain,
    equation=kuramoto_sivashinsky,
    conditions=[Initial(start), Periodic("x")],
    reference=SpectralReference(
        domain,
        start,
        linear=lambda d: -beta * d**2 - gamma * d**4,
        flux=lambda u: -alpha * u**2 / 2,
        accuracy=1e-9,
    ),
)
