"""Lagrange elements P1, P2, P4 by scikit-fem, isoparametric beside holes.

Meshes: structured on rectangles and on the L (bisected toward its corner), Gmsh where there are holes. Linear systems
go to MKL PARDISO as symmetric positive definite ones, the fastest solver at hand: scipy's default takes longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import gmsh
import numpy as np
import skfem
from matplotlib.tri import Triangulation
from pypardiso import PyPardisoSolver
from scipy.sparse import triu
from skfem.helpers import dot, grad

from benchmarks.against_fem.cases import Case

ELEMENTS = {1: skfem.ElementTriP1, 2: skfem.ElementTriP2, 4: skfem.ElementTriP4}
NEWTON_STEPS = 12


@dataclass(repr=False)
class QuarticMesh(skfem.MeshTri2):
    """Triangles with edges of degree four."""

    elem: type = skfem.ElementTriP4


CURVED = {1: skfem.MeshTri1, 2: skfem.MeshTri2, 4: QuarticMesh}


@skfem.BilinearForm
def stiffness(u: Any, v: Any, w: Any) -> Any:
    """∇u·∇v + c u v."""
    return dot(grad(u), grad(v)) + w.reaction * u * v


@dataclass(frozen=True)
class Solution:
    """Nodal values on a mesh."""

    basis: skfem.Basis
    values: np.ndarray

    @property
    def unknowns(self) -> int:
        """Degrees of freedom."""
        return len(self.values)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, 2)."""
        mesh = self.basis.mesh
        corners = mesh.doflocs[:, : int(mesh.t.max()) + 1]
        finder = Triangulation(*corners, mesh.t.T).get_trifinder()
        cells = finder(*points.T)
        missed = np.flatnonzero(cells < 0)  # on the boundary, up to rounding
        if len(missed):
            centres = corners[:, mesh.t].mean(1)
            away = ((centres[:, None] - points[missed].T[:, :, None]) ** 2).sum(0)
            cells[missed] = away.argmin(1)
        local = reference_coordinates(mesh, cells, points)
        result = np.zeros(len(points))
        for i, dof in enumerate(self.basis.element_dofs[:, cells]):
            result += self.values[dof] * self.basis.elem.lbasis(local, i)[0]
        return result


def reference_coordinates(mesh: skfem.Mesh, cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where in the reference triangle (2, n) the points (n, 2) of given cells come from, by Newton's method."""
    element = mesh.elem()
    dofs = mesh.dofs.element_dofs[:, cells]
    local = np.full((2, len(points)), 1 / 3)
    for _ in range(1 if mesh.affine else NEWTON_STEPS):
        place = np.zeros((2, len(points)))
        jacobian = np.zeros((2, 2, len(points)))
        for i, dof in enumerate(dofs):
            phi, dphi = element.lbasis(local, i)
            place += mesh.doflocs[:, dof] * phi
            jacobian += mesh.doflocs[:, None, dof] * dphi
        step = np.linalg.solve(jacobian.transpose(2, 0, 1), (points.T - place).T[..., None])
        local += step[..., 0].T
    return local


def solve(case: Case, order: int, size: int, pardiso: bool = True) -> Solution:
    """Mesh, assemble, solve; `size` counts bisections of the coarsest mesh in steps of a half.

    `pardiso` means MKL PARDISO; else scikit-fem's own default, scipy's SuperLU.
    """
    mesh = make_mesh(case, order, size)
    basis = skfem.Basis(mesh, ELEMENTS[order](), intorder=2 * order)
    load = skfem.LinearForm(lambda v, w: case.source(w.x[0], w.x[1], np) * v)
    matrix = stiffness.assemble(basis, reaction=case.reaction)
    right = load.assemble(basis)
    boundary = basis.get_dofs()
    x, y = basis.doflocs[:, boundary.flatten()]
    values = np.zeros(basis.N)
    values[boundary.flatten()] = np.where(on_a_hole(case, x, y), case.on_holes, case.boundary(x, y, np))
    system = skfem.condense(matrix, right, x=values, D=boundary)
    return Solution(basis, skfem.solve(*system, solver=by_pardiso if pardiso else None))


@lru_cache(maxsize=1)
def _pardiso() -> PyPardisoSolver:
    return PyPardisoSolver(mtype=2)  # symmetric positive definite


def by_pardiso(matrix: Any, right: np.ndarray) -> np.ndarray:
    """Factor, solve, forget."""
    solver = _pardiso()
    upper = triu(matrix, format="csr")
    upper.sort_indices()
    solver.factorize(upper)
    result = solver.solve(upper, right)
    solver.free_memory(everything=True)
    return result


def on_a_hole(case: Case, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points lie on the edge of a hole."""
    near = np.zeros(len(x), dtype=bool)
    for a, b, radius in case.holes:
        near |= np.abs(np.hypot(x - a, y - b) - radius) < 0.1 * radius
    return near


# -------------------------------------------------------------------- meshes


def make_mesh(case: Case, order: int, size: int) -> skfem.Mesh:
    """Triangles of width `coarsest` / 2^(size / 2)."""
    width = case.coarsest / 2 ** (size / 2)
    if case.holes:
        return curve(case, gmsh_mesh(case, width), order)
    if case.singular:
        return graded_lshape(order, size)
    corners = np.array(case.polygon)
    axes = [
        np.linspace(a, b, 1 + round((b - a) / width))
        for a, b in zip(corners.min(0), corners.max(0), strict=True)
    ]
    return skfem.MeshTri1.init_tensor(*axes)


def graded_lshape(order: int, size: int) -> skfem.Mesh:
    """Bisections toward the corner, then uniform ones; the corner is left no more of the error than the rest.

    The error of the smallest triangles goes with their width to the power 4/3, elsewhere to order + 1.
    """
    mesh = skfem.MeshTri1.init_lshaped().scaled((1.0, -1.0))
    uniform = size // 2
    for _ in range(round(0.75 * (order + 1) * (1 + size / 2)) - uniform):
        vertex = int((mesh.p**2).sum(0).argmin())
        mesh = mesh.refined(np.flatnonzero((mesh.t == vertex).any(0)))
    mesh = mesh.refined(uniform)
    return skfem.MeshTri1(mesh.p, np.sort(mesh.t, axis=0))


def gmsh_mesh(case: Case, width: float) -> skfem.MeshTri1:
    """Straight triangles; sorted, since quartic elements on an unsorted mesh are wrong without a word."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("General.NumThreads", 1)
        gmsh.option.setNumber("Mesh.MeshSizeMax", width)
        gmsh.option.setNumber("Mesh.MeshSizeMin", width)
        occ = gmsh.model.occ
        (ax, ay) = np.min(case.polygon, 0)
        (bx, by) = np.max(case.polygon, 0)
        plate = occ.addRectangle(ax, ay, 0, bx - ax, by - ay)
        discs = [(2, occ.addDisk(x, y, 0, radius, radius)) for x, y, radius in case.holes]
        occ.cut([(2, plate)], discs)
        occ.synchronize()
        gmsh.model.mesh.generate(2)
        tags, places, _ = gmsh.model.mesh.getNodes()
        nodes = gmsh.model.mesh.getElementsByType(2)[1]
    finally:
        gmsh.finalize()
    number = np.zeros(int(tags.max()) + 1, dtype=np.int32)
    number[tags.astype(int)] = np.arange(len(tags))
    used, triangles = np.unique(number[nodes.astype(int)].reshape(-1, 3), return_inverse=True)
    corners = places.reshape(-1, 3)[used, :2].T
    sorted_cells = np.sort(triangles.reshape(-1, 3), axis=1).T.astype(np.int32)
    return skfem.MeshTri1(*map(np.ascontiguousarray, (corners, sorted_cells)))


def curve(case: Case, straight: skfem.MeshTri1, order: int) -> skfem.Mesh:
    """Bend the edges on holes, and the inside of their triangles by blending: x + d(s) λ_a λ_b / (s (1 - s)).

    λ are barycentric coordinates, a and b the ends of the edge, s = (1 + λ_b - λ_a)/2 and d the way from the chord to
    the arc: a smooth map that leaves the other edges straight (Szabó & Babuška, Finite Element Analysis, 1991, §6.1).
    """
    if order == 1:
        return straight
    mesh = CURVED[order].from_mesh(straight)
    doflocs = mesh.doflocs.copy()
    places = mesh.elem.doflocs
    barycentric = np.stack([1 - places.sum(1), places[:, 0], places[:, 1]])
    facets = straight.boundary_facets()
    facets = facets[on_a_hole(case, *straight.p[:, straight.facets[:, facets]].mean(1))]
    cells = straight.f2t[0, facets]
    for facet, cell in zip(facets.tolist(), cells.tolist(), strict=True):
        corners = straight.t[:, cell].tolist()
        a, b = straight.facets[:, facet].tolist()
        of_a = barycentric[corners.index(a)]
        of_b = barycentric[corners.index(b)]
        moved = np.flatnonzero(of_a * of_b > 0)
        s = (1 + of_b[moved] - of_a[moved]) / 2
        d = way_to_arc(case, straight.p[:, a], straight.p[:, b], s)
        dofs = mesh.dofs.element_dofs[moved, cell]
        doflocs[:, dofs] += d * of_a[moved] * of_b[moved] / (s * (1 - s))
    return replace(mesh, doflocs=doflocs)


def way_to_arc(case: Case, a: np.ndarray, b: np.ndarray, s: np.ndarray) -> np.ndarray:
    """From the chord a b to the arc at fractions s of it, (2, m)."""
    chord = a[:, None] * (1 - s) + b[:, None] * s
    x, y, radius = min(case.holes, key=lambda h: abs(np.hypot(*(a - h[:2])) - h[2]))
    centre = np.array([[x], [y]])
    first, last = (np.arctan2(*(p - centre[:, 0])[::-1]) for p in (a, b))
    turn = (last - first + np.pi) % (2 * np.pi) - np.pi
    angle = first + turn * s
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)]) - chord
