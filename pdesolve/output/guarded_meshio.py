"""meshio behind a guard: everything it writes silently wrong is put right or refused here.

What meshio 5.3.5 does, and what is done about it:

* points of one or two columns are written as they are (a viewer reads three): padded with zeros;
* a (n, 3, 3) array loses its number of components, a two-component vector is no vector to a viewer: reshaped
  to nine components, padded to three;
* names go into the XML unescaped, in the encoding of the machine: escaped, to ASCII;
* blanks in names become underscores in a legacy file: percent-encoded, which VTK decodes;
* an empty mesh or array gets a wrong block header: refused;
* booleans, short integers, float16 and objects end in a KeyError: converted or refused;
* a file that cannot be read prints to stdout and calls `sys.exit(1)`: an error with a sentence instead.
"""

from __future__ import annotations

import contextlib
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdesolve.errors import SolveError, UsageError
from pdesolve.output.cells import CORNERS
from pdesolve.output.files import replacing
from pdesolve.output.vtu import write_unstructured_grid

_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def write_mesh(
    path: str | Path,
    points: ArrayLike,
    cells: ArrayLike,
    cell_type: str,
    point_data: Mapping[str, ArrayLike],
) -> Path:
    """Write one block of cells with point data; the format follows from the suffix.

    Args:
        path: the file, `.vtu` or `.vtk`.
        points: (n, d) with d ≤ 3, padded with zeros to three columns.
        cells: (e, corners) indices into the points.
        cell_type: meshio's name of the cells.
        point_data: name → (n,), (n, 2), (n, 3) or (n, 3, 3) array.

    Returns:
        The path written.

    Raises:
        SolveError: if the mesh is empty or inconsistent, or a value is not finite.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    points = _checked_points(points)
    cells = _checked_cells(cells, cell_type, len(points))
    encode = _percent_encoded if suffix == ".vtk" else _xml_escaped
    arrays = {encode(name): checked_array(name, values, len(points)) for name, values in point_data.items()}
    with replacing(path) as temporary:
        if suffix == ".vtu":
            write_unstructured_grid(temporary, points, cells, cell_type, arrays)
        else:
            _write_by_meshio(temporary, points, cells, cell_type, arrays)
    return path


def _write_by_meshio(path: Path, points: Any, cells: Any, cell_type: str, arrays: Mapping[str, Any]) -> None:
    import meshio

    mesh = meshio.Mesh(points, [(cell_type, cells)], point_data=dict(arrays))
    meshio.write(str(path), mesh, file_format=path.suffix.lower().lstrip("."))


def read_mesh(path: str | Path) -> Any:
    """Read a mesh file through meshio.

    Args:
        path: any file that meshio knows.

    Returns:
        A `meshio.Mesh`.

    Raises:
        UsageError: if the file does not exist or cannot be read.
    """
    import meshio

    path = Path(path)
    if not path.is_file():
        msg = f"no file '{path}': expected a mesh file written by `pdesolve export`."
        raise UsageError(msg)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return meshio.read(str(path))
    except (SystemExit, Exception) as error:
        reason = "" if isinstance(error, SystemExit) else f" ({type(error).__name__}: {error})"
        msg = f"cannot read '{path}' as a mesh{reason}: it is damaged or of another format; export it again."
        raise UsageError(msg) from error


def checked_array(name: str, values: ArrayLike, n: int) -> NDArray[Any]:
    """A point-data array as a viewer expects it: finite, one, three or nine components, little surprise.

    Raises:
        SolveError: if the shape is wrong, the kind of number cannot be written or a value is not finite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        msg = f"the array '{name}' holds {array.dtype} values, expected real numbers."
        raise SolveError(msg)
    if array.ndim not in (1, 2, 3) or len(array) != n or 0 in array.shape:
        msg = f"the array '{name}' has shape {array.shape}, expected one row for each of {n} points."
        raise SolveError(msg)
    _refuse_non_finite(name, array)
    return np.ascontiguousarray(_as_shown(_as_written(array)))


def _as_written(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers of the kinds that VTK has: 64-bit integers, and floats of single or double precision."""
    if array.dtype.kind in "biu":
        return array.astype(np.int64)
    if array.dtype.itemsize not in (4, 8):
        return array.astype(np.float64)
    return array


def _as_shown(array: NDArray[Any]) -> NDArray[Any]:
    """One row for each point; two components are a vector in the plane, for which viewers want three."""
    if array.ndim == 3:
        array = array.reshape(len(array), -1)
    if array.ndim == 2 and array.shape[1] == 2:
        return np.column_stack([array, np.zeros(len(array), dtype=array.dtype)])
    return array


def _refuse_non_finite(name: str, array: NDArray[Any]) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argwhere(bad)[0][0])
        msg = (
            f"the array '{name}' has {int(bad.sum())} values of {array.size} that are not finite (the first "
            f"at point {first}), expected numbers: is the equation, the exact solution or the "
            "solution itself undefined there?"
        )
        raise SolveError(msg)


def _checked_points(points: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or not 1 <= points.shape[1] <= 3 or len(points) == 0:
        msg = f"the mesh has points of shape {points.shape}, expected (n, d) with n > 0 and d of 1, 2 or 3."
        raise SolveError(msg)
    _refuse_non_finite("points", points)
    return np.ascontiguousarray(np.pad(points, ((0, 0), (0, 3 - points.shape[1]))))


def _checked_cells(cells: ArrayLike, cell_type: str, n: int) -> NDArray[np.int64]:
    cells = np.asarray(cells)
    corners = CORNERS.get(cell_type)
    if corners is None:
        msg = f"unknown cell type '{cell_type}', expected one of {', '.join(CORNERS)}."
        raise SolveError(msg)
    if cells.ndim != 2 or len(cells) == 0 or cells.shape[1] != corners:
        msg = f"the mesh has {cell_type} cells of shape {cells.shape}, expected (e, {corners}) with e > 0."
        raise SolveError(msg)
    if cells.min() < 0 or cells.max() >= n:
        msg = f"the cells name the points {cells.min()} to {cells.max()}, expected 0 to {n - 1}."
        raise SolveError(msg)
    return np.ascontiguousarray(cells, dtype=np.int64)


def _xml_escaped(name: str) -> str:
    """An attribute value in ASCII: any XML reader, in any locale, decodes it to `name`."""
    _refuse_control_characters(name)
    return "".join(_XML.get(c, c) if ord(c) < 128 else f"&#{ord(c)};" for c in name)


def _percent_encoded(name: str) -> str:
    """The name as legacy VTK files hold it; its readers decode it."""
    _refuse_control_characters(name)
    return quote(name, safe="~!$&'()*+,/:;=?@[]^{|}")


def _refuse_control_characters(name: str) -> None:
    if not name or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        msg = f"the array name {name!r} is empty or holds control characters, expected a printable name."
        raise SolveError(msg)
