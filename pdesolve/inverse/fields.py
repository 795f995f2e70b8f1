"""The unknown parameters of a problem: fields resolved until what is stated of them alone holds.

Everything that is stated of fields alone (boundary values, ∂a/∂t = 0) is K φ = g for their coefficients φ. A particular
solution φ₀ and the null space Z of K take care of it, with φ = φ₀ + Z η; the degree N grows until these statements hold
to the tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pdesolve.errors import ProblemError
from pdesolve.inverse.unknown_parameters import UnknownParameters, polynomials
from pdesolve.patches.basis import basis_size
from pdesolve.patches.compiled import GridTerm, Statement
from pdesolve.patches.frame import Frame
from pdesolve.patches.points.grids import gauss_grid

LEAST_DEGREE = {1: 16, 2: 10, 3: 8}  # total degree of fields, below which they would be stiff
# A bound on N bounds the number of coefficients, hence of sensitivities that are solved for.
HIGHEST_DEGREE = {1: 40, 2: 20, 3: 14}
NULL = 1e-8  # relative singular value of statements below which they leave a direction free
INTERIOR = 4  # points for each coefficient at which equations of fields alone are posed


def unknown_parameters_of(
    statement: Statement, frame: Frame, tol: float, degree: int = 0
) -> UnknownParameters:
    """All that is to be identified in a problem, with fields resolved until what is stated of them alone holds.

    Args:
        statement: the compiled problem.
        frame: grid coordinates.
        tol: relative size of what may be left of these statements.
        degree: N at least; 0: a low one.
    """
    problem = statement.problem
    d = statement.problem.domain.dimension
    scalars = torch.tensor(list(problem.parameters.values()), dtype=torch.float64)
    nothing = scalars.new_zeros(0)
    box = _box(frame)
    names = tuple(problem.parameters)
    if not statement.fields:
        return UnknownParameters(names, (), 1, *box, nothing, nothing.view(0, 0), (), scalars, 0.0)
    degree = max(degree, LEAST_DEGREE[d])
    while True:
        found = _fields(statement, frame, box, degree)
        # Degrees rise by two, so that each rise adds even polynomials as well as odd ones.
        if found.misfit <= tol or degree + 2 > HIGHEST_DEGREE[d]:
            return found
        degree += 2


def _box(frame: Frame) -> tuple[Tensor, Tensor]:
    lower = torch.from_numpy(frame.lower)
    upper = torch.from_numpy(frame.upper)
    return ((lower + upper) / 2)[None], ((upper - lower) / 2)[None]


def _fields(statement: Statement, frame: Frame, box: tuple[Tensor, Tensor], degree: int) -> UnknownParameters:
    """Fields of one degree: particular solution and null space of their statements, roughness, start."""
    problem = statement.problem
    count = len(statement.fields)
    k = basis_size(problem.domain.dimension, degree)
    parts = [_rows(term, statement, frame, box, degree) for term in statement.field_terms]
    K = torch.cat([rows for rows, _ in parts])
    g = torch.cat([values for _, values in parts])
    offset, free, misfit = _null_space(K, g, count * k)
    R = _roughness(box, degree)
    roughness = []
    for field in range(count):
        mine = slice(field * k, (field + 1) * k)
        roughness.append((R @ free[mine], R @ offset[mine]))
    # Without a guess, a field of which something is stated starts smoothest; of the others nothing is known.
    stated = [bool((K[:, i * k : (i + 1) * k] != 0).any()) for i in range(count)]
    eta = _start(statement, frame, box, degree, offset, free, roughness, stated)
    scalars = torch.tensor(list(problem.parameters.values()), dtype=torch.float64)
    names = tuple(problem.parameters)
    start = torch.cat([scalars, eta])
    return UnknownParameters(
        names, statement.fields, degree, *box, offset, free, tuple(roughness), start, misfit
    )


def _rows(
    term: GridTerm, statement: Statement, frame: Frame, box: tuple[Tensor, Tensor], degree: int
) -> tuple[Tensor, Tensor]:
    """K φ = g from one term: what its components without other unknowns say of the fields.

    Raises:
        ProblemError: it is not linear in the fields.
    """
    operator = term.operator
    problem = statement.problem
    d = problem.domain.dimension
    count = len(statement.fields)
    k = basis_size(d, degree)
    if operator.term.place is None:
        x = problem.domain.sample(INTERIOR * k, sampler="sobol", seed=3)
        normals = None
        w = torch.full((len(x),), 1 / len(x), dtype=torch.float64)
    else:
        rule = operator.term.place.rule(problem.domain, degree + 4)
        x = rule.points
        normals = rule.normals
        w = rule.weights / rule.weights.sum()
    parameters = {name: torch.tensor(v, dtype=torch.float64) for name, v in problem.parameters.items()}
    generator = torch.Generator().manual_seed(6)
    jets = torch.rand(len(x), len(operator.slots), generator=generator, dtype=torch.float64)
    own = list(term.places[: len(term.slots)])
    other = list(term.places[len(term.slots) :])
    sensitivities = []
    # An affine statement has the same derivatives at every jet: two jets tell it from any other.
    for j in (0 * jets, jets):
        r, dF = operator.linearise(x, j, normals, parameters)
        sensitivities.append(dF if term.transform is None else dF @ term.transform)
    components = ~(sensitivities[1][..., own] != 0).any(2).any(0) & (sensitivities[1] != 0).any(2).any(0)
    if not components.any():
        return x.new_zeros(0, count * k), x.new_zeros(0)
    r, _ = operator.linearise(x, 0 * jets, normals, parameters)
    first, second = (dF[:, components][..., other] for dF in sensitivities)
    if bool(((first - second).abs() > 1e-10 * second.abs().amax()).any()):
        message = f"{operator.term.name} is not linear in the field it speaks of; state the value of the field, or ∂/∂n"
        raise ProblemError(message)
    y = x @ frame.rotation
    betas = tuple(dict.fromkeys(beta for _, beta in term.fields))
    basis = polynomials(y, *box, degree, betas)
    rows = x.new_zeros(len(x), int(components.sum()), count, k)
    unit = torch.stack(
        [box[1][0].pow(-torch.tensor(beta, dtype=torch.float64)).prod() for _, beta in term.fields]
    )
    scale = 1 / (first.abs() * unit).amax((0, 2), keepdim=True).clamp_min(1e-300) * w.sqrt()[:, None, None]
    for s, (field, beta) in enumerate(term.fields):
        rows[:, :, field] += (scale * first)[..., s, None] * basis[betas.index(beta)][:, None]
    values = -(r[:, components] * scale[..., 0])
    return rows.reshape(-1, count * k), values.reshape(-1)


def _null_space(K: Tensor, g: Tensor, size: int) -> tuple[Tensor, Tensor, float]:
    """A solution φ₀ (size,) of K φ = g in the least-squares sense, the directions that K leaves free, the misfit."""
    if not len(K):
        return K.new_zeros(size), torch.eye(size, dtype=K.dtype), 0.0
    # K has many more rows than columns: the singular values of its factor R are the same, and cost less.
    R = torch.linalg.qr(torch.cat([K, g[:, None]], dim=1), mode="r").R
    _, s, V = torch.linalg.svd(R[:, :size], full_matrices=True)
    rank = int((s > NULL * s[0]).sum())
    image = V[:rank].T / s[:rank]
    offset = image @ (image.T @ (R[:, :size].T @ R[:, size]))
    misfit = 0.0
    if bool(g.any()):
        misfit = float((K @ offset - g).norm() / g.norm().clamp_min(1e-300))
    return offset, V[rank:].T.contiguous(), misfit


def _roughness(box: tuple[Tensor, Tensor], degree: int) -> Tensor:
    """R (·, k) with ‖R φ‖² = Σ_ij ∫ (∂²a/∂t_i ∂t_j)² over the box, t in [-1, 1]^d."""
    d = box[0].shape[1]
    t, w = gauss_grid(d, degree)
    unit = np.eye(d, dtype=int)
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    betas = tuple(tuple(int(v) for v in unit[i] + unit[j]) for i, j in pairs)
    zero = torch.zeros(1, d, dtype=t.dtype)
    one = torch.ones(1, d, dtype=t.dtype)
    table = polynomials(t, zero, one, degree, betas)
    # Mixed derivatives stand twice in the sum over i and j; the root of it weighs the row.
    factor = torch.tensor([1.0 if i == j else 2.0 for i, j in pairs], dtype=t.dtype).sqrt()
    rows = (table * w.sqrt()[:, None] * factor[:, None, None]).flatten(0, 1)
    return torch.linalg.qr(rows, mode="r").R


def _start(
    statement: Statement,
    frame: Frame,
    box: tuple[Tensor, Tensor],
    degree: int,
    offset: Tensor,
    free: Tensor,
    roughness: Sequence[tuple[Tensor, Tensor]],
    stated: Sequence[bool],
) -> Tensor:
    """η of the fields that are nearest to their guess, or smoothest, or, where nothing is known of them, 1.

    A field in conditions only, the trace of something, begins at 0.
    """
    problem = statement.problem
    k = len(offset) // max(len(statement.fields), 1)
    rows = []
    values = []
    x = problem.domain.sample(4 * k, sampler="sobol", seed=4)
    basis = polynomials(x @ frame.rotation, *box, degree, ((0,) * x.shape[1],))[0]
    for i, field in enumerate(statement.fields):
        mine = slice(i * k, (i + 1) * k)
        name = problem.unknowns[field]
        at_zero = basis @ offset[mine]
        by_eta = basis @ free[mine]
        if problem.guess and name in problem.guess:
            rows.append(by_eta)
            values.append(problem.values(problem.guess, x, "guess")[:, field] - at_zero)
        elif stated[i]:
            rows.append(roughness[i][0])
            values.append(-roughness[i][1])
        else:
            in_equation = any(u == field for u, _ in statement.terms[0].operator.slots)
            rows.append(by_eta)
            values.append(float(in_equation) - at_zero)
    return torch.linalg.lstsq(torch.cat(rows), torch.cat(values)[:, None], driver="gelsd").solution[:, 0]
