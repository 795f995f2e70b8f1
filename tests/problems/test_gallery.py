"""The gallery: every domain passes its check, and some are solved as the command does it."""

import importlib.util
import json
from pathlib import Path

import pytest

from pdesolve.checks.check import check
from pdesolve.statement.loading import load_problem

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "problems" / "gallery").glob("*.py"))
COMMAND = ROOT / "benchmarks" / "gallery.py"


@pytest.fixture(scope="module")
def command():
    """The module of the command."""
    spec = importlib.util.spec_from_file_location("gallery", COMMAND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_the_gallery_passes_its_check_without_complaint(path):
    problem = load_problem(path)
    report = check(problem)
    assert report.ok, report
    assert not report.warnings, report
    assert problem.exact


def test_the_gallery_has_at_least_fifteen_domains_meshes_and_an_airfoil_among_them():
    domains = [load_problem(path).domain for path in FILES]
    assert len(set(domains)) == len(FILES) >= 15
    assert {domain.dimension for domain in domains} == {2, 3}
    assert sum(bool(domain.files) for domain in domains) >= 2
    assert "airfoil" in {path.stem for path in FILES}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["airfoil", "plate_mesh", "flower", "torus", "lug_mesh"])
def test_the_command_solves_within_the_tolerance_and_draws(command, name, tmp_path):
    row = command.measure(ROOT / "problems" / "gallery" / f"{name}.py", tmp_path, limit=60)
    assert row["relative_l2_error"] <= command.TOLERANCES[row["dimension"]]
    assert row["met"]
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert f"| {name} | {row['dimension']} |" in command.table([row])


def test_the_record_holds_every_domain_within_its_tolerance(command):
    rows = json.loads(command.RECORD.read_text())["rows"]
    assert {row["problem"] for row in rows} == {path.stem for path in FILES}
    assert all(row["met"] and row["relative_l2_error"] <= row["tolerance"] for row in rows)
