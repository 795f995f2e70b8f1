"""Suites are read as they are written, and mistakes in them are answered by sentences."""

import tomllib
from pathlib import Path

import pytest

from pdesolve.benchmarking.case import method_spec
from pdesolve.benchmarking.suite import make_suite, mebibytes, read_suite, seconds, seeds
from pdesolve.cli.main import main
from pdesolve.errors import UsageError

FOLDER = Path(__file__).parents[2] / "benchmarks"
SUITES = sorted(path for path in FOLDER.glob("*.toml") if "methods" in tomllib.loads(path.read_text("utf-8")))
GOOD = {"problems": [str(FOLDER.parent / "problems" / "poisson_1d.py")], "methods": ["gmnm"]}


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
@pytest.mark.parametrize("quick", [False, True])
def test_every_suite_makes_cases_with_names_of_their_own(path, quick):
    suite = make_suite(read_suite(path, quick))
    cases = suite.cases()
    assert len(cases) == len(suite.problems) * len(suite.methods) * len(suite.seeds)
    assert len({case.name for case in cases}) == len(cases)
    assert all(Path(case.problem).is_file() for case in cases)
    assert quick or len(suite.seeds) >= 5


def test_published_figures_belong_to_problems_and_have_sources():
    for name in ("quick", "poisson", "time"):
        published = read_suite(FOLDER / f"{name}.toml")["published"]
        for problem, row in published.items():
            assert (FOLDER.parent / "problems" / f"{problem}.py").is_file()
            assert set(row) == {"error", "cost", "method", "source"}
            assert 0 < row["error"] < 1


def test_the_quick_suite_ends_within_three_minutes_on_two_cores():
    suite = make_suite(read_suite(FOLDER / "quick.toml"))
    start = 0.8  # seconds to begin and to measure
    assert sum(case.budget + start for case in suite.cases()) / 2 <= 180


def test_shared_settings_reach_the_methods_that_know_them():
    suite = make_suite({**GOOD, "methods": ["gmnm", "pinn"], "settings": {"parameters": 50}})
    gmnm, pinn = suite.cases()
    assert not gmnm.method.settings
    assert pinn.method.settings == {"parameters": 50}


def test_a_method_is_named_or_composed_of_approximator_and_optimiser():
    assert method_spec("pinn").method == "pinn"
    assert method_spec("mlp-sine+lm").settings == {"approximator": "mlp-sine", "optimiser": "lm"}
    mine = method_spec("some/where/my_module.py:MyNet+adam")
    assert mine.label == "my_module.py:MyNet+adam"
    assert mine.settings["approximator"] == "some/where/my_module.py:MyNet"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"problems": []}, "there are no problems"),
        ({"problems": ["nowhere.py"]}, "there is no problem file nowhere.py"),
        ({"methods": []}, "there are no methods"),
        ({"methods": [{"label": "x"}]}, "a method of a suite has label, method, settings, tol"),
        ({"methods": ["mlp"]}, "there is no approximator 'mlp'; they are gmnm-isotropic"),
        ({"methods": ["mlp-tanh+sgd"]}, "unknown optimiser 'sgd'"),
        ({"methods": ["nowhere.py:MyNet"]}, "there is no file nowhere.py"),
        ({"methods": [{"method": "gmnm", "settings": {"width": 3}}]}, "gmnm has no setting 'width'"),
        ({"methods": ["pinn", "pinn"]}, "two methods are called pinn"),
        ({"seeds": "a-b"}, "expected numbers such as 0-4"),
        ({"budget": "soon"}, "expected a time such as 60s"),
        ({"memory": "-3GB"}, "expected an amount of memory"),
    ],
)
def test_mistakes_are_answered_by_sentences(change, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_suite({**GOOD, **change})


def test_a_suite_file_with_a_strange_key_is_refused(tmp_path):
    (tmp_path / "s.toml").write_text('problem = "x.py"')
    with pytest.raises(UsageError, match="has a key 'problem'; a suite has title, problems"):
        read_suite(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text('problems = ["x*.py"]')
    with pytest.raises(UsageError, match="no problem file matches"):
        read_suite(tmp_path / "s.toml")


def test_quantities_are_read_with_their_units():
    assert [seconds(t) for t in (5, "5s", "2min", "1h")] == [5, 5, 120, 3600]
    assert [mebibytes(m) for m in (100, "100MB", "1.5GB")] == [100, 100, 1536]
    assert seeds("0-3,7") == [0, 1, 2, 3, 7]


def test_options_replace_what_a_suite_says(tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr("pdesolve.benchmarking.runner.run_all", lambda cases, *_: seen.extend(cases) or [])
    options = "--methods gmnm,pinn --seeds 0-1 --budget 2min --memory 1GB --tol 1e-4 --set points=77 --json"
    command = ["bench", str(FOLDER / "quick.toml"), "--quick", *options.split(), "--out", str(tmp_path / "o")]
    assert main(command) == 0, capsys.readouterr().err
    assert len(seen) == 2 * 2 * 2
    assert {(case.budget, case.memory, case.tol) for case in seen} == {(120.0, 1024, 1e-4)}
    assert [case.method.settings for case in seen[:2]] == [{}, {"parameters": 257, "points": 77}]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.toml", "b.py"], "one suite, or problem files"),
        (["nowhere.toml"], "cannot be read as a suite"),
        ([GOOD["problems"][0], "--seeds", "x"], "expected numbers such as 0-4"),
    ],
)
def test_wrong_commands_end_with_2(arguments, sentence, tmp_path, capsys):
    assert main(["bench", *arguments, "--out", str(tmp_path)]) == 2
    assert sentence in capsys.readouterr().err
