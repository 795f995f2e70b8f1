"""Shared by all tests: conftest files hold fixtures, no doctests, and share one module name."""

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).parent)
)  # where helpers of several rooms lie: analytic.py, discretised.py

collect_ignore_glob = ["conftest.py", "*/conftest.py"]
