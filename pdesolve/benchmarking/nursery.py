"""Processes for runs, each forked from one that has imported everything: importing torch takes longer than many runs.

python -m pdesolve.benchmarking.nursery reads requests {"record", "log", "case"}, one a line, and answers each with the
child's pid when it begins and its exit code when it has ended. It holds no other state and never computes, so that a
child begins as a new process would.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from pdesolve.benchmarking.case import Case
from pdesolve.benchmarking.worker import run

# Of BLAS while it is imported: its thread pool would not survive the fork.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class Nursery:
    """Starts the process of one run at a time, and knows how it ended. A context: leaving it ends its process."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._child: int | None = None

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._server is not None:
            assert self._server.stdin is not None
            assert self._server.stdout is not None
            self._server.kill()
            with contextlib.suppress(OSError):
                self._server.stdin.close()
            self._server.stdout.close()
            self._server.wait()
            self._server = None

    def start(self, case: Case, record: Path, log: Path) -> int:
        """Begin a run that writes its record and what it prints to these files; returns its pid."""
        if self._server is None or self._server.poll() is not None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "pdesolve.benchmarking.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **ONE_THREAD},  # a run sets its own number
                # Ctrl-C on the terminal is for the parent, which ends the runs in order.
                start_new_session=True,
            )
        request = {"record": str(record), "log": str(log), "case": case.to_json()}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._child = self._answer()
        return self._child

    def poll(self) -> int | None:
        """The exit code of the run, negative for a signal; None while it is there."""
        assert self._server is not None
        assert self._server.stdout is not None
        if not select.select([self._server.stdout], [], [], 0)[0]:
            return None
        self._child = None
        return self._answer()

    def kill(self) -> None:
        """End the run with all that it has started, and wait until it is gone."""
        if self._child is None:
            return
        # The group that it leads, or itself where it has not become its leader yet.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(self._child, signal.SIGKILL)
        self._child = None
        with contextlib.suppress(RuntimeError):
            self._answer()

    def _answer(self) -> int:
        assert self._server is not None
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        if not line:
            message = f"the process that starts runs has ended with exit code {self._server.wait()}"
            raise RuntimeError(message)
        return int(line)


def import_all() -> None:
    """Import whatever a run may need, so that no budget pays for it.

    The first call of torch.func imports some 800 modules, which takes longer than the budget of a short run.
    """
    import torch._dynamo  # noqa: F401

    from pdesolve import solver  # noqa: F401
    from pdesolve.trained import train_any, train_mixture  # noqa: F401


def serve() -> None:
    """Fork a child for every request, until there are no more."""
    import_all()
    for line in sys.stdin.buffer:
        request: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(request: dict[str, Any]) -> None:
    """Be the process of a run; never returns."""
    code = 1
    try:
        # A group of its own, so that what it starts is ended with it.
        os.setsid()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for own, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(own, target)
        run(Case.from_json(request["case"]), Path(request["record"]))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # Not by `sys.exit`: the handlers and buffers of the parent were copied, and would run twice.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
