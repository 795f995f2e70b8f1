import subprocess
import sys

import pytest
from analytic import AnalyticSolution

from pdesolve.errors import UsageError
from pdesolve.geometry import Interval, TimeInterval
from pdesolve.output import export
from pdesolve.output.registry import FORMATS, WRITERS


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_known_ending_writes_a_file(tmp_path, suffix):
    solution = AnalyticSolution(Interval(0, 1) * TimeInterval(0, 1), {"u": "x*t"})
    path = tmp_path / f"u{suffix}"
    options = {"steps": 3} if suffix not in (".vtu", ".vtk") else {}
    written = export(solution, path, points=50, **options)
    assert written[0] == path
    assert all(p.stat().st_size > 0 for p in written)


def test_the_case_of_the_ending_does_not_matter(tmp_path):
    solution = AnalyticSolution(Interval(0, 1), {"u": "x"})
    for suffix in WRITERS:
        assert export(solution, tmp_path / f"u{suffix.upper()}")[0].exists()


@pytest.mark.parametrize("name", ["u.stl", "u"])
def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path, name):
    with pytest.raises(UsageError, match=r"expected one of \.vtu \.pvd \.vtk \.npz \.csv"):
        export(AnalyticSolution(Interval(0, 1), {"u": "x"}), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_list_of_formats_needs_neither_torch_nor_meshio():
    code = (
        "import sys, pdesolve.output.registry; sys.exit(any(m in sys.modules for m in ('torch', 'meshio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
