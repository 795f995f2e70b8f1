"""One evaluation of an equation: the points, the jets of the unknowns there, and the normals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.fields import ACTIVE, Field, MultiIndex, Vector, active, sum_of


class Frame:
    """One evaluation of an equation at n points: coordinates, jets of the unknowns, normals.

    While it is entered, torch's default dtype is that of the points: `torch.tensor([0.5])` then fits.

    Args:
        names: coordinate names in order, e.g. ("x", "y", "t").
        points: (n, d).
        jet: `jet(unknown, multi_index) -> (n,)` or None where that derivative is not part of the jet.
        depth: order of the Taylor polynomials (nesting of derivatives of expressions).
        normals: outward unit normals (n, d) on a boundary, else None.
    """

    def __init__(
        self,
        names: Sequence[str],
        points: Tensor,
        jet: Callable[[str, MultiIndex], Tensor | None] | None = None,
        depth: int = 0,
        normals: Tensor | None = None,
    ):
        self.names = tuple(names)
        self.space_names = tuple(name for name in self.names if name != "t")
        self.size = points.shape[0]
        self.depth = depth
        self.deepest = 0  # the nesting that the equation asked for
        self.requested: set[tuple[str, MultiIndex]] = set()
        self._jet = jet
        self._normals = normals
        columns = points.detach().unbind(1)
        # Only nested derivatives differentiate through the coordinates; without, no graph is built.
        leaves = (column.clone().requires_grad_(depth > 0) for column in columns)
        self.coordinates = dict(zip(self.names, leaves, strict=True))
        if depth > 0:
            # Zero by value; the derivatives of the Taylor polynomial go through them.
            self._offsets = [self.coordinates[k] - c for k, c in zip(self.names, columns, strict=True)]

    def __enter__(self) -> Frame:
        self._token = ACTIVE.set(self)
        self._default_dtype = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(self._default_dtype)
        ACTIVE.reset(self._token)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the points."""
        return self.coordinates[self.names[0]].dtype

    def full(self, value: float) -> Tensor:
        """A constant (n,) on the device of the points."""
        return self.coordinates[self.names[0]].detach().new_full((self.size,), float(value))

    def arguments(self) -> dict[str, Any]:
        """Coordinates by name; from four space dimensions on, `x` is the (n, d) tensor; `n` the normal."""
        found: dict[str, Any] = dict(self.coordinates)
        # From four space dimensions on there are no letters left, and functions take all coordinates at once.
        if "x1" in found:
            found["x"] = torch.stack([found[name] for name in self.space_names], dim=1)
        if self._normals is not None:
            found["n"] = self.normal
        return found

    @property
    def normal(self) -> Vector:
        """Outward unit normal (space components), on a boundary only."""
        if self._normals is None:
            message = "there is no normal 'n' here: it exists on boundaries, in Condition functions"
            raise ProblemError(message)
        return Vector(self._normals.unbind(1)[: len(self.space_names)], self.space_names)

    def unknown(self, name: str) -> Field:
        """The unknown called `name`, as a field whose derivatives come from the jet."""
        return Field(None, self, {(name, (0,) * len(self.names)): 1.0})

    def taylor(self, name: str, index: MultiIndex) -> Tensor:
        """D^index of an unknown as its Taylor polynomial at the points; (n,)."""
        self.requested.add((name, index))
        if self.depth == 0:
            value = self._jet(name, index)  # type: ignore[misc]
            return self.full(0.0) if value is None else value
        terms: list[Tensor] = []
        for gamma in multi_indices(len(self.names), self.depth):
            coefficient = self._jet(name, tuple(map(sum, zip(index, gamma, strict=True))))  # type: ignore[misc]
            if coefficient is not None:
                terms.append(self._monomial(coefficient, gamma))
        if not terms:  # a derivative beyond those of the jet vanishes
            return self.full(0.0)
        return sum_of(terms)

    def _monomial(self, coefficient: Tensor, gamma: MultiIndex) -> Tensor:
        """Coefficient · (x - x₀)^γ / γ!, evaluated where x = x₀: its derivatives are what counts."""
        for axis, power in enumerate(gamma):
            if power:
                coefficient = coefficient * self._offsets[axis] ** power / math.factorial(power)
        return coefficient

    def differentiate(self, field: Field, axis: str) -> Field:
        """∂/∂axis of any field; of an expression by autograd through the Taylor polynomials."""
        if field.combination is not None:
            i = self.names.index(axis)
            terms = field.combination.items()
            raised = {(u, (*a[:i], a[i] + 1, *a[i + 1 :])): factor for (u, a), factor in terms}
            return Field(None, self, raised)
        nesting = field.nesting + 1
        # An equation that nests deeper than the frame allows for is evaluated again in a deeper one.
        self.deepest = max(self.deepest, nesting)
        gradient = self._gradient(field.tensor, self.coordinates[axis])
        return Field(gradient, self, nesting=nesting)

    def _gradient(self, value: Tensor, coordinate: Tensor) -> Tensor:
        """∂ value_i / ∂ coordinate_i for each point; zero where the value does not depend on the coordinate."""
        if not (value.requires_grad and coordinate.requires_grad):
            return torch.zeros_like(value)
        # Each value depends on its own point only, so the gradient of the sum holds all derivatives.
        (gradient,) = torch.autograd.grad(value.sum(), coordinate, create_graph=True, allow_unused=True)
        if gradient is None:
            return torch.zeros_like(value)
        return gradient


@lru_cache
def multi_indices(dimension: int, order: int) -> tuple[MultiIndex, ...]:
    """All multi-indices of total order ≤ `order`, lowest first."""
    found = itertools.product(range(order + 1), repeat=dimension)
    return tuple(sorted((a for a in found if sum(a) <= order), key=lambda a: (sum(a), a[::-1])))


def active_frame(what: str) -> Frame:
    """The frame of the equation being evaluated, for the operator `what`.

    Raises:
        ProblemError: no equation is being evaluated.
    """
    return cast(Frame, active(what))  # only `Frame.__enter__` sets it
