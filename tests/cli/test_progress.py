import os
import pty

import fakes
import pytest
from processes import ended

from pdesolve.cli.progress import Gauge, describe, progress, remaining
from pdesolve.runs.monitor import Monitor


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"level": 3, "unknowns": 1204, "estimate": 3.2e-5}, "level 3 · 1,204 unknowns · estimate 3.2e-5"),
        (
            {"level": 1, "unknowns": 9, "predicted": 0.1, "estimate": None},
            "level 1 · 9 unknowns · predicted error 0.1",
        ),
        ({"iteration": 1200, "optimiser": "adam", "loss": 1e-4}, "iteration 1,200 · adam · loss 1e-4"),
        ({"iteration": 2, "loss": float("nan")}, "iteration 2"),
        ({"slab": 3, "time": 0.5, "until": 2.0}, "slab 3 · t = 0.5 of 2"),
        ({"anything": "else"}, ""),
    ],
)
def test_rows_are_put_in_words(row, text):
    assert describe(row) == text


def test_the_bar_is_full_where_the_estimate_meets_the_tolerance():
    gauge = Gauge(1e-8, Monitor())
    assert gauge.share is None
    shares = []
    for error in (1e-1, 1e-4, 1e-3, 1e-8):
        gauge.update({"estimate": error})
        shares.append(gauge.share)
    assert shares == pytest.approx([1 / 8, 1 / 2, 1 / 2, 1])


def test_what_is_left_of_a_march_follows_from_its_recent_speed():
    rows = [{"seconds": 10.0 + k, "passed": 0.1 * k} for k in range(1, 6)]
    assert remaining(rows) == "about 5.00 s left"
    assert remaining(rows[:1]) is None
    assert remaining([*rows, {"seconds": 20.0, "passed": 0.05}]) is None  # it began again
    gauge = Gauge(1e-8, Monitor())
    gauge.update(rows[-1])
    assert gauge.share == 0.5


def test_without_an_estimate_the_bar_shows_the_time_used():
    monitor = Monitor(time_limit=10.0)
    gauge = Gauge(1e-8, monitor)
    monitor.started -= 5.0
    gauge.update({"loss": 1.0})
    assert gauge.share == pytest.approx(0.5, abs=0.01)


def test_plain_lines_come_at_a_calm_rate(capsys):
    monitor = Monitor()
    with progress("heat", "pinn", 1e-4, monitor, silent=False) as show:
        for k in range(1, 5001):
            monitor.started -= 0.01  # fifty seconds in all
            show({"iteration": k, "loss": 1.0 / k, "seconds": monitor.seconds})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "solving heat with pinn to 1e-4"
    assert "iteration 1 ·" in lines[1]
    assert "iteration 5,000 ·" in lines[-1]
    assert 10 < len(lines) < 40


@pytest.mark.slow
@pytest.mark.usefixtures("fake")
def test_on_a_terminal_one_live_line_comes_and_goes():
    leader, follower = pty.openpty()
    arguments = ["solve", "my_poisson.py", "--set", "iterations=20", "--set", "pause=0.05"]
    environment = {"TERM": "xterm", "COLUMNS": "100"}
    code, out, _ = ended(fakes.command, *arguments, environment=environment, err=os.ttyname(follower))
    os.close(follower)
    seen = b""
    try:
        while part := os.read(leader, 65536):
            seen += part
    except OSError:  # the end, on Linux
        pass
    text = seen.decode()
    assert code == 3
    assert "my_poisson" in text
    assert "iteration" in text
    assert text.rstrip().endswith("\x1b[?25h") or "\x1b[2K" in text, (
        "the line is wiped, the cursor shown again"
    )
    assert "solving my_poisson" not in text
    assert "\x1b" not in out


@pytest.mark.usefixtures("fake")
def test_verbose_prints_the_log_and_leaves_it_as_it_was(run):
    assert "iteration 2, loss 4.73" in run("solve", "my_poisson.py", "--verbose", "--set", "iterations=3").err
    assert "iteration 2, loss 4.73" not in run("solve", "my_poisson.py", "--set", "iterations=3").err
    refused = run("solve", "my_poisson.py", "--verbose", "--quiet")
    assert refused.code == 2
    assert "give one of them" in refused.sentence
