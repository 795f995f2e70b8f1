"""High-order elements by NGSolve: Netgen triangles, curved to the order of the elements, static condensation.

Its own sparse Cholesky factorisation solves what condensation leaves. Toward a re-entrant corner the mesh is refined
geometrically, as for hp methods.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch  # noqa: F401  # isort: skip  (torch crashes when it is loaded after NGSolve)
import netgen.meshing
import ngsolve
import numpy as np
from netgen.geom2d import SplineGeometry
from ngsolve import H1, BilinearForm, GridFunction, LinearForm, Mesh, TaskManager, dx, grad

from benchmarks.against_fem.cases import Case

CORNER_FACTOR = 0.3  # from layer to layer: the best of 0.15, 0.3 and 0.5 for these orders
netgen.meshing.SetMessageImportance(0)
ngsolve.ngsglobals.msg_level = 0


@dataclass(frozen=True)
class Solution:
    """A grid function."""

    function: GridFunction

    @property
    def unknowns(self) -> int:
        """Degrees of freedom."""
        return self.function.space.ndof

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Values (n,) at points (n, 2); the search stops early in curved cells, ∇u makes up for what is left."""
        mesh = self.function.space.mesh
        where = mesh(*points.T)
        found = np.stack([axis(where)[:, 0] for axis in (ngsolve.x + 0, ngsolve.y + 0)], 1)
        slope = np.asarray(grad(self.function)(where))
        return np.asarray(self.function(where))[:, 0] + (slope * (points - found)).sum(1)


def solve(case: Case, order: int, size: int, threads: int = 1) -> Solution:
    """Mesh, assemble, solve."""
    if threads == 1:
        return _solve(case, order, size)
    ngsolve.SetNumThreads(threads)
    with TaskManager():
        return _solve(case, order, size)


def _solve(case: Case, order: int, size: int) -> Solution:
    mesh = make_mesh(case, order, size)
    space = H1(mesh, order=order, dirichlet=".*")
    u, v = space.TnT()
    if case.reaction:
        integrand = grad(u) * grad(v) + case.reaction * u * v
    else:
        integrand = grad(u) * grad(v)
    form = BilinearForm(space, symmetric=True, condense=True)
    form += integrand * dx
    form.Assemble()
    load = LinearForm(space)
    load += case.source(ngsolve.x, ngsolve.y, ngsolve) * v * dx
    load.Assemble()
    function = GridFunction(space)
    values = {"outer": case.boundary(ngsolve.x, ngsolve.y, ngsolve), "hole": case.on_holes}
    function.Set(mesh.BoundaryCF(values), definedon=mesh.Boundaries(".*"))
    residual = load.vec.CreateVector()
    residual.data = load.vec + form.harmonic_extension_trans * load.vec
    residual.data -= form.mat * function.vec
    free = space.FreeDofs(True)
    function.vec.data += form.mat.Inverse(free, inverse="sparsecholesky") * residual
    function.vec.data += form.harmonic_extension * function.vec
    function.vec.data += form.inner_solve * load.vec
    return Solution(function)


def make_mesh(case: Case, order: int, size: int) -> Mesh:
    """Triangles of width `coarsest` / 2^(size / 2); beside a re-entrant corner 3, 6, 9 or 12 layers for each width."""
    geometry = SplineGeometry()
    marks = [{"hpref": 1} if case.singular and i == 0 else {} for i in range(len(case.polygon))]
    corners = [geometry.AppendPoint(*p, **m) for p, m in zip(case.polygon, marks, strict=True)]
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        geometry.Append(["line", a, b], leftdomain=1, rightdomain=0, bc="outer")
    for x, y, radius in case.holes:
        geometry.AddCircle((x, y), radius, leftdomain=0, rightdomain=1, bc="hole")
    if case.singular:
        mesh = Mesh(geometry.GenerateMesh(maxh=case.coarsest / 2 ** (size // 4)))
        mesh.RefineHP(3 * (1 + size % 4), CORNER_FACTOR)
    else:
        mesh = Mesh(geometry.GenerateMesh(maxh=case.coarsest / 2 ** (size / 2)))
    mesh.Curve(order)
    return mesh
