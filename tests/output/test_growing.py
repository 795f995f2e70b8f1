"""A `.pvd` that grows: at any time it lists whole files, of the values that the march has passed."""

import copy
from xml.etree import ElementTree

import meshio
import numpy as np
import pytest
from torch import pi, sin

from pdesolve import Initial, Interval, Periodic, Problem, TimeInterval, export
from pdesolve.errors import UsageError
from pdesolve.output.growing import LARGEST_SHARE, GrowingSeries
from pdesolve.runs.monitor import Monitor
from pdesolve.solver import solve

STEPS = 41


def listed(path):
    root = ElementTree.parse(path).getroot()
    return {float(step.get("timestep")): path.parent / step.get("file") for step in root.iter("DataSet")}


@pytest.fixture(scope="module")
def ring():
    return Problem(
        domain=Interval(0, 2 * pi) * TimeInterval(1, 2),
        equation=lambda u: u.t + 5 * u.x,
        conditions=[Initial(lambda x: sin(x)), Periodic("x")],
        exact=lambda x, t: sin(x - 5 * (t - 1)),
    )


@pytest.fixture(scope="module")
def marched(ring):
    """The solution, and ends and slabs of its checkpoints."""
    states = []
    monitor = Monitor(on_checkpoint=lambda s: states.append(copy.copy(s["progress"])), checkpoint_every=0)
    solution = solve(ring, tol=1e-6, monitor=monitor, slabs=5)
    return solution, [(state["ends"][:], state["slabs"][:]) for state in states]


@pytest.mark.slow
def test_steps_are_those_of_the_whole_collection(ring, marched, tmp_path):
    solution, states = marched
    series = GrowingSeries(ring, tmp_path / "solution.pvd")
    counts = []
    for i, _ in enumerate(states):
        ends, slabs = states[i]
        series.extend(ends[: i + 2], slabs[: i + 1], elapsed=1e9)
        steps = listed(series.path)
        assert all(file.is_file() for file in steps.values())
        assert max(steps) <= ends[i + 1] < max(steps) + 1.0 / (STEPS - 1) + 1e-12
        counts.append(len(steps))
    assert counts == sorted(set(counts))
    assert counts[-1] == STEPS
    export(solution, tmp_path / "whole.pvd")
    whole = listed(tmp_path / "whole.pvd")
    assert list(whole) == list(steps)
    for time, file in steps.items():
        mine, final = meshio.read(file), meshio.read(whole[time])
        assert np.array_equal(mine.points, final.points)
        assert np.array_equal(mine.point_data["u"], final.point_data["u"])
        assert {"u_exact", "u_error"} == set(final.point_data) - set(mine.point_data)


def test_writing_waits_where_it_has_taken_its_share(ring, marched, tmp_path):
    ends, slabs = marched[1][-1]
    series = GrowingSeries(ring, tmp_path / "solution.pvd", spent=1.0)
    series.extend(ends, slabs, elapsed=0.9 / LARGEST_SHARE)
    assert not series.path.exists()
    series.extend(ends, slabs, elapsed=1e3 / LARGEST_SHARE)
    assert 0 < len(listed(series.path)) <= STEPS


def test_a_march_that_begins_again_replaces_its_steps(ring, marched, tmp_path):
    ends, slabs = marched[1][-1]
    series = GrowingSeries(ring, tmp_path / "solution.pvd")
    series.extend(ends, slabs, elapsed=1e9)
    series.extend(ends[:2], slabs[:1], elapsed=1e9)
    assert max(listed(series.path)) <= ends[1]


@pytest.mark.parametrize("name", ["u.pvd", "u.vtu", "u.npz", "u.csv"])
def test_a_march_that_was_stopped_is_written_up_to_where_it_came(ring, tmp_path, name):
    monitor = Monitor(checkpoint_every=0)
    monitor.on_checkpoint = lambda _: setattr(monitor, "time_limit", 1e-9)
    solution = solve(ring, tol=1e-4, monitor=monitor, slabs=5)
    assert 1 < solution.reached < 2
    export(solution, tmp_path / name)
    with pytest.raises(UsageError, match="was not reached"):
        export(solution, tmp_path / name, time=1.999)
    if name == "u.pvd":
        surface = meshio.read(tmp_path / "u-spacetime.vtu")
        assert surface.points[:, 1].max() == pytest.approx(solution.reached)
        assert np.isfinite(surface.point_data["u"]).all()
