"""Gray–Scott equations: a pulse of the catalyst v splits and travels through its fuel u.

    u_t =      u_xx + 0.02 (1 - u) - u v²       x ∈ (-50, 50) periodic,  t ∈ (0, 100]
    v_t = 0.01 v_xx - 0.0862 v     + u v²
    u(x, 0) = 1 - ½ cos¹⁰⁰(πx/100),  v(x, 0) = ¼ cos¹⁰⁰(πx/100)

Reference: Fourier series, computed on first use and verified by its own refinement.
Source: Doelman, Kaper & Zegeling, Nonlinearity 10 (1997) 523–563; these values in Chebfun's `spin('GS')`.
"""

from torch import cos, pi

from pdesolve import Initial, Interval, Periodic, Problem, SpectralReference, TimeInterval

domain = Interval(-50, 50) * TimeInterval(0, 100)
feed, decay, mobility = 0.02, 0.0862, 0.01


def start(x):
    pulse = cos(pi * x / 100) ** 100
    return 1 - pulse / 2, pulse / 4


def reaction(u, v):
    return feed * (1 - u) - u * v**2, -decay * v + u * v**2


def gray_scott(u, v):
    made, used = reaction(u, v)
    return u.t - u.xx - made, v.t - mobility * v.xx - used


fields = SpectralReference(
    domain, start, linear=lambda d: (d**2, mobility * d**2), source=reaction, accuracy=1e-10
)
problem = Problem(
    domain=domain,
    equation=gray_scott,
    conditions=[Initial(lambda x, i=i: start(x)[i], unknown=name) for i, name in enumerate("uv")]
    + [Periodic("x")],
    reference={name: lambda x, t, i=i: fields.components(x, t)[:, i] for i, name in enumerate("uv")},
)
