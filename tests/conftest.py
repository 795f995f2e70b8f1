"""Shared by all tests: conftest files hold fixtures, no doctests, and share one module name."""

import sys
import time
from pathlib import Path

import pytest

from pdesolve.runs import monitor

sys.path.insert(
    0, str(Path(__file__).parent)
)  # where helpers of several rooms lie: analytic.py, discretised.py

collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture(autouse=True, scope="session")
def _limits_count_the_work_of_this_process():
    """Other work on the machine ends no solve: a verdict must not change with the load."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitor, "CLOCK", time.process_time)
        yield
