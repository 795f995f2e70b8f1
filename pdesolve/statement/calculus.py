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

from typing import Any

from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.statement.complex_fields import Complex
from pdesolve.statement.fields import DerivativeError, Field, MultiIndex, Vector, sum_of
from pdesolve.statement.frame import Frame, active_frame, multi_indices
from pdesolve.statement.matrices import Matrix

__all__ = [
    "Complex",
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


def as_field(value: Any, what: str = "grad") -> Any:
    """A field, complex or not, from a field, a tensor or a number, in the active frame."""
    if isinstance(value, (Field, Complex)):
        return value
    frame = active_frame(what)
    if isinstance(value, Tensor) and value.is_complex():
        return Complex(Field(value.real, frame), Field(value.imag, frame))
    if isinstance(value, Tensor):
        return Field(value, frame)
    if isinstance(value, (int, float)):
        return Field(frame.full(value), frame)
    message = f"{what}(…) received a {type(value).__name__}; it takes a field (an unknown or an expression)"
    raise ProblemError(message)


def vector(*components: Any) -> Vector:
    """The vector field with these components: `vector(a, b)`.

    Raises:
        ProblemError: one is a vector itself.
    """
    if any(isinstance(c, Vector) for c in components):
        message = (
            "vector(…) received a vector; it takes fields and numbers, such as vector(u.x, u.y): rows make a "
            "matrix(…)"
        )
        raise ProblemError(message)
    return Vector(components)


def grad(u: Any) -> Vector:
    """Gradient ∇u in the space coordinates; of a vector the matrix ∂u_i/∂x_j, a row for each component."""
    if isinstance(u, Matrix):
        message = "grad(…) received a matrix; it takes a field or a vector"
        raise ProblemError(message)
    if isinstance(u, Vector):
        return Matrix(map(grad, u), u.names)
    u = as_field(u, "grad")
    return Vector((u.derivative(name) for name in u.frame.space_names), u.frame.space_names)


def div(v: Any) -> Any:
    """Divergence ∇·v of a vector with one component per space coordinate; of a matrix that of each row."""
    if isinstance(v, Matrix):
        return Vector(map(div, v), v.names)
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
    # In the plane only the third component is not zero: the curl is a scalar.
    if len(f) == 2 == len(names):
        return f[1].derivative(names[0]) - f[0].derivative(names[1])
    if len(f) == 3 == len(names):
        # (∇×v)_k = ∂_i v_j - ∂_j v_i for (i, j, k) and its cyclic permutations.
        cyclic = ((1, 2), (2, 0), (0, 1))
        return Vector((f[j].derivative(names[i]) - f[i].derivative(names[j]) for i, j in cyclic), names)
    message = f"curl(…) received {len(f)} components with the coordinates {', '.join(names)}"
    raise ProblemError(message)


def normal_derivative(u: Any) -> Any:
    """∂u/∂n = n·∇u on a boundary, of a vector that of each component."""
    return grad(u) @ active_frame("normal_derivative").normal
