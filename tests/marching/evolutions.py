"""Evolutions with exact solutions, and fixed patches to advance them on."""

import numpy as np
import torch
from torch import cos, exp, pi, sin

from pdesolve import Dirichlet, Initial, Interval, Periodic, Problem, Rectangle, TimeInterval, laplace
from pdesolve.marching.evolution import Evolution
from pdesolve.marching.radau import radau
from pdesolve.marching.semi_discrete import SemiDiscrete
from pdesolve.marching.space import Space
from pdesolve.marching.step import Stepper, equal_slabs
from pdesolve.patches.cover import Patches
from pdesolve.patches.partition import Partition

rod, second = Interval(0, 1), TimeInterval(0, 1)
square = Rectangle((0, 0), (1, 1))


def heat(**overrides):
    stated = {
        "domain": rod * second,
        "equation": lambda u: u.t - u.xx / 4,
        "conditions": [Initial(lambda x: sin(pi * x)), Dirichlet(0, on=rod.boundary)],
        "exact": lambda x, t: exp(-(pi**2) * t / 4) * sin(pi * x),
    }
    return Problem(**{**stated, **overrides})


def driven_heat():
    """Values on the boundary and a source that depend on time."""
    return heat(
        equation=lambda u, x, t: (
            u.t - u.xx / 4 - (4 * cos(4 * t) + sin(4 * t) / 4) * exp(-x) + sin(4 * t) * exp(-x) / 2
        ),
        conditions=[Initial(0), Dirichlet(lambda x, t: exp(-x) * sin(4 * t), on=rod.boundary)],
        exact=lambda x, t: exp(-x) * sin(4 * t),
    )


def wave():
    return Problem(
        domain=rod * second,
        equation=lambda u: u.tt - 4 * u.xx,
        conditions=[Initial(lambda x: sin(pi * x)), Initial(0, order=1), Dirichlet(0, on=rod.boundary)],
        exact=lambda x, t: sin(pi * x) * cos(2 * pi * t),
    )


def ring(speed):
    return Problem(
        domain=Interval(0, 2 * pi) * second,
        equation=lambda u: u.t + speed * u.x,
        conditions=[Initial(lambda x: sin(x)), Periodic("x")],
        exact=lambda x, t: sin(x - speed * t),
    )


def klein_gordon():
    """Cubic, in two dimensions, with values on the boundary that depend on time."""

    def exact(x, y, t):
        return x * cos(t) + y * sin(t)

    return Problem(
        domain=square * second,
        equation=lambda u, x, y, t: u.tt - laplace(u) + u + u**3 - exact(x, y, t) ** 3,
        conditions=[
            Initial(lambda x: x),
            Initial(lambda y: y, order=1),
            Dirichlet(exact, on=square.boundary),
        ],
        exact=exact,
    )


def space_on(problem, breaks, q):
    evolution = Evolution.of(problem)
    periodic = [i in problem.periodic_axes for i in range(evolution.dimension)]
    partition = Partition.grid(breaks, periodic, len(evolution.frame.subdomains))
    return Space(evolution, Patches.over(evolution.frame, partition)[0], q)


def even(problem, cells):
    lower, upper = problem.domain.space.bounds.numpy()
    return [np.linspace(a, b, cells + 1) for a, b in zip(lower, upper, strict=True)]


def advanced(problem, breaks, q, stages, slabs, tolerance=1e-14):
    """Slabs of equal length on fixed patches."""
    space = space_on(problem, breaks, q)
    stepper = Stepper(SemiDiscrete(space), radau(stages))
    start = torch.stack([space.project(j) for j in range(space.evolution.depth)])
    scale = torch.zeros(space.unknowns, dtype=torch.float64)
    time, before, found = problem.domain.time, None, []
    for begin, end in equal_slabs(time.t0, time.t1, slabs):
        before, iteration = stepper.advance(start, begin, end, before, scale, tolerance)
        assert before is not None, iteration
        start = before.following
        found.append(before)
    return found


def relative_error(problem, slabs):
    """Of the worst unknown, over Sobol points in space at some times of every slab."""
    x = problem.domain.space.sample(200, sampler="sobol", seed=3)
    zero = ((0,) * x.shape[1],)
    error, size = 0.0, 0.0
    for slab in slabs:
        for fraction in (0.13, 0.5, 0.77, 1.0):
            c = slab.at(torch.tensor([fraction], dtype=torch.float64))[0]
            found = slab.space.mixture(c).jet(x, zero)[:, :, 0]
            t = torch.full((len(x), 1), slab.begin + fraction * slab.length, dtype=torch.float64)
            exact = problem.values(problem.exact, torch.cat([x, t], 1))
            error, size = error + ((found - exact) ** 2).sum(0), size + (exact**2).sum(0)
    return float((error / size).sqrt().max())
