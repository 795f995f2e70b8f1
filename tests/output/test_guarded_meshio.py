"""Everything is read back with the vtk package, as ParaView would, not with what wrote it."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from meshio.vtu import _vtu
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOLegacy import vtkUnstructuredGridReader
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from pdesolve.errors import SolveError, UsageError
from pdesolve.output.guarded_meshio import read_mesh, write_mesh

LINE = (np.array([[0.0], [0.5], [2.0]]), np.array([[0, 1], [1, 2]]), "line")
RNG = np.random.default_rng(0)


def read(path):
    reader = vtkXMLUnstructuredGridReader() if path.suffix == ".vtu" else vtkUnstructuredGridReader()
    if path.suffix == ".vtk":
        reader.ReadAllScalarsOn()
        reader.ReadAllVectorsOn()
        reader.ReadAllTensorsOn()
        reader.ReadAllFieldsOn()
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    data = grid.GetPointData()
    arrays = {data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)) for i in range(data.GetNumberOfArrays())}
    return grid, arrays


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_are_padded_to_three_columns_and_come_back_to_the_bit(tmp_path, suffix, d):
    points = RNG.normal(size=(7, d))
    cells = np.array([[0, 1], [1, 2], [5, 6]])
    grid, _ = read(write_mesh(tmp_path / f"u{suffix}", points, cells, "line", {"u": points[:, 0]}))
    found = vtk_to_numpy(grid.GetPoints().GetData())
    np.testing.assert_array_equal(found[:, :d], points)
    np.testing.assert_array_equal(found[:, d:], 0)
    assert grid.GetNumberOfCells() == 3
    assert [grid.GetCell(2).GetPointId(i) for i in (0, 1)] == [5, 6]


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.normal(size=3), None),
        (RNG.normal(size=(3, 3)), None),
        (RNG.normal(size=3).astype(np.float32), None),
        (np.array([1, -2, 3]), None),
        (np.array([True, False, True]), np.array([1, 0, 1])),
        (np.array([1, 2, 200], dtype=np.uint8), None),
        (np.array([0.5, 1.5, 2.5], dtype=np.float16), np.array([0.5, 1.5, 2.5])),
        (np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([[1.0, 2, 0], [3, 4, 0], [5, 6, 0]])),
        (np.arange(27.0).reshape(3, 3, 3), np.arange(27.0).reshape(3, 9)),
        (np.arange(9.0).reshape(3, 3).T, None),
        (np.arange(3.0).astype(">f8"), np.arange(3.0)),
    ],
    ids=[
        "double",
        "vector",
        "single",
        "integer",
        "boolean",
        "short",
        "half",
        "plane vector",
        "tensor",
        "strided",
        "swapped",
    ],
)
def test_values_come_back_to_the_bit(tmp_path, suffix, values, expected):
    _, arrays = read(write_mesh(tmp_path / f"u{suffix}", *LINE, {"u": values}))
    np.testing.assert_array_equal(arrays["u"], values if expected is None else expected)


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
def test_blocks_of_every_length_come_back(tmp_path, suffix):
    for n in (2, 4095, 4096, 4097, 8192):  # meshio compresses 32768 bytes at a time
        values = RNG.normal(size=n)
        path = write_mesh(
            tmp_path / f"u{suffix}", np.arange(float(n))[:, None], [[0, 1]], "line", {"u": values}
        )
        np.testing.assert_array_equal(read(path)[1]["u"], values)


WEIRD = ['a < b & "c"', "θ_exact", "du/dx", "u'", "with  blanks", "50 %", "%20", "]]>", "&amp;", "名前", "𝔲"]


@pytest.mark.parametrize("suffix", [".vtu", ".vtk"])
@pytest.mark.parametrize("name", WEIRD)
def test_weird_names_survive(tmp_path, suffix, name):
    _, arrays = read(
        write_mesh(tmp_path / f"u{suffix}", *LINE, {name: np.arange(3.0), "grad": np.ones((3, 3))})
    )
    assert set(arrays) == {name, "grad"}
    np.testing.assert_array_equal(arrays[name], np.arange(3.0))


@given(name=st.text(st.characters(exclude_categories=("C", "Z", "M")), min_size=1, max_size=20))
def test_any_printable_name_survives(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("names") / "u.vtu"
    assert list(read(write_mesh(path, *LINE, {name: np.arange(3.0)}))[1]) == [name]


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "\ud800"])
def test_unprintable_names_are_refused(tmp_path, name):
    with pytest.raises(SolveError, match="array name"):
        write_mesh(tmp_path / "u.vtu", *LINE, {name: np.arange(3.0)})


@pytest.mark.parametrize(
    ("points", "cells", "kind", "data", "words"),
    [
        (np.zeros((0, 2)), np.zeros((0, 3), int), "triangle", {}, "points of shape"),
        (np.zeros((3, 2)), np.zeros((0, 3), int), "triangle", {}, r"cells of shape \(0, 3\)"),
        (np.zeros((3, 4)), [[0, 1, 2]], "triangle", {}, r"shape \(3, 4\), expected \(n, d\)"),
        (np.zeros((3, 2)), [[0, 1]], "triangle", {}, r"shape \(1, 2\), expected \(e, 3\)"),
        (np.zeros((3, 2)), [[0, 1, 3]], "triangle", {}, "0 to 3, expected 0 to 2"),
        (np.zeros((3, 2)), [[0, 1, -1]], "triangle", {}, "-1 to 1"),
        (np.zeros((3, 2)), [[0, 1, 2]], "wedge", {}, "unknown cell type 'wedge'"),
        (np.full((3, 2), np.nan), [[0, 1, 2]], "triangle", {}, "'points' has 6 values of 6"),
        (
            np.zeros((3, 2)),
            [[0, 1, 2]],
            "triangle",
            {"u": [1, np.nan, np.inf]},
            "'u' has 2 values of 3.*point 1",
        ),
        (np.zeros((3, 2)), [[0, 1, 2]], "triangle", {"u": [1, 2]}, r"'u' has shape \(2,\), expected one row"),
        (np.zeros((3, 2)), [[0, 1, 2]], "triangle", {"u": np.zeros((3, 0))}, r"'u' has shape \(3, 0\)"),
        (np.zeros((3, 2)), [[0, 1, 2]], "triangle", {"u": ["a", "b", "c"]}, "expected real numbers"),
        (np.zeros((3, 2)), [[0, 1, 2]], "triangle", {"u": [1j, 0, 0]}, "complex128 values"),
    ],
)
def test_what_meshio_would_write_wrong_is_refused_and_no_file_is_left(
    tmp_path, points, cells, kind, data, words
):
    with pytest.raises(SolveError, match=words):
        write_mesh(tmp_path / "u.vtu", points, cells, kind, data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "no XML", "<VTKFile></VTKFile>", '<?xml version="1.0"?><a/>'])
def test_a_bad_file_is_an_error_and_no_exit_and_says_nothing_on_stdout(tmp_path, capsys, content):
    path = tmp_path / "u.vtu"
    path.write_text(content)
    with pytest.raises(UsageError, match="cannot read"):
        read_mesh(path)
    assert capsys.readouterr() == ("", "")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_mesh(tmp_path / "u.vtu")


def test_what_is_written_can_be_read_again(tmp_path):
    mesh = read_mesh(write_mesh(tmp_path / "u.vtu", *LINE, {"a < b": np.arange(3.0)}))
    np.testing.assert_array_equal(mesh.point_data["a < b"], np.arange(3.0))
    np.testing.assert_array_equal(mesh.cells_dict["line"], LINE[1])


def test_a_vtu_file_is_compressed_lightly_and_meshio_is_left_as_it_was(tmp_path, monkeypatch):
    levels, compress = [], zlib.compress

    def recording(data, level=6):
        levels.append(level)
        return compress(data, level)

    monkeypatch.setattr(zlib, "compress", recording)
    write_mesh(tmp_path / "u.vtu", *LINE, {"u": np.arange(3.0)})
    assert set(levels) == {1}
    assert _vtu.zlib is zlib
