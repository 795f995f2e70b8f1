import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fakes

from pdesolve.cli.main import main


@dataclass
class Result:
    """What a command printed and returned."""

    code: int
    out: str
    err: str

    @property
    def answer(self):
        return self.out.rstrip("\n").split("\n")[-1]

    @property
    def sentence(self):
        return self.err.rstrip("\n").split("\n")[-1]

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.fixture
def run(capsys):
    """`pdesolve` in this process."""

    def call(*arguments):
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The fake solver, in an empty folder with one problem file."""
    monkeypatch.chdir(tmp_path)
    fakes.install(monkeypatch.setattr)
    Path("my_poisson.py").write_text(fakes.PROBLEM)
    return tmp_path
