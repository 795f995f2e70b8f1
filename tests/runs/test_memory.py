"""What is freed is used again without the system clearing it anew."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from pdesolve.errors import OutOfMemoryError
from pdesolve.runs.memory import memory_watched

SCRIPT = """
import resource, sys
import numpy as np
from pdesolve.runs.memory import keep_freed_memory
if not keep_freed_memory():
    sys.exit(3)
faults = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""


def test_pages_of_a_freed_array_are_not_cleared_again() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip("the C library has no mallopt")
    first, *others = map(int, done.stdout.split())
    assert first > 0
    assert max(others) < 0.1 * first, done.stdout


AVAILABLE = """
import sys
import torch
from pdesolve.runs.memory import available_memory, keep_freed_memory
if not keep_freed_memory():
    sys.exit(3)
cpu = torch.device("cpu")
before = available_memory(cpu)
array = torch.ones(2**28)
during = available_memory(cpu)
del array
print(before - during, available_memory(cpu) - during)
"""


def test_memory_that_was_freed_is_available_though_it_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", AVAILABLE], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip("the C library has no mallopt")
    taken, returned = map(float, done.stdout.split())
    assert taken > 0.7 * 2**30
    assert returned > 0.7 * 2**30


LIMITED = """
import resource
import torch
from pdesolve.runs.memory import available_memory
cpu = torch.device("cpu")
held = int(dict(line.split(":", 1) for line in open("/proc/self/status"))["VmData"].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (held + 2**28, resource.RLIM_INFINITY))
print(available_memory(cpu))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from files of the Linux kernel")
def test_a_limit_on_the_process_limits_what_is_available() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    assert 0 < float(done.stdout) < 1.2 * 2**28


@pytest.mark.parametrize(
    "ask",
    [lambda: torch.empty(2**60), lambda: np.empty(2**50), lambda: bytearray(2**62)],
    ids=["torch", "numpy", "python"],
)
def test_an_allocation_that_fails_becomes_a_sentence(ask) -> None:
    with (
        pytest.raises(OutOfMemoryError, match="more memory than there is; ask for a looser tol"),
        memory_watched(),
    ):
        ask()


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="size"), memory_watched():
        torch.ones(2) + torch.ones(3)
