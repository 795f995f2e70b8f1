"""Two processes never write one run directory at the same time."""

import subprocess
import sys

import pytest

from pdesolve.errors import UsageError
from pdesolve.runs.lock import NAME, DirectoryLock

HOLDER = """
import sys, time
from pathlib import Path
from pdesolve.runs.lock import DirectoryLock
DirectoryLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_only_one_holds_the_lock_and_the_next_gets_it_when_it_is_released(tmp_path):
    first, second = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    first.acquire()
    with pytest.raises(UsageError, match=r"another run \(process \d+\) is writing to"):
        second.acquire()
    first.release()
    second.acquire()
    assert (tmp_path / NAME).exists()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        lock = DirectoryLock(tmp_path)
        with pytest.raises(UsageError, match=f"process {holder.pid}"):
            lock.acquire()
        holder.kill()
        holder.wait()
        lock.acquire()
        lock.release()
