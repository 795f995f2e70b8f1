"""A solution in other hands: torch differentiates it, xarray, pandas, XDMF and pyvista hold its values."""

import sys

import numpy as np
import pytest
import torch

from pdesolve import (
    Annulus,
    Dirichlet,
    Initial,
    Interval,
    Problem,
    Rectangle,
    TimeInterval,
    UsageError,
    export,
    solve,
)
from pdesolve import laplace as laplacian
from pdesolve.output.guarded_meshio import read_mesh

RECTANGLE = Rectangle((0, 0), (2, 1))


def harmonic(x, y):
    return torch.exp(x) * torch.sin(y)


@pytest.fixture(scope="module")
def system():
    def coupled(u, v, x, y):
        return -laplacian(u) + v - harmonic(x, y), -laplacian(v)

    edges = RECTANGLE.boundary
    conditions = [
        Dirichlet(lambda x, y: x * y, on=edges, unknown="u"),
        Dirichlet(harmonic, on=edges, unknown="v"),
    ]
    return solve(Problem(RECTANGLE, coupled, conditions, outputs={"slope": lambda u: (u.x, u.y)}), tol=1e-6)


@pytest.fixture(scope="module")
def ring():
    domain = Annulus((0, 0), 1, 2)
    return solve(Problem(domain, lambda u: -laplacian(u) - 1, [Dirichlet(0, on=domain.boundary)]), tol=1e-3)


@pytest.fixture(scope="module")
def heat():
    rod = Interval(0, 1)
    conditions = [Initial(lambda x: torch.sin(torch.pi * x)), Dirichlet(0, on=rod.boundary)]
    problem = Problem(rod * TimeInterval(0, 1), lambda u: u.t - 0.1 * u.xx, conditions, name="rod")
    return solve(problem, tol=1e-3)


def inside(solution, n=20):
    return solution.problem.domain.sample(n).clone().requires_grad_()


# ---------------------------------------------------------------- torch


@pytest.mark.parametrize("name", ["system", "ring", "heat"])
def test_gradients_by_the_points_are_the_derivatives_of_the_solution(name, request):
    solution = request.getfixturevalue(name)
    points = inside(solution)
    u = solution.differentiable()(points)[:, 0]
    assert torch.equal(u.detach(), solution.evaluate(points.detach())[:, 0])
    (gradient,) = torch.autograd.grad(u.sum(), points, create_graph=True)
    (second,) = torch.autograd.grad(gradient[:, 0].sum(), points)
    unknown = solution.unknowns[0]
    axes = solution.problem.coordinates
    columns = points.detach().unbind(1)
    for k, axis in enumerate(axes):
        assert torch.allclose(gradient[:, k].detach(), solution.derivative(axis, unknown=unknown)(*columns))
        mixed = solution.derivative(axes[0], axis, unknown=unknown)(*columns)
        assert torch.allclose(second[:, k], mixed)


def test_gradients_are_those_of_central_differences(system):
    points = inside(system, 5)
    # Within a patch: torch's own check compares with differences of 1e-6 in each coordinate.
    assert torch.autograd.gradcheck(system.differentiable(), points, atol=1e-6)


def test_a_loss_of_the_solution_moves_the_points_where_it_is_largest(ring):
    point = torch.tensor([1.2, 0.0], dtype=torch.float32, requires_grad=True)
    module = ring.differentiable()
    assert not list(module.parameters())
    optimiser = torch.optim.SGD([point], lr=0.8)
    for _ in range(12):
        optimiser.zero_grad()
        value = module(point)
        (-value.sum()).backward()
        optimiser.step()
    assert value.dtype == torch.float32
    # u = (1 - r²)/4 + 3 ln r/(4 ln 2) is largest at r² = 3/(2 ln 2).
    assert float(point.detach().norm()) == pytest.approx((1.5 / np.log(2)) ** 0.5, abs=2e-3)


def test_outside_the_domain_there_is_no_value_and_no_gradient(ring):
    points = torch.tensor([[0.0, 0.5], [1.5, 0.0]], dtype=torch.float64, requires_grad=True)
    values = ring.differentiable()(points)
    values.nansum().backward()
    assert values.isnan()[:, 0].tolist() == [True, False]


@pytest.mark.parametrize("given", [0.5, torch.ones(3), torch.ones(2, dtype=torch.long)])
def test_what_are_no_points_is_a_sentence(ring, given):
    with pytest.raises(UsageError, match=r"expected a tensor of floats \(…, 2\), its columns x, y"):
        ring.differentiable()(given)


# ---------------------------------------------------------------- tables and grids


def test_a_dataset_holds_values_at_its_coordinates(system, ring, heat):
    pytest.importorskip("xarray")
    found = system.to_xarray(points=200)
    assert found.sizes["x"] == 2 * found.sizes["y"] == 20
    assert set(found) == {"u", "v", "slope_x", "slope_y"}
    assert float(found.u.sel(x=2, y=1)) == pytest.approx(system(2, 1)["u"], rel=1e-14)
    assert found.u.attrs["estimated_relative_l2_error"] == system.estimates[0]
    masked = ring.to_xarray(points=400).u
    radius = np.hypot(masked.x, masked.y)
    assert bool((masked.isnull() == ((radius < 1) | (radius > 2))).all())
    evolution = heat.to_xarray(points=11, times=[0, 0.25, 1])
    assert evolution.u.dims == ("x", "t")
    assert float(evolution.u.sel(x=0.5, t=0.25)) == heat(0.5, 0.25)
    assert heat.to_xarray(points=5).sizes["t"] == 41


def test_a_frame_has_a_row_for_each_point_of_the_domain(ring, heat):
    pytest.importorskip("pandas")
    frame = ring.to_pandas(points=400)
    assert list(frame) == ["x", "y", "u"]
    assert frame.notna().all(axis=None)
    assert 0.4 < len(frame) / 400 < 0.75  # of the square, the ring covers 3 π/16
    assert list(heat.to_pandas(points=3, times=[0, 1])) == ["x", "t", "u"]


@pytest.mark.parametrize(
    ("package", "extra", "ask"),
    [
        ("xarray", "data", lambda u: u.to_xarray()),
        ("pandas", "data", lambda u: u.to_pandas()),
        ("pyvista", "view", lambda u: u.show()),
    ],
)
def test_a_missing_package_is_a_sentence(ring, monkeypatch, package, extra, ask):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"needs the package {package}: pip install 'pdesolve\[{extra}\]'"):
        ask(ring)


def test_times_of_what_has_none_are_refused(ring):
    pytest.importorskip("xarray")
    with pytest.raises(UsageError, match="no time interval"):
        ring.to_xarray(times=[0.5])
    with pytest.raises(UsageError, match="expected 2 or more"):
        ring.to_xarray(points=1)


# ---------------------------------------------------------------- files and views


def test_an_xdmf_file_holds_every_time_and_can_be_moved(heat, tmp_path):
    pytest.importorskip("h5py")
    from meshio.xdmf import TimeSeriesReader

    written = export(heat, tmp_path / "here" / "u.xdmf", points=21, times=[0, 0.5, 1])
    assert [path.name for path in written] == ["u.xdmf", "u.h5"]
    (tmp_path / "here").rename(tmp_path / "there")
    with TimeSeriesReader(tmp_path / "there" / "u.xdmf") as reader:
        points, cells = reader.read_points_cells()
        assert reader.num_steps == 3
        assert len(cells[0].data) == 20
        time, data, _ = reader.read_data(1)
    assert time == 0.5
    assert np.array_equal(data["u"], heat(points[:, 0], 0.5))
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["u.h5", "u.xdmf"]


def test_a_grid_of_pyvista_is_the_file_for_paraview(system, heat, tmp_path):
    pytest.importorskip("pyvista")
    grid = system.to_pyvista(points=100)
    export(system, tmp_path / "u.vtu", points=100)
    file = read_mesh(tmp_path / "u.vtu")
    assert np.array_equal(grid.points, file.points)
    assert set(grid.point_data.keys()) == set(file.point_data)
    assert np.array_equal(grid.point_data["v"], file.point_data["v"])
    last = heat.to_pyvista(points=3)
    assert last.point_data["u"][1] == heat(0.5, 1.0)
    with pytest.raises(UsageError, match="there is no array 'w'; expected one of u"):
        system.show("w")
