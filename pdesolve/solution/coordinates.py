"""Values at coordinates of any kind and shape: what kind comes in goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import UsageError
from pdesolve.geometry import Domain

# Of the domain's size: points that were computed to lie on the boundary are inside, rounding or not.
CLOSED = 1e-12


def at_coordinates(
    domain: Domain, function: Callable[[Tensor], Tensor], coordinates: Sequence[Any], names: Sequence[str]
) -> Any:
    """Values of a function at coordinates of one broadcast shape, NaN outside the closed domain.

    Args:
        domain: where the function is known.
        function: points (n, d) ↦ (n, u).
        coordinates: d numbers, arrays or tensors.
        names: of the u values.

    Returns:
        A number, array or tensor; for u > 1 a dict of them by name.

    Raises:
        UsageError: there are too few or too many coordinates, or they are no numbers of one shape.
    """
    if len(coordinates) != domain.dimension:
        expected = f"{domain.dimension}: {', '.join(domain.coordinates)}"
        message = f"received {len(coordinates)} coordinates, expected {expected}"
        raise UsageError(message)
    tensors = _broadcast(coordinates)
    points = torch.stack([c.reshape(-1) for c in tensors], dim=1)
    inside = closed(domain, points)
    values = torch.full((len(points), len(names)), torch.nan, dtype=torch.float64)
    values[inside] = function(points[inside]).to(torch.float64)
    results = [_as_given(column.reshape(tensors[0].shape), coordinates) for column in values.unbind(1)]
    if len(names) == 1:
        return results[0]
    return dict(zip(names, results, strict=True))


def with_complex(found: Any, parts: Mapping[str, tuple[str, ...]]) -> Any:
    """Values by name with complex ones in place of their parts; the only one there is without its name."""
    if not parts or not isinstance(found, dict):
        return found
    owner = {member: name for name, members in parts.items() for member in members}
    joined: dict[str, Any] = {}
    for member, value in found.items():
        name = owner[member] if member in owner else member
        joined[name] = joined[name] + 1j * value if name in joined else value
    return next(iter(joined.values())) if len(joined) == 1 else joined


def parts_asked(
    unknown: str | None, parts: Mapping[str, tuple[str, ...]], unknowns: Sequence[str]
) -> tuple[str | None, ...]:
    """The unknowns that are meant by a name, or by none: both parts of a complex one."""
    if unknown is None and list(parts.values()) == [tuple(unknowns)]:
        unknown = next(iter(parts))
    return parts.get(unknown or "", (unknown,))


def closed(domain: Domain, points: Tensor) -> Tensor:
    """Whether points (n, d) lie in the closed domain, (n,)."""
    extent = domain.bounds[1] - domain.bounds[0]
    return domain.contains(points, CLOSED * float(extent.max()))


def _as_given(values: Tensor, coordinates: Sequence[Any]) -> Any:
    """Numbers for numbers, a tensor on the device of the first tensor, and an array for anything else."""
    if all(isinstance(c, (int, float)) for c in coordinates):
        return float(values)
    for c in coordinates:
        if isinstance(c, Tensor):
            return values.to(c.device)
    return values.numpy()


def _broadcast(coordinates: Sequence[Any]) -> Sequence[Tensor]:
    try:
        tensors = [torch.as_tensor(c, dtype=torch.float64).detach().cpu() for c in coordinates]
        return torch.broadcast_tensors(*tensors)
    except (RuntimeError, TypeError, ValueError) as error:
        message = f"the coordinates are no numbers or arrays of one shape: {error}"
        raise UsageError(message) from None
