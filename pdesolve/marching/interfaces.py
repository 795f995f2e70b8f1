"""Rows of interfaces: [u] = 0 and [k ∂u/∂n] = 0 between patches of two sub-domains.

They are rows of continuity like those of faces, at points of the interface: √(k₊/k₋) stands on one side of the flux and
its inverse on the other, so that neither side rules where k jumps by orders of magnitude.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pdesolve.marching.continuity import used_rows, weights_of
from pdesolve.marching.space import BATCH, Space
from pdesolve.patches.points.interfaces import InterfacePoints, interface_points
from pdesolve.statement.conditions import Interface
from pdesolve.statement.problem import Problem
from pdesolve.statement.subdomains import interface_pieces_in_space, subdomains_in_space

BESIDE = 1e-7  # of the extent of the domain: where k is asked for on either side
# Far above the rounding of k, and far below a change that a solution would show.
LASTING = 1e-9  # relative change of k₊/k₋ in time that is none
TIMES = 9  # at which that is looked for
Block = tuple[Tensor, Tensor, Tensor, Tensor]


def interface_blocks(space: Space) -> list[Block]:
    """Patches (f,) before and behind, weighted traces (2, f, u, r, k), and which rows (u, r) are in use."""
    problem = space.evolution.problem
    if not problem.interfaces:
        return []
    pieces = interface_pieces_in_space(problem, space.patches.frame.subdomains)
    found = interface_points(space.patches, pieces, space.degrees, BATCH)
    return [_block(space, f) for f in found]


def _block(space: Space, f: InterfacePoints) -> Block:
    time = space.evolution.problem.domain.time
    shares = _shares(space, f, time.t0)
    half = torch.minimum(space.half[torch.from_numpy(f.minus)], space.half[torch.from_numpy(f.plus)])
    # One length for both sides, the smaller one, as at faces between patches.
    reach = half.amin(1)[:, None]
    sides = [
        _traces(space, f, f.minus, shares, reach),
        _traces(space, f, f.plus, 1 / shares, reach),
    ]
    used = used_rows(_orders(space), sides[0].shape[2])
    return torch.from_numpy(f.minus), torch.from_numpy(f.plus), torch.stack(sides), used


def _traces(space: Space, f: InterfacePoints, cells: np.ndarray, shares: Tensor, reach: Tensor) -> Tensor:
    """Values and fluxes of all unknowns from one side: (b, u, r, k)."""
    points = space.cells(cells, f.y, f.weight)
    first = tuple(tuple(int(i == axis) for i in range(space.d)) for axis in range(-1, space.d))
    table = points.tables(space.q, first)
    slopes = table[1:] / points.half.T[:, :, None, None]
    normals = f.normals @ space.rotation
    slope = torch.einsum("abmk,bma->bmk", slopes, normals)
    b, m, k = slope.shape
    orders = _orders(space)
    matrix = table.new_zeros(b, space.unknowns, int(orders.max()), m, k)
    for u, order in enumerate(orders):
        weights = weights_of(int(order))
        if order >= 1:
            matrix[:, u, 0] = (weights[0] * f.weight)[..., None] * table[0]
        if order >= 2:
            matrix[:, u, 1] = (weights[1] * f.weight * shares[u] * reach)[..., None] * slope
    return matrix.flatten(2, 3)


def _orders(space: Space) -> np.ndarray:
    """(u,) how much goes through: values, and fluxes of unknowns of second order."""
    return np.minimum(space.evolution.orders.max(axis=1), 2)


def _shares(space: Space, f: InterfacePoints, time: float) -> Tensor:
    """√(k before / k behind) of each unknown at the points, (u, b, m)."""
    problem = space.evolution.problem
    d = space.d
    x = (f.y @ space.rotation.T).reshape(-1, d)
    step = BESIDE * float(space.patches.frame.extent.max()) * f.normals.reshape(-1, d)
    stated = {problem.unknown_of(c): c for c in problem.interfaces}
    found = []
    for name in problem.unknowns:
        share = torch.ones(len(x), dtype=torch.float64)
        if name in stated:
            share = _ratio(stated[name], x, step, time).sqrt()
        found.append(share.view(f.weight.shape))
    return torch.stack(found)


def _ratio(interface: Interface, x: Tensor, step: Tensor, time: float) -> Tensor:
    """|k before / k behind| at points x (n, d) of an interface, `step` toward what lies behind."""
    coordinates = [*x.unbind(1), torch.full_like(x[:, 0], time)]
    k = interface.k
    before = k.on_branch(k.branch(x - step), *coordinates)
    behind = k.on_branch(k.branch(x + step), *coordinates)
    return before.abs().clamp_min(1e-300) / behind.abs().clamp_min(1e-300)


def change_in_time(problem: Problem) -> bool:
    """Whether k before an interface over k behind it depends on time: rows of continuity are made once."""
    time = problem.domain.time
    for piece in interface_pieces_in_space(problem, subdomains_in_space(problem)):
        x, normals, _ = piece.rule(4)
        if not len(x):
            continue
        step = BESIDE * float((problem.domain.space.bounds.diff(dim=0)).max()) * normals
        for interface in problem.interfaces:
            moments = torch.linspace(time.t0, time.t1, TIMES, dtype=torch.float64).tolist()
            ratios = torch.stack([_ratio(interface, x, step, t) for t in moments])
            if bool(((ratios - ratios[0]).abs() > LASTING * ratios[0]).any()):
                return True
    return False
