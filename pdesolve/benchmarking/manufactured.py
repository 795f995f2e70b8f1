"""Manufactured problems: from an operator and an exact solution, the equation whose source follows by autograd."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.statement.calculus import Field, Frame, MultiIndex, active_frame

# Unknowns and coordinates ↦ a field, or a tuple of them
Operator = Callable[..., Any]


def with_arguments(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """The function of keywords `function(**fields)` as one that asks for these arguments by name."""

    def named(**fields: Any) -> Any:
        return function(**fields)

    kind = inspect.Parameter.KEYWORD_ONLY
    named.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    named.__name__ = getattr(function, "__name__", "function")
    return named


def manufactured(
    operator: Operator, exact: Mapping[str, Callable[..., Tensor]], coordinates: Sequence[str]
) -> Callable[..., Any]:
    """The equation L(u) - L(u*) for an operator L and an exact solution u*.

    L is evaluated twice: on the unknowns, and on fields whose jets are those of u*, so that it is written once and
    its source cannot be wrong. The same serves for the function of a `Condition`, where L may use the normal.

    Args:
        operator: L, a function of unknowns and coordinates by name, as in a problem file.
        exact: name of each unknown → its exact solution, a function of the coordinates in order.
        coordinates: their names in order, time last.

    Returns:
        A function for `Problem(equation=…)` or `Condition(…)`.
    """
    wanted = tuple(inspect.signature(operator).parameters)

    def evaluate(fields: Mapping[str, Any]) -> Any:
        return operator(**{name: fields[name] for name in wanted})

    def equation(**fields: Any) -> Any:
        outer = active_frame("manufactured")
        points = torch.stack([fields[name].detach() for name in coordinates], dim=1)
        inner = Frame(outer.names, points, _jets(exact, points), outer.depth, outer._normals)
        known = {name: inner.unknown(name) for name in exact}
        with inner:
            source = evaluate({**inner.coordinates, **known})
        found = evaluate(fields)
        if not isinstance(found, tuple):
            return found - _values(source)
        return tuple(f - _values(s) for f, s in zip(found, source, strict=True))

    return with_arguments(equation, (*exact, *coordinates))


def _values(source: Any) -> Tensor:
    return (source.tensor if isinstance(source, Field) else torch.as_tensor(source)).detach()


def _jets(exact: Mapping[str, Callable[..., Tensor]], points: Tensor) -> Callable[[str, MultiIndex], Tensor]:
    """`jet(unknown, α)` = D^α of its exact solution, by nested autograd; lower orders are kept."""
    leaves = [column.clone().requires_grad_() for column in points.unbind(1)]
    zero = (0,) * len(leaves)
    found: dict[tuple[str, MultiIndex], Tensor] = {}

    def derivative(name: str, index: MultiIndex) -> Tensor:
        if (name, index) not in found:
            if index == zero:
                found[name, index] = exact[name](*leaves)
            else:
                axis = max(i for i, order in enumerate(index) if order)
                below = derivative(name, tuple(k - (i == axis) for i, k in enumerate(index)))
                gradient = None
                if below.requires_grad:
                    (gradient,) = torch.autograd.grad(
                        below.sum(), leaves[axis], create_graph=True, allow_unused=True
                    )
                if gradient is None:
                    found[name, index] = torch.zeros_like(points[:, 0])
                else:
                    found[name, index] = gradient
        return found[name, index]

    def jet(name: str, index: MultiIndex) -> Tensor:
        with torch.enable_grad():
            return derivative(name, index).detach()

    return jet


def normal_slope(
    exact: Callable[..., Tensor], normal_at: Callable[[Tensor], Tensor], space_dimension: int
) -> Callable[..., Tensor]:
    """∂u*/∂n as a function of the coordinates in order, on a piece of boundary with these normals (n, d)."""

    def slope(*columns: Tensor) -> Tensor:
        points = torch.stack([c.detach() for c in columns], dim=1)
        jets = _jets({"u": exact}, points)
        normals = normal_at(points)
        d = points.shape[1]
        parts = [
            normals[:, i] * jets("u", tuple(int(j == i) for j in range(d))) for i in range(space_dimension)
        ]
        return torch.stack(parts).sum(dim=0)

    return slope
