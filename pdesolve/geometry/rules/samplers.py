"""Points inside a domain: random, low-discrepancy and on grids."""

from collections.abc import Callable

import torch
from torch import Tensor

from pdesolve.errors import SolveError, UsageError
from pdesolve.geometry.surface import DomainLike
from pdesolve.quadrature import chebyshev, gauss_legendre, sobol

ROUNDS = 30  # doublings of the number of candidates before a rejection sampler gives up


def sample(domain: DomainLike, n: int, sampler: str, seed: int) -> Tensor:
    """Return points (n', d) strictly inside the domain; see `Domain.sample`."""
    if int(n) != n or n < 1:
        message = f"sample received n = {n!r}, expected a whole number of points, at least 1."
        raise UsageError(message)
    if sampler not in SAMPLERS:
        message = f"there is no sampler {sampler!r}; the samplers are {', '.join(SAMPLERS)}."
        raise UsageError(message)
    return SAMPLERS[sampler](domain, int(n), seed)


def _to_box(domain: DomainLike, unit: Tensor) -> Tensor:
    lower, upper = domain.bounds
    return lower + (upper - lower) * unit


def _reject(domain: DomainLike, n: int, draw: Callable[[int], Tensor]) -> Tensor:
    """Keep the first n of ever more candidates in the unit cube that fall inside."""
    count = n
    for _ in range(ROUNDS):
        x = _to_box(domain, draw(count))
        x = x[domain.level(x) < 0]
        if len(x) >= n:
            return x[:n]
        count = min(2 * count + 64, int(1.3 * count * n / len(x)) + 64 if len(x) else 2 * count + 64)
    message = f"found only {len(x)} of {n} points inside {domain}: it fills too little of its bounding box."
    raise SolveError(message)


def _uniform(domain: DomainLike, n: int, seed: int) -> Tensor:
    def draw(count: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(count, domain.dimension, generator=generator, dtype=torch.float64)

    return _reject(domain, n, draw)


def _sobol(domain: DomainLike, n: int, seed: int) -> Tensor:
    return _reject(domain, n, lambda count: sobol(count, domain.dimension, seed))


def _grid(domain: DomainLike, n: int, axis: Callable[[int], Tensor]) -> Tensor:
    """Return the part inside of a tensor grid on the bounding box that has about n points inside."""
    lower, upper = domain.bounds
    extent = upper - lower
    count = n * float(extent.prod()) / domain.measure
    per_axis = max(1, round(count ** (1 / domain.dimension)))
    x = torch.cartesian_prod(*([axis(per_axis)] * domain.dimension)).reshape(-1, domain.dimension)
    x = _to_box(domain, x)
    return x[domain.level(x) < 0]


def _gauss(domain: DomainLike, n: int, seed: int) -> Tensor:
    del seed
    return _grid(domain, n, lambda count: gauss_legendre(count, 0.0, 1.0)[0])


def _chebyshev(domain: DomainLike, n: int, seed: int) -> Tensor:
    del seed
    return _grid(domain, n, lambda count: chebyshev(count, 0.0, 1.0)[0])


def _boundary_fitted(domain: DomainLike, n: int, seed: int) -> Tensor:
    del seed
    return domain.boundary_fitted(n)


def fitted_grid(domain: DomainLike, n: int) -> Tensor:
    """Uniform grid of spacing h = (measure / n)^{1/d} without points nearer than h/2 to the boundary.

    Points on the boundary itself come from `Place.sample`.
    """
    lower, upper = domain.bounds
    extent = upper - lower
    h = (domain.measure / n) ** (1 / domain.dimension)
    counts = (extent / h).round().clamp(min=1).long().tolist()
    axes = [
        a + e * (torch.arange(c, dtype=torch.float64) + 0.5) / c
        for a, e, c in zip(lower, extent, counts, strict=True)
    ]
    x = torch.cartesian_prod(*axes).reshape(-1, domain.dimension)
    level = domain.level(x)
    fitted = x[level <= -0.499 * min(h, float((extent / torch.tensor(counts)).min()))]
    return fitted if len(fitted) else x[level < 0]


SAMPLERS: dict[str, Callable[[DomainLike, int, int], Tensor]] = {
    "uniform": _uniform,
    "sobol": _sobol,
    "gauss": _gauss,
    "chebyshev": _chebyshev,
    "boundary-fitted": _boundary_fitted,
}
