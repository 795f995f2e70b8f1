"""The shift σ near the wanted number, away from eigenvalues: there A(σ) is singular, as a Laplacian under ∂u/∂n = 0."""

from __future__ import annotations

import numpy as np

from pdesolve.eigen.pencil import Pencil

OFFSET = 0.0371  # of the size of λ on a cell; no ratio that eigenvalues of simple domains have
# Part of the radius of what is found that the nearest eigenvalue must keep from σ. At 1e-3 it would cost the others
# three digits, as it is that much larger in A⁻¹.
LEAST = 1e-2
# At a twentieth the others lose little more than a digit: beyond it, nearness to the wanted number counts.
WANTED = 0.05
FARTHEST = 0.5  # of that radius, of σ from the wanted number
CANDIDATES = 101


def first_shift(pencil: Pencil, near: float) -> float:
    """A shift before anything is known: rows are scaled to one, so that 1/max |G| is the size of λ on a cell."""
    largest = max(float(block.matrices[0].abs().max()) for block in pencil.slopes if block is not None)
    return near - OFFSET / largest


def is_good(shift: float, found: np.ndarray, near: float) -> bool:
    """Whether a shift is far enough from the eigenvalues that it found, and near enough to the wanted number."""
    radius = float(np.abs(found - near).max())
    return bool(np.abs(found - shift).min() >= LEAST * radius and abs(shift - near) <= radius)


def shift_among(found: np.ndarray, near: float) -> float:
    """The number near the wanted one that keeps away from eigenvalues, by a twentieth of their radius if it can."""
    radius = float(np.abs(found - near).max())
    t = np.linspace(-FARTHEST, FARTHEST, CANDIDATES)
    apart = np.abs(near + radius * t[:, None] - found).min(axis=1) / radius
    best = int(np.argmax(np.minimum(apart, WANTED) - 1e-3 * np.abs(t)))
    return float(near + radius * t[best])
