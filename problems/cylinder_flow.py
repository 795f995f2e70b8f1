"""Navier–Stokes flow around a cylinder in a channel, Re = 100: vortices leave it in turn (DFG benchmark 2D-2).

    u_t + (u·∇)u + ∇p = ν Δu,   ∇·u = 0    in (0, 2.2) × (0, 0.41) less a disc of radius 0.05 at (0.2, 0.2), ν = 1e-3
    u = 6 y (0.41 - y) / 0.41² on the left, from rest in half a second;  ν ∂u/∂x = p, ∂v/∂x = 0 on the right

Published of the periodic flow: largest drag 3.22 to 3.24, largest lift 0.99 to 1.01 (forces over the radius), Strouhal
number 0.295 to 0.305. Source: Schäfer & Turek, Notes Numer. Fluid Mech. 52 (1996).
"""

from torch import pi, sin, where

from pdesolve import Condition, Dirichlet, Disk, Initial, Integral, Problem, Rectangle, TimeInterval, laplace

channel, cylinder = Rectangle((0, 0), (2.2, 0.41)), Disk((0.2, 0.2), 0.05)
walls, nu = [channel.bottom, channel.top, cylinder.boundary], 1e-3


def inflow(y, t):
    return where(t < 0.5, sin(pi * t) ** 2, 1.0) * 6 * y * (0.41 - y) / 0.41**2


def navier_stokes(u, v, p):
    return (
        u.t + u * u.x + v * u.y + p.x - nu * laplace(u),
        v.t + u * v.x + v * v.y + p.y - nu * laplace(v),
        u.x + v.y,
    )


start = [Initial(0, unknown=name) for name in "uv"]
still = [Dirichlet(0, on=wall, unknown=name) for wall in walls for name in "uv"]
entry = [Dirichlet(inflow, on=channel.left, unknown="u"), Dirichlet(0, on=channel.left, unknown="v")]
outlet = [Condition(f, on=channel.right) for f in (lambda u, p: nu * u.x - p, lambda v: v.x)]
drag = Integral(lambda u, v, p, n: (p * n.x - nu * (u.y - v.x) * n.y) / 0.05, on=cylinder.boundary)
lift = Integral(lambda u, v, p, n: (p * n.y - nu * (v.x - u.y) * n.x) / 0.05, on=cylinder.boundary)
problem = Problem(
    domain=(channel - cylinder) * TimeInterval(0, 8, breaks=[0.5]),
    equation=navier_stokes,
    conditions=[*start, *entry, *still, *outlet],
    quantities={"drag": drag, "lift": lift},
)
