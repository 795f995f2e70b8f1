"""A banded LU of traces on a line or a circle solves what the sum of its blocks says."""

import pytest
import torch

from pdesolve import SolveError
from pdesolve.least_squares.sparse.banded_lu import Band

DIAGONAL = 2.0


def chain(patches, rows, closed):
    """Unknowns (patches, 2 rows + 1) of the faces on both sides of each patch; -1 where there is none."""
    first = torch.arange(patches)[:, None] * rows + torch.arange(rows)
    last = first.roll(1, 0)
    if not closed:
        last[0] = -1
        first[-1] = -1
    unused = torch.full((patches, 1), -1)
    return torch.cat([last, unused, first], dim=1), patches * rows - rows * (not closed)


@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize("closed", [False, True])
def test_the_factors_solve_the_sum_of_the_blocks_within_a_narrow_band(kind, closed):
    torch.manual_seed(1)
    unknowns, size = chain(20, 3, closed)
    groups = [unknowns[:7], unknowns[7:]]
    blocks = [0.2 * torch.randn(2, len(g), 7, 7, dtype=kind) for g in groups]
    matrix = DIAGONAL * torch.eye(size, dtype=kind).repeat(2, 1, 1)
    for numbers, part in zip(groups, blocks, strict=True):
        for row, block in zip(numbers, part.transpose(0, 1), strict=True):
            used = torch.nonzero(row >= 0)[:, 0]
            matrix[:, row[used][:, None], row[used]] -= block[:, used[:, None], used]
    band = Band.of(size, groups)
    assert band.width < 12  # of 60 unknowns: a circle is folded, and two neighbours apart is the furthest
    right = torch.randn(2, size, dtype=kind)
    found = band.factor(DIAGONAL, blocks, right[:, 0]).solve(right)
    torch.testing.assert_close((matrix @ found[..., None])[..., 0], right, rtol=1e-11, atol=1e-11)


def test_a_matrix_without_an_inverse_is_named_singular():
    unknowns, size = chain(3, 1, closed=False)
    blocks = torch.zeros(1, 3, 3, 3, dtype=torch.float64)
    blocks[:, 0, 2, 2] = DIAGONAL
    with pytest.raises(SolveError, match="undetermined"):
        Band.of(size, [unknowns]).factor(DIAGONAL, [blocks], blocks.new_zeros(1))
