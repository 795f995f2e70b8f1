"""What solutions of a system do at a corner: r^λ Φ(θ), from the eigenvalues of its principal part in a wedge.

Unknown i has the weight t_i, the highest order in which the equations ask for it, and row c of the equations the shift
s_c = max_i (order of i in c) - t_i ≤ 0 (Agmon, Douglis & Nirenberg, 1964): of Stokes' equations t = 2, 2, 1 and s = 0,
0, -1. The derivatives of order s_c + t_i are the principal part, which keeps functions

    u_i = r^{λ+τ_i} Φ_i(θ),      τ_i = t_i - max t:

it makes of them r^{λ+…} K(λ) Φ with differential operators in θ that are polynomials in λ. Together with conditions at
both ends of the wedge these are a polynomial eigenproblem, which is solved by Chebyshev polynomials. Where a root has
fewer functions than its multiplicity, and where a root is an integer and its function a polynomial, there is
r^λ (Φ log r + Ψ) as well, K(λ)Ψ + K'(λ)Φ = 0, or what polynomials prescribe.

Source: Williams, J. Appl. Mech. 19 (1952) 526; Moffatt, J. Fluid Mech. 18 (1964) 1; Kozlov, Maz'ya & Rossmann, Spectral
Problems Associated with Corner Singularities (2001).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pdesolve.patches.corners.polar import polar_derivative, tables
from pdesolve.patches.corners.wedge import INTEGER, LEAST_POWER
from pdesolve.statement.calculus import MultiIndex

# Chebyshev polynomials beyond the phase |λ| ω/2 of e^{iλθ} over half the wedge: e^{ix} takes |x| and some twenty more.
BEYOND = 20
# Singular values of K(λ), over the largest, that are zero: rounding leaves 1e-13 and less, no root 1e-4 and more.
ZERO = 1e-9
SAME = 1e-5  # roots that near are one, of several functions: rounding of 1e-14 moves a double root by 1e-7
REAL = 1e-7  # imaginary part that is none
NEWTON = 6  # steps that polish a root, from six digits or so to all
WITHOUT_POLYNOMIAL = 1e-7  # what is left of a function less polynomials, if it is one
SOLVED = 1e-8  # of the right-hand side, that a solution may leave
SEEN = 65  # angles at which the size of a function is taken
ELLIPTIC = 1e-8  # of its largest value on the circle, that the determinant of the symbol must keep

Entry = tuple[int, int, MultiIndex, float]  # row, unknown, derivative, coefficient


@dataclass(frozen=True)
class Principal:
    """Rows Σ a ∂^α u_i of a principal part.

    Attributes:
        entries: (c, i, α, a).
        shifts: s_c of each row.
    """

    entries: tuple[Entry, ...]
    shifts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.shifts)


def principal_part(entries: Sequence[Entry], weights: Sequence[int]) -> Principal:
    """The principal part for given weights t_i; rows that depend on nothing are left out."""
    rows = sorted({c for c, *_, a in entries if a != 0})
    shifts = [
        max(sum(alpha) - weights[i] for c, i, alpha, a in entries if c == row and a != 0) for row in rows
    ]
    kept = [
        (rows.index(c), i, alpha, a)
        for c, i, alpha, a in entries
        if a != 0 and sum(alpha) - weights[i] == shifts[rows.index(c)]
    ]
    return Principal(tuple(kept), tuple(shifts))


def conditions_wanted(equations: Principal, weights: Sequence[int]) -> int | None:
    """Half the order of an elliptic system, the number of conditions on every side; None where it is not elliptic."""
    unknowns = len(weights)
    order = sum(weights) + sum(equations.shifts)
    if len(equations) != unknowns or order <= 0 or order % 2:
        return None
    # Unknowns of different units make determinants of any size, which the circle itself tells.
    angles = np.linspace(0, math.pi, 64, endpoint=False)
    symbol = np.zeros((len(angles), unknowns, unknowns))
    for c, i, (p, q), a in equations.entries:
        symbol[:, c, i] += a * np.cos(angles) ** p * np.sin(angles) ** q
    size = np.abs(symbol).max((0, 2))
    if not size.all():
        return None
    determinant = np.abs(np.linalg.det(symbol / size[:, None]))
    if determinant.min() <= ELLIPTIC * max(determinant.max(), ELLIPTIC):
        return None
    return order // 2


@dataclass(frozen=True, eq=False)
class Profile:
    """Re r^λ (Φ log r + Ψ), Φ = 0 without a logarithm; unknown i has the factor r^{τ_i} more.

    Attributes:
        exponent: λ.
        plain: (u, N) complex, Chebyshev coefficients of Ψ in θ over the half range.
        log: those of Φ.
    """

    exponent: complex
    plain: np.ndarray
    log: np.ndarray

    @property
    def has_log(self) -> bool:
        """Whether it has a logarithm."""
        return bool(self.log.any())


class Pencil:
    """K(λ) of equations in a wedge |θ| ≤ ω/2, for functions of θ over |θ| ≤ half.

    Args:
        parts: principal parts of the equations, and of the conditions at θ = -ω/2 and ω/2.
        weights: t_i.
        middle: direction of the middle of the wedge, where θ = 0.
        opening: ω.
        half: of the range that functions are sought on, at least ω/2.
        count: Chebyshev polynomials for the least of weights.
    """

    def __init__(
        self,
        parts: Sequence[Principal],
        weights: Sequence[int],
        middle: float,
        opening: float,
        half: float,
        count: int,
    ):
        self.half = half
        self.middle = middle
        self.opening = opening
        equations, begin, end = parts
        self.equations = equations
        self.count = count
        self.most = max(weights)
        self.tau = [t - max(weights) for t in weights]
        # So there are as many rows as columns: Σ t + Σ s is the number of conditions.
        self.sizes = [count + t for t in weights]
        self.first = np.cumsum([0, *self.sizes])
        blocks = []
        for c, _, points in self.collocation():
            blocks.append(self._rows(equations, c, points))
        self.inside = sum(block.shape[1] for block in blocks)
        self.conditions = [(begin, -opening / 2), (end, opening / 2)]
        for condition, angle in self.conditions:
            blocks += [self._rows(condition, c, np.array([angle])) for c in range(len(condition))]
        degree = max(map(len, blocks))
        blocks = [np.pad(b, ((0, degree - len(b)), (0, 0), (0, 0))) for b in blocks]
        powers = np.concatenate(blocks, axis=1)  # (j, rows, columns)
        self.scale = 1 / np.abs(powers).max((0, 2))
        self.powers = powers * self.scale[:, None]

    def collocation(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Every row of the equations with its shift and the angles at which it holds."""
        for c, shift in enumerate(self.equations.shifts):
            count = self.count - shift
            yield c, shift, self.half * np.cos((np.arange(count) + 0.5) * math.pi / count)

    def rows_of(self, c: int) -> slice:
        """Where a row of the equations stands among those of K."""
        first = sum(self.count - shift for shift in self.equations.shifts[:c])
        return slice(first, first + self.count - self.equations.shifts[c])

    def forced(self, exponent: int, wanted: np.ndarray) -> Profile | None:
        """The function with K(λ)Ψ + K'(λ)Φ = wanted (rows,), Φ of the kernel of K(λ); None if there is none."""
        root = complex(exponent)
        kernel = self.kernel(root)
        matrix = np.hstack([self.at(root).real, self.at(root, 1).real @ kernel])
        found = self.solve(matrix, wanted * self.scale)
        if found is None:
            return None
        count = self.first[-1]
        return self.profile(root, found[:count], kernel @ found[count:], sized=False)

    def _rows(self, part: Principal, row: int, theta: np.ndarray) -> np.ndarray:
        """Rows (j, points, columns) of one row of a part at angles, by powers of λ."""
        mine = [entry for entry in part.entries if entry[0] == row]
        order = max(sum(alpha) for _, _, alpha, _ in mine)
        found = np.zeros((order + 1, len(theta), self.first[-1]), dtype=complex)
        for _, i, alpha, a in mine:
            columns = slice(self.first[i], self.first[i + 1])
            values = tables(theta, self.half, self.sizes[i], sum(alpha))
            for m, c in polar_derivative(alpha, self.tau[i]).items():
                turned = a * np.exp(1j * m * (theta + self.middle))[:, None]
                for j, k in np.argwhere(c):
                    found[j, :, columns] += c[j, k] * turned * values[k]
        return found.real

    def at(self, exponent: complex, derivative: int = 0) -> np.ndarray:
        """K(λ), or K'(λ)."""
        falling = [
            math.perm(j, derivative) * exponent ** max(j - derivative, 0) for j in range(len(self.powers))
        ]
        return np.tensordot(falling, self.powers, 1)

    def roots(self, most: float) -> list[complex]:
        """All λ with LEAST_POWER < Re λ ≤ most and Im λ ≥ 0, as often as they count, by a linearisation."""
        degree = len(self.powers) - 1
        n = self.powers.shape[1]
        a = np.eye(n * degree)
        b = np.eye(n * degree)
        a[-n:] = np.concatenate(list(-self.powers[:-1]), axis=1)
        a[:-n] = np.eye(n * (degree - 1), n * degree, n)
        b[-n:, -n:] = self.powers[-1]
        with np.errstate(all="ignore"):
            found = scipy.linalg.eigvals(a, b)
        found = found[np.isfinite(found)]
        near = found[(found.real > LEAST_POWER / 2) & (found.real < most + 0.1) & (found.imag > -REAL)]
        polished = [self._polished(complex(x)) for x in near]
        kept = [x for x in polished if x is not None and LEAST_POWER < x.real <= most]
        return sorted(kept, key=lambda x: (round(x.real, 6), x.imag))

    def _polished(self, root: complex) -> complex | None:
        """Newton's steps on the least singular value; None where none is zero."""
        start = root
        for _ in range(NEWTON):
            left, values, right = np.linalg.svd(self.at(root))
            if values[-1] <= 1e-2 * ZERO * values[0]:
                break
            x = right[-1].conj()
            y = left[:, -1].conj()
            slope = y @ self.at(root, 1) @ x
            # At a root of several functions in a row the slope vanishes, and there is nothing to polish.
            if abs(slope) < 1e-300:
                break
            step = (y @ self.at(root) @ x) / slope
            if abs(root - step - start) > SAME * 10:
                break
            root -= step
        if abs(root.imag) <= REAL:
            root = complex(root.real, 0.0)
        values = np.linalg.svd(self.at(root), compute_uv=False)
        if values[-1] > ZERO * values[0] or root.imag < 0:
            return None
        return root

    def kernel(self, exponent: complex) -> np.ndarray:
        """Orthonormal x (columns, g) with K(λ) x = 0."""
        matrix = self.at(exponent)
        if exponent.imag == 0:
            matrix = matrix.real
        _, values, right = np.linalg.svd(matrix)
        return right[values <= ZERO * values[0]].conj().T

    def polynomials(self, exponent: complex) -> np.ndarray:
        """All x (columns, …) of functions whose unknowns are polynomials of degree λ + τ_i, λ an integer."""
        found = []
        for i, tau in enumerate(self.tau):
            degree = round(exponent.real) + tau
            theta = self.half * np.cos((np.arange(self.sizes[i]) + 0.5) * math.pi / self.sizes[i])
            to_coefficients = np.linalg.inv(tables(theta, self.half, self.sizes[i], 0)[0])
            for k in range(degree + 1):
                column = np.zeros(self.first[-1])
                values = np.cos(theta) ** k * np.sin(theta) ** (degree - k)
                column[self.first[i] : self.first[i + 1]] = to_coefficients @ values
                found.append(column)
        return np.array(found).T.reshape(self.first[-1], len(found))

    def prescribed(self, exponent: complex) -> np.ndarray:
        """Right-hand sides (rows, …) of sources that are polynomials, and of conditions, at an integer λ."""
        found = []
        for c, shift, theta in self.collocation():
            degree = round(exponent.real) - self.most - shift
            for k in range(degree + 1):
                column = np.zeros(len(self.scale))
                column[self.rows_of(c)] = np.cos(theta) ** k * np.sin(theta) ** (degree - k)
                found.append(column)
        row = self.inside
        for condition, _ in self.conditions:
            for shift in condition.shifts:
                if round(exponent.real) - self.most - shift >= 0:
                    column = np.zeros(len(self.scale))
                    column[row] = 1.0
                    found.append(column)
                row += 1
        return np.array(found).T.reshape(len(self.scale), len(found)) * self.scale[:, None]

    def solve(self, matrix: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
        """The least x with matrix x = wanted; None where there is none."""
        x, *_ = np.linalg.lstsq(matrix, wanted, rcond=ZERO)
        if np.linalg.norm(matrix @ x - wanted) > SOLVED * np.linalg.norm(wanted):
            return None
        return x

    def profile(
        self, exponent: complex, plain: np.ndarray, log: np.ndarray | None = None, sized: bool = True
    ) -> Profile:
        """A function from x of its parts; it is made of size one in the wedge where it is to be `sized`."""
        both = np.zeros((2, len(self.tau), max(self.sizes)), dtype=complex)
        for part, x in zip(both, (plain, log), strict=True):
            if x is not None:
                for i, size in enumerate(self.sizes):
                    part[i, :size] = x[self.first[i] : self.first[i + 1]]
        if not sized:
            return Profile(exponent, both[0], both[1])
        theta = np.linspace(-self.opening / 2, self.opening / 2, SEEN)
        values = both @ tables(theta, self.half, both.shape[2], 0)[0].T
        both = both / np.abs(values).max()
        return Profile(exponent, both[0], both[1])


def profiles(pencil: Pencil, root: complex, multiplicity: int) -> Iterator[Profile]:
    """The functions of a root that are no polynomials; real and imaginary parts of those of a complex one."""
    turns: tuple[complex, ...] = (1.0,)
    if root.imag:
        turns = (1.0, -1j)
    for turn in turns:
        for plain, log in _pairs(pencil, root, multiplicity):
            yield pencil.profile(rounded(root), turn * plain, turn * log)


def rounded(root: complex) -> complex:
    """A root, an integer if it nearly is one."""
    if root.imag == 0 and abs(root.real - round(root.real)) <= INTEGER:
        return complex(round(root.real))
    return complex(root)


def _pairs(pencil: Pencil, root: complex, multiplicity: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ψ and Φ of the functions of a root that are no polynomials."""
    root = rounded(root)
    kernel = pencil.kernel(root)
    rest = kernel[:, :0]
    matrix = pencil.at(root)
    slope = pencil.at(root, 1)
    if root.imag == 0:
        matrix = matrix.real
        slope = slope.real
    if root == round(root.real):
        kernel, rest = _divided(kernel, pencil.polynomials(root))
        # What polynomials prescribe where one of them is a solution, is met by a logarithm alone.
        data = np.hstack([matrix, pencil.prescribed(root)])
        yield from _logarithms(pencil, data, slope, rest)
    yield from ((x, 0 * x) for x in kernel.T)
    if kernel.shape[1] + rest.shape[1] < multiplicity:
        yield from _logarithms(pencil, matrix, slope, kernel)


def _logarithms(
    pencil: Pencil, matrix: np.ndarray, slope: np.ndarray, kernel: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ψ and Φ with matrix Ψ = -K' Φ, for each Φ of a kernel for which there is one."""
    for x in kernel.T:
        found = pencil.solve(matrix, -slope @ x)
        if found is not None:
            yield found[: len(x)], x


def of_jump(pencil: Pencil, values: np.ndarray) -> Profile | None:
    """The function of exponent zero that takes values (2 m,) along both edges; None where a constant does."""
    wanted = np.zeros(len(pencil.scale))
    wanted[pencil.inside :] = values
    wanted = wanted * pencil.scale
    matrix = pencil.at(0j).real
    constants = pencil.polynomials(0j)
    if not wanted.any() or pencil.solve(matrix @ constants, wanted) is not None:
        return None
    x = pencil.solve(matrix, wanted)
    if x is None:
        return None
    return pencil.profile(0j, x, sized=False)


def _divided(kernel: np.ndarray, polynomials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bases of a kernel less what polynomials make of it, and of the polynomials in it."""
    if not kernel.shape[1] or not polynomials.shape[1]:
        return kernel, kernel[:, :0]
    q = scipy.linalg.orth(polynomials, rcond=ZERO)
    _, values, right = np.linalg.svd(kernel - q @ (q.T @ kernel), full_matrices=False)
    singular = values > WITHOUT_POLYNOMIAL
    return kernel @ right[singular].T, kernel @ right[~singular].T


def clusters(roots: Sequence[complex]) -> list[tuple[complex, int]]:
    """Roots that are one, as their mean and how many they are."""
    found: list[list[complex]] = []
    for root in roots:
        near = [group for group in found if abs(group[0] - root) <= SAME]
        if near:
            near[0].append(root)
        else:
            found.append([root])
    return [(sum(group) / len(group), len(group)) for group in found]


def polynomials_for(angle: float, most: float) -> int:
    """Chebyshev polynomials that hold e^{iλθ} for |θ| ≤ angle and λ ≤ most + 1."""
    return math.ceil((most + 1) * angle) + BEYOND
