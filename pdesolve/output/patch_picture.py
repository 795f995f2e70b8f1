"""The patches of a solution, coloured by their degree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pdesolve.errors import UsageError
from pdesolve.patches.mixture import PartitionedMixture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdesolve.solution.solution import Solution


def draw_patches(axes: Axes, solution: Solution) -> None:
    """Draw the cells of all patches in the first two coordinates (of a march: those of its last slab).

    Cells are boxes in the frame of the domain; those at the boundary reach beyond it. Colours are total degrees.

    Raises:
        UsageError: the method has no patches, or they have more than two space coordinates.
    """
    mixture = _patches_of(solution)
    corners = _corners(mixture)
    degree = mixture.q[mixture.host] - 1
    from matplotlib.collections import PolyCollection

    names = solution.problem.coordinates
    drawn = PolyCollection(list(corners), array=degree, cmap="viridis", edgecolor="white", linewidth=0.5)
    axes.add_collection(drawn)
    axes.autoscale_view()
    if mixture.dimension > 1:
        if "t" not in names[:2]:  # time and length have no common scale
            axes.set_aspect("equal")
        axes.set_ylabel(f"${names[1]}$", rotation=0, labelpad=8)
    else:
        axes.set_yticks([])
    axes.set_xlabel(f"${names[0]}$")
    axes.set_title(f"{len(np.unique(mixture.host))} patches")
    # Each degree is named, as long as there is room for their numbers.
    ticks = None
    if len(np.unique(degree)) <= 6:
        ticks = np.unique(degree)
    axes.figure.colorbar(drawn, ax=axes, fraction=0.05, pad=0.02, label="degree", ticks=ticks)


def _patches_of(solution: Solution) -> PartitionedMixture:
    patches = getattr(solution.approximator, "patches", None)  # trained networks have none
    if patches is None:
        msg = f"method {solution.method} has no patches to draw; expected a solution of method gmnm."
        raise UsageError(msg)
    if len(solution.problem.domain.space_coordinates) > 2:
        msg = "patches are drawn in one and two space dimensions; export the solution to see it in ParaView."
        raise UsageError(msg)
    return patches


def _corners(mixture: PartitionedMixture) -> np.ndarray:
    """Corners (e, 4, 2) of the cells in the first two coordinates; of an interval, bars of height one."""
    low, high = mixture.partition.bounds
    if mixture.dimension == 1:
        low = np.pad(low, ((0, 0), (0, 1)))
        high = np.pad(high, ((0, 0), (0, 1)), constant_values=1.0)
    box = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    corners = low[:, None, :2] + box * (high - low)[:, None, :2]
    if mixture.dimension == 1:
        return corners
    return corners @ mixture.rotation.cpu().numpy()[:2, :2].T
