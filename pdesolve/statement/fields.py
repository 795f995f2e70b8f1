"""Fields and vectors of fields: values at points that can be differentiated and combined.

A field is either Σ c D^α u with numbers c, known by its terms and taken from the jet when its values are
needed, or an expression with values and an autograd graph. How to differentiate it is its frame's business.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.complex_fields import Complex, parts_of

MultiIndex = tuple[int, ...]
# Σ c D^α u, by (u, α).
Combination = dict[tuple[str, MultiIndex], float]


class Evaluation(Protocol):
    """What a field knows of the evaluation it belongs to; `Frame` is the one there is."""

    names: tuple[str, ...]
    space_names: tuple[str, ...]
    coordinates: dict[str, Tensor]

    @property
    def normal(self) -> Vector:
        """Outward unit normal, on a boundary only."""

    def full(self, value: float) -> Tensor:
        """A constant (n,) on the device of the points."""

    def taylor(self, name: str, index: MultiIndex) -> Tensor:
        """D^index of an unknown as its Taylor polynomial at the points; (n,)."""

    def differentiate(self, field: Field, axis: str) -> Field:
        """∂/∂axis of a field."""


ACTIVE: ContextVar[Evaluation | None] = ContextVar("active frame", default=None)


class DerivativeError(ProblemError, AttributeError):
    """A derivative was asked for that the coordinates do not allow."""


def torch_call(func: Callable, args: tuple, kwargs: dict) -> Any:
    """Apply a torch function to the tensors inside fields; wrap what comes back."""
    fields: list[Field] = []

    def unwrap(value: Any) -> Any:
        if isinstance(value, Field):
            fields.append(value)
            return value.tensor
        if isinstance(value, (np.ndarray, np.generic)):
            return torch.as_tensor(value)
        if isinstance(value, (list, tuple)):
            return type(value)(unwrap(item) for item in value)
        return value

    result = func(*unwrap(tuple(args)), **{key: unwrap(value) for key, value in kwargs.items()})
    return _wrapped(result, fields[0].frame, max(field.nesting for field in fields))


def _wrapped(value: Any, frame: Evaluation, nesting: int) -> Any:
    """Fields for the tensors in what a torch function returned."""
    if isinstance(value, Tensor) and value.is_complex():
        return Complex(*(Field(part, frame, nesting=nesting) for part in (value.real, value.imag)))
    if isinstance(value, Tensor):
        return Field(value, frame, nesting=nesting)
    # Exactly these: a named tuple, such as that of `torch.max`, takes its parts one by one.
    if type(value) in (list, tuple):
        return type(value)(_wrapped(one, frame, nesting) for one in value)
    return value


def _scaled(a: Combination, factor: Any) -> Combination | None:
    """`factor * a` for a number; None for anything else (a coefficient that may vary)."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float)):
        return None
    return {key: factor * value for key, value in a.items()}


def _divided(a: Combination, divisor: Any) -> Combination | None:
    if not isinstance(divisor, (int, float)) or not divisor:  # by zero, torch gives inf rather than an error
        return None
    return _scaled(a, 1 / divisor)


def _added(a: Combination, other: Any, sign: float = 1.0) -> Combination | None:
    """`a + sign * other`; what cancels keeps its place with the factor 0."""
    if not isinstance(other, Field) or other.combination is None:
        return None
    both = {**dict.fromkeys(other.combination, 0.0), **a}
    return {key: value + sign * other.combination.get(key, 0.0) for key, value in both.items()}


_COMBINE: dict[str, Callable[..., Combination | None]] = {
    "__neg__": lambda a: _scaled(a, -1.0),
    "__mul__": _scaled,
    "__rmul__": _scaled,
    "__truediv__": _divided,
    "__add__": _added,
    "__sub__": lambda a, other: _added(a, other, -1.0),
}


# What a field and a complex number give without a tensor: Σ c D^α u stays one.
_OF_COMPLEX = {f"__{r}{name}__" for r in ("", "r") for name in ("add", "sub", "mul", "truediv")}


def _operator(name: str) -> Callable:
    method = getattr(Tensor, name)
    combine = _COMBINE.get(name)

    def apply(self: Any, *others: Any) -> Any:
        # Vectors and complex fields know how to add or scale themselves by a field; a field does not know them.
        if any(isinstance(other, (Vector, Complex)) for other in others):
            return NotImplemented
        if others and isinstance(others[0], complex) and name in _OF_COMPLEX:
            return getattr(Complex(self, 0.0 * self), name)(others[0])
        # Σ c D^α u stays one as long as factors are numbers: no values are needed, and no graph is built.
        if combine is not None and self.combination is not None:
            combination = combine(self.combination, *others)
            if combination is not None:
                return Field(None, self.frame, combination)
        return torch_call(method, (self, *others), {})

    return apply


def active(what: str) -> Evaluation:
    """The evaluation in which an equation is being written down, for the operator `what`."""
    evaluation = ACTIVE.get()
    if evaluation is None:
        message = f"{what}(…) works inside equations, conditions and exact solutions while they are evaluated"
        raise ProblemError(message)
    return evaluation


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
        frame: Evaluation,
        combination: Combination | None = None,
        nesting: int = 0,
    ):
        self._tensor = tensor
        self.frame = frame
        self.nesting = nesting
        self.combination = combination  # known as Σ c D^α u, else None

    @property
    def tensor(self) -> Tensor:
        """The values (n,); taken from the jet only now, so that `u.xx` alone never asks for u."""
        if self._tensor is None:
            terms = self.combination.items()  # type: ignore[union-attr]
            values = ((self.frame.taylor(u, index), factor) for (u, index), factor in terms)
            self._tensor = sum_of(value if factor == 1 else factor * value for value, factor in values)
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

    def modulus(self, imag: Field) -> Field:
        """|a + ib| for this field a and another one."""
        return Modulus(self, imag)

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
        # `u.xz` on a plane is a wrong derivative, even where torch has a method of such a name.
        if method is None or re.fullmatch(r"[xyzt]+[0-9]?", name):
            _no_derivative(name, self.frame.names)
        if not callable(method):
            return getattr(self.tensor, name)
        return lambda *args, **kwargs: torch_call(method, (self, *args), kwargs)

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        for composite in (Vector, Complex):
            if any(issubclass(kind, composite) for kind in types):
                return composite.__torch_function__(func, types, args, kwargs)
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
        message = "a field has one value per point and is no number; use torch functions (torch.sin) on it"
        raise ProblemError(message)

    def __repr__(self) -> str:
        return f"Field(shape={tuple(self.tensor.shape)}, coordinates={', '.join(self.frame.names)})"

    def __pos__(self) -> Field:
        return self

    __hash__ = object.__hash__
    __neg__ = _operator("__neg__")
    __abs__ = _operator("__abs__")
    __invert__ = _operator("__invert__")
    __add__ = _operator("__add__")
    __radd__ = _operator("__radd__")
    __sub__ = _operator("__sub__")
    __rsub__ = _operator("__rsub__")
    __mul__ = _operator("__mul__")
    __rmul__ = _operator("__rmul__")
    __truediv__ = _operator("__truediv__")
    __rtruediv__ = _operator("__rtruediv__")
    __pow__ = _operator("__pow__")
    __rpow__ = _operator("__rpow__")
    __mod__ = _operator("__mod__")
    __lt__ = _operator("__lt__")
    __le__ = _operator("__le__")
    __gt__ = _operator("__gt__")
    __ge__ = _operator("__ge__")
    __and__ = _operator("__and__")
    __or__ = _operator("__or__")
    __xor__ = _operator("__xor__")
    __eq__ = _operator("__eq__")  # type: ignore[assignment]  # one truth value for each point, as torch
    __ne__ = _operator("__ne__")  # type: ignore[assignment]


class Modulus(Field):
    """|a + ib|: even powers of it are polynomials in the parts, whose derivatives exist where both vanish."""

    def __init__(self, real: Field, imag: Field):
        super().__init__(None, real.frame, nesting=max(real.nesting, imag.nesting))
        self.parts = (real, imag)

    @property
    def tensor(self) -> Tensor:
        """The values (n,)."""
        if self._tensor is None:
            self._tensor = torch.complex(*(part.tensor for part in self.parts)).abs()
        return self._tensor

    def __pow__(self, n: Any) -> Any:
        if isinstance(n, int) and n > 0 and n % 2 == 0:
            a, b = self.parts
            square = a**2 + b**2
            return square if n == 2 else square ** (n // 2)
        return super().__pow__(n)


def _no_derivative(name: str, names: Sequence[str]) -> None:
    hint = ""
    if "t" in name and set(name) <= {*names, "t"}:
        hint = "; a domain with time is domain * TimeInterval(0, 1)"
    elif name.startswith("d") and name[1:] and set(name[1:]) <= set(names):
        hint = f"; write u.{name[1:]}"
    message = f"no derivative '{name}': the coordinates are {', '.join(names)}{hint}"
    raise DerivativeError(message)


@lru_cache(maxsize=4096)
def split_subscripts(name: str, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Split "xxy" into ("x", "x", "y"), or None where it is no derivative of these coordinates.

    >>> split_subscripts("xxt", ("x", "t"))
    ('x', 'x', 't')
    >>> split_subscripts("x1x2", ("x1", "x2")), split_subscripts("q", ("x",))
    (('x1', 'x2'), None)
    """
    # The longest names first: x10 must not be read as x1 and a zero.
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not re.fullmatch(f"(?:{pattern})+", name):
        return None
    return tuple(re.findall(pattern, name))


def _vector_operator(name: str) -> Callable:
    swap = name.startswith("r")
    func = getattr(operator, name.removeprefix("r"))

    def apply(self: Vector, other: Any) -> Vector:
        if swap:
            return type(self).__torch_function__(func, (), (other, self))
        return type(self).__torch_function__(func, (), (self, other))

    return apply


class Vector:
    """A vector of fields: adds, scales, dots with `@`, has components `.x`, `.y`, … and a divergence."""

    __array_ufunc__ = None

    def __init__(self, components: Iterable[Any], names: Sequence[str] = ()):
        self.components = tuple(components)
        self.names = tuple(names) or tuple(active("vector").space_names[: len(self.components)])

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
        _require_one_kind(args)
        # Vectors of one length act component by component with scalars between them.
        sizes = {len(a) for a in args if isinstance(a, Vector)}
        if len(sizes) != 1:
            message = f"vectors of different lengths {sorted(sizes)} cannot be combined"
            raise ProblemError(message)
        picked = [[a.components[i] if isinstance(a, Vector) else a for a in args] for i in range(sizes.pop())]
        names = next(a.names for a in args if isinstance(a, Vector))
        return Vector((func(*row, **(kwargs or {})) for row in picked), names)

    def __matmul__(self, other: Vector) -> Any:
        if len(self) != len(other):
            message = f"a vector of length {len(self)} cannot be dotted with one of length {len(other)}"
            raise ProblemError(message)
        return sum_of(a * b for a, b in zip(self, other, strict=True))

    def __rmatmul__(self, other: Any) -> Any:
        return self @ Vector(other, self.names)

    @property
    def real(self) -> Vector:
        """The real parts."""
        return Vector((parts_of(c)[0] for c in self), self.names)

    @property
    def imag(self) -> Vector:
        """The imaginary parts of a vector of complex fields."""
        return Vector((parts_of(c)[1] for c in self), self.names)

    def norm(self) -> Any:
        """Euclidean length |v|."""
        if any(isinstance(c, Complex) for c in self):
            return sum_of(abs(c) ** 2 for c in self).sqrt()
        return (self @ self).sqrt()

    def __bool__(self) -> bool:
        message = (
            "the truth value of a vector is ambiguous; compare a component, or its norm, with torch.where"
        )
        raise ProblemError(message)

    def __neg__(self) -> Vector:
        return self * -1.0

    __add__ = _vector_operator("add")
    __sub__ = _vector_operator("sub")
    __mul__ = _vector_operator("mul")
    __truediv__ = _vector_operator("truediv")
    __radd__ = _vector_operator("radd")
    __rsub__ = _vector_operator("rsub")
    __rmul__ = _vector_operator("rmul")


def _require_one_kind(args: Sequence[Any]) -> None:
    """See that a matrix, whose components are vectors, is not taken for a vector.

    Raises:
        ProblemError: it is.
    """
    if len({any(isinstance(c, Vector) for c in a.components) for a in args if isinstance(a, Vector)}) > 1:
        message = "a matrix and a vector are multiplied with @, and cannot be added or multiplied elementwise"
        raise ProblemError(message)


def sum_of(terms: Iterable[Any]) -> Any:
    """Sum without the integer 0 that `sum` starts from."""
    first, *rest = terms
    for term in rest:
        first = first + term
    return first
