"""VTK's unstructured grids in XML, zlib-compressed: one block of cells with point data."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Names of cells, as meshio has them → VTK's numbers (vtkCellType.h).
KINDS = {"line": 3, "triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}
TYPES = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}
# Bytes compressed at once.
BLOCK = 1 << 20
# Of zlib: a third of the time of level 6, and a few percent more space.
LEVEL = 1


def write_unstructured_grid(
    path: Path,
    points: NDArray[np.float64],
    cells: NDArray[np.int64],
    cell_type: str,
    point_data: Mapping[str, NDArray[Any]],
) -> None:
    """Write points (n, 3), cells (e, corners) and arrays (n,) or (n, c), whose names are escaped already."""
    e, corners = cells.shape
    offsets = np.arange(1, e + 1, dtype=np.int64) * corners
    kinds = np.full(e, KINDS[cell_type], dtype=np.uint8)
    arrays = "".join(_array(name, values) for name, values in point_data.items())
    text = (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="UnstructuredGrid" version="0.1" byte_order="LittleEndian" header_type="UInt32" '
        'compressor="vtkZLibDataCompressor">\n<UnstructuredGrid>\n'
        f'<Piece NumberOfPoints="{len(points)}" NumberOfCells="{e}">\n'
        f"<Points>\n{_array('Points', points)}</Points>\n"
        f"<Cells>\n{_array('connectivity', cells.ravel())}{_array('offsets', offsets)}"
        f"{_array('types', kinds)}</Cells>\n"
        f"<PointData>\n{arrays}</PointData>\n"
        "</Piece>\n</UnstructuredGrid>\n</VTKFile>\n"
    )
    path.write_text(text, "ascii")


def _array(name: str, values: NDArray[Any]) -> str:
    kind = TYPES[values.dtype.str[1:]]
    components = f' NumberOfComponents="{values.shape[1]}"' if values.ndim == 2 else ""
    return (
        f'<DataArray type="{kind}" Name="{name}"{components} format="binary">{_encoded(values)}</DataArray>\n'
    )


def _encoded(values: NDArray[Any]) -> str:
    """VTK's header (number of blocks, their size, size of a shorter last one, compressed sizes), then the blocks."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    content = np.ascontiguousarray(little).tobytes()
    blocks = [zlib.compress(content[i : i + BLOCK], LEVEL) for i in range(0, len(content), BLOCK)]
    header = (len(blocks), BLOCK, len(content) % BLOCK, *map(len, blocks))
    packed = struct.pack(f"<{len(header)}I", *header)
    return base64.b64encode(packed).decode() + base64.b64encode(b"".join(blocks)).decode()
