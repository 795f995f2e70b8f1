"""Linear elasticity: strains, stresses, and the constants that tell them apart.

    ε = (∇u + ∇uᵀ)/2,   σ = λ tr(ε) 1 + 2 μ ε,   0 = ∇·σ + f

In the plane these are the formulas of plane strain, with λ and μ of `lame`; with those of `plane_stress` they are the
ones of plane stress. See Timoshenko and Goodier, Theory of Elasticity, chapters 1 to 3.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

from pdesolve.errors import ProblemError
from pdesolve.statement.calculus import active_frame, grad
from pdesolve.statement.matrices import Matrix, identity, inner, sym, trace


def strain(u: Any) -> Matrix:
    """ε = (∇u + ∇uᵀ)/2 of a displacement u, a vector."""
    return sym(grad(u))


def stress(u: Any, lam: Any, mu: Any) -> Matrix:
    """σ = λ tr(ε) 1 + 2 μ ε of a displacement u, in the unit of λ and μ (numbers or fields)."""
    epsilon = strain(u)
    return (lam * trace(epsilon)) * identity() + (2 * mu) * epsilon


def traction(u: Any, lam: Any, mu: Any) -> Any:
    """σ n on a boundary: the force on a unit of its area."""
    return stress(u, lam, mu) @ active_frame("traction").normal


def von_mises(sigma: Any, nu: float | None = None) -> Any:
    """√(3/2 s : s), s = σ - tr(σ)/3 1 with σ as a 3 × 3 matrix.

    Args:
        sigma: the stress; in the plane that of plane stress, σ_zz = 0, unless ν is given.
        nu: Poisson's ratio of plane strain, σ_zz = ν tr(σ).
    """
    if not isinstance(sigma, Matrix):
        message = f"von_mises(…) received a {type(sigma).__name__}; it takes a stress: von_mises(stress(u, lam, mu))"
        raise ProblemError(message)
    total = trace(sigma)
    outside: Any = 0.0
    if len(sigma) == 2 and nu is not None:
        outside = nu * total
    # s : s = σ : σ - tr(σ)²/3, the plane's third normal stress counted in both.
    squares = inner(sigma, sigma) + outside**2
    mean = total + outside
    return (1.5 * squares - 0.5 * mean**2).sqrt()


def lame(E: float, nu: float) -> tuple[float, float]:
    """(λ, μ) of a solid, and of plane strain, from Young's modulus and Poisson's ratio.

    λ = E ν / ((1 + ν)(1 - 2 ν)), μ = E / (2 (1 + ν)).

    Raises:
        ProblemError: E is not positive, or ν not between -1 and 1/2.

    >>> lame(2.5, 0.25)
    (1.0, 1.0)
    """
    _check(E, nu)
    return E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))


def plane_stress(E: float, nu: float) -> tuple[float, float]:
    """(λ, μ) with which the formulas of plane strain are those of plane stress: λ = E ν / (1 - ν²).

    Raises:
        ProblemError: E is not positive, or ν not between -1 and 1/2.

    >>> plane_stress(8.0, 0.0)
    (0.0, 4.0)
    """
    _check(E, nu)
    return E * nu / (1 - nu**2), E / (2 * (1 + nu))


def _check(E: float, nu: float) -> None:
    known = all(isinstance(number, Real) for number in (E, nu))
    if not (known and E > 0 and -1 < nu < 0.5):
        message = f"received E={E!r} and nu={nu!r}; expected E > 0 and -1 < nu < 1/2"
        raise ProblemError(message)
