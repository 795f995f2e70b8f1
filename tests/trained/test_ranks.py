"""Processes that share the points of a training take the steps of one process that has them all."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import Process, pdesolve

from pdesolve import Dirichlet, Integral, Interval, Problem, solve
from pdesolve.errors import UsageError
from pdesolve.least_squares.dense.levenberg_marquardt import LevenbergMarquardtSettings, levenberg_marquardt
from pdesolve.runs.monitor import Monitor
from pdesolve.runs.ranks import Ranks
from pdesolve.statement.loading import load_problem
from pdesolve.trained.networks import NETWORKS, build_network
from pdesolve.trained.sampling import Sampling, compile_statement
from pdesolve.trained.shared import SharedSystem
from pdesolve.trained.system import System

PROBLEM = Path(__file__).resolve().parents[2] / "problems" / "poisson_10d.py"
CPU = torch.device("cpu")


def bounded():
    rod = Interval(0, 1)
    return Problem(
        rod, lambda u, x: -u.xx + u**3 - x, [Dirichlet(1.0, on=rod.boundary), Integral(0.7, unknown="u")]
    )


def system_of(problem, ranks):
    statement = compile_statement(problem, torch.float64, CPU, ranks=ranks)
    network = build_network(
        NETWORKS["mlp-tanh"], 60, problem.domain.dimension, 1, problem.domain.bounds, 0, torch.float64
    )
    return System(network, statement.sample(Sampling(interior=41), 3), statement.sizes, {})


@pytest.mark.parametrize("make", [bounded, lambda: load_problem(PROBLEM)], ids=["integral", "ten"])
def test_the_parts_of_all_processes_are_the_whole(make):
    whole = system_of(make(), Ranks())
    parts = [system_of(make(), Ranks(k, 2)) for k in range(2)]
    theta = whole.theta
    loss, gradient = whole.loss_and_gradient(theta)
    found = [part.loss_and_gradient(theta) for part in parts]
    assert float(sum(part for part, _ in found)) == pytest.approx(float(loss), rel=1e-13)
    assert torch.allclose(sum(part for _, part in found), gradient, rtol=1e-11, atol=1e-13)
    gram = sum(part.jacobian(theta).T @ part.jacobian(theta) for part in parts)
    J = whole.jacobian(theta)
    assert torch.allclose(gram, J.T @ J, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dense", [1000, 0])
def test_sums_are_all_that_levenberg_marquardt_needs(dense):
    histories = []
    for shared in (False, True):
        rows = system_of(bounded(), Ranks())
        settings = {"iterations": 6, "factorisation": "eigh" if dense else "cholesky"}
        if shared:
            rows = SharedSystem(rows, Ranks(), dense)
            settings["linearised"] = rows.linearised
        monitor = Monitor()
        start = system_of(bounded(), Ranks()).theta
        levenberg_marquardt(
            rows.residual, rows.jacobian, start, monitor, LevenbergMarquardtSettings(**settings)
        )
        histories.append([row["loss"] for row in monitor.history])
    assert histories[1] == pytest.approx(histories[0], rel=1e-8)


def test_fewer_points_than_processes_are_refused():
    with pytest.raises(UsageError, match="8 processes share 2 points"):
        system_of(bounded(), Ranks(0, 8))


def test_all_stop_when_one_is_out_of_time():
    asked = []
    monitor = Monitor(agree=lambda flag: bool(asked.append(flag)) or len(asked) == 3)
    assert [monitor.out_of_time() for _ in range(3)] == [False, False, True]
    assert asked == [False] * 3


def test_what_processes_do_not_share_is_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="would all do the same"):
        solve(bounded())


def found(out, printed, err):
    """What rank 0 printed, and the losses of its history."""
    answer = json.loads(printed)
    assert answer["error"] is None, err
    rows = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    return answer, np.array([row["loss"] for row in rows])


def forked(words, size):
    """Printed by rank 0, and errors, of so many processes with what torchrun tells each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    group = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": str(size), **place}
    ranks = [Process(pdesolve, *words, environment={**group, "RANK": str(k)}) for k in range(size)]
    printed, *_ = [rank.communicate() for rank in ranks]
    return printed


def launched(words, size):
    """As `forked`, by torchrun itself."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # The launcher has an exit code of its own for one that is not zero.
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "pdesolve", *words], env=environment, capture_output=True, text=True
    )
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "settings"),
    [
        (forked, ["parameters=200", "adam_iterations=40", "iterations=20"]),
        (launched, ["optimiser=lm", "parameters=150", "iterations=6"]),
    ],
    ids=["ssbroyden", "lm"],
)
def test_two_processes_have_the_history_of_one(begin, settings, tmp_path):
    command = ["solve", str(PROBLEM), "--method=network", "--json", "--no-picture"]
    command += [f"--set={setting}" for setting in settings]
    outs = [tmp_path / str(size) for size in (1, 2)]
    one, first = found(outs[0], *forked([*command, f"--out={outs[0]}"], 1))
    two, second = found(outs[1], *begin([*command, f"--out={outs[1]}"], 2))
    assert len(first) >= 3
    assert second == pytest.approx(first, rel=1e-10)
    assert two["relative_l2_error"] == pytest.approx(one["relative_l2_error"], rel=1e-7)
