"""Two-sided bounds of eigenvalues that hold whatever the modes are: Weinstein's, with Moler & Payne's boundary term.

For -div(a grad u) + c u = λ W u with u = 0 on the boundary, W > 0 and c ≥ 0, take any ũ in H² with values on the
boundary of at most β and r = L ũ - λ W ũ = r₁ + r₂. With L w = 0 inside and w = ũ on the boundary, and L z = r₂ with
z = 0 there, eigenfunctions (orthonormal in W) satisfy

    (λ_k - λ) (ũ, u_k)_W = (r₁, u_k) + λ_k (w + z, u_k)_W,

and so some λ_k with |1 - λ/λ_k| ≤ t exists, where

    t = (R + λ B)/(λ ‖ũ‖ - R),    R = ‖W^(-1/2) r₁‖,    B = ‖w‖ + ‖z‖ ≤ β √∫W + g √(max W) ‖r₂‖_{L¹}.

The first part of B is the principle of the maximum (Moler & Payne, SIAM J. Numer. Anal. 5 (1968) 64), the second one
Green's function, which the one of a larger domain exceeds; g is its norm in L². It is what residuals at re-entrant
corners need: they are in L¹, and those of modes that behave as r^(2/3) are not in L². For m modes at once, with Gram
matrix M in W, the same holds of m eigenvalues if R and B are roots of sums of squares and ‖ũ‖ the root of the smallest
eigenvalue of M. All this is true of what norms are; they are computed by quadrature, and taken a tenth larger.

Modes of least squares jump between patches. ũ blends them, Σ φ_K u_K/Σ φ_K with bumps φ_K that reach a little beyond
each patch, and the residual of ũ is that of all: no jump is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pdesolve.eigen.coefficients import Coefficients, coefficients_at, is_symmetric
from pdesolve.eigen.modes import groups_of
from pdesolve.patches.cells import Patches
from pdesolve.patches.mixture import PartitionedMixture
from pdesolve.patches.points.boundary import boundary_points
from pdesolve.patches.quadrature import cover_on
from pdesolve.quadrature import gauss_legendre
from pdesolve.statement.calculus import multi_indices
from pdesolve.statement.problem import Problem
from pdesolve.statement.residual import ResidualOperator, compile_problem

# Of the smaller of two half widths: how far a bump reaches beyond its patch. A polynomial grows beyond it as
# exp(q √(2δ)), derivatives of bumps as δ⁻².
REACH = 0.05
RAMP = 8  # Gauss points on each axis where a bump rises
BEYOND = 3  # points on each axis where it does not, more than the degree of the patch
# Norms are by quadrature, on cut patches by that of the points inside; they are taken larger by it.
SAFETY = 1.1
CELLS = 48  # patches whose points are in memory at once
COVERED = 1e-6  # part of the boundary without a condition that is rounding

Groups = tuple[tuple[int, ...], ...]  # numbers of modes that are taken together
Jets = dict[tuple[int, ...], Tensor]  # derivatives by the axes they are taken along


def eigenvalue_bounds(problem: Problem, modes: PartitionedMixture, values: np.ndarray) -> np.ndarray | None:
    """Lower and upper bounds (k, 2) of as many eigenvalues as there are modes; None where none are proved.

    Modes whose intervals overlap share one, in which there are as many eigenvalues. That no eigenvalue lies between the
    intervals is not proved. Where modes are too coarse for any, there are none.

    Args:
        problem: with `eigenvalues`.
        modes: its modes, one unknown each.
        values: (k,) approximate eigenvalues.
    """
    operators = compile_problem(problem)
    if np.iscomplexobj(values) or not _is_known(problem, operators):
        return None
    pieces = _Pieces(problem, operators[0], modes, values)
    if not pieces.positive:
        return None
    found = pieces.bounds()
    if not np.isfinite(found).all():
        return None
    return found


def _is_known(problem: Problem, operators: tuple[ResidualOperator, ...]) -> bool:
    """Whether it is one self-adjoint equation of second order with u = 0 on all of the boundary."""
    equation = operators[0]
    one = len(problem.unknowns) == equation.components == 1
    if not one or any((problem.interfaces, problem.integrals, problem.seams, problem.data)):
        return False
    second = max(sum(alpha) for _, alpha in equation.slots) == 2
    assert problem.eigenvalues is not None
    return second and _is_held(problem) and is_symmetric(problem, equation, problem.eigenvalues.name)


def _is_held(problem: Problem) -> bool:
    """Whether u = 0 holds on all of the boundary, and nothing else."""
    places = [term.place for term in problem.terms[1:] if term.kind == "dirichlet" and term.place is not None]
    held = sum(float(place.rule(problem.domain, 8).weights.sum()) for place in places)
    whole = float(problem.domain.boundary.rule(problem.domain, 8).weights.sum())
    return len(places) == len(problem.terms) - 1 and abs(held - whole) <= COVERED * whole


@dataclass(frozen=True, eq=False)
class _Sums:
    """Integrals over patches (e, …): of the Gram matrix, residuals in L² (products) and L¹, of W; and the largest W."""

    gram: Tensor
    products: Tensor
    absolute: Tensor
    mass: Tensor
    heaviest: float


class _Pieces:
    """Blended modes of one problem, and the integrals that bounds are made of."""

    def __init__(
        self, problem: Problem, equation: ResidualOperator, modes: PartitionedMixture, values: np.ndarray
    ):
        assert problem.eigenvalues is not None
        self.problem = problem
        self.equation = equation
        self.name = problem.eigenvalues.name
        self.modes = modes
        self.values = values
        self.patches = cover_on(problem.domain, problem, modes)
        self.indices = multi_indices(problem.domain.dimension, 2)
        self.edges = _edges(self.patches)
        at = self._coefficients(problem.domain.sample(512))
        self.sign = -float(at.a.diagonal(dim1=1, dim2=2).sum().sign())
        self.positive = bool((-self.sign * at.w > 0).all())
        diagonal = at.a[:, 0, 0].mean() * torch.eye(problem.domain.dimension, dtype=torch.float64)
        # Green's function is compared with that of the Laplacian, which another coefficient may exceed.
        self.laplace = bool((at.a - diagonal).abs().max() <= 1e-12 * at.a.abs().max())
        self.scale = float(at.a[:, 0, 0].abs().mean())
        # Eigenvalues are moved by what makes c positive, which the principle of the maximum needs.
        self.moved = max(0.0, SAFETY * float((self.sign * at.c / (self.sign * at.w)).max()))

    def bounds(self) -> np.ndarray:
        """Intervals (k, 2)."""
        sums = self._integrals()
        beta = self._largest_on_boundary()
        found = np.full((len(self.values), 2), np.nan)
        groups: Groups = tuple((k,) for k in range(len(self.values)))
        # Modes whose intervals overlap are taken together, until none do.
        while True:
            for group in groups:
                found[list(group)] = self._interval(sums, beta, list(group))
            if not np.isfinite(found).all():
                return found
            # Intervals overlap where their middles are nearer than the wider of them is wide, or nearly.
            joined = _merged(groups, groups_of(found.mean(1), np.diff(found, axis=1)[:, 0]))
            if joined == groups:
                return found
            groups = joined

    def _interval(self, sums: _Sums, beta: Tensor, group: list[int]) -> tuple[float, float]:
        """What holds as many eigenvalues as there are modes in a group."""
        shifted = self.values[group] + self.moved
        middle = float(shifted.mean())
        gram = sums.gram.sum(0)[group][:, group]
        size = float(torch.linalg.eigvalsh(gram)[0].clamp_min(0.0)) ** 0.5
        away = torch.from_numpy(np.abs(shifted - middle)).to(gram)
        # r of another middle is r + (λ_j - λ) W ũ_j.
        squares = (sums.products[:, group].sum(0).sqrt() + away * gram.diagonal().sqrt()) ** 2
        walls = SAFETY * float((beta[group] ** 2).sum()) ** 0.5 * float(sums.mass.sum()) ** 0.5
        inner = SAFETY * float(squares.sum()) ** 0.5
        t = _relative(inner, walls, middle, size)
        for kept in self._in_absolute(sums, group):
            part = sums.products[:, group].clone()
            part[kept] = 0.0
            rest = (part.sum(0).sqrt() + away * gram.diagonal().sqrt()).square().sum().sqrt()
            source = self._green() * sums.heaviest**0.5 * sums.absolute[kept][:, group].sum(0).norm()
            t = min(t, _relative(SAFETY * float(rest), walls + SAFETY * float(source), middle, size))
        if not 0 <= t < 1:
            return -np.inf, np.inf
        return middle / (1 + t) - self.moved, middle / (1 - t) - self.moved

    def _in_absolute(self, sums: _Sums, group: list[int]) -> Iterator[Tensor]:
        """Patches whose residual may count in L¹, where it is least beside that in L²: 1, 2, 4, and so on."""
        if not self.laplace:
            return
        ratio = sums.absolute[:, group].sum(1) / sums.products[:, group].sum(1).sqrt().clamp_min(1e-300)
        order = torch.argsort(ratio)
        count = 1
        while count < 2 * len(order):
            yield order[:count]
            count *= 2

    def _green(self) -> float:
        """The norm g in L² of Green's function of the Laplacian in a ball about any point that contains the domain."""
        d = self.problem.domain.dimension
        lower, upper = self.problem.domain.bounds
        reach = float((upper - lower).norm())
        # On a line, x (L - x)/L at most; ln(D/ρ)/2π in a disc; 1/(4π ρ) in space.
        norms = {1: reach**1.5 / 48**0.5, 2: reach / (8 * np.pi) ** 0.5, 3: (reach / (4 * np.pi)) ** 0.5}
        return norms[d] / self.scale

    # ---------------------------------------------------------------- integrals

    def _integrals(self) -> _Sums:
        e = len(self.patches)
        k = len(self.values)
        gram = torch.zeros(e, k, k, dtype=torch.float64)
        products = torch.zeros(e, k, dtype=torch.float64)
        absolute = torch.zeros(e, k, dtype=torch.float64)
        mass = torch.zeros(e, dtype=torch.float64)
        heaviest = 0.0
        for cells in np.array_split(np.arange(e), -(-e // CELLS)):
            y, weight, owner = _rule(self.patches, cells, self.modes.q)
            u, r, w = self._blended(y, cells)
            u_w = u * w.sqrt()[:, None]
            gram.index_add_(0, owner, weight[:, None, None] * u_w[:, :, None] * u_w[:, None, :])
            products.index_add_(0, owner, weight[:, None] * r.square() / w[:, None])
            absolute.index_add_(0, owner, weight[:, None] * r.abs())
            mass.index_add_(0, owner, weight * w)
            heaviest = max(heaviest, float(w.max()))
        return _Sums(gram, products, absolute, mass, heaviest)

    def _largest_on_boundary(self) -> Tensor:
        """The largest value (k,) of each blended mode on the boundary."""
        largest = torch.zeros(len(self.values), dtype=torch.float64)
        q = 2 * self.modes.q[: len(self.patches)]
        for points in boundary_points(self.patches, self.problem.domain.boundary, q, CELLS):
            y = points.y.reshape(-1, self.patches.dimension)
            u = self._jets(y, self.indices[:1], points.cells)[:, :, 0]
            largest = torch.maximum(largest, u.abs().amax(0))
        return largest

    def _blended(self, y: Tensor, cells: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Blended modes u and residuals r (n, k), and W (n,), at points y (n, d) in some patches."""
        jets = self._jets(y, self.indices, cells)
        at = self._coefficients(y @ self.patches.frame.rotation.T)
        lam = torch.from_numpy(self.values)
        w = -self.sign * at.w
        u = jets[:, :, 0]
        r = (self.sign * at.c)[:, None] * u - lam * w[:, None] * u
        for i, alpha in enumerate(self.indices):
            axes = [axis for axis, count in enumerate(alpha) for _ in range(count)]
            if len(axes) == 1:
                r = r + self.sign * at.b[:, axes[0], None] * jets[:, :, i]
            elif len(axes) == 2:
                twice = 2.0 if axes[0] != axes[1] else 1.0
                r = r + self.sign * twice * at.a[:, axes[0], axes[1], None] * jets[:, :, i]
        return u, r, w

    def _jets(self, y: Tensor, indices: tuple, cells: np.ndarray) -> Tensor:
        """Derivatives (n, k, a) of the blended modes along the coordinates, at points in some patches."""
        k = len(self.values)
        above = torch.zeros(len(y), k, len(indices), dtype=torch.float64)
        below = torch.zeros(len(y), len(indices), dtype=torch.float64)
        numbers, place = self._pairs(y, cells)
        bump = self._bumps(y[place], numbers)  # (p, 1 + d + d d): value, gradient, second derivatives along x
        u = self.modes.jet_on(numbers, y[place], indices)
        index = torch.from_numpy(place)
        below.index_add_(0, index, torch.stack([bump[_beta(alpha)] for alpha in indices], dim=1))
        product = torch.stack([_product(bump, u, indices, alpha) for alpha in indices], dim=2)
        above.index_add_(0, index, product)
        return _quotient(above, below, indices)

    def _pairs(self, y: Tensor, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Patches (p,) and points (p,) where their bumps do not vanish."""
        lower, upper = self.edges
        wide_lower = self.patches.centre - self.patches.half - lower
        wide_upper = self.patches.centre + self.patches.half + upper
        centre = self.patches.centre[cells]
        half = self.patches.half[cells]
        # Only bumps that reach some of these patches are looked at.
        near = ((wide_lower[:, None] < centre + half) & (wide_upper[:, None] > centre - half)).all(2).any(1)
        at = y.numpy()
        numbers = []
        place = []
        for cell in np.flatnonzero(near):
            inside = np.flatnonzero(((at > wide_lower[cell]) & (at < wide_upper[cell])).all(1))
            numbers.append(np.full(len(inside), cell))
            place.append(inside)
        return np.concatenate(numbers), np.concatenate(place)

    def _bumps(self, y: Tensor, numbers: np.ndarray) -> Jets:
        """Bumps of patches (p,) at points (p, d): value, and derivatives along x by their axes."""
        values = []
        for side, sign in ((0, 1.0), (1, -1.0)):
            edge = self.patches.centre[numbers] - sign * self.patches.half[numbers]
            reach = torch.from_numpy(self.edges[side][numbers])
            values.append(_step(sign * (y - torch.from_numpy(edge)) / reach, sign / reach))
        (f, f1, f2), (g, g1, g2) = values
        h = torch.stack([f * g, f1 * g + f * g1, f2 * g + 2 * f1 * g1 + f * g2])  # (3, p, d)
        d = y.shape[1]
        rotation = self.patches.frame.rotation
        gradient = torch.stack([_tensor(h, [i], d) for i in range(d)], dim=1) @ rotation.T
        second = torch.stack([_tensor(h, [i, j], d) for i in range(d) for j in range(d)], dim=1)
        second = rotation @ second.view(-1, d, d) @ rotation.T
        found: Jets = {(): _tensor(h, [], d)}
        found |= {(i,): gradient[:, i] for i in range(d)}
        found |= {(i, j): second[:, i, j] for i in range(d) for j in range(i, d)}
        return found

    def _coefficients(self, x: Tensor) -> Coefficients:
        return coefficients_at(self.equation, self.name, x)


def _relative(inner: float, outer: float, middle: float, size: float) -> float:
    """Evaluate t = (R + λ B)/(λ ‖ũ‖ - R), or infinity where that says nothing."""
    below = middle * size - inner
    if not (middle > 0 and below > 0):
        return np.inf
    return (inner + middle * outer) / below


def _merged(
    one: tuple[tuple[int, ...], ...], other: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    """The finest groups that both are finer than."""
    label = np.arange(1 + max(max(group) for group in one))
    for group in (*one, *other):
        joined = np.isin(label, label[list(group)])
        label[joined] = label[group[0]]
    return tuple(tuple(np.flatnonzero(label == v).tolist()) for v in dict.fromkeys(label.tolist()))


def _edges(patches: Patches) -> tuple[np.ndarray, np.ndarray]:
    """How far the bump of each patch reaches below and above it along each axis, (e, d) each."""
    lower = patches.half.copy()
    upper = patches.half.copy()
    faces = patches.partition.faces
    for axis in range(patches.dimension):
        mine = faces.axis == axis
        smaller = np.minimum(patches.half[faces.minus[mine], axis], patches.half[faces.plus[mine], axis])
        np.minimum.at(upper[:, axis], faces.minus[mine], smaller)
        np.minimum.at(lower[:, axis], faces.plus[mine], smaller)
    return REACH * lower, REACH * upper


def _rule(patches: Patches, cells: np.ndarray, q: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Points (n, d) in patches, their weights and the patches (n,): Gauss rules where bumps rise, and between."""
    d = patches.dimension
    x, w = gauss_legendre(RAMP)
    y_all = []
    weights = []
    owners = []
    for cell in cells.tolist():
        inner, inner_w = gauss_legendre(int(q[cell]) + BEYOND)
        rise = REACH / 2
        t = torch.cat([-1 + rise * (x + 1), (1 - 2 * rise) * inner, 1 - rise * (x + 1)])
        mass = torch.cat([rise * w, (1 - 2 * rise) * inner_w, rise * w])
        points = torch.cartesian_prod(*[t] * d).reshape(-1, d)
        weight = torch.cartesian_prod(*[mass] * d).reshape(-1, d).prod(1)
        y = torch.from_numpy(patches.centre[cell]) + torch.from_numpy(patches.half[cell]) * points
        weight = weight * float(patches.half[cell].prod())
        if patches.cut[cell]:
            inside = torch.from_numpy(patches.frame.inside(y.numpy(), patches.partition.part[cell]))
            y = y[inside]
            weight = weight[inside]
        y_all.append(y)
        weights.append(weight)
        owners.append(torch.full((len(y),), cell, dtype=torch.long))
    return torch.cat(y_all), torch.cat(weights), torch.cat(owners)


def _step(s: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A smooth step from 0 at s = -1 to 1 at s = 1, with two derivatives by a variable of that slope."""
    p = ((s + 1) / 2).clamp(0.0, 1.0)
    rate = slope / 2
    value = p**3 * (10 - 15 * p + 6 * p**2)
    return value, 30 * p**2 * (1 - p) ** 2 * rate, 60 * p * (1 - p) * (1 - 2 * p) * rate**2


def _tensor(h: Tensor, axes: list[int], d: int) -> Tensor:
    """The product (p,) of functions h (3, p, d) of one coordinate each, differentiated along some axes."""
    found = torch.ones_like(h[0, :, 0])
    for axis in range(d):
        found = found * h[axes.count(axis), :, axis]
    return found


def _beta(alpha: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis for axis, count in enumerate(alpha) for _ in range(count))


def _product(bump: Jets, u: Tensor, indices: tuple, alpha: tuple[int, ...]) -> Tensor:
    """A derivative (p, k) of bump times u, whose derivatives (p, k, a) are known."""
    axes = _beta(alpha)
    at = {_beta(index): u[:, :, i] for i, index in enumerate(indices)}
    b = {key: value[:, None] for key, value in bump.items()}
    if len(axes) < 2:
        found = b[()] * at[axes]
        if axes:
            found = found + b[axes] * at[()]
        return found
    i, j = axes
    return b[()] * at[axes] + b[(i,)] * at[(j,)] + b[(j,)] * at[(i,)] + b[axes] * at[()]


def _quotient(above: Tensor, below: Tensor, indices: tuple) -> Tensor:
    """Derivatives (n, k, a) of N/D from those of N (n, k, a) and D (n, a)."""
    number = {_beta(alpha): i for i, alpha in enumerate(indices)}
    n = {axes: above[:, :, i] for axes, i in number.items()}
    b = {axes: below[:, i, None] for axes, i in number.items()}
    found: Jets = {(): n[()] / b[()]}
    for axes in sorted(number, key=len)[1:]:
        if len(axes) == 1:
            found[axes] = (n[axes] - found[()] * b[axes]) / b[()]
            continue
        i, j = axes
        cross = found[(i,)] * b[(j,)] + found[(j,)] * b[(i,)]
        found[axes] = (n[axes] - cross - found[()] * b[axes]) / b[()]
    return torch.stack([found[_beta(alpha)] for alpha in indices], dim=2)
