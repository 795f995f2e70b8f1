import json
import math

import numpy as np
import pytest
import torch

from pdesolve.errors import UsageError
from pdesolve.runs.lock import NAME
from pdesolve.runs.run_directory import (
    RunDirectory,
    fingerprint,
    json_ready,
    plain,
    read_run,
    refuse_differences,
)

IDENTITY = {"problem": "heat", "method": "pinn", "seed": 0, "settings": {"points": 64}}


@pytest.fixture
def directory(tmp_path):
    directory = RunDirectory(tmp_path / "run", IDENTITY, b"# a problem\n")
    directory.reserve(force=False)
    return directory


def files(directory):
    return [path.name for path in directory.path.iterdir() if path.name != NAME]


def fail(file):
    file.write(b"half of it")
    raise OSError(28, "No space left on device")


def test_nothing_is_written_before_the_run_begins(directory):
    assert files(directory) == []
    directory.abandon()
    assert not directory.path.exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(directory):
    directory.write("notes", lambda file: file.write(b"old"))
    with pytest.raises(OSError, match="No space"):
        directory.write("notes", fail)
    assert files(directory) == ["notes"]
    assert (directory.path / "notes").read_bytes() == b"old"


def test_run_json_reads_back_what_began(directory):
    directory.begin({"started": "today"})
    assert read_run(directory.path) == {"format": "pdesolve run 1", **IDENTITY, "started": "today"}
    assert (directory.path / "problem.py").read_bytes() == b"# a problem\n"


def test_a_checkpoint_reads_back_to_the_bit(directory):
    state = {
        "theta": torch.randn(7, dtype=torch.float64),
        "memory": {"pairs": [torch.ones(2), (1, None)], "name": "lbfgs"},
        "damping": np.float64(0.1),
        "history": [{"loss": np.float32(0.5)}],
        "limit": math.inf,
    }
    directory.begin({})
    directory.save_checkpoint(state)
    found = directory.load_checkpoint()
    assert torch.equal(found["theta"], state["theta"])
    assert torch.equal(found["memory"]["pairs"][0], torch.ones(2))
    assert found["memory"]["pairs"][1] == (1, None)
    assert type(found["damping"]) is float
    assert found["limit"] == math.inf


def test_the_same_settings_differ_in_nothing():
    refuse_differences("run", json.loads(json.dumps(json_ready(IDENTITY))), IDENTITY)
    assert fingerprint(IDENTITY) == fingerprint(dict(reversed(IDENTITY.items())))
    with pytest.raises(UsageError, match="points was 64 and is 65"):
        refuse_differences("run", IDENTITY, {**IDENTITY, "settings": {"points": 65}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "null"),
        ([math.inf, 1.5], "[null, 1.5]"),
        (np.float64("nan"), "null"),
        (torch.tensor([1.0, 2.0]), "[1.0, 2.0]"),
        ({1: (True, None)}, '{"1": [true, null]}'),
    ],
)
def test_json_holds_null_for_what_is_not_finite(value, text):
    assert json.dumps(json_ready(value), allow_nan=False) == text


def test_plain_values_keep_their_kind():
    assert plain({"a": (1, [np.int64(2)])}) == {"a": (1, [2])}
