"""Is an equation narrow in its unknowns, as u_t = u_xx - e^{-((u - ½)/w)²} is? Few points do not see what it does then.

Where u passes the values in which something happens, this is as narrow in space and time as these are among all values
of u. The data of a problem are seen before a solve; the values that its unknowns take are known of its solutions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.runs.deadline import check_deadline
from pdesolve.statement.residual import ResidualOperator

VALUES = (
    2**18
)  # across the range of each slot of the jets: one at least in a gap of 1e-5 of it, five in its foot
BLOCK = 64  # values together, 2e-4 of the range, over which what is not narrow is linear to 1e-4 of its size
LEAST = 1e-3  # of the largest residual: less that is narrow as well does nothing
MARGIN = 0.25  # of the ranges of jets, by which more is looked at than they need
AT_ONCE = 2**16  # values, which bounds the memory


@dataclass(eq=False)
class Ranges:
    """Ranges of the jets of a term within which it has been looked at, and whether it is narrow there."""

    lower: Tensor | None = None
    upper: Tensor | None = None
    found: bool = False

    def narrow(
        self, operator: ResidualOperator, x: Tensor, jets: Tensor, parameters: Mapping[str, Tensor]
    ) -> bool:
        """`is_narrow`, asked again only where jets leave the ranges that were looked at."""
        lower, upper = jets.amin(0), jets.amax(0)
        if self.lower is None or self.upper is None:
            self.lower, self.upper = lower, upper
        elif self.found or bool(((lower >= self.lower) & (upper <= self.upper)).all()):
            return self.found
        margin = MARGIN * (torch.maximum(self.upper, upper) - torch.minimum(self.lower, lower))
        self.lower = torch.minimum(self.lower, lower) - margin
        self.upper = torch.maximum(self.upper, upper) + margin
        self.found = is_narrow(operator, x, torch.cat([jets, self.lower[None], self.upper[None]]), parameters)
        return self.found


def is_narrow(operator: ResidualOperator, x: Tensor, jets: Tensor, parameters: Mapping[str, Tensor]) -> bool:
    """Whether a term is no smooth function of a slot of its jets across the range of these.

    Each slot goes through its range while the others are those of one of the points. A jump is not narrow: it is seen
    from afar.

    Args:
        operator: the term, without normals.
        x: (n, d) points.
        jets: (n or more, s) of a solution there, and others in whose range they count.
        parameters: of the problem.
    """
    lower, upper = jets.amin(0), jets.amax(0)
    generator = torch.Generator().manual_seed(8)
    chosen = torch.randint(len(x), (jets.shape[1],), generator=generator)
    share = (torch.arange(VALUES, dtype=jets.dtype) + 0.5) / VALUES
    for slot in torch.nonzero(upper > lower)[:, 0].tolist():
        check_deadline()
        here = int(chosen[slot])
        found = []
        for part in share.split(AT_ONCE):
            line = jets[here].repeat(len(part), 1)
            line[:, slot] = lower[slot] + (upper[slot] - lower[slot]) * part
            with torch.set_grad_enabled(operator.depth != 0):
                values = operator.residual(x[here].expand(len(part), -1), line, None, parameters).detach()
            found.append(values.nan_to_num(0.0, 0.0, 0.0))
        if _stands_out(torch.cat(found)):
            return True
    return False


def _stands_out(values: Tensor) -> bool:
    """Whether values (n, c) at equal distances do more within a block than between its ends."""
    blocks = values.view(-1, BLOCK, values.shape[1])
    first, last = blocks[:, :1], blocks[:, -1:]
    share = torch.linspace(0, 1, BLOCK, dtype=values.dtype)[:, None]
    away = (blocks - first - (last - first) * share).abs().amax(1)
    return bool((away > (last - first).abs()[:, 0] + LEAST * values.abs().amax(0)).any())
