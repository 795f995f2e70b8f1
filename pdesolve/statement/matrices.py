"""Matrices of fields, such as the gradient of a vector, strains and stresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.fields import Vector, active, sum_of


class Matrix(Vector):
    """A square matrix of fields, row by row: adds, scales, multiplies vectors and matrices with `@`.

    `grad(u).x.y` is ∂u_x/∂y: the row of the first component, and in it the derivative along y.
    """

    @classmethod
    def __torch_function__(
        cls, func: Callable, types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Elementwise torch functions act on each entry, scalars broadcasting."""
        found = super().__torch_function__(func, types, args, kwargs)
        return Matrix(found.components, found.names)

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Matrix):
            columns = other.T
            return Matrix((Vector((row @ c for c in columns), self.names) for row in self), self.names)
        _same_length(self, other)
        return Vector((row @ other for row in self), self.names)

    def __rmatmul__(self, other: Any) -> Any:
        return self.T @ (other if isinstance(other, Vector) else Vector(other, self.names))

    @property
    def T(self) -> Matrix:
        """Transpose."""
        rows = zip(*(row.components for row in self), strict=True)
        return Matrix((Vector(row, self.names) for row in rows), self.names)

    def norm(self) -> Any:
        """Frobenius norm √(A : A)."""
        return inner(self, self).sqrt()


def _same_length(matrix: Matrix, other: Any) -> None:
    if not isinstance(other, Vector) or len(other) != len(matrix):
        shown = (
            f"a vector of length {len(other)}" if isinstance(other, Vector) else f"a {type(other).__name__}"
        )
        message = f"a matrix of {len(matrix)} rows cannot be multiplied with {shown}"
        raise ProblemError(message)


def _require(a: Any, kind: type, what: str) -> None:
    if not isinstance(a, kind) or (kind is Vector and isinstance(a, Matrix)):
        wanted = "a matrix, such as grad(u) of a vector u" if kind is Matrix else "a vector"
        message = f"{what}(…) received a {type(a).__name__}; it takes {wanted}"
        raise ProblemError(message)


def matrix(*rows: Any) -> Matrix:
    """The matrix with these rows: `matrix((a, b), (c, d))`."""
    found = [row if isinstance(row, Vector) else Vector(row) for row in rows]
    if any(len(row) != len(found) for row in found):
        message = (
            f"matrix(…) received rows of the lengths {[len(row) for row in found]}; it takes a square one"
        )
        raise ProblemError(message)
    return Matrix(found, found[0].names)


def identity() -> Matrix:
    """The unit matrix of the space coordinates."""
    names = active("identity").space_names
    return Matrix(
        (Vector((float(i == j) for j in range(len(names))), names) for i in range(len(names))), names
    )


def sym(a: Any) -> Matrix:
    """Symmetric part (A + Aᵀ)/2 of a matrix."""
    _require(a, Matrix, "sym")
    return 0.5 * (a + a.T)


def trace(a: Any) -> Any:
    """Σ A_ii of a matrix."""
    _require(a, Matrix, "trace")
    return sum_of(row[i] for i, row in enumerate(a))


def dot(a: Any, b: Any) -> Any:
    """The product a · b of vectors, A b of a matrix and a vector: the same as `a @ b`."""
    for one in (a, b):
        if not isinstance(one, Vector):
            message = f"dot(…) received a {type(one).__name__}; it takes vectors and matrices"
            raise ProblemError(message)
    return a @ b


def inner(a: Any, b: Any) -> Any:
    """A : B = Σ A_ij B_ij of matrices."""
    _require(a, Matrix, "inner")
    _require(b, Matrix, "inner")
    return sum_of(Vector.__matmul__(row, other) for row, other in zip(a, b, strict=True))


def tangential(v: Any, n: Any) -> Any:
    """The part of a vector along the boundary: v · t with t = (-n_y, n_x) in the plane, v - (v · n) n in space."""
    _require(v, Vector, "tangential")
    if len(v) == 2:
        return v[1] * n[0] - v[0] * n[1]
    return v - (v @ n) * n
