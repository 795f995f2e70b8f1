"""Components that do little are exchanged for others, where the residual is and in the likeness of those that work.

Levenberg–Marquardt moves components, slowly where they lie in a flat part of the loss: too narrow, doubled, or turned
away from everything. Removing the cheapest and adding those that lower the residual most is a step that no derivative
shows; it is taken only if it lowers the loss.

Letters: m rows, k components, u unknowns, q shape parameters of a component.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pdesolve.approximators import GaussianMixture
from pdesolve.least_squares.dense.stopping import half_square
from pdesolve.least_squares.dense.variable_projection import SeparableProblem
from pdesolve.trained.mixture import SeparableMixture

# Of the components, tried one after the other
SHARES = (0.1, 0.03, 0.01)
# For each component that is exchanged
CANDIDATES = 8
LEAST_CANDIDATES = 100
# Of a column must be left beside the others; below, the rest is rounding
VISIBLE = 1e-6


def exchange(
    separable: SeparableMixture, problem: SeparableProblem, alpha: Tensor, seed: int
) -> Tensor | None:
    """Shapes α (k·q,) with some components exchanged and a smaller loss, or None where none was found.

    Args:
        separable: the mixture and its rows.
        problem: its separable problem.
        alpha: present shapes, (k·q,).
        seed: of the candidates.
    """
    loss = half_square(problem.residual(alpha))
    order = problem.removal_costs(alpha).argsort()
    generator = torch.Generator().manual_seed(seed)
    k = len(order)
    for count in sorted({max(1, round(share * k)) for share in SHARES}, reverse=True):
        if count >= k:
            continue
        kept = order[count:]
        shapes = _offspring(separable, problem.residual(alpha), kept, _candidates(count), generator)
        chosen = _pursue(separable, problem, alpha, kept, shapes, count)
        table = alpha.reshape(k, -1).clone()
        table[order[:count]] = shapes[chosen]
        if half_square(problem.residual(table.reshape(-1))) < loss:
            return table.reshape(-1)
    return None


def _candidates(count: int) -> int:
    return max(LEAST_CANDIDATES, CANDIDATES * count)


def _pursue(
    separable: SeparableMixture,
    problem: SeparableProblem,
    alpha: Tensor,
    kept: Tensor,
    shapes: Tensor,
    count: int,
) -> Tensor:
    """Candidates (count,) by orthogonal matching pursuit beside the kept components.

    Source: Pati, Rezaiifar & Krishnaprasad 1993.
    """
    Q, residual = problem.complement(alpha, kept)
    settings = {**separable.mixture.config(), "components": len(shapes), "skip": False}
    others = GaussianMixture(**settings).to(separable.mixture.coefficients)
    columns = SeparableMixture(others, separable.groups, separable.sizes).basis(shapes.reshape(-1))  # m b u
    columns = columns / torch.linalg.vector_norm(columns, dim=0).clamp_min(1e-300)
    m, b, u = columns.shape
    flat = columns.reshape(m, b * u)
    flat = (flat - Q @ (Q.T @ flat)).reshape(m, b, u)
    chosen: list[int] = []
    for _ in range(count):
        norms = torch.linalg.vector_norm(flat, dim=0)
        gain = torch.einsum("m,mbu->bu", residual, flat) / norms.clamp_min(1e-300)
        gain = torch.where(norms > VISIBLE, gain.square(), torch.zeros_like(gain)).sum(1)
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        q = torch.linalg.qr(flat[:, chosen[-1]]).Q
        residual = residual - q @ (q.T @ residual)
        flat = flat - torch.einsum("mi,ibu->mbu", q, torch.einsum("mi,mbu->ibu", q, flat))
    return torch.tensor(chosen)


def _offspring(
    separable: SeparableMixture, residual: Tensor, parents: Tensor, count: int, generator: torch.Generator
) -> Tensor:
    """Shapes (count, q) like those of random parents, at points drawn by the squares of their residuals."""
    squares = []
    points = []
    start = 0
    for group in separable.groups:
        if group.combine is None:
            height = len(group.points)
        else:
            height = len(group.combine)
        rows = residual[start : start + height * group.weights.shape[1]]
        start += len(rows)
        if group.combine is None:
            squares.append(rows.reshape(height, -1).square().sum(1))
            points.append(group.points)
    density = torch.cat(squares).cpu().clamp_min(1e-300)
    drawn = torch.multinomial(density, count, replacement=True, generator=generator)
    picked = parents[torch.randint(len(parents), (count,), generator=generator)]
    places = torch.cat(points)[drawn.to(residual.device)]
    shapes = vary(separable.mixture, picked, places, generator)
    return torch.cat([shape.reshape(count, -1) for shape in shapes], dim=1)


def vary(
    mixture: GaussianMixture, parents: Tensor, places: Tensor, generator: torch.Generator
) -> list[Tensor]:
    """Shape parameters, each (count, …), of components like their parents (count,) but for size and place."""

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(places)

    size = torch.exp(0.5 * noise(len(parents)))
    found = []
    for name, parameter in mixture.named_parameters():
        own = parameter.detach()[parents]
        if name == "centres":
            found.append(places)
        elif name == "log_widths":
            found.append(own + size.log().reshape(-1, *[1] * (own.ndim - 1)))
        elif name == "projections":
            found.append(own / size[:, None, None])
        elif name == "directions":
            turned = (
                torch.linalg.vector_norm(own, dim=1, keepdim=True) * noise(*own.shape) / own.shape[1] ** 0.5
            )
            found.append((own + 0.3 * noise(len(own), 1) * turned) / size[:, None])
        elif name == "offsets":
            found.append((found[-1] * places).sum(1))
    return found
