"""Gmsh fills the same boundary with cells of better shape."""

import sys

import numpy as np
import pytest

from pdesolve import Ball, Disk, Interval, Rectangle, export
from pdesolve.errors import UsageError
from pdesolve.output.gmsh_mesh import boundary_of
from pdesolve.output.mesh import output_mesh

PLATE = Rectangle((0, 0), (3, 3)) - Disk((1, 1), 0.3) - Disk((2, 2), 0.5)
DOMAINS = {
    "two holes": (PLATE, 800),
    "two disks": (Disk((0, 0), 1) | Disk((3, 0), 0.5), 500),
    "hollow ball": (Ball((0, 0, 0), 1) - Ball((0.2, 0, 0), 0.4), 1500),
    "two balls": (Ball((0, 0, 0), 1) | Ball((3, 0, 0), 0.4), 800),
}


def worst_shape(mesh):
    """Least measure of a cell over its longest edge to the power d."""
    corners = mesh.points[mesh.cells]
    longest = np.linalg.norm(corners[:, :, None] - corners[:, None], axis=-1).max((1, 2))
    return (mesh.measures / longest ** mesh.points.shape[1]).min()


@pytest.mark.parametrize("name", DOMAINS)
def test_the_boundary_stays_and_no_cell_is_worse_than_the_worst_before(name):
    pytest.importorskip("gmsh", reason="needs the extra gmsh")
    domain, points = DOMAINS[name]
    own, found = output_mesh(domain, points), output_mesh(domain, points, mesher="gmsh")
    assert (found.measures > 0).all()
    assert np.isclose(found.measures.sum(), own.measures.sum(), rtol=1e-12)
    (before, _), (after, _) = boundary_of(own), boundary_of(found)
    assert np.allclose(np.unique(before, axis=0), np.unique(after, axis=0), atol=1e-12)
    assert worst_shape(found) > worst_shape(own)


@pytest.mark.parametrize("domain", [Interval(0, 1), Rectangle((0, 0), (1, 2))])
def test_structured_grids_stay_as_they_are(domain):
    assert output_mesh(domain, 20, mesher="gmsh").cells.tolist() == output_mesh(domain, 20).cells.tolist()


def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(UsageError, match=r"pip install 'pdesolve\[gmsh\]'"):
        output_mesh(PLATE, 100, mesher="gmsh")


def test_another_mesher_is_refused():
    with pytest.raises(UsageError, match="the mesher 'tetgen', expected gmsh"):
        output_mesh(PLATE, 100, mesher="tetgen")


def test_export_passes_it_on(tmp_path):
    class Stub:
        class problem:
            domain = PLATE

    for name in ("u.vtu", "u.pvd", "u.npz", "u.csv"):
        with pytest.raises(UsageError, match="'tetgen'"):
            export(Stub, tmp_path / name, mesher="tetgen")
