"""Complex fields a + ib, of two real ones: `def helmholtz(u: Complex, k): return laplace(u) + k**2 * u`.

Sums, products and quotients are those of the parts, written out; other functions of torch are taken of a complex
tensor, through which derivatives go as well. The parts are fields, of which nothing is asked but that they are added,
multiplied and differentiated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError

MOST_FACTORS = 8  # of a power that is written as a product


def parts_of(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part of a number, array, tensor or field; the latter None where there is none."""
    if isinstance(value, complex):
        return value.real or None, value.imag or None
    if isinstance(value, np.ndarray) and np.iscomplexobj(value):
        value = torch.as_tensor(value)
    if is_complex(value):
        return value.real, value.imag
    return value, None


def is_complex(value: Any) -> bool:
    """Whether a number, array, tensor or field is a complex one, whatever its imaginary part is."""
    if isinstance(value, Tensor):
        return value.is_complex()
    array = isinstance(value, np.ndarray) and np.iscomplexobj(value)
    return array or isinstance(value, (Complex, complex))


def _is_scalar(value: Any) -> bool:
    """Whether a value has one number at a point: anything but vectors."""
    known = isinstance(value, (Number, Tensor, np.ndarray, np.generic, Complex))
    return known or hasattr(type(value), "derivative")


def _combined(function: Callable, a: Any, b: Any) -> Any:
    """`function` of two parts of which None is zero: a sum or difference."""
    if b is None:
        return a
    if a is None:
        return -b if function is operator.sub else b
    return function(a, b)


def _product(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    return a * b


def _times(a: Any, b: Any) -> Complex:
    """(a + ib)(c + id) = ac - bd + i(ad + bc)."""
    (p, q), (r, s) = parts_of(a), parts_of(b)
    real = _combined(operator.sub, _product(p, r), _product(q, s))
    imag = _combined(operator.add, _product(p, s), _product(q, r))
    return _complex(real, imag)


def _sum(function: Callable, a: Any, b: Any) -> Complex:
    (p, q), (r, s) = parts_of(a), parts_of(b)
    return _complex(_combined(function, p, r), _combined(function, q, s))


def _over(a: Any, b: Any) -> Complex:
    """The quotient a / b, a conj(b) / |b|² for a complex field or tensor b."""
    if not is_complex(b):
        p, q = parts_of(a)
        return _complex(*(None if part is None else part / b for part in (p, q)))
    if isinstance(b, (complex, np.complexfloating)):
        return _times(a, 1 / b)  # which Python refuses to do by zero
    p, q = b.real, b.imag
    size = p * p + q * q
    return _times(a, Complex(p / size, -q / size))


def _power(a: Any, n: Any) -> Any:
    if isinstance(n, int) and not isinstance(n, bool) and 0 < n <= MOST_FACTORS:
        found = a
        for _ in range(n - 1):
            found = _times(found, a)
        return found
    return _of_tensors(torch.pow, (a, n), {})


def _complex(real: Any, imag: Any) -> Complex:
    """The field of two parts of which one may be None."""
    if real is None and imag is None:
        message = "a complex field was multiplied by the number 0; leave that term out"
        raise ProblemError(message)
    if real is None:
        real = 0.0 * imag
    if imag is None:
        imag = 0.0 * real
    return Complex(real, imag)


def _of_tensors(func: Callable, args: tuple, kwargs: dict) -> Any:
    """A torch function of complex tensors in place of complex fields."""
    shapes = [isinstance(arg, Complex) for arg in args]
    leaves = [part for arg in args for part in (parts_of(arg) if isinstance(arg, Complex) else (arg,))]

    def call(*given: Any) -> Any:
        rest = iter(given)
        return func(*(_tensor(next(rest), next(rest)) if two else next(rest) for two in shapes), **kwargs)

    # Parts that are fields give theirs for tensors, and make fields of what comes back.
    fields = [leaf for leaf in leaves if hasattr(type(leaf), "__torch_function__")]
    return torch.overrides.handle_torch_function(call, fields, *leaves)


def _tensor(real: Tensor, imag: Tensor) -> Tensor:
    return torch.complex(*torch.broadcast_tensors(real, imag))


def _swapped(function: Callable) -> Callable:
    return lambda a, b: function(b, a)


_ARITHMETIC: dict[str, Callable] = {
    **dict.fromkeys(("mul", "multiply", "__mul__", "__rmul__"), _times),
    **dict.fromkeys(("add", "__add__", "__radd__"), lambda a, b: _sum(operator.add, a, b)),
    **dict.fromkeys(("sub", "subtract", "__sub__"), lambda a, b: _sum(operator.sub, a, b)),
    **dict.fromkeys(("rsub", "__rsub__"), lambda a, b: _sum(operator.sub, b, a)),
    **dict.fromkeys(("div", "divide", "true_divide", "__truediv__"), _over),
    **dict.fromkeys(("__rtruediv__", "__rdiv__"), _swapped(_over)),
    **dict.fromkeys(("pow", "__pow__"), _power),
    **dict.fromkeys(("neg", "negative", "__neg__"), lambda a: Complex(-a.real, -a.imag)),
    **dict.fromkeys(("conj", "conj_physical", "resolve_conj"), lambda a: a.conj()),
    **dict.fromkeys(("abs", "absolute", "__abs__"), abs),
    "square": lambda a: _times(a, a),
    "real": lambda a: a.real,
    "imag": lambda a: a.imag,
}


def _operator(name: str) -> Callable:
    function = _ARITHMETIC[name]

    def apply(self: Complex, other: Any) -> Any:
        # A vector knows how to scale itself by a field; a field does not know vectors.
        return function(self, other) if _is_scalar(other) else NotImplemented

    return apply


class Complex:
    """A complex field: `.real`, `.imag`, `.conj()`, `abs(u)`, derivatives as of a real one, and functions of torch.

    Of an argument of the equation, `u: Complex`, the parts are the unknowns u_re and u_im. Numbers, tensors and fields,
    real or complex, are combined with it; an equation or a condition that returns one is two real ones. The derivatives
    of an even power of |u|, `abs(u)**2`, exist where u vanishes.

    Attributes:
        real, imag: fields (n,).
    """

    __array_ufunc__ = None  # numpy scalars on the left defer to us

    def __init__(self, real: Any, imag: Any):
        self.real = real
        self.imag = imag

    @property
    def frame(self) -> Any:
        """The evaluation that the parts belong to."""
        return self.real.frame

    def derivative(self, *axes: str) -> Complex:
        """∂…∂ along the named coordinates, in order."""
        return Complex(self.real.derivative(*axes), self.imag.derivative(*axes))

    def conj(self) -> Complex:
        """The field a - ib."""
        return Complex(self.real, -self.imag)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self.real, name)
        if callable(found):
            method = getattr(Tensor, name)
            return lambda *args, **kwargs: self.__torch_function__(method, (), (self, *args), kwargs)
        # What is no derivative, such as a shape, both parts have in common.
        return Complex(found, getattr(self.imag, name)) if hasattr(found, "derivative") else found

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if not all(map(_is_scalar, args)):
            return NotImplemented
        arithmetic = _ARITHMETIC.get(getattr(func, "__name__", ""))
        if arithmetic is not None and not kwargs:
            return arithmetic(*args)
        return _of_tensors(func, args, kwargs or {})

    def __abs__(self) -> Any:
        return self.real.modulus(self.imag)

    def __bool__(self) -> bool:
        message = (
            "the truth value of a field is ambiguous; use torch.where(condition, a, b) with a real condition"
        )
        raise ProblemError(message)

    def __complex__(self) -> complex:
        message = "a field has one value per point and is no number; use torch functions (torch.exp) on it"
        raise ProblemError(message)

    def _not_ordered(self, _: Any) -> Any:
        message = "complex fields are not ordered or equal; compare u.real, u.imag or abs(u)"
        raise ProblemError(message)

    def __repr__(self) -> str:
        return f"Complex({self.real!r}, {self.imag!r})"

    def __pos__(self) -> Complex:
        return self

    def __neg__(self) -> Complex:
        return Complex(-self.real, -self.imag)

    __hash__ = object.__hash__
    __add__ = _operator("__add__")
    __radd__ = _operator("__radd__")
    __sub__ = _operator("__sub__")
    __rsub__ = _operator("__rsub__")
    __mul__ = _operator("__mul__")
    __rmul__ = _operator("__rmul__")
    __truediv__ = _operator("__truediv__")
    __rtruediv__ = _operator("__rtruediv__")
    __pow__ = _operator("__pow__")
    __lt__ = __le__ = __gt__ = __ge__ = _not_ordered
    __eq__ = __ne__ = _not_ordered  # type: ignore[assignment]
