"""The reduced basis as it grows, and the reduced model that it makes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.assembly import Assembly
from pdesolve.surrogates.box import Array
from pdesolve.surrogates.dependence import Dependence
from pdesolve.surrogates.offline import Offline, Snapshot
from pdesolve.surrogates.reduced import Reduced

FAINT = 1e-4  # of the tolerance: what of a residual is smaller is left out
NEW = 1e-9  # part of a snapshot that is no combination of the basis; below it is rounding


class Span:
    """An orthonormal basis (n, M) that grows by what vectors have beyond it, where that is more than a threshold."""

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.columns: Array = np.empty((0, 0))

    def coordinates(self, vectors: Array) -> list[Array]:
        """Coordinates (M,) of vectors (j, n), with the M that there were when each was taken."""
        found = []
        for v in vectors:
            if not self.columns.size:
                self.columns = np.empty((len(v), 0))
            first = self.columns.T @ v
            rest = v - self.columns @ first
            # Once more: rounding of the first pass would leave the new column not orthogonal.
            again = self.columns.T @ rest
            rest = rest - self.columns @ again
            size = float(np.linalg.norm(rest))
            c = first + again
            if size > self.threshold:
                self.columns = np.column_stack([self.columns, rest / size])
                c = np.append(c, size)
            found.append(c)
        return found


class Basis:
    """Basis functions ζ, orthonormal in L2 in units of the unknowns, and S r of them at all magic parameters.

    Args:
        offline: problem, space, reference.
        dependence: θ.
        degree: one or two, of the rows in the coefficients.
        units: (u,) of the unknowns.
        tol: of the surrogate.
    """

    def __init__(self, offline: Offline, dependence: Dependence, degree: int, units: Tensor, tol: float):
        self.offline = offline
        self.dependence = dependence
        self.degree = degree
        self.units = units
        self.span = Span(FAINT * tol)
        self.functions: list[Tensor] = []
        self.values: list[Array] = []
        self.snapshots: list[Snapshot] = []
        self._rows: list[Assembly] = [offline.at(point) for point in dependence.magic]
        zero = offline.space.zero()
        self._zero = [self._residuals(q, zero) for q in range(len(self._rows))]
        self._single: list[list[Tensor]] = []  # of each function, at each magic parameter
        self._constant = [self._seen(r) for r in self._zero]
        self._linear: list[list[Array]] = []
        self._quadratic: dict[tuple[int, int], list[Array]] = {}

    def __len__(self) -> int:
        return len(self.functions)

    def add(self, snapshot: Snapshot) -> bool:
        """Make a solution part of the span; False where it is there already, to rounding."""
        z = snapshot.coefficients
        v = self.offline.values(z, self.units)
        size = float(np.linalg.norm(v))
        for _ in range(2):  # twice is enough (Giraud, Langou & Rozložník 2005)
            for function, values in zip(self.functions, self.values, strict=True):
                part = float(values @ v)
                z = z - part * function
                v = v - part * values
        left = float(np.linalg.norm(v))
        if not left > NEW * size:
            return False
        self.snapshots.append(snapshot)
        self.functions.append(z / left)
        self.values.append(v / left)
        self._extend(z / left)
        return True

    def _extend(self, z: Tensor) -> None:
        number = len(self.functions) - 1
        single = [self._residuals(q, z) for q in range(len(self._rows))]
        self._single.append(single)
        if self.degree == 1:
            self._linear.append([self._seen(a - f) for a, f in zip(single, self._zero, strict=True)])
            return
        # Rows of degree two: sums and differences of the rows at z and -z part their linear from their square terms.
        back = [self._residuals(q, -z) for q in range(len(self._rows))]
        self._linear.append([self._seen((a - b) / 2) for a, b in zip(single, back, strict=True)])
        square = zip(single, back, self._zero, strict=True)
        self._quadratic[number, number] = [self._seen((a + b) / 2 - f) for a, b, f in square]
        for i in range(number):
            # By polarisation: the product of two functions from the square of their sum.
            both = [self._residuals(q, z + self.functions[i]) for q in range(len(self._rows))]
            parts = zip(both, single, self._single[i], self._zero, strict=True)
            self._quadratic[i, number] = [self._seen((ab - a - b + f) / 2) for ab, a, b, f in parts]

    def _residuals(self, q: int, c: Tensor) -> Tensor:
        """Rows at a magic parameter, with the scales of the reference, as one vector (m,)."""
        blocks = self._rows[q].residuals(c, self.offline.scales)
        self._shapes = [b.shape for b in blocks]
        return torch.cat([b.flatten() for b in blocks])

    def _seen(self, residuals: Tensor) -> Array:
        """Coordinates of S r in the span."""
        parts = residuals.split([shape.numel() for shape in self._shapes])
        blocks = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        x = self.offline.preconditioned(blocks)
        return self.span.coordinates(self.offline.values(x, self.units)[None])[0]

    # ---------------------------------------------------------------- the model

    def model(self) -> Reduced:
        """The reduced model of the functions so far."""
        N, Q, M = len(self), len(self._rows), self.span.columns.shape[1]
        linear = np.zeros((Q, M, N))
        for i, columns in enumerate(self._linear):
            for q, c in enumerate(columns):
                linear[q, : len(c), i] = c
        constant = np.zeros((Q, M))
        for q, c in enumerate(self._constant):
            constant[q, : len(c)] = c
        starts = np.array([[z @ self._values_of(s) for z in self.values] for s in self.snapshots])
        # An answer combines all solutions, so that the worst of their errors counts.
        floor = max(s.error for s in self.snapshots)
        points = np.array([s.point for s in self.snapshots])
        return Reduced(self.dependence, constant, linear, self._products(Q, M, N), points, starts, floor)

    def _values_of(self, snapshot: Snapshot) -> Array:
        return self.offline.values(snapshot.coefficients, self.units)

    def _products(self, Q: int, M: int, N: int) -> Array | None:
        if self.degree == 1:
            return None
        found = np.zeros((Q, M, N, N))
        for (i, j), columns in self._quadratic.items():
            for q, c in enumerate(columns):
                found[q, : len(c), i, j] = c
                # The model takes aᵀ B a and its derivative 2 B a, which is right for a symmetric B only.
                found[q, : len(c), j, i] = c
        return found
