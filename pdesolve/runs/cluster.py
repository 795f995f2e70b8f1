"""A Dask cluster at an address, or what to do where there is none."""

from __future__ import annotations

from typing import Any

from pdesolve.errors import UsageError


def connected(address: Any) -> Any:
    """A `distributed.Client` of the scheduler at an address, "tcp://host:8786"; a client is returned as it is.

    Raises:
        UsageError: dask.distributed is missing, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        message = '--dask needs dask.distributed: pip install "pdesolve[cluster]"'
        raise UsageError(message) from error
    if not isinstance(address, str):
        if hasattr(address, "submit") and hasattr(address, "scheduler_info"):
            return address
        message = f"client={address!r}; expected a distributed.Client, or the address of a scheduler"
        raise UsageError(message)
    try:
        return Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        message = f"--dask {address}: no scheduler answers there ({error}); start one with `dask scheduler`"
        raise UsageError(message) from error
