import subprocess
import sys

import pytest
from analytic import AnalyticSolution

from pdesolve.errors import UsageError
from pdesolve.geometry import Interval, TimeInterval
from pdesolve.output import export
from pdesolve.output.registry import FORMATS, WRITERS, known_format


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_known_ending_writes_a_file(tmp_path, suffix):
    if WRITERS[suffix].needs:
        pytest.importorskip(WRITERS[suffix].needs)
    solution = AnalyticSolution(Interval(0, 1) * TimeInterval(0, 1), {"u": "x*t"})
    path = tmp_path / f"u{suffix}"
    options = {"steps": 3} if suffix not in (".vtu", ".vtk") else {}
    written = export(solution, path, points=50, **options)
    assert written[0] == path
    assert all(p.stat().st_size > 0 for p in written)


def test_the_case_of_the_ending_does_not_matter(tmp_path):
    solution = AnalyticSolution(Interval(0, 1), {"u": "x"})
    for suffix in (ending for ending, one in WRITERS.items() if not one.needs):
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


def test_a_format_whose_package_is_missing_is_refused_before_anything_is_solved(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"pip install 'pdesolve\[xdmf\]'"):
        known_format("u.xdmf")
