"""Does a solution of an initial value problem pass a state from which it may go on in several ways?

Where the right-hand side has bounded derivatives there is one solution (Picard–Lindelöf). √|u| has none at u = 0, and
u' = √|u| has many solutions from there: u = 0 for any time, then (t - t₀)²/4. So states near the path are looked for at
which a derivative ∂F/∂u grows without bound, and of which it can be said that staying there solves the equation, too.
Where the path crosses such states at a speed of its own, as u' = 1 + √|u| does, it goes on in one way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pdesolve.marching.ordinary.polynomials import TimePolynomials
from pdesolve.marching.ordinary.system import System
from pdesolve.marching.unseen import varies_slowly
from pdesolve.runs.deadline import check_deadline

SAMPLES = 2**12  # times at most, at which the path is looked at
IN_STEP = 8  # of them in a step
CANDIDATES = 4  # times for each column of the jets: those with the largest derivatives
WIDE = 0.05  # first window, of the range of a column: the path comes at least as near
POINTS = 33  # across a window
NARROWER = 6.0  # factor from window to window, a few distances of points
ZOOMS = 26  # 6^-26 of the first window is 6e-21: at u = 0, numbers go on
LATE = slice(8, None)  # zooms, windows of 3e-8 and less: what is narrow, but smooth, stays as it is in these
OVER = 9  # zooms, 1e7 in distance
UNBOUNDED = 10.0  # growth over these: |u|^0.86 has as much, u log u less than two
AFTER = 1e-3  # of the interval, at which the states are looked at again, twice
STAYS = 2e-5  # of the largest speed, at which a state counts as moving by the equation: |u|^⅓ of a rounding is 5e-6
ASIDE = 1e-9  # of the range: distance at which derivatives on both sides have a sign
STEEP = 10.0  # of the inverse of the interval
TOUCHES = 1e-6  # of the range, at least: distance at which a path meets a state

_MANY = (
    "the solution may go on in several ways from t = {:.4g}: {} = {:.4g} there, where the derivative of the equation "
    "by {} has no bound and staying is a solution, too, as of u' = √|u| at u = 0; end before that time, or state an "
    "equation that is smooth there"
)


@dataclass(frozen=True, eq=False)
class _States:
    """Places on the path, and the column of the jets that is varied there.

    Attributes:
        t: (c,) times.
        column: (c,) number of the slot.
    """

    t: Tensor
    column: Tensor

    def at(self, t: Tensor) -> _States:
        """The same columns at other times."""
        return _States(t, self.column)


def several_ways(system: System, path: TimePolynomials, tol: float) -> str | None:
    """Where and why a path may go on in several ways; None where nothing says so.

    Args:
        system: the equations.
        path: a solution of them.
        tol: its relative error.
    """
    look = _Look(system, path)
    if look.has_bounds():
        return None
    states = look.candidates()
    if not len(states.t):
        return None
    found, steep = look.singular(states, look.columns(states.t))
    states = _States(look.nearest(states, found), states.column)
    found, steep = look.singular(states, look.columns(states.t))
    own = look.columns(states.t).gather(1, states.column[:, None])[:, 0]
    near = (own - found).abs() <= max(tol, TOUCHES) * look.range[states.column]
    many = torch.nonzero(steep & near & look.may_stay(states, found))[:, 0]
    if not len(many):
        return None
    first = many[states.t[many].argmin()]
    unknown, (order,) = system.operator.slots[int(states.column[first])]
    name = system.operator.problem.unknowns[unknown] + "'" * order
    value = float(found[first])
    if abs(value) <= ASIDE * float(look.range[states.column[first]]):
        value = 0.0
    return _MANY.format(float(states.t[first]), name, value, name)


class _Look:
    """A system along a path."""

    def __init__(self, system: System, path: TimePolynomials) -> None:
        self.system = system
        self.path = path
        self.slots = system.operator.slots
        self.indices = tuple(dict.fromkeys(index for _, index in self.slots))
        every = max(1, len(path.values) * IN_STEP // SAMPLES)
        part = torch.arange(IN_STEP, dtype=torch.float64) / IN_STEP
        self.times = (path.times[:-1, None] + path.times.diff()[:, None] * part).flatten()[::every]
        jets = self.columns(self.times)
        self.range = jets.amax(0) - jets.amin(0)
        self.speed = (jets.diff(dim=0).abs() / self.times.diff()[:, None]).amax(0)
        self.length = path.end - float(path.times[0])
        orders = system.orders
        self.highest = [i for i, (u, (k,)) in enumerate(self.slots) if k == orders[u]]
        self.lower = [i for i, (u, (k,)) in enumerate(self.slots) if k < orders[u]]

    def columns(self, t: Tensor) -> Tensor:
        """Jets (n, s) of the path at times (n,)."""
        jets = self.path.jet(t[:, None], self.indices)
        return torch.stack([jets[:, u, self.indices.index(index)] for u, index in self.slots], dim=1)

    def steepness(self, t: Tensor, jets: Tensor) -> Tensor:
        """Derivatives of the residual (n, s), largest over its components, in units of those of highest order."""
        _, sensitivity = self.system.operator.linearise(t[:, None], jets)
        # At the very state where there is no bound, a derivative is infinite or no number.
        size = sensitivity.abs().nan_to_num(torch.inf, torch.inf, torch.inf).amax(1)
        unit = size[:, self.highest].amax(1, keepdim=True).clamp(1e-300, 1e300)
        return size / unit

    def has_bounds(self) -> bool:
        """Whether derivatives have bounds: the highest ones stand alone, beside polynomials of the others."""
        if not varies_slowly(self.system.operator):
            return False
        _, sensitivity = self.system.operator.linearise(self.times[:, None], self.columns(self.times))
        highest = sensitivity[..., self.highest]
        return bool((highest == highest[0]).all())

    def candidates(self) -> _States:
        """Where the derivatives by each column are largest."""
        steep = self.steepness(self.times, self.columns(self.times))
        peak = torch.nn.functional.max_pool1d(steep.T.clamp_max(1e300), 3, 1, 1).T == steep.clamp_max(1e300)
        values = torch.where(peak, steep, 0.0)
        moving = [i for i in self.lower if float(self.range[i]) > 0]
        count = min(CANDIDATES, len(self.times))
        best = [values[:, i].topk(count) for i in moving]
        if not best:
            return _States(self.times[:0], torch.zeros(0, dtype=torch.long))
        t = torch.cat([self.times[one.indices[one.values > 0]] for one in best])
        numbers = [torch.full((int((one.values > 0).sum()),), i) for i, one in zip(moving, best, strict=True)]
        return _States(t, torch.cat(numbers))

    def singular(self, states: _States, jets: Tensor) -> tuple[Tensor, Tensor]:
        """Values (c,) of columns near the path where derivatives are largest, and whether these have no bound."""
        c = len(states.t)
        rows = torch.arange(c)
        centre = jets[rows, states.column].clone()
        width = WIDE * self.range[states.column]
        share = torch.linspace(-1, 1, POINTS, dtype=torch.float64)
        seen = []
        for _ in range(ZOOMS):
            check_deadline()
            tried = centre[:, None] + width[:, None] * share
            many = jets[:, None].repeat(1, POINTS, 1)
            many[rows, :, states.column] = tried
            steep = self.steepness(states.t.repeat_interleave(POINTS), many.flatten(0, 1))
            steep = steep.view(c, POINTS, -1)[rows, :, states.column]
            best = steep.argmax(1)
            centre = tried[rows, best]
            finite = torch.where(steep.isfinite(), steep, 0.0).amax(1)
            seen.append(finite)
            width = width / NARROWER
        late = torch.stack(seen[LATE])
        return centre, (late[OVER:] > UNBOUNDED * late[:-OVER]).any(0)

    def nearest(self, states: _States, found: Tensor) -> Tensor:
        """Times (c,) at which the path is nearest to values of its columns."""
        t = states.t.clone()
        reach = float(self.times.diff().max())
        share = torch.linspace(-1, 1, POINTS, dtype=torch.float64)
        first, last = float(self.path.times[0]), self.path.end
        for _ in range(6):
            tried = (t[:, None] + reach * share).clamp(first, last)
            own = self.columns(tried.flatten()).view(len(t), POINTS, -1)
            own = own.gather(2, states.column[:, None, None].expand(-1, POINTS, 1))[..., 0]
            t = tried.gather(1, (own - found[:, None]).abs().argmin(1, keepdim=True))[:, 0]
            reach = reach / NARROWER
        return t

    def may_stay(self, states: _States, found: Tensor) -> Tensor:
        """Whether states (c,) move as the equation says for a while, and what is beside them leaves on one side."""
        later = [states.at(states.t + k * AFTER * self.length) for k in (1, 2)]
        fits = later[1].t <= self.path.end
        later = [one.at(one.t.clamp_max(self.path.end)) for one in later]
        jets = [self.columns(one.t) for one in later]
        rows = torch.arange(len(found))
        values = []
        for one, own in zip(later, jets, strict=True):
            near = own.clone()
            near[rows, states.column] = found
            values.append(self.singular(one, near)[0])
        moved = (values[1] - values[0]) / (AFTER * self.length)
        rates = []
        for one, own, value in zip(later, jets, values, strict=True):
            own[rows, states.column] = value
            rates.append(self._rate(one, own)[0])
        # The mean of both ends is that of the time between, but for third derivatives.
        fits &= (sum(rates) / 2 - moved).abs() <= STAYS * self.speed[states.column]
        aside = ASIDE * self.range[states.column]
        leaves = torch.zeros_like(fits)
        for side in (-1, 1):
            own = jets[0].clone()
            own[rows, states.column] = values[0] + side * aside
            leaves |= self._rate(later[0], own)[1] > STEEP / self.length
        return fits & leaves

    def _rate(self, states: _States, jets: Tensor) -> tuple[Tensor, Tensor]:
        """How fast the columns (c,) change by the equation at a jet, and how that grows with them."""
        r, sensitivity = self.system.operator.linearise(states.t[:, None], jets)
        matrix = sensitivity[..., self.highest]
        # Beside the path an equation may not be defined, as of √u: from there nothing leaves.
        known = r.isfinite().all(1) & matrix.isfinite().all(2).all(1)
        r = torch.where(known[:, None], r, 0.0)
        matrix = torch.where(known[:, None, None], matrix, 0.0)
        rows = torch.arange(len(jets))
        own = sensitivity[rows, :, states.column].nan_to_num(0.0, 0.0, 0.0)
        change = torch.linalg.lstsq(matrix, torch.stack([r, own], 2)).solution  # (c, highest, 2)
        rate, growth = torch.zeros(2, len(jets), dtype=torch.float64)
        for i, column in enumerate(states.column.tolist()):
            unknown, (order,) = self.slots[column]
            rate[i] = self.path.jet(states.t[i].view(1, 1), ((order + 1,),))[0, unknown, 0]
            growth[i] = torch.inf  # of a derivative between, which has no part of its own
            if order + 1 == self.system.orders[unknown]:
                place = self.highest.index(self.slots.index((unknown, (order + 1,))))
                rate[i] -= change[i, place, 0]
                growth[i] = -change[i, place, 1]
        return torch.where(known, rate, torch.inf), torch.where(known, growth, 0.0)
