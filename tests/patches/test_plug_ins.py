"""Another basis, another source of rows and another linear solver, plugged in from outside."""

from math import pi

import numpy as np
import pytest
import torch
from discretised import patches_over
from torch import sin

from pdesolve import Dirichlet, Integral, Interval, Neumann, Problem, Rectangle, laplace
from pdesolve.errors import UsageError
from pdesolve.least_squares.sparse.normal_equations import LastFactor
from pdesolve.least_squares.sparse.row_blocks import RowBlocks
from pdesolve.patches.assembly import Assembly
from pdesolve.patches.basis import Basis, degrees
from pdesolve.patches.compiled import Statement
from pdesolve.patches.discretise import discretise
from pdesolve.patches.newton import gauss_newton
from pdesolve.patches.rows.source import FixedRows, Linearised
from pdesolve.patches.rows.terms import TermRows
from pdesolve.patches.space import Space
from pdesolve.runs.monitor import Monitor

SQUARE, LINE = Rectangle((0, 0), (1, 1)), Interval(0, 1)


class Chebyshev(Basis):
    """Products of Chebyshev polynomials T_i(t) = cos(i arccos t) of total degree < q, without any envelope."""

    def __init__(self, dimension):
        self.dimension = dimension

    def size(self, q):
        return len(degrees(self.dimension, q))

    def tail(self, q):
        return torch.tensor(degrees(self.dimension, q))

    def table(self, t, half, q, indices):
        series = np.polynomial.chebyshev
        rows = []
        for index in indices:
            factors = []
            for axis, order in enumerate(index):
                values = [
                    series.chebval(t[..., axis].numpy(), series.chebder(np.eye(q + 1)[i], order))
                    for i in range(q)
                ]
                scale = half[:, axis, None, None] ** order
                factors.append(torch.from_numpy(np.stack(values, axis=-1)) / scale)
            chosen = self.tail(q)
            columns = [f[..., chosen[:, axis]] for axis, f in enumerate(factors)]
            rows.append(torch.stack(columns).prod(0))
        return torch.stack(rows)


class MeanOfPatches(FixedRows):
    """One row for each patch e, ∫_e u = m_e, as from averaging sensors."""

    def __init__(self, space, means):
        self.space = space
        self.means = means

    def make(self):
        rows = []
        for points in self.space.interior:
            weight = self.space.volume_weights(points)
            table = self.space.value_table(points).expand(len(points.cells), -1, -1)
            matrix = torch.einsum("bm,bmk->bk", weight, table)[:, None]
            cells = torch.from_numpy(points.cells)
            rows.append(RowBlocks.make(self.space.layout, (cells,), (matrix,), self.means[cells][:, None]))
        return rows


class Cubed:
    """A source that is not linear: c³ = 8 for the first coefficient."""

    linear = False

    def __init__(self, space):
        self.layout = space.layout

    def linearise(self, c):
        matrix = c.new_zeros(1, 1, int(self.layout.sizes[0]))
        matrix[0, 0, 0] = 3 * c[0] ** 2
        rows = RowBlocks.make(self.layout, (torch.tensor([0]),), (matrix,))
        return Linearised([rows], self.residual(c, None))

    def residual(self, c, scales):
        del scales
        return [(c[:1] ** 3 - 8)[None]]

    def touched(self):
        return [(torch.tensor([0]),)]


class PseudoInverse:
    """Solves with D AᵀA D by its singular values, made of dense rows."""

    def __init__(self, layout, centres, rows, scale):
        del centres
        dense = torch.zeros(layout.total, layout.total, dtype=scale.dtype)
        for j in range(layout.total):
            unit = torch.zeros_like(scale)
            unit[j] = 1.0
            for block in rows:
                block.add_transposed(block.apply(unit), dense[j])
        self.inverse = torch.linalg.pinv(scale[:, None] * dense * scale, hermitian=True)
        self.entries = layout.total**2

    def solve(self, b):
        return self.inverse @ b


def exact(x, y):
    return sin(pi * x) * torch.exp(y)


def poisson(*conditions):
    def equation(u, x, y):
        return -laplace(u) + (1 - pi**2) * exact(x, y)

    return Problem(SQUARE, equation, list(conditions), exact=exact)


def solved(assembly, at_hand=None):
    return gauss_newton(assembly, None, 1e-13, Monitor(), at_hand=at_hand)


def error(discrete):
    x = SQUARE.sample(500, sampler="sobol", seed=3)
    return float((discrete.mixture(x)[:, 0] - exact(*x.unbind(1))).abs().max())


@pytest.mark.parametrize("hanging", [False, True])
def test_another_basis_solves_poisson(hanging):
    problem = poisson(Dirichlet(exact, on=SQUARE.boundary))
    patches = patches_over(problem, 2, hanging)
    statement = Statement.of(problem, patches.frame.rotation)
    discrete = solved(discretise(statement, patches, np.full(len(patches), 12), basis=Chebyshev(2)))
    assert error(discrete) < 1e-8


def test_another_basis_is_prolonged_to_another_mesh_exactly():
    """A polynomial of degree < q on a coarse mesh is one on a finer mesh."""
    problem = poisson(Dirichlet(exact, on=SQUARE.boundary))
    coarse, fine = (
        Space(patches, np.full(len(patches), 6), np.array([[2, 2]]), basis=Chebyshev(2))
        for patches in (patches_over(problem, 1), patches_over(problem, 3))
    )
    c = torch.randn(coarse.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    there = fine.prolong(coarse, c)
    x = SQUARE.sample(200, sampler="sobol", seed=1)
    torch.testing.assert_close(fine.mixture(there)(x), coarse.mixture(c)(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(fine.norms(there), coarse.norms(c), rtol=1e-10, atol=0)


def test_a_solution_in_another_basis_is_not_written_to_a_file():
    patches = patches_over(poisson(Dirichlet(0, on=SQUARE.boundary)), 1)
    space = Space(patches, np.full(len(patches), 4), np.array([[2, 2]]), basis=Chebyshev(2))
    with pytest.raises(UsageError, match="Chebyshev"):
        space.mixture().state()


def test_another_source_of_rows_fixes_what_the_problem_leaves_open():
    """-u'' = f with given fluxes leaves a constant open; means over patches determine it."""

    def u(x):
        return torch.exp(x)

    ends = [Neumann(-1, on=LINE.left), Neumann(float(np.e), on=LINE.right)]
    problem = Problem(LINE, lambda u, x: -u.xx + torch.exp(x), ends)
    patches = patches_over(problem, 3)
    whole = discretise(Statement.of(problem, patches.frame.rotation), patches, np.full(len(patches), 12))
    lower, upper = (torch.from_numpy(bound[:, 0]) for bound in patches.partition.bounds)
    means = MeanOfPatches(whole.space, u(upper) - u(lower))
    # In front, although a condition of the problem would come last: no order of sources is special.
    discrete = solved(Assembly(whole.space, [means, *whole.sources]))
    x = LINE.sample(100, sampler="sobol", seed=3)
    assert float((discrete.mixture(x)[:, 0] - u(x[:, 0])).abs().max()) < 1e-8
    assert discrete.residual_of_patch.max() < 1e-8


def test_residuals_of_patches_come_from_the_patches_that_sources_name():
    problem = poisson(Dirichlet(exact, on=SQUARE.boundary), Integral(1.0))
    patches = patches_over(problem, 2)
    whole = discretise(Statement.of(problem, patches.frame.rotation), patches, np.full(len(patches), 6))
    c = torch.randn(whole.layout.total, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    backwards = Assembly(whole.space, whole.sources[::-1])
    found = [a.residual_of_patch(a.residuals(c, a.linearise(c)[2])) for a in (whole, backwards)]
    assert len(whole.sources) == 3  # terms, continuity, and the integral, whose row touches all patches
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_a_source_that_is_not_linear_is_iterated_on():
    problem = Problem(LINE, lambda u: u.xx, [])
    patches = patches_over(problem, 1)
    statement = Statement.of(problem, patches.frame.rotation)
    terms = discretise(statement, patches, np.full(len(patches), 3), basis=Chebyshev(1))
    assembly = Assembly(terms.space, [terms.source(TermRows), Cubed(terms.space)])
    assert not assembly.linear
    found = gauss_newton(assembly, torch.ones(assembly.layout.total, dtype=torch.float64), 1e-13, Monitor())
    assert found.converged
    assert float(found.coefficients[0]) == pytest.approx(2, abs=1e-12)


def test_another_factor_solves_poisson():
    problem = poisson(Dirichlet(exact, on=SQUARE.boundary))
    patches = patches_over(problem, 2)
    statement = Statement.of(problem, patches.frame.rotation)
    assembly = discretise(statement, patches, np.full(len(patches), 11))
    made = []

    def factorise(*arguments):
        made.append(PseudoInverse(*arguments))
        return made[-1]

    discrete = solved(assembly, LastFactor(factorise=factorise))
    assert len(made) == 1
    assert error(discrete) < 1e-8
    usual = solved(assembly)
    assert float((discrete.coefficients - usual.coefficients).norm()) < 1e-8


def test_all_three_at_once():
    """Chebyshev polynomials, rows of means and a dense factor solve a pure Neumann problem."""
    problem = poisson(
        Neumann(lambda x: -sin(pi * x), on=SQUARE.bottom),
        Neumann(lambda x: sin(pi * x) * torch.e, on=SQUARE.top),
        Neumann(lambda y: -pi * torch.exp(y), on=SQUARE.left),
        Neumann(lambda y: -pi * torch.exp(y), on=SQUARE.right),
    )
    patches = patches_over(problem, 1)
    statement = Statement.of(problem, patches.frame.rotation)
    whole = discretise(statement, patches, np.full(len(patches), 16), basis=Chebyshev(2))
    lower, upper = (torch.from_numpy(bound) for bound in patches.partition.bounds)
    x_part = (torch.cos(pi * lower[:, 0]) - torch.cos(pi * upper[:, 0])) / pi
    means = MeanOfPatches(whole.space, x_part * (upper[:, 1].exp() - lower[:, 1].exp()))
    assembly = Assembly(whole.space, [*whole.sources, means])
    assert error(solved(assembly, LastFactor(factorise=PseudoInverse))) < 1e-8
