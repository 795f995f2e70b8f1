"""Simplices and named boundary facets: what a mesh domain is made of, and how it is read from a file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pdesolve.errors import ProblemError
from pdesolve.geometry.shapes.polyhedra import FACES, Indices, check_flat, halves, tetrahedra

PACKAGE = str(Path(__file__).resolve().parents[2])
# Relative distance below which two vertices are one: STL files repeat a vertex for each of its triangles.
MERGED = 1e-9
# Of the volume: by more than this the cells' volumes must not differ from what their boundary encloses. Files in
# single precision reach 1e-7.
OVERLAP = 1e-6
# Relative extent in z below which a mesh lies in the plane: what rounding leaves of z = 0 after a rotation.
FLAT = 1e-9
# Cells and the corners that count: nodes on edges and faces of cells of higher order are left out.
CORNERS = {
    "line": 2,
    "triangle": 3,
    "quad": 4,
    "tetra": 4,
    "pyramid": 5,
    "wedge": 6,
    "hexahedron": 8,
}
OTHERS = ("vertex",)
CAD = (".step", ".stp", ".iges", ".igs", ".brep", ".x_t", ".sldprt", ".fcstd", ".dxf", ".dwg")
# Cell data that name groups, in the order of preference; Gmsh's have names in the file.
LABELS = ("gmsh:physical", "boundary", "group", "medit:ref", "obj:group_ids", "CellEntityIds", "region")
UNNAMED = "boundary"


@dataclass(frozen=True, eq=False)
class MeshData:
    """A mesh of simplices, and its boundary.

    Attributes:
        points: (n, d) vertices.
        cells: (e, d + 1) simplices of positive volume; none where only the surface is known.
        facets: (f, d) boundary edges or triangles, oriented so that their normals point outwards.
        group: (f,) the number of each facet's group.
        names: names of the groups.
        source: the file, if it comes from one.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    facets: NDArray[np.int64]
    group: NDArray[np.int64]
    names: tuple[str, ...]
    source: Path | None = None

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.points.shape[1]

    @property
    def label(self) -> str:
        """How it is called: by its file if it has one."""
        return repr(self.source.name) if self.source else f"{len(self.points)} vertices"

    @cached_property
    def digest(self) -> str:
        """A hash of all numbers: equal meshes are equal domains."""
        arrays = (self.points, self.cells, self.facets, self.group)
        found = hashlib.sha256(repr(self.names).encode())
        for array in arrays:
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeshData) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self):
        fields = (self.points, self.cells, self.facets, self.group, self.names, self.source)
        return MeshData, fields


def find(path: str | Path) -> Path:
    """Return a file's path: beside the file that asks for it (a problem file), or in the current folder.

    Beside the copy of a problem file in a run directory, the mesh is found without the folders in its path.

    Raises:
        ProblemError: there is no such file.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() in CAD:
        message = (
            f"{path} is a CAD file, which has no mesh yet; make one with Gmsh, `gmsh {path.name} -3 -o "
            f"{path.stem}.msh` (a plane part: -2), and write load_mesh('{path.stem}.msh'). Physical groups "
            "become parts."
        )
        raise ProblemError(message)
    beside = _caller()
    for candidate in (beside / path, beside / path.name, path):
        if candidate.is_file():
            return candidate.resolve()
    message = f"there is no mesh file {path}, neither beside the problem file nor in the current folder."
    raise ProblemError(message)


def _caller() -> Path:
    """Folder of the first file on the stack that is none of this package."""
    frame = sys._getframe()
    while frame is not None:
        name = frame.f_globals.get("__file__")
        if name and not str(Path(name).resolve()).startswith(PACKAGE):
            return Path(name).resolve().parent
        frame = frame.f_back  # type: ignore[assignment]
    return Path()


def read(path: Path) -> MeshData:
    """Read a mesh of triangles in the plane, of tetrahedra, or a closed surface of triangles in space.

    Quadrilaterals, hexahedra, wedges and pyramids are divided into these; nodes on edges and faces are left out.

    Raises:
        ProblemError: the file cannot be read, or what it holds bounds no domain.
    """
    mesh = _read(path)
    what = f"the mesh {path.name}"
    key = next((name for name in LABELS if name in mesh.cell_data), None)
    cells, tags = _by_kind(mesh, key, what)
    points, cells = _merged(_finite(mesh.points, what), cells)
    check_flat(points, cells, what)
    cells, tags = _simplices(cells, tags)
    if len(cells["tetra"]):
        top, sides = cells["tetra"], "triangle"
    elif not len(cells["triangle"]):
        kinds = ", ".join(sorted({block.type for block in mesh.cells})) or "nothing"
        message = f"{what} holds {kinds}, expected triangles or tetrahedra."
        raise ProblemError(message)
    elif _is_flat(points):
        top, sides = cells["triangle"], "line"
        points = points[:, :2]
    else:
        top, sides = None, "triangle"
    named = _names(mesh, tags[sides], cells[sides].shape[1] - 1, bool(key))
    return build(points, top, cells[sides], tags[sides], named, path)


def _by_kind(mesh, key: str | None, what: str) -> tuple[dict[str, Indices], dict[str, Indices]]:
    """Corners (e, corners) of all cells of each kind, and the tags (e,) that a kind of cell data gives them."""
    cells = {kind: [np.empty((0, n), np.int64)] for kind, n in CORNERS.items()}
    tags = {kind: [np.empty(0, np.int64)] for kind in CORNERS}
    for i, block in enumerate(mesh.cells):
        kind = _kind(block.type, what)
        if not kind:
            continue
        label = np.zeros(len(block.data))
        if key is not None:
            label = np.asarray(mesh.cell_data[key][i]).reshape(len(block.data), -1)[:, 0]
        cells[kind].append(np.asarray(block.data, dtype=np.int64)[:, : CORNERS[kind]])
        tags[kind].append(label.astype(np.int64))
    return (
        {kind: np.concatenate(parts) for kind, parts in cells.items()},
        {kind: np.concatenate(parts) for kind, parts in tags.items()},
    )


def _read(path: Path):
    import meshio

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # meshio's reader of .stl overflows an integer, harmlessly
            return meshio.read(path)
    except (Exception, SystemExit) as error:  # meshio leaves by sys.exit where it knows no format
        cause = " ".join(f"{error} {said.getvalue()}".split())[:200]
        message = f"the mesh {path.name} cannot be read: {cause or type(error).__name__}."
        raise ProblemError(message) from None


def _kind(name: str, what: str) -> str:
    """Which of `CORNERS` a kind of cells is, of whatever order; nothing for points."""
    kind = name.rstrip("0123456789")
    if kind in CORNERS:
        return kind
    if name in OTHERS:
        return ""
    message = (
        f"{what} holds {name} cells, expected triangles, quadrilaterals, tetrahedra, hexahedra, wedges or pyramids: "
        "split them first."
    )
    raise ProblemError(message)


def _simplices(cells, tags):
    """Lines, triangles and tetrahedra that fill cells of all kinds, and their tags."""
    solids = [tetrahedra(kind, cells[kind]) for kind in FACES]
    found = {
        "line": cells["line"],
        "triangle": np.concatenate([cells["triangle"], halves(cells["quad"])]),
        "tetra": np.concatenate([cells["tetra"], *solids]),
    }
    return found, {
        "line": tags["line"],
        "triangle": np.concatenate([tags["triangle"], np.repeat(tags["quad"], 2)]),
    }


def _finite(points, what: str) -> NDArray[np.float64]:
    points = np.asarray(points, dtype=np.float64)
    if not np.isfinite(points).all():
        message = f"{what} has vertices that are not finite."
        raise ProblemError(message)
    return np.column_stack([points, np.zeros((len(points), 3 - points.shape[1]))])


def _is_flat(points: NDArray[np.float64]) -> bool:
    extent = np.ptp(points, axis=0)
    return bool(extent[2] <= FLAT * extent.max())


def _merged(points, cells):
    """Make vertices at one place one, drop those that no cell has, and cells that thereby collapse."""
    size = float(np.ptp(points, axis=0).max(initial=0.0))
    pairs = cKDTree(points).query_pairs(MERGED * size, output_type="ndarray")
    name = np.arange(len(points))
    for a, b in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]:
        name[b] = name[a]
    cells = {kind: name[data] for kind, data in cells.items()}
    used = np.unique(np.concatenate([data.reshape(-1) for data in cells.values()]))
    compact = np.zeros(len(points), dtype=np.int64)
    compact[used] = np.arange(len(used))
    return points[used], {kind: compact[data] for kind, data in cells.items()}


def _names(mesh, tags, dimension: int, labelled: bool) -> dict[int, str]:
    """Names of the groups of facets: those in the file, else "group k"."""
    known = {
        int(value[0]): name
        for name, value in mesh.field_data.items()
        if np.size(value) == 2 and int(value[1]) == dimension
    }
    if not labelled:
        return {}
    return {int(t): known.get(int(t), f"group {int(t)}" if t else UNNAMED) for t in np.unique(tags)}


def build(points, cells, sides, tags, named: dict[int, str], source: Path | None = None) -> MeshData:
    """Return the mesh with its boundary, oriented outwards and checked to be closed.

    Args:
        points: (n, d) vertices.
        cells: (e, d + 1) simplices, or None for a closed surface of `sides`.
        sides: (s, d) facets that carry a tag; others are unnamed.
        tags: (s,) integers.
        named: tag → name.
        source: the file.

    Raises:
        ProblemError: the mesh is empty or degenerate, or its surface is not closed.
    """
    what = f"the mesh {source.name}" if source else "the mesh"
    if cells is None:
        cells = np.empty((0, points.shape[1] + 1), dtype=np.int64)
        facets = _consistent(points, sides, what)
        labels = tags
    else:
        cells = _positive(points, cells, what)
        facets, labels = _boundary(cells, sides, tags)
        _check_overlap(points, cells, facets, what)
    _check_closed(facets, what)
    names = [named.get(int(t), UNNAMED) for t in labels]
    order = tuple(dict.fromkeys(names))
    group = np.array([order.index(name) for name in names], dtype=np.int64)
    return MeshData(points, cells, facets, group, order, source)


def _positive(points, cells, what: str):
    volume = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]])
    size = float(np.ptp(points, axis=0).max()) ** points.shape[1]
    if not len(cells) or float(np.abs(volume).max()) <= 1e-14 * size:
        message = f"{what} has no cells with any volume."
        raise ProblemError(message)
    cells = cells[np.abs(volume) > 1e-15 * size]
    flip = volume[np.abs(volume) > 1e-15 * size] < 0
    cells[flip] = cells[flip][:, [1, 0, *range(2, cells.shape[1])]]
    return cells


def _boundary(cells, sides, tags):
    """Facets of one cell only, oriented outwards, with the tags of those among `sides`."""
    d = cells.shape[1] - 1
    # The facet opposite to corner i, turned so that its normal points away from it.
    opposite = {2: [[1, 2], [2, 0], [0, 1]], 3: [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]]}[d]
    every = cells[:, opposite].reshape(-1, d)
    keys, first, count = np.unique(np.sort(every, axis=1), axis=0, return_index=True, return_counts=True)
    once = count == 1
    facets = every[first[once]]
    tag_of = {tuple(side): int(tag) for side, tag in zip(np.sort(sides, axis=1).tolist(), tags, strict=True)}
    return facets, np.array([tag_of.get(tuple(key), 0) for key in keys[once].tolist()], dtype=np.int64)


def _check_overlap(points, cells, facets, what: str) -> None:
    """The volume of the cells must be what their boundary encloses, by the divergence theorem."""
    start = points[cells[:, 0]]
    volume = float(np.abs(np.linalg.det(points[cells[:, 1:]] - start[:, None])).sum())
    enclosed = float(np.linalg.det(points[facets] - points.mean(axis=0)).sum())
    if abs(volume - enclosed) > OVERLAP * volume:
        message = (
            f"{what} has cells that overlap or are not convex: their volumes add up to {volume:.6g}, their boundary "
            f"encloses {enclosed:.6g}; repair it first."
        )
        raise ProblemError(message)


def _consistent(points, facets, what: str):
    """Turn the whole surface outwards; its triangles must agree among themselves."""
    corner = points[facets]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    if float(area.min()) <= 0:
        message = f"{what} has {int((area <= 0).sum())} triangles without area, expected none."
        raise ProblemError(message)
    centre = points.mean(axis=0)
    if float(np.linalg.det(corner - centre).sum()) <= 0:  # six times the volume that the surface encloses
        return facets[:, ::-1].copy()
    return facets


def _check_closed(facets, what: str) -> None:
    """Every ridge must be run through once in each direction."""
    bad = _open_vertices(facets) if facets.shape[1] == 2 else _open_edges(facets)
    if bad:
        message = (
            f"{what} has a surface that is not closed or not oriented alike: {bad} edges do not join two triangles "
            f"in one sense; repair it first."
        )
        raise ProblemError(message)


def _open_vertices(edges) -> int:
    """How many vertices do not begin as many edges as they end."""
    n = int(edges.max(initial=-1)) + 1
    return int((np.bincount(edges[:, 0], minlength=n) != np.bincount(edges[:, 1], minlength=n)).sum())


def _open_edges(triangles) -> int:
    """How many edges are not run through once in each direction, those run through twice in one counted too."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    n = int(triangles.max()) + 1
    forth = edges @ (n, 1)
    back = edges[:, ::-1] @ (n, 1)
    return len(np.setxor1d(forth, back)) + len(forth) - len(np.unique(forth))
