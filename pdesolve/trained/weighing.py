"""Weights of the parts of a loss: given by the user, or such that their gradients are of one size.

The rows are scaled so that the parts of the loss are comparable (`scaling`). Where training favours one all the same,
Wang, Sankaran, Wang & Perdikaris, An expert's guide to training physics-informed neural networks (2023,
arXiv:2308.08468, section 5) weigh the parts by λ_i = Σ_j ‖∇L_j‖ / ‖∇L_i‖.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pdesolve.errors import UsageError
from pdesolve.trained.rows import Group
from pdesolve.trained.system import System

ADAPTIVE = "adaptive"
# A part whose gradient happens to vanish would get all of the weight otherwise.
MOST = 1e3
Weights = str | Mapping[str, float] | None


def weighted(groups: Sequence[Group], weights: Weights, alone: Callable[[Group], System]) -> list[Group]:
    """Groups with their rows times √λ, so that λ weighs the loss.

    Args:
        groups: of all parts.
        weights: "adaptive", λ by kind of a part, as "equation=1,dirichlet=100" or a dict, or None.
        alone: a group ↦ its own loss, at the present parameters.

    Raises:
        UsageError: the problem has no part of such a kind, or a weight is no number above zero.
    """
    if weights is None:
        return list(groups)
    if weights == ADAPTIVE:
        return _balanced(groups, alone)
    stated = parsed(weights, sorted({group.kind for group in groups}))
    return [group.scaled(stated.get(group.kind, 1.0) ** 0.5) for group in groups]


def parsed(weights: str | Mapping[str, float], kinds: Sequence[str]) -> dict[str, float]:
    """λ by kind.

    Raises:
        UsageError: see `weighted`.
    """
    pairs: dict[str, Any] = {}
    if isinstance(weights, str):
        for part in weights.split(","):
            kind, _, text = part.partition("=")
            pairs[kind] = text
    else:
        pairs |= weights
    found = {}
    for kind, text in pairs.items():
        if kind.strip() not in kinds:
            message = f"weights: there is no part '{kind}' of the loss; expected adaptive, or one of {', '.join(kinds)}"
            raise UsageError(message)
        try:
            found[kind.strip()] = float(text)
        except (TypeError, ValueError):
            found[kind.strip()] = 0.0
        if not 0 < found[kind.strip()] < float("inf"):
            message = f"weights: {kind}={text}; expected a number above 0"
            raise UsageError(message)
    return found


def _balanced(groups: Sequence[Group], alone: Callable[[Group], System]) -> list[Group]:
    sizes = []
    for group in groups:
        system = alone(group)
        sizes.append(float(system.loss_and_gradient(system.theta)[1].norm()))
    total = sum(sizes)
    return [
        group.scaled(min(total / max(size, 1e-300), MOST) ** 0.5)
        for group, size in zip(groups, sizes, strict=True)
    ]
