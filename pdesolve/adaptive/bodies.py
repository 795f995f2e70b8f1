"""What floats: bodies whose coefficient is far larger than that around them, and the flux that is lost in them.

A body of coefficient k in surroundings of k₀ ≪ k, which no value is prescribed for, has one potential, that of the flux
through its surface, ∮ k₀ ∂u/∂n = -∫ f. The rows of the equation inside it and of its interface are in units of the
potential *there*, so that a flux δ weighs δ/k or δ/√(k k₀), and moves the potential of all of the body by δ/k₀.
Neither degree settles that, and their difference does not show it: of a source in a disc of k = 1e6 an error of 9 per
cent was verified at an estimate of 9e-4. So the flux that a body loses is summed up, as a number with a sign,

    B = ∮ k₀ ∂u/∂n + ∫ (r - c Δu) k/c,      r = c Δu + …  the equation inside,

which no large term enters, and B over the conductance of the surroundings is an error of the solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pdesolve.patches.newton import Discrete
from pdesolve.patches.rows.interfaces import BESIDE, InterfaceRows
from pdesolve.patches.rows.terms import TermRows
from pdesolve.statement.conditions import Piecewise
from pdesolve.statement.subdomains import interface_pieces

# Ratio of coefficients from which on a body has one potential. At 37 an estimate was five times too small.
FLOATS = 10.0
# Of bodies at a wall: up to it, rows that conserve settle the flux themselves, as they weigh a hundred times the rest.
SETTLED = 1024.0
MOST_NODES = {1: 400, 2: 60, 3: 24}  # of a rule, along an axis
MORE_ON_SURFACES = 4  # times as many, since slopes jump from patch to patch
NODES = 1000  # along a radius


@dataclass(eq=False)
class Bodies:
    """The bodies of one unknown in a discrete solution: groups of sub-domains that conduct alike.

    Attributes:
        discrete: the solution.
        unknown: number of the unknown in it.
        k: its coefficient, by sub-domains.
    """

    discrete: Discrete
    unknown: int
    k: Piecewise

    def __post_init__(self) -> None:
        self.space = self.discrete.assembly.space
        self.frame = self.space.patches.frame
        self.mixture = self.discrete.mixture
        finest = float((self.frame.extent / (2 * self.space.patches.half)).max())
        self.order = min(MOST_NODES[self.space.dimension], int(self.space.q.max() * (2 + finest)))

    @cached_property
    def faces(self) -> tuple[np.ndarray, Tensor, Tensor]:
        """Of points on interfaces: sub-domains (2, n) on both sides, k (2, n), weighted fluxes out of them (2, n)."""
        problem = self.discrete.assembly.statement.problem
        step = BESIDE * float(self.frame.extent.max())
        parts = []
        coefficients = []
        fluxes = []
        order = self.order if self.space.dimension == 3 else MORE_ON_SURFACES * self.order
        for piece in interface_pieces(problem, self.frame.subdomains):
            x, normals, weights = piece.rule(order)
            sides = [x - step * normals, x + step * normals]
            parts.append(np.stack([self.frame.part_of(y @ self.frame.rotation) for y in sides]))
            k = torch.stack([self.k.on_branch(self.k.branch(y), *x.unbind(1)) for y in sides])
            slopes = torch.stack([(self._gradient(x, y) * normals).sum(1) for y in sides])
            coefficients.append(k)
            # Out of the one side as it is seen from the other.
            out = weights * torch.stack([k[1] * slopes[1], -k[0] * slopes[0]])
            fluxes.append(out.nan_to_num(0.0, 0.0, 0.0))
        return np.concatenate(parts, axis=1), torch.cat(coefficients, dim=1), torch.cat(fluxes, dim=1)

    def _gradient(self, x: Tensor, beside: Tensor) -> Tensor:
        """∇u (n, d) at points x, seen from the patches of points beside them."""
        first = [tuple(row) for row in np.eye(self.space.dimension, dtype=int).tolist()]
        patch = self.mixture.patch_of(beside @ self.frame.rotation)
        y = (x @ self.frame.rotation).to(self.space.device)
        return self.mixture.jet_on(patch, y, first)[:, self.unknown].cpu()

    @cached_property
    def group(self) -> np.ndarray:
        """The body of each sub-domain: those that meet with coefficients alike are one."""
        (minus, plus), k, _ = self.faces
        found = np.arange(len(self.frame.subdomains))
        ratio = (k[0] / k[1]).abs().log().abs().exp().numpy()
        alike = ratio <= FLOATS
        for a, b in {*zip(minus[alike].tolist(), plus[alike].tolist(), strict=True)}:
            found[found == found[b]] = found[a]
        return found

    @cached_property
    def touched(self) -> dict[bool, set[int]]:
        """The bodies that conditions on values hold (True), and those that other conditions touch."""
        found: dict[bool, set[int]] = {True: set(), False: set()}
        part = self.space.patches.partition.part
        for term, points in self.discrete.assembly.source(TermRows).points:
            if term.operator.term.place is not None:
                mine = [any(beta) for u, beta in term.slots if u == self.unknown]
                if mine:
                    found[not any(mine)] |= set(self.group[part[points.cells]].tolist())
        return found

    @cached_property
    def afloat(self) -> set[int]:
        """The bodies whose coefficient is more than FLOATS times each one beside them."""
        found = set()
        for body in set(self.group.tolist()):
            own, other, _ = self.surface(body)
            if len(own) and float(own.min()) > FLOATS * float(other.max()):
                found.add(body)
        return found

    def response(self, body: int) -> float:
        """L2 norm of what one unit of flux does that is lost in a body."""
        parts = self.frame.subdomains
        inner = sum(float(part.measure) for part, g in zip(parts, self.group, strict=True) if g == body)
        outer = sum(float(part.measure) for part in parts)
        conductance, square = _response_of_a_ball(self.space.dimension, inner, outer)
        resistance = 1 / conductance
        if not self._is_held_around:
            # The way to where values are given: that through a cube of the size of the domain.
            resistance += outer ** (2 / self.space.dimension - 1)
            square = outer
        return resistance * square**0.5 / float(self.surface(body)[1].max())

    @cached_property
    def _is_held_around(self) -> bool:
        """Whether values are given all around the domain."""
        return not any(
            term.operator.term.place is not None
            and any(any(beta) for u, beta in term.slots if u == self.unknown)
            for term in self.discrete.assembly.statement.terms
        )

    def surface(self, body: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of points on the surface of a body: k inside, k outside, weighted fluxes out of it as seen from outside."""
        parts, k, fluxes = self.faces
        inside = torch.from_numpy(self.group[parts] == body)
        first = inside[0] & ~inside[1]
        second = inside[1] & ~inside[0]
        own = torch.cat([k[0][first], k[1][second]])
        other = torch.cat([k[1][first], k[0][second]])
        return own, other, torch.cat([fluxes[0][first], fluxes[1][second]])

    def lost(self, body: int) -> float:
        """B of a body."""
        total = float(self.surface(body)[2].sum())
        for part in np.flatnonzero(self.group == body):
            total += self._source_in(int(part))
        return total

    def _source_in(self, part: int) -> float:
        """∫ (r - c Δu) k/c over a sub-domain."""
        rule = self.frame.subdomains[part].rule(self.order)
        x = rule.points
        operator = self.discrete.assembly.statement.terms[0].operator
        states = list(self.discrete.assembly.statement.states)
        y = x @ self.frame.rotation
        patch = self.space.patches.partition.locate(y.numpy(), np.full(len(y), part))
        indices = tuple(dict.fromkeys(beta for _, beta in operator.slots))
        jets = self.mixture.jet_on(patch, y.to(self.space.device), indices).cpu()
        columns = torch.stack(
            [jets[:, states.index(u), indices.index(beta)] for u, beta in operator.slots], dim=1
        )
        # With the numbers that are identified as they stand.
        r, dF = operator.linearise(
            x, columns, None, self.discrete.assembly.source(TermRows).at.givens.scalars()
        )
        mine = states[self.unknown]
        second = [i for i, (u, beta) in enumerate(operator.slots) if u == mine and max(beta) == 2]
        c = (
            dF[..., second].sum(2) / self.space.dimension
        )  # (n, m): the equation of this unknown has the largest
        component = int(c.abs().sum(0).argmax())
        k = self.k.on_branch(self.k.branch(x), *x.unbind(1))
        rest = r[:, component] - (dF[:, component][:, second] * columns[:, second]).sum(1)
        inside = rest * k / c[:, component]
        return float((rule.weights * inside).nan_to_num(0.0, 0.0, 0.0).sum())


def bodies_of(discrete: Discrete) -> list[Bodies]:
    """The bodies of every unknown whose coefficient jumps by more than FLOATS."""
    contrasts = np.ones(discrete.assembly.unknowns)
    for source in discrete.assembly.sources:
        if isinstance(source, InterfaceRows):
            contrasts = source.contrasts()
    statement = discrete.assembly.statement
    problem = statement.problem
    if not {u for u, _ in statement.terms[0].operator.slots} <= set(statement.states):
        return []  # a coefficient that is identified is a field of its own, of which patches know nothing
    coefficients = {problem.unknown_of(interface): interface.k for interface in problem.interfaces}
    names = [problem.unknowns[state] for state in statement.states]
    return [
        Bodies(discrete, u, coefficients[name])
        for u, name in enumerate(names)
        if contrasts[u] > FLOATS and name in coefficients
    ]


def lost_in_bodies(discrete: Discrete) -> np.ndarray:
    """L2 errors (u,) by what bodies lose that lie within their surroundings; zero without any."""
    errors = np.zeros(discrete.assembly.unknowns)
    for bodies in bodies_of(discrete):
        for body in bodies.afloat - bodies.touched[True] - bodies.touched[False]:
            moved = abs(bodies.lost(body)) * bodies.response(body)
            errors[bodies.unknown] = max(errors[bodies.unknown], moved)
    return errors


def hidden_by_contrast(discrete: Discrete) -> np.ndarray:
    """How many times (u,) the difference of two solutions the error may be where bodies float that lie at a wall.

    What is lost over the wall is in no balance. Where κ is the ratio of coefficients, errors were up to √κ/32 times the
    difference: of a disc of κ = 1e4 in a square 8 times, of 1e8 97 times.
    """
    factors = np.ones(discrete.assembly.unknowns)
    for bodies in bodies_of(discrete):
        for body in bodies.afloat & bodies.touched[False] - bodies.touched[True]:
            own, other, _ = bodies.surface(body)
            ratio = float(own.max() / other.min())
            factors[bodies.unknown] = max(factors[bodies.unknown], (ratio / SETTLED) ** 0.5)
    return factors


def _response_of_a_ball(d: int, inner: float, outer: float) -> tuple[float, float]:
    """Of a ball within a larger one, both of these volumes, with zero around: its conductance, and ∫ φ² of φ = 1 on it.

    Of all bodies of a volume in domains of a volume, it has the least conductance (Pólya and Szegő 1951).
    """
    unit = {1: 2.0, 2: np.pi, 3: 4 / 3 * np.pi}[d]
    a = (inner / unit) ** (1 / d)
    radius = max((outer / unit) ** (1 / d), a * (1 + 1e-9))
    r = np.linspace(a, radius, NODES)
    primitive = {1: r, 2: np.log(r), 3: -1 / r}[d]
    phi = (primitive[-1] - primitive) / (primitive[-1] - primitive[0])
    density = phi**2 * d * unit * r ** (d - 1)
    square = inner + float(((density[1:] + density[:-1]) / 2 * np.diff(r)).sum())
    return d * unit / float(primitive[-1] - primitive[0]), square
