"""Fields that know their derivatives: the notation in which equations are written.

The unknown `u` of an equation is not a network but its *jet* at the collocation points: the numbers D^α u(x₀).
`u.x` and `u.xx` pick a number from the jet. A derivative of an expression, `(k * u.x).x`, needs the unknown in
a neighbourhood, so every factor becomes its local Taylor polynomial

    D^β u(x) = Σ_{|γ| ≤ depth} D^{β+γ} u(x₀) (x - x₀)^γ / γ!        evaluated at x = x₀, with x requiring grad,

through which autograd returns exactly the derivatives asked for. `depth` is the deepest nesting of derivatives
of expressions; most equations have depth 0 and never build a polynomial.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pdesolve.errors import ProblemError

MultiIndex = tuple[int, ...]

_active: ContextVar[Frame | None] = ContextVar("active frame", default=None)


class DerivativeError(ProblemError, AttributeError):
    """A derivative was asked for that the coordinates do not allow."""


class Frame:
    """One evaluation of an equation at n points: coordinates, jets of the unknowns, normals.

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
        self._token = _active.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.reset(self._token)

    def arguments(self) -> dict[str, Any]:
        """The coordinates by name; from four space dimensions on, `x` is the (n, d) tensor; `n` the normal."""
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
        return Field(None, self, unknown=name, index=(0,) * len(self.names))

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
        return next(iter(self.coordinates.values())).new_zeros(self.size) if value is None else value

    def differentiate(self, field: Field, axis: str) -> Field:
        """∂/∂axis of any field; of an expression by autograd through the Taylor polynomials."""
        if field.unknown is not None:
            step = tuple(int(name == axis) for name in self.names)
            index = tuple(map(sum, zip(field.index, step, strict=True)))
            return Field(None, self, unknown=field.unknown, index=index)
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


class Field:
    """A scalar field (n,) that can be differentiated: `u.x`, `u.xx`, `u.derivative("x", "y")`.

    Arithmetic and every torch function work and give fields again. Where subscripts are ambiguous (x1, x2, …)
    write `u.x1x2` or the long form.

    Raises:
        DerivativeError: a subscript is no coordinate: "no derivative 'zz': the coordinates are x, t".
    """

    __array_ufunc__ = None  # numpy scalars on the left defer to us

    def __init__(
        self,
        tensor: Tensor | None,
        frame: Frame,
        unknown: str | None = None,
        index: MultiIndex = (),
        nesting: int = 0,
    ):
        self._tensor, self.frame, self.nesting = tensor, frame, nesting
        self.unknown, self.index = unknown, index

    @property
    def tensor(self) -> Tensor:
        """The values (n,); of an unknown only now taken from the jet, so that `u.xx` alone never asks for u."""
        if self._tensor is None:
            self._tensor = self.frame.taylor(self.unknown, self.index)  # type: ignore[arg-type]
        return self._tensor

    def derivative(self, *axes: str) -> Field:
        """∂…∂ along the named coordinates, in order."""
        for axis in axes:
            if axis not in self.frame.names:
                _no_derivative(axis, self.frame.names)
        result = self
        for axis in axes:
            result = self.frame.differentiate(result, axis)
        return result

    @property
    def t(self) -> Field:
        """∂/∂t (torch's own `t` is the transpose, which has no meaning here)."""
        return self.derivative("t")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        axes = split_subscripts(name, self.frame.names)
        if axes is not None:
            return self.derivative(*axes)
        method = getattr(Tensor, name, None)
        if method is None or re.fullmatch(r"[xyzt]+[0-9]?", name):
            _no_derivative(name, self.frame.names)
        if not callable(method):
            return getattr(self.tensor, name)
        return lambda *args, **kwargs: torch_call(method, (self, *args), kwargs)

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if any(issubclass(kind, Vector) for kind in types):
            return Vector.__torch_function__(func, types, args, kwargs)
        return torch_call(func, args, kwargs or {})

    def __getitem__(self, key: Any) -> Any:
        return torch_call(Tensor.__getitem__, (self, key), {})

    def __len__(self) -> int:
        return len(self.tensor)

    def __bool__(self) -> bool:
        message = (
            "the truth value of a field is ambiguous: `if u > 0` cannot choose per point; "
            "use torch.where(u > 0, a, b)"
        )
        raise ProblemError(message)

    def __float__(self) -> float:
        message = "a field has one value per point and is no single number; use torch functions (torch.sin) on it"
        raise ProblemError(message)

    def __repr__(self) -> str:
        return f"Field(shape={tuple(self.tensor.shape)}, coordinates={', '.join(self.frame.names)})"

    __hash__ = object.__hash__


def _no_derivative(name: str, names: Sequence[str]) -> None:
    message = f"no derivative '{name}': the coordinates are {', '.join(names)}"
    raise DerivativeError(message)


def torch_call(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Apply a torch function to the tensors inside fields; wrap what comes back."""
    frames: list[Field] = []

    def unwrap(value: Any) -> Any:
        if isinstance(value, Field):
            frames.append(value)
            return value.tensor
        if isinstance(value, (list, tuple)):
            return type(value)(unwrap(item) for item in value)
        return value

    result = func(*unwrap(tuple(args)), **{key: unwrap(value) for key, value in kwargs.items()})
    frame, nesting = frames[0].frame, max(field.nesting for field in frames)

    def wrap(value: Any) -> Any:
        if isinstance(value, Tensor):
            return Field(value, frame, nesting=nesting)
        return type(value)(map(wrap, value)) if type(value) in (list, tuple) else value

    return wrap(result)


def _operator(name: str) -> Callable:
    method = getattr(Tensor, name)

    def apply(self: Any, *others: Any) -> Any:
        if any(isinstance(other, Vector) for other in others):
            return NotImplemented
        return torch_call(method, (self, *others), {})

    return apply


_BINARY = "add sub mul truediv pow radd rsub rmul rtruediv rpow mod lt le gt ge eq ne and or xor".split()
for _name in [*_BINARY, "neg", "abs", "invert"]:
    setattr(Field, f"__{_name}__", _operator(f"__{_name}__"))
Field.__pos__ = lambda self: self  # type: ignore[attr-defined]


@lru_cache(maxsize=4096)
def split_subscripts(name: str, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Split "xxy" into ("x", "x", "y"), or None where it is no derivative of these coordinates.

    >>> split_subscripts("xxt", ("x", "t")), split_subscripts("x1x2", ("x1", "x2")), split_subscripts("q", ("x",))
    (('x', 'x', 't'), ('x1', 'x2'), None)
    """
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not re.fullmatch(f"(?:{pattern})+", name):
        return None
    return tuple(re.findall(pattern, name))


class Vector:
    """A vector of fields: adds, scales, dots with `@`, has components `.x`, `.y`, … and a divergence."""

    __array_ufunc__ = None

    def __init__(self, components: Iterable[Any], names: Sequence[str] = ()):
        self.components = tuple(components)
        self.names = tuple(names) or tuple(active_frame("vector").space_names[: len(self.components)])

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self.names[: len(self.components)]:
            return self.components[self.names.index(name)]
        message = f"a vector has the components {', '.join(self.names)}, no '{name}'"
        raise DerivativeError(message)

    def __iter__(self) -> Any:
        return iter(self.components)

    def __len__(self) -> int:
        return len(self.components)

    def __getitem__(self, i: int) -> Any:
        return self.components[i]

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Elementwise torch functions act on each component, scalars broadcasting."""
        sizes = {len(a) for a in args if isinstance(a, Vector)}
        if len(sizes) != 1:
            message = f"vectors of different lengths {sorted(sizes)} cannot be combined"
            raise ProblemError(message)
        picked = [
            [a.components[i] if isinstance(a, Vector) else a for a in args] for i in range(sizes.pop())
        ]
        names = next(a.names for a in args if isinstance(a, Vector))
        return Vector((func(*row, **(kwargs or {})) for row in picked), names)

    def __matmul__(self, other: Vector) -> Any:
        if len(self) != len(other):
            message = f"a vector of length {len(self)} cannot be dotted with one of length {len(other)}"
            raise ProblemError(message)
        return sum_of(a * b for a, b in zip(self, other, strict=True))

    def __rmatmul__(self, other: Any) -> Any:
        return self @ Vector(other, self.names)

    def norm(self) -> Any:
        """Euclidean length |v|."""
        return (self @ self).sqrt()

    def __neg__(self) -> Vector:
        return self * -1.0


def _vector_operator(name: str) -> Callable:
    import operator

    swap = name.startswith("r")
    func = getattr(operator, name[1:] if swap else name)

    def apply(self: Vector, other: Any) -> Vector:
        args = (other, self) if swap else (self, other)
        return Vector.__torch_function__(func, (), args)

    return apply


for _name in "add sub mul truediv radd rsub rmul".split():
    setattr(Vector, f"__{_name}__", _vector_operator(_name))


def sum_of(terms: Iterable[Any]) -> Any:
    """Sum without the integer 0 that `sum` starts from."""
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def active_frame(what: str) -> Frame:
    """The frame of the equation being evaluated."""
    frame = _active.get()
    if frame is None:
        message = f"{what}(…) works inside equations, conditions and exact solutions while they are evaluated"
        raise ProblemError(message)
    return frame


def as_field(value: Any, what: str = "grad") -> Field:
    """A field from a field, a tensor or a number, in the active frame."""
    if isinstance(value, Field):
        return value
    frame = active_frame(what)
    if isinstance(value, Tensor):
        return Field(value, frame)
    if isinstance(value, (int, float)):
        return Field(torch.full((frame.size,), float(value), dtype=frame.coordinates[frame.names[0]].dtype), frame)
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
