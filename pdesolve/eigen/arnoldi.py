"""Block Arnoldi: the largest eigenvalues of a map of which only products are known.

Multiple ones are found for certain up to the width of a block.

With orthonormal F = [F₀ … F_m], K F = F H + F_{m+1} B E' and H s = μ s, the residual of K (F s) = μ F s has the norm
‖B s_m‖ (Saad, *Numerical Methods for Large Eigenvalue Problems*, 2nd ed., SIAM 2011, §6.2 and 6.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.runs.deadline import check_deadline

INDEPENDENT = 1e-13  # part of an image outside of the space, below which it is rounding


@dataclass(frozen=True)
class Ritz:
    """Eigenpairs of a map, sorted by falling |μ|.

    Attributes:
        values: (k,) μ, complex.
        vectors: (m, k) s, complex, in the basis.
        residuals: (k,) of each pair, relative to its |μ|.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray


@dataclass
class Arnoldi:
    """The space so far.

    Attributes:
        apply: f (n, j) ↦ (K f (n, j), what is kept of it (p, j)).
        basis: (n, m) F.
        kept: (p, m) of every column of F.
        hessenberg: (m + w, m) H, and B below it.
    """

    apply: Callable[[Tensor], tuple[Tensor, Tensor]]
    basis: Tensor
    kept: Tensor
    hessenberg: np.ndarray
    width: int

    @classmethod
    def begin(cls, apply: Callable[[Tensor], tuple[Tensor, Tensor]], start: Tensor) -> Arnoldi:
        """The space of the first block: the range of `start` (n, w)."""
        first, _ = torch.linalg.qr(start)
        w = first.shape[1]
        return cls(apply, first, start.new_zeros(0, 0), np.zeros((w, 0)), w)

    @property
    def size(self) -> int:
        """Number of columns m of H."""
        return self.hessenberg.shape[1]

    def extend(self) -> bool:
        """Multiply by K once more; false where the space is invariant."""
        check_deadline()
        m = self.hessenberg.shape[1]
        image, kept = self.apply(self.basis[:, m:])
        size = float(image.norm())
        coefficients = image.new_zeros(self.basis.shape[1], image.shape[1])
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            part = self.basis.T @ image
            image = image - self.basis @ part
            coefficients = coefficients + part
        q, sizes, rows = torch.linalg.svd(image, full_matrices=False)
        # What is left of known eigenvectors is rounding, and leads nowhere.
        fresh = sizes > INDEPENDENT * size
        q = q[:, fresh]
        below = (sizes[fresh, None] * rows[fresh]).cpu().numpy()
        grown = np.zeros((self.basis.shape[1] + len(below), m + image.shape[1]))
        grown[: len(self.hessenberg), :m] = self.hessenberg
        grown[: len(coefficients), m:] = coefficients.cpu().numpy()
        grown[len(coefficients) :, m:] = below
        self.hessenberg = grown
        self.kept = kept if not m else torch.cat([self.kept, kept], dim=1)
        self.basis = torch.cat([self.basis, q], dim=1)
        return bool(fresh.any())

    def ritz(self) -> Ritz:
        """Eigenpairs of H."""
        m = self.hessenberg.shape[1]
        values, vectors = np.linalg.eig(self.hessenberg[:m])
        order = np.argsort(-np.abs(values), kind="stable")
        values = values[order]
        vectors = vectors[:, order]
        residuals = np.linalg.norm(self.hessenberg[m:] @ vectors, axis=0) / np.maximum(np.abs(values), 1e-300)
        return Ritz(values, vectors, residuals)
