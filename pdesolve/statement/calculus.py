"""Fields that know their derivatives: the notation in which equations are written.

The unknown `u` of an equation is not a network but its *jet* at the collocation points: the numbers D^α u at
x₀. `u.x` and `u.xx` pick a number from the jet, and so do combinations Σ c D^α u with numbers c, such as
`laplace(laplace(u))`. A derivative of any other expression, `(k * u.x).x`, needs the unknown in a
neighbourhood, so every factor becomes its local Taylor polynomial

    D^β u(x) = Σ_{|γ| ≤ depth} D^{β+γ} u(x₀) (x - x₀)^γ / γ!      evaluated at x = x₀, with x requiring grad,

through which autograd returns exactly the derivatives asked for. `depth` is the deepest nesting of
derivatives of expressions; most equations have depth 0 and never build a polynomial.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.fields import ACTIVE, DerivativeError, Field, MultiIndex, Vector, active_frame, sum_of

__all__ = [
    "DerivativeError",
    "Field",
    "Frame",
    "MultiIndex",
    "Vector",
    "active_frame",
    "as_field",
    "curl",
    "div",
    "grad",
    "laplace",
    "multi_indices",
    "normal_derivative",
    "vector",
]


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
        self.coordinates = dict(
            zip(self.names, (c.clone().requires_grad_(depth > 0) for c in columns), strict=True)
        )
        if depth > 0:
            self._offsets = [self.coordinates[k] - c for k, c in zip(self.names, columns, strict=True)]

    def __enter__(self) -> Frame:
        self._token, self._default_dtype = ACTIVE.set(self), torch.get_default_dtype()
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
        value = None
        for gamma in multi_indices(len(self.names), self.depth):
            coefficient = self._jet(name, tuple(map(sum, zip(index, gamma, strict=True))))  # type: ignore[misc]
            if coefficient is None:
                continue
            term = coefficient
            for offset, power in zip(self._offsets if self.depth else (), gamma, strict=False):
                if power:
                    term = term * offset**power / math.factorial(power)
            value = term if value is None else value + term
        return self.full(0.0) if value is None else value

    def differentiate(self, field: Field, axis: str) -> Field:
        """∂/∂axis of any field; of an expression by autograd through the Taylor polynomials."""
        if field.combination is not None:
            i = self.names.index(axis)
            raised = {
                (u, (*a[:i], a[i] + 1, *a[i + 1 :])): factor for (u, a), factor in field.combination.items()
            }
            return Field(None, self, raised)
        nesting = field.nesting + 1
        self.deepest = max(self.deepest, nesting)
        value, gradient = field.tensor, None
        if value.requires_grad and self.coordinates[axis].requires_grad:
            (gradient,) = torch.autograd.grad(
                value.sum(), self.coordinates[axis], create_graph=True, allow_unused=True
            )
        return Field(torch.zeros_like(value) if gradient is None else gradient, self, nesting=nesting)


@lru_cache
def multi_indices(dimension: int, order: int) -> tuple[MultiIndex, ...]:
    """All multi-indices of total order ≤ `order`, lowest first."""
    found = itertools.product(range(order + 1), repeat=dimension)
    return tuple(sorted((a for a in found if sum(a) <= order), key=lambda a: (sum(a), a[::-1])))


def as_field(value: Any, what: str = "grad") -> Field:
    """A field from a field, a tensor or a number, in the active frame."""
    if isinstance(value, Field):
        return value
    frame = active_frame(what)
    if isinstance(value, Tensor):
        return Field(value, frame)
    if isinstance(value, (int, float)):
        return Field(frame.full(value), frame)
    message = f"{what}(…) received a {type(value).__name__}; it takes a field (an unknown or an expression)"
    raise ProblemError(message)


def vector(*components: Any) -> Vector:
    """The vector field with these components: `vector(a, b)`."""
    return Vector(components)


def grad(u: Any) -> Vector:
    """Gradient ∇u in the space coordinates."""
    if isinstance(u, Vector):
        message = "grad(…) received a vector; take the gradient of each component"
        raise ProblemError(message)
    u = as_field(u, "grad")
    return Vector((u.derivative(name) for name in u.frame.space_names), u.frame.space_names)


def div(v: Any) -> Any:
    """Divergence ∇·v of a vector with one component per space coordinate."""
    if not isinstance(v, Vector):
        message = f"div(…) received a {type(v).__name__}; it takes a vector: div(grad(u)), div(vector(a, b))"
        raise ProblemError(message)
    fields = [as_field(component, "div") for component in v]
    names = fields[0].frame.space_names
    if len(fields) != len(names):
        message = f"div(…) received {len(fields)} components; the space coordinates are {', '.join(names)}"
        raise ProblemError(message)
    return sum_of(f.derivative(name) for f, name in zip(fields, names, strict=True))


def laplace(u: Any) -> Any:
    """Laplacian Δu = Σ ∂²u/∂x_i² over the space coordinates (of a vector: of each component)."""
    if isinstance(u, Vector):
        return Vector(map(laplace, u), u.names)
    u = as_field(u, "laplace")
    return sum_of(u.derivative(name, name) for name in u.frame.space_names)


def curl(v: Any) -> Any:
    """Curl: of a scalar in 2-D (u_y, -u_x); of a 2-D vector v_x - u_y; of a 3-D vector ∇×v."""
    if not isinstance(v, Vector):
        g = grad(v)
        if len(g) != 2:
            message = "curl(…) of a scalar needs two space coordinates"
            raise ProblemError(message)
        return Vector((g[1], -g[0]), g.names)
    f = [as_field(component, "curl") for component in v]
    names = f[0].frame.space_names
    if len(f) == 2 == len(names):
        return f[1].derivative(names[0]) - f[0].derivative(names[1])
    if len(f) == 3 == len(names):
        cyclic = ((1, 2), (2, 0), (0, 1))
        return Vector((f[j].derivative(names[i]) - f[i].derivative(names[j]) for i, j in cyclic), names)
    message = f"curl(…) received {len(f)} components with the coordinates {', '.join(names)}"
    raise ProblemError(message)


def normal_derivative(u: Any) -> Any:
    """∂u/∂n = n·∇u on a boundary."""
    return active_frame("normal_derivative").normal @ grad(u)
