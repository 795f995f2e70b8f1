"""Types: every Python block of the README is strictly typed as its reader writes it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pdesolve

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)


def test_the_package_says_that_it_is_typed():
    assert (Path(pdesolve.__file__).parent / "py.typed").exists()


@pytest.mark.slow
def test_mypy_accepts_every_python_block_of_the_readme(tmp_path):
    assert BLOCKS
    for number, block in enumerate(BLOCKS):
        (tmp_path / f"block_{number}.py").write_text(block)
    # A reader's own functions are annotated or not as he likes; what he imports and calls is checked strictly.
    options = ["--strict", "--allow-untyped-defs", "--allow-untyped-calls", "--follow-imports=silent"]
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir", str(tmp_path / "cache"), "."]
    # An editable installation is found by its folder only.
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
