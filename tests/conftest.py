"""Shared by all tests: conftest files hold fixtures, no doctests, and share one module name."""

collect_ignore_glob = ["conftest.py", "*/conftest.py"]
