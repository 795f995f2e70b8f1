"""Whatever becomes of a run, it is a row."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdesolve.benchmarking import runner
from pdesolve.benchmarking.case import Case, method_spec
from pdesolve.benchmarking.nursery import Nursery
from pdesolve.benchmarking.records import read_record, read_records
from pdesolve.benchmarking.runner import run_all, run_case
from pdesolve.benchmarking.statistics import rows
from pdesolve.benchmarking.worker import blank
from pdesolve.errors import UsageError

ROOT = Path(__file__).parents[2]
PROBLEM = str(ROOT / "problems" / "poisson_1d.py")
BROKEN = Path(__file__).with_name("broken_networks.py")


LONG = """
from torch import pi, sin
from pdesolve import Initial, Interval, Periodic, Problem, TimeInterval

ring = Interval(0, 2 * pi) * TimeInterval(0, 1000)
conditions = [Initial(lambda x: sin(x)), Periodic("x")]
problem = Problem(ring, lambda u: u.t + 5 * u.x, conditions, exact=lambda x, t: sin(x - 5 * t))
"""


@pytest.fixture(scope="module")
def nursery():
    """What all runs are forked from: it has imported everything."""
    with Nursery() as found:
        yield found


def case(network="Sound", seed=0, **limits):
    spec = method_spec(f"{BROKEN}:{network}+adam")
    settings = {**spec.settings, "parameters": 30, "iterations": 5}
    spec = type(spec)(spec.label, spec.method, settings)
    return Case(PROBLEM, spec, seed, **{"budget": 5.0, **limits})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "limits", "outcome", "sentence"),
    [
        ("NotFinite", {}, "not finite", "not finite"),
        ("Killed", {}, "crashed", "SIGKILL"),
        ("Raising", {}, "crashed", "RuntimeError: not today"),
        ("Endless", {"budget": 0.5, "grace": 1.0}, "timed out", "0.5 s of budget and 1 s of grace"),
        ("Greedy", {"memory": 2048}, "out of memory", ""),
    ],
)
def test_a_provoked_failure_is_a_record_that_says_so(network, limits, outcome, sentence, nursery):
    record = run_case(case(network, **limits), nursery=nursery)
    assert record["outcome"] == outcome
    assert sentence in record["status"]
    (row,) = rows([record])
    assert row.error == float("inf")
    assert row.failures == 1


@pytest.mark.slow
def test_no_budget_pays_for_an_import():
    code = """
import sys, torch
from time import process_time
from pdesolve.benchmarking.nursery import import_all
import_all()
from pdesolve.trained.networks import NETWORKS
from pdesolve.trained.solve import solve_trained
from pdesolve.statement.loading import load_problem
from pdesolve.runs.monitor import Monitor
problem, before = load_problem("problems/poisson_1d.py"), set(sys.modules)
for name in NETWORKS:
    for optimiser in ("lm", "lbfgs"):
        settings = {"approximator": name, "optimiser": optimiser, "parameters": 30, "iterations": 2}
        solve_trained(problem, "network", settings | {"adam_iterations": 2}, Monitor(time_limit=5, clock=process_time))
print(len(set(sys.modules) - before), sorted(set(sys.modules) - before)[:5])
"""
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600
    )
    assert int(found.stdout.split()[0]) <= 5, found.stdout


@pytest.mark.slow
def test_a_budget_of_cpu_seconds_is_spent_by_work_alone(nursery):
    record = run_case(case("Asleep", clock="cpu", budget=1.5), nursery=nursery)
    assert record["outcome"] == "finished", record["status"]
    assert record["iterations"] == 5
    assert record["wall_seconds"] > 1.5 > record["cpu_seconds"] > 0.9 * record["seconds"]


@pytest.mark.slow
def test_a_march_that_ends_before_the_last_time_is_incomplete_not_unknown(nursery, tmp_path):
    """A slab takes some hundredths of a second, all of them a minute."""
    path = tmp_path / "long.py"
    path.write_text(LONG)
    record = run_case(Case(str(path), method_spec("gmnm"), budget=1.0, clock="cpu"), nursery=nursery)
    assert record["outcome"] == "incomplete", record["status"]
    (row,) = rows([record])
    assert row.error == float("inf")


@pytest.mark.slow
def test_a_good_run_has_everything_a_record_needs(tmp_path):
    shown = []
    (record,) = run_all([case(budget=30.0)], tmp_path, shown.append)
    assert shown == [record]
    assert read_records(tmp_path) == [json.loads(json.dumps(record))]
    assert record["outcome"] == "finished", record["status"]
    for key in ("command", "settings", "versions", "machine", "peak_memory_mb", "seconds", "problem_sha256"):
        assert record[key], key
    assert record["parameters"] == pytest.approx(30, abs=3)
    last = record["history"][-1]
    assert last["error"] == pytest.approx(record["relative_l2_error"], rel=0.05)
    assert last["iteration"] == record["iterations"] == 5
    assert [row["seconds"] for row in record["history"]] == sorted(
        row["seconds"] for row in record["history"]
    )


def test_records_that_are_there_are_kept_and_others_made(tmp_path, monkeypatch):
    run = []

    def fake(one, _stop, _nursery):
        run.append(one)
        return {**blank(one), "outcome": "crashed", "status": f"run {len(run)}"}

    monkeypatch.setattr(runner, "run_case", fake)
    run_all([case()], tmp_path, print)
    with pytest.raises(UsageError, match="--skip-existing keeps them"):
        run_all([case()], tmp_path, print)
    both = run_all([case(), case(seed=1)], tmp_path, print, skip_existing=True)
    assert [record["status"] for record in both] == ["run 1", "run 2"]
    assert [one.seed for one in run] == [0, 1]
    run_all([case(tol=1e-3)], tmp_path, print, skip_existing=True)
    assert len(run) == 3, "a case with another tolerance is another case"


def offspring_of(pid):
    """Processes that any thread of a process, or of its children, has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for file in lists for child in file.read_text().split()]
    return children + [further for child in children for further in offspring_of(child)]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_an_interrupted_bench_keeps_its_records_and_leaves_no_process(tmp_path):
    methods = f"{BROKEN}:Missing,{BROKEN}:Endless"
    command = [sys.executable, "-m", "pdesolve.cli.main", "bench", PROBLEM, "--methods", methods]
    process = subprocess.Popen([*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    record, end = (
        tmp_path / "records" / "poisson_1d--broken_networks.py-Missing--s0.json",
        time.monotonic() + 600,
    )
    while read_record(record) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    while len(offspring := offspring_of(process.pid)) < 2:  # what starts runs, and the run
        assert time.monotonic() < end
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "1 records are in" in errors
    assert "--skip-existing goes on" in errors
    assert not [pid for pid in offspring if Path(f"/proc/{pid}").exists()]


def test_the_command_of_a_record_names_what_decides_the_numbers():
    command = case(seed=3, tol=1e-4, dtype="float32").command
    for part in (
        "--methods network",
        "--seeds 3",
        "--tol 0.0001",
        "--dtype float32",
        "Sound",
        "parameters=30",
    ):
        assert part in command


def test_what_does_not_decide_the_numbers_is_not_in_the_identity():
    assert case().identity == case(grace=99.0).identity
    assert case().identity != case(seed=1).identity
    assert Case.from_json(json.loads(json.dumps(case().to_json()))).identity == case().identity
