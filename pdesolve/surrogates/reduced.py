"""The reduced model: a few coefficients a (N,) of basis functions, found in a millisecond, with an error estimate.

With ζ the basis, S = A_ref⁺ the least-squares solution operator of a reference parameter, and r the rows, the residual
measured in units of the solution is

    ρ(a; μ) = S r(Σ a_i ζ_i; μ) = Σ_q θ_q(μ) (f_q + L_q a + aᵀ B_q a),

without B where the problem is linear. What is minimised is its L2 norm; where the operator is
the reference itself, ρ is the error. Elsewhere the error is at most ‖ρ‖/σ, with σ the least stretch of S A(μ), of which
the smallest singular value of K = ∂ρ/∂a is what the basis shows. Near a resonance σ tends to zero, and the estimate
says so. (Buhr, Engwer, Ohlberger & Rave, 2014, on estimates by projected residuals; Zahm & Nouy, SIAM J. Sci. Comput.
38 (2016), on preconditioned ones.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdesolve.errors import UsageError
from pdesolve.surrogates.box import Array
from pdesolve.surrogates.dependence import Dependence

MOST_STEPS = 20  # of Newton, from the nearest snapshot
SHORT = 1e-12  # last step of Newton, relative


@dataclass(frozen=True)
class Found:
    """Coefficients a (N,) at a parameter, the estimated relative error, and σ."""

    a: Array
    error: float
    sigma: float


@dataclass(frozen=True, eq=False)
class Reduced:
    """The reduced model.

    Attributes:
        dependence: θ (Q,) of μ.
        constant: f (Q, M), in an orthonormal basis of what ρ takes.
        linear: L (Q, M, N).
        quadratic: B (Q, M, N, N), symmetric; None where the problem is linear.
        snapshots: parameters (s, d) of the solutions that the basis is made of.
        starts: their coefficients (s, N).
        floor: relative error of these solutions themselves.
    """

    dependence: Dependence
    constant: Array
    linear: Array
    quadratic: Array | None
    snapshots: Array
    starts: Array
    floor: float

    @property
    def size(self) -> int:
        """Number of basis functions N."""
        return self.starts.shape[1]

    def at(self, point: Array) -> Found:
        """Solve at a parameter (d,)."""
        f, L, B = self._rows_at(point)
        if B is None:
            a: Array = np.linalg.lstsq(L, -f, rcond=None)[0].astype(np.float64)
        else:
            a = self._newton(f, L, B, point)
        return self._judged(f, L, B, a)

    def judge(self, point: Array, a: Array) -> Found:
        """Coefficients (N,) that come from elsewhere, with the estimate of their error at a parameter (d,)."""
        return self._judged(*self._rows_at(point), a)

    def _rows_at(self, point: Array) -> tuple[Array, Array, Array | None]:
        """The f (M,), L (M, N) and B (M, N, N) of ρ = f + L a + aᵀ B a."""
        theta = self.dependence(point)
        B = None if self.quadratic is None else np.tensordot(theta, self.quadratic, 1)
        return theta @ self.constant, np.tensordot(theta, self.linear, 1), B

    def _judged(self, f: Array, L: Array, B: Array | None, a: Array) -> Found:
        if not np.isfinite(a).all():
            return Found(a, np.inf, 0.0)
        Ba = 0.0 if B is None else B @ a
        rho = f + (L + Ba) @ a
        sigma = float(np.linalg.svd(np.linalg.qr(L + 2 * Ba, mode="r"), compute_uv=False)[-1])
        stretched = sigma * float(np.linalg.norm(a))
        # At a resonance, or where a is zero, a bound relative to the solution does not exist.
        if not stretched > 0:
            return Found(a, np.inf, sigma)
        return Found(a, float(np.linalg.norm(rho)) / stretched + self.floor, sigma)

    def _newton(self, f: Array, L: Array, B: Array, point: Array) -> Array:
        """Gauss–Newton from the nearest snapshot; where it does not converge, what is returned is not a number."""
        box = self.dependence.box
        scale = np.subtract(box.upper, box.lower)
        a: Array = self.starts[np.argmin((((self.snapshots - point) / scale) ** 2).sum(1))]
        for _ in range(MOST_STEPS):
            Ba = B @ a
            step = np.linalg.lstsq(L + 2 * Ba, -(f + (L + Ba) @ a), rcond=None)[0]
            a = a + step
            if np.linalg.norm(step) <= SHORT * np.linalg.norm(a):
                return a
        return np.full_like(a, np.nan)

    def require(self, found: Found, tol: float, told: str) -> None:
        """See that an answer is within a tolerance.

        Raises:
            UsageError: its estimated error is larger; the sentence says why, as far as is known.
        """
        if found.error <= tol:
            return
        error = "unknown"
        if np.isfinite(found.error):
            error = f"{found.error:.1e}"
        message = (
            f"the estimated error at {told} is {error}, above the tolerance {tol:g} of this surrogate: no answer is "
            f"given; least stretch of the operator {found.sigma:.1e} (near zero at a resonance): solve there"
        )
        raise UsageError(message)
