"""A .vtu file says the same to every program that reads it: vtk, as ParaView does, pyvista and meshio."""

import meshio
import numpy as np
import pytest
from analytic import AnalyticSolution
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

from pdesolve.geometry import Ball, Box, Disk, Interval, Rectangle
from pdesolve.output import export

SHAPES = {  # one for each type of cell
    "line": (Interval(0, 2), "x"),
    "triangle": (Rectangle((0, 0), (1, 1)) - Disk((0.5, 0.5), 0.2), "x*y"),
    "quad": (Rectangle((0, 0), (1, 2)), "x*y"),
    "tetra": (Ball((0, 0, 0), 1), "x*y*z"),
    "hexahedron": (Box((0, 0, 0), (1, 2, 3)), "x*y*z"),
}


def by_vtk(path):
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    values = vtk_to_numpy(grid.GetPointData().GetArray("u"))
    return vtk_to_numpy(grid.GetPoints().GetData()), grid.GetNumberOfCells(), values


def by_meshio(path):
    mesh = meshio.read(path)
    return mesh.points, sum(len(block.data) for block in mesh.cells), mesh.point_data["u"]


def by_pyvista(path):
    pyvista = pytest.importorskip("pyvista", reason="it is no dependency: pip install pyvista")
    grid = pyvista.read(path)
    return np.asarray(grid.points), grid.n_cells, np.asarray(grid.point_data["u"])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("read", [by_meshio, by_pyvista])
def test_readers_find_the_same_points_cells_and_values(tmp_path, kind, read):
    domain, formula = SHAPES[kind]
    path = tmp_path / "u.vtu"
    export(AnalyticSolution(domain, {"u": formula}), path, points=200)
    points, cells, values = by_vtk(path)
    found, number, same = read(path)
    assert number == cells
    assert np.array_equal(found, points)
    assert np.array_equal(np.ravel(same), values)
    x, y, z = points.T
    assert np.allclose(values, eval(formula, {"x": x, "y": y, "z": z}), atol=1e-12)
