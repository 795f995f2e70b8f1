"""A run that was stopped goes on to the same numbers, or says why it cannot."""

import json
import os
import signal
import time
from pathlib import Path

import fakes
import pytest
import torch
from clocks import looks
from processes import Process, pdesolve

from pdesolve.runs import monitor

pytestmark = pytest.mark.usefixtures("fake")

SOLVE = ("solve", "my_poisson.py", "--out", "out", "--seed", "5", "--tol", "1e-5", "--set", "iterations=40")
HELD = 5  # steps after which a process of its own waits to be stopped


def start(*arguments, program=fakes.command):
    """`pdesolve` with the fake solver as a process of its own."""
    return Process(program, *arguments, environment={fakes.HOLD: str(HELD)})


def wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def wait_for_rows(number, path=Path("out/history.jsonl")):
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= number)


def final(out="out"):
    return torch.load(Path(out) / "solution.pt", weights_only=True)["value"]


@pytest.fixture
def whole(fake, run):  # noqa: ARG001
    """The result of the run that nobody stopped."""
    run(*SOLVE, "--out", "whole")
    return final("whole")


@pytest.fixture
def killed(fake):  # noqa: ARG001
    """A run killed in the middle."""
    process = start(*SOLVE)
    wait_for_rows(HELD)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not Path("out/summary.json").exists()


def iterations():
    return [json.loads(line)["iteration"] for line in Path("out/history.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("killed")
def test_a_killed_run_resumes_to_the_same_numbers(whole, run):
    result = run(*SOLVE, "--resume")
    assert result.code == 3
    assert torch.equal(final(), whole)
    assert iterations() == list(range(1, 41))
    seconds = [json.loads(line)["seconds"] for line in Path("out/history.jsonl").read_text().splitlines()]
    assert seconds == sorted(seconds)
    assert len(json.loads(Path("out/run.json").read_text())["resumed"]) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("killed")
def test_options_left_out_are_those_of_the_run(whole, run):
    run("solve", "my_poisson.py", "--out", "out", "--resume")
    assert torch.equal(final(), whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_saved_and_resumes_to_the_same_numbers(number, whole, run):
    process = start(*SOLVE)
    wait_for_rows(HELD)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    answer = out.rstrip("\n").split("\n")[-1]
    assert answer.startswith("interrupted: relative L2 error")
    assert answer.endswith("results in out; --resume continues")
    assert len(final()) == 3
    run(*SOLVE, "--resume")
    assert torch.equal(final(), whole)
    assert iterations() == list(range(1, 41))


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_keeps_the_checkpoint():
    process = start(*SOLVE, "--set", "fail=deaf", "--json")
    wait_for_rows(2)
    for _ in range(2):
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "--resume --out out continues" in json.loads(out)["error"]
    assert json.loads(Path("out/summary.json").read_text())["status"].startswith("interrupted after")
    assert Path("out/checkpoint.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_the_run_began_leaves_nothing(number):
    Path("sleepy.py").write_text("import time\nopen('loading', 'w').close()\ntime.sleep(60)\n")
    process = start("solve", "sleepy.py", "--out", "out", program=pdesolve)
    wait_for(Path("loading").exists)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err == "interrupted; nothing was saved\n"
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_run_stopped_by_time_resumes_to_the_same_numbers(whole, run, monkeypatch):
    """Each look at the clock passes for a second of work."""
    with monkeypatch.context() as patch:
        patch.setattr(monitor, "CLOCK", looks())
        assert run(*SOLVE, "--time-limit", "60").code == 3
    assert 0 < iterations()[-1] < 40
    run(*SOLVE, "--resume")
    assert torch.equal(final(), whole)


@pytest.fixture
def stopped(fake, run):  # noqa: ARG001
    """A run that failed in its third step."""
    run(*SOLVE, "--set", "fail=solve")


RESUME = ("solve", "my_poisson.py", "--out", "out", "--resume")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "6"], "seed was 5 and is 6"),
        (["--tol", "1e-3"], "tol was 1e-05 and is 0.001"),
        (["--method", "pinn"], "method was gmnm and is pinn"),
        (["--dtype", "float32"], "dtype was float64 and is float32"),
        (["--param", "nu=2"], "--param nu was not given and is 2.0"),
        (["--set", "iterations=9", "--set", "fail=solve"], "--set iterations was 40 and is 9"),
        (["--seed", "6", "--method", "pinn"], "method was gmnm and is pinn; seed was 5 and is 6"),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_different_settings_are_refused_by_name(arguments, words, run):
    before = {path: path.read_bytes() for path in Path("out").iterdir()}
    result = run(*RESUME, *arguments)
    assert result.code == 2
    assert f"cannot resume out: {words}" in result.sentence
    assert {path: path.read_bytes() for path in Path("out").iterdir()} == before


@pytest.mark.usefixtures("stopped")
def test_an_edited_problem_file_is_refused(run):
    Path("my_poisson.py").write_text(fakes.PROBLEM + "# edited\n")
    result = run(*RESUME)
    assert result.code == 2
    assert "the problem file has changed" in result.sentence


@pytest.mark.parametrize("content", [b"", b"rubbish", None])
@pytest.mark.usefixtures("stopped")
def test_a_damaged_checkpoint_is_refused(content, run):
    path = Path("out/checkpoint.pt")
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    result = run(*RESUME)
    assert result.code == 2
    assert "checkpoint.pt is damaged or no checkpoint of pdesolve" in result.sentence
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("stopped")
def test_a_checkpoint_with_code_in_it_is_refused_unread(run):
    class Evil:
        def __reduce__(self):
            return os.system, ("touch owned",)

    torch.save({"format": "pdesolve run 1", "identity": "", "state": Evil()}, "out/checkpoint.pt")
    result = run(*RESUME)
    assert result.code == 2
    assert not Path("owned").exists()


@pytest.mark.usefixtures("stopped")
def test_a_checkpoint_of_another_run_is_refused(run):
    run("solve", "my_poisson.py", "--out", "other", "--seed", "9")
    Path("out/checkpoint.pt").write_bytes(Path("other/checkpoint.pt").read_bytes())
    result = run(*RESUME)
    assert result.code == 2
    assert "belongs to another run" in result.sentence


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "pdesolve run 0"}'])
@pytest.mark.usefixtures("stopped")
def test_a_damaged_run_json_is_refused(content, run):
    Path("out/run.json").write_text(content)
    result = run(*RESUME)
    assert result.code == 2
    assert "run.json" in result.sentence
    assert "--force" in result.sentence


@pytest.mark.usefixtures("stopped")
def test_a_run_without_checkpoint_starts_again_and_says_so(run):
    Path("out/checkpoint.pt").unlink()
    assert "out has no checkpoint yet: the run starts again" in run(*RESUME).err
    assert iterations()[0] == 1


def test_the_latest_run_of_the_problem_is_resumed_where_none_is_named(run):
    out = run("solve", "my_poisson.py", "--set", "fail=solve", "--json").json["output"]
    assert run("solve", "my_poisson.py", "--resume", "--json").json["output"] == out
