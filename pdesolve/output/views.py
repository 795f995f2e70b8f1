"""Views of a solution other than its values in colour: a solid from outside, arrows, streamlines, a deformed shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.errors import UsageError, did_you_mean
from pdesolve.output import panels
from pdesolve.output.cells import OutputMesh, grid
from pdesolve.output.fields import Fields, mesh_fields, point_fields, with_components, with_time
from pdesolve.output.mesh import is_cylinder, output_mesh, space_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdesolve.solution.solution import Solution

Values = NDArray[np.float64]
# Of the surface of a solid: each triangle is drawn by itself, ten thousand take a second.
_POINTS_OF_SOLID = 8_000
_POINTS_OF_PLANE = 8_000
# Arrows along the longer side; more would run together.
_ARROWS = 22
# Points along the longer side between which streamlines are followed.
_STREAM = 120
# Largest displacement of a deformed shape as it is drawn, of the longest side of the domain.
_DEFORMED = 0.1
# From the direction (1, 1, 1.4) light falls, and what looks away from it keeps this part.
_LIGHT = np.array([1.0, -1.0, 1.6]) / np.linalg.norm([1.0, -1.0, 1.6])
_DIM = 0.55

_FACES = {
    "tetra": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)),
    "hexahedron": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
}


def skin(mesh: OutputMesh) -> NDArray[np.int64]:
    """The faces (k, 3 or 4) of a solid mesh that belong to one cell only: its surface."""
    faces = np.concatenate([mesh.cells[:, list(corners)] for corners in _FACES[mesh.cell_type]])
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    return faces[first[count == 1]]


def chosen_view(
    solution: Solution,
    view: bool = False,
    arrows: str | Sequence[str] | None = None,
    streamlines: str | Sequence[str] | None = None,
    deformed: str | Sequence[str] | None = None,
) -> Callable[[Axes], None] | None:
    """The drawing that is asked for, None where none is.

    Args:
        solution: what `solve` returned.
        view: a solid from outside, coloured by its first unknown.
        arrows: a vector unknown by name, or the unknowns that are its components.
        streamlines: alike.
        deformed: alike; the shape is moved by it.

    Raises:
        UsageError: several are asked for, or the problem has nothing of the kind.
    """
    vectors: dict[str, Any] = {"arrows": arrows, "streamlines": streamlines, "deformed": deformed}
    asked = [name for name, given in vectors.items() if given] + ["view"] * view
    if not asked:
        return None
    if len(asked) > 1:
        message = f"received {' and '.join(asked)}; expected one of them for a picture"
        raise UsageError(message)
    if view:
        return _with_axes(solution, partial(draw_solid, solution=solution))
    names = components_of(solution, vectors[asked[0]])
    if asked[0] == "deformed":
        if solution.problem.domain.space_dimension not in (2, 3):
            message = "deformed is drawn of a shape in the plane or in space; plot the displacement itself"
            raise UsageError(message)
        return _with_axes(solution, partial(draw_deformed, solution=solution, names=names))
    _require_plane(solution, asked[0])
    return partial(draw_flow, solution=solution, names=names, lines=asked[0] == "streamlines")


def _with_axes(solution: Solution, draw: Any) -> Any:
    """A drawing that says whether its axes have three dimensions."""
    if solution.problem.domain.space_dimension == 3:
        draw.projection = "3d"
    return draw


def _require_plane(solution: Solution, what: str) -> None:
    if solution.problem.domain.space_dimension != 2:
        message = f"{what} are drawn in the plane; of a solid, export the solution and trace it in ParaView"
        raise UsageError(message)


def components_of(solution: Solution, asked: str | Sequence[str]) -> tuple[str, ...]:
    """The unknowns that are the components of a vector: "velocity", "u,v" or ("u", "v").

    Raises:
        UsageError: there is no such vector, or it has not as many components as there are coordinates.
    """
    names = tuple(solution.vectors.get(str(asked), ()))
    if not names:
        names = tuple(part.strip() for part in asked.split(",")) if isinstance(asked, str) else tuple(asked)
    for name in names:
        if name not in solution.unknowns:
            known = [*solution.vectors, *solution.unknowns]
            message = (
                f"there is no vector or unknown '{name}'; expected one of {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
            raise UsageError(message)
    space = solution.problem.domain.space_coordinates
    if len(names) != len(space):
        message = (
            f"received {', '.join(names)} as a vector; expected {len(space)} components, one for each of "
            f"{', '.join(space)}, such as {','.join(solution.unknowns[: len(space)])}"
        )
        raise UsageError(message)
    return names


# ---------------------------------------------------------------- fields


def _last_time(solution: Solution) -> float | None:
    domain = solution.problem.domain
    if not is_cylinder(domain):
        return None
    if solution.reached is not None:
        return solution.reached
    return float(domain.bounds[1, -1])


def _on_mesh(solution: Solution, points: int) -> tuple[OutputMesh, Fields]:
    mesh = output_mesh(solution.problem.domain, points)
    return mesh, with_components(mesh_fields(solution, mesh, _last_time(solution)), solution.vectors)


def _at_last(solution: Solution, title: str) -> str:
    time = _last_time(solution)
    return title if time is None else f"{title},  $t$ = {time:.3g}"


# ---------------------------------------------------------------- solids


def draw_solid(axes: Axes, solution: Solution) -> None:
    """A solid from outside, coloured by its first unknown, in the light of one lamp.

    Raises:
        UsageError: the domain is no solid.
    """
    _require_solid(solution)
    mesh, fields = _on_mesh(solution, _POINTS_OF_SOLID)
    _surface(axes, mesh, mesh.points, fields[solution.unknowns[0]])
    axes.set_title(_at_last(solution, f"${solution.unknowns[0]}$"))


def _require_solid(solution: Solution) -> None:
    if solution.problem.domain.space_dimension != 3:
        message = "a view from outside is that of a solid; this domain has another dimension: leave view out"
        raise UsageError(message)


def _surface(axes: Any, mesh: OutputMesh, points: Values, values: Values) -> None:
    """The skin of a solid mesh at given points, coloured by values (n,), with its axes and colours."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    draw_skin(axes, mesh, points, values)
    # Labels of axes lie outside the box, so that it must leave room for them.
    axes.set_box_aspect(np.ptp(points, axis=0), zoom=0.82)
    for name, axis in zip(mesh.names, (axes.xaxis, axes.yaxis, axes.zaxis), strict=True):
        axis.set_label_text(f"${name}$")
    axes.locator_params(nbins=3)
    axes.tick_params(pad=1, labelsize=8)
    norm = Normalize(*panels.value_limits(values))
    axes.figure.colorbar(ScalarMappable(norm, "viridis"), ax=axes, fraction=0.03, pad=0.14, shrink=0.7)


def draw_skin(axes: Any, mesh: OutputMesh, points: Values, values: Values) -> None:
    """The shaded skin of a solid mesh at given points, coloured by values (n,), alone."""
    import matplotlib
    from matplotlib.colors import Normalize
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection

    faces = skin(mesh)
    corners = points[faces]
    norm = Normalize(*panels.value_limits(values))
    colours = np.array(matplotlib.colormaps["viridis"](norm(np.nanmean(values[faces], axis=1))))
    colours[:, :3] *= _shades(corners)[:, None]
    # Edges in the colour of the face: white hairlines would show between faces otherwise.
    drawn = Poly3DCollection(list(corners), facecolors=colours, edgecolors=colours, linewidths=0.3)
    axes.add_collection3d(drawn)
    lower = points.min(axis=0)
    upper = points.max(axis=0)
    axes.set_xlim(lower[0], upper[0])
    axes.set_ylim(lower[1], upper[1])
    axes.set_zlim(lower[2], upper[2])
    axes.set_box_aspect(upper - lower)


def _shades(corners: Values) -> Values:
    """How bright faces (k, 3 or 4, 3) are, between a dim side and one; a face has no outside of its own here."""
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1)
    facing = normal @ _LIGHT / np.maximum(length, 1e-300)
    return np.asarray(_DIM + (1 - _DIM) * (1 + facing) / 2)


# ---------------------------------------------------------------- vectors


def draw_flow(axes: Axes, solution: Solution, names: Sequence[str], lines: bool) -> None:
    """The length of a vector in colour, and arrows or streamlines over it."""
    mesh, fields = _on_mesh(solution, _POINTS_OF_PLANE)
    size = np.hypot(fields[names[0]], fields[names[1]])
    panels.surface(axes, mesh, size)
    x, y, u, v = _on_grid(solution, names, _STREAM if lines else _ARROWS)
    if lines:
        strongest = np.nanmax(np.hypot(u, v))
        if not strongest > 0:
            strongest = 1.0
        width = 0.4 + 1.2 * np.nan_to_num(np.hypot(u, v) / strongest)
        axes.streamplot(x, y, u, v, color="white", linewidth=width, density=1.1, arrowsize=0.7)
    else:
        axes.quiver(x, y, u, v, color="white", pivot="mid", width=0.004)
    axes.set_title(_at_last(solution, f"$({', '.join(names)})$"))


def _on_grid(solution: Solution, names: Sequence[str], along: int) -> tuple[Values, Values, Values, Values]:
    """Coordinates along the axes, and two components on their grid; NaN outside the domain."""
    import torch

    domain = solution.problem.domain
    space = space_of(domain)
    lower, upper = space.bounds.cpu().numpy()
    longest = (upper - lower).max()
    shape = tuple(max(6, round(along * side / longest)) for side in upper - lower)
    # Half a step off the boundary, along which arrows would stick out.
    step = (upper - lower) / np.array(shape)
    points = grid(lower + step / 2, upper - step / 2, shape).points
    inside = np.asarray(space.contains(torch.as_tensor(points)).cpu().numpy())
    found = point_fields(solution, with_time(points[inside], _last_time(solution)))
    fields = with_components(found, solution.vectors)
    parts = []
    for name in names:
        values = np.full(len(points), np.nan)
        values[inside] = fields[name]
        parts.append(values.reshape(shape[1], shape[0]))
    x = points[: shape[0], 0]
    y = points[:: shape[0], 1]
    return x, y, parts[0], parts[1]


# ---------------------------------------------------------------- deformed shapes


def draw_deformed(axes: Axes, solution: Solution, names: Sequence[str]) -> None:
    """The shape moved by a displacement, enlarged so that it is seen, and coloured by its length."""
    solid = solution.problem.domain.space_dimension == 3
    mesh, fields = _on_mesh(solution, _POINTS_OF_SOLID if solid else _POINTS_OF_PLANE)
    moved = np.stack([fields[name] for name in names], axis=1)
    size = np.linalg.norm(moved, axis=1)
    times = enlargement(size, mesh.points)
    points = mesh.points + times * moved
    if solid:
        _surface(axes, mesh, points, size)
    else:
        _deformed_plane(axes, mesh, points, size)
    scale = "to scale" if times == 1 else f"{times:.3g} times enlarged"
    axes.set_title(_at_last(solution, f"displacement, {scale}"))


def enlargement(size: Values, points: Values) -> float:
    """A round number, 1, 2 or 5 times a power of ten, with which the largest displacement is a tenth of the shape."""
    largest = float(np.nanmax(size))
    if not largest > 0:
        return 1.0
    wanted = _DEFORMED * float((points.max(axis=0) - points.min(axis=0)).max()) / largest
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted * (1 + 1e-9)))


def _deformed_plane(axes: Axes, mesh: OutputMesh, points: Values, size: Values) -> None:
    everything = np.concatenate([points, mesh.points])
    panels.surface(axes, OutputMesh(points, mesh.cells, mesh.cell_type, mesh.names), size)
    for edge in outline(mesh):
        axes.plot(*mesh.points[edge].T, color=panels.GREY, linewidth=0.7, linestyle=(0, (4, 3)))
    lower = everything.min(axis=0)
    upper = everything.max(axis=0)
    room = 0.03 * (upper - lower)
    axes.set_xlim(lower[0] - room[0], upper[0] + room[0])
    axes.set_ylim(lower[1] - room[1], upper[1] + room[1])


def outline(mesh: OutputMesh) -> NDArray[np.int64]:
    """The edges (k, 2) of a plane mesh that belong to one cell only."""
    corners = mesh.cells.shape[1]
    edges = np.concatenate([mesh.cells[:, [k, (k + 1) % corners]] for k in range(corners)])
    _, first, count = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return edges[first[count == 1]]
