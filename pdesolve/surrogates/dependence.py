"""How the rows of a problem depend on its constants: r(c; μ) = Σ_q θ_q(μ) r(c; μ_q), found by sampling them.

Rows are evaluated at many μ, for no coefficients and for random ones. Their values span a space of functions of μ, of
the dimension Q that singular values show; Q of the μ determine each of these functions (empirical interpolation, here
by pivoting), and the θ_q are polynomials in μ, log μ or 1/μ, or nearly so. Both are proved on samples that were not
used. Where the dependence is affine, which is what most constants do, Q and the degrees are small and all is exact to
rounding. Source: Barrault, Maday, Nguyen & Patera, C. R. Acad. Sci. Paris I 339 (2004); of operators: Wirtz, Sorensen &
Haasdonk, SIAM J. Sci. Comput. 36 (2014).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from pdesolve.errors import SolveError
from pdesolve.surrogates.box import Array, Box

# Four times as many each: most dependences are affine and show at once, and a sample costs an assembly.
SAMPLES = (48, 192, 768)  # of μ: a third of them proves what the others show
HELD_OUT = 1 / 3
RANK = 1e-12  # of the largest singular value: below it is rounding
HIGHEST_DEGREE = 16
MOST_TERMS = 0.5  # of the samples that a fit uses: more would be no fit
KINDS = ("μ", "log μ", "1/μ")


@dataclass(frozen=True)
class Dependence:
    """The functions θ (Q,) of μ.

    Attributes:
        box: of the constants.
        magic: μ_q, (Q, d).
        kinds: in what each constant enters, one of `KINDS`.
        powers: (t, d) degrees of the Chebyshev polynomials of each term.
        coefficients: (t, Q) of the terms.
        error: largest error of a θ at samples that were not used.
    """

    box: Box
    magic: Array
    kinds: tuple[str, ...]
    powers: NDArray[np.int64]
    coefficients: Array
    error: float

    def __call__(self, point: Array) -> Array:
        """θ (Q,) at a point (d,), or (n, Q) at points (n, d)."""
        terms = _terms(self.box, np.atleast_2d(point), self.kinds, self.powers)
        found = terms @ self.coefficients
        if np.ndim(point) == 1:
            return found[0]
        return found


def find_dependence(box: Box, rows: Callable[[Array], Array], accuracy: float) -> Dependence:
    """The functions θ of rows sampled at points of a box.

    Args:
        box: of the constants.
        rows: a point (d,) ↦ values of rows (e,), the same ones at each.
        accuracy: to which the θ must be found at samples that are not used.

    Raises:
        SolveError: the rows depend on the constants in no way that is found.
    """
    points = box.sample(SAMPLES[-1], seed=1)
    values = np.empty((0, 0))
    best: Dependence | None = None
    for count in SAMPLES:
        more = np.stack([rows(point) for point in points[len(values) : count]])
        values = np.concatenate([values, more]) if len(values) else more
        found = _fitted(box, points[:count], values)
        if found is not None and (best is None or found.error < best.error):
            best = found
        if best is not None and best.error <= accuracy:
            return best
    reached = "no" if best is None else f"{best.error:.1e}"
    message = (
        f"the rows depend on {', '.join(box.names)} in a way that no sum of products of polynomials reproduces to "
        f"{accuracy:.1e} ({reached} accuracy from {SAMPLES[-1]} samples); narrow the ranges, or vary fewer constants"
    )
    raise SolveError(message)


def _fitted(box: Box, points: Array, values: Array) -> Dependence | None:
    theta, magic = _interpolation(values)
    # So many functions from so few samples would only interpolate them.
    if theta.shape[1] > len(points) / 3:
        return None
    known = int(len(points) * (1 - HELD_OUT))
    best: Dependence | None = None
    for kinds, powers in _candidates(box, int(known * MOST_TERMS)):
        terms = _terms(box, points, kinds, powers)
        coefficients: Array = np.linalg.lstsq(terms[:known], theta[:known], rcond=None)[0].astype(np.float64)
        # By the samples held out: those of the fit are met by any fit with terms enough.
        error = float(np.abs(terms[known:] @ coefficients - theta[known:]).max())
        if best is None or error < best.error:
            best = Dependence(box, points[magic], kinds, powers, coefficients, error)
        if error <= 1e3 * RANK:
            return best
    return best


def _interpolation(values: Array) -> tuple[Array, NDArray[np.int64]]:
    """Θ (n, Q) with values = Θ values[magic], and the numbers (Q,) of the magic samples."""
    size = np.abs(values).max(0)
    used = values[:, size > 1e-300] / size[size > 1e-300]
    # Rows that are the same at all μ are among those of the sum only if the θ sum up to one.
    used = np.concatenate([used, np.full((len(used), 1), np.sqrt(used.shape[1] or 1))], axis=1)
    U, sigma, _ = np.linalg.svd(used, full_matrices=False)
    U = U[:, sigma > RANK * sigma[0]]
    order = qr(U.T, mode="r", pivoting=True)[1][: U.shape[1]]
    return U @ np.linalg.inv(U[order]), order


def _candidates(box: Box, most: int) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """Kinds of constants and powers of terms, the fewest terms first."""
    every = list(itertools.product(*map(_kinds, box.lower, box.upper)))
    # Of many constants all combinations would take long; mixtures are rare.
    if len(every) > 27:
        every = [kinds for kinds in every if len(set(kinds)) == 1]
    for degree in range(HIGHEST_DEGREE + 1):
        if math.comb(box.dimension + degree, degree) > most:
            return
        powers = _total_degree(box.dimension, degree)
        for kinds in every:
            yield kinds, powers


def _kinds(low: float, high: float) -> tuple[str, ...]:
    """In what a constant may enter over its range: 1/μ needs one sign, and log μ that it is positive."""
    if not low * high > 0:
        return ("μ",)
    if not low > 0:
        return ("μ", "1/μ")
    return KINDS


def _total_degree(d: int, degree: int) -> NDArray[np.int64]:
    found = [p for p in itertools.product(range(degree + 1), repeat=d) if sum(p) <= degree]
    return np.array(sorted(found, key=sum), dtype=np.int64).reshape(-1, d)


def _terms(box: Box, points: Array, kinds: tuple[str, ...], powers: NDArray[np.int64]) -> Array:
    """Products (n, t) of Chebyshev polynomials of the constants, each mapped to [-1, 1]."""
    change: dict[str, Callable[..., Any]] = {"μ": np.asarray, "log μ": np.log, "1/μ": lambda x: 1 / x}
    highest = int(powers.max(initial=0))
    terms = np.ones((len(points), len(powers)))
    for i, kind in enumerate(kinds):
        low, high = change[kind](box.lower[i]), change[kind](box.upper[i])
        x = (2 * change[kind](points[:, i]) - low - high) / (high - low)
        table = np.ones((highest + 1, len(points)))
        if highest:
            table[1] = x
        for k in range(2, highest + 1):
            table[k] = 2 * x * table[k - 1] - table[k - 2]
        terms *= table[powers[:, i]].T
    return terms
