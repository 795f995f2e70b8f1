"""Commands in processes of their own, forked from one that has imported torch: that takes longer than they do."""

import os
import resource
import shutil
import signal
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

FORKED = get_context("forkserver")
FORKED.set_forkserver_preload(
    ["pdesolve.solver", "pdesolve.cli.session", "pdesolve.output", "pdesolve.trained.solve"]
)
PATIENCE = 600.0  # seconds that a process may take to end, however busy the machine is


class Process:
    """What `subprocess.Popen` is of a program, of a function that returns its exit code.

    Args:
        function: called with the arguments in the folder of now; it must be in a module.
        environment: variables that are set for it.
        err: where its standard error goes, such as a terminal; None: to what `communicate` returns.
    """

    def __init__(self, function, *arguments, environment=(), err=None):
        self._folder = Path(tempfile.mkdtemp())
        self._out, self._err = self._folder / "out", self._folder / "err"
        begin = (Path.cwd(), self._out, err or self._err, dict(environment), function, arguments)
        self._process = FORKED.Process(target=_begun, args=begin)
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def communicate(self):
        """What it printed to its standard output and error, once it has ended."""
        self._process.join(PATIENCE)
        assert not self._process.is_alive(), "it does not end"
        found = [file.read_text() if file.exists() else "" for file in (self._out, self._err)]
        shutil.rmtree(self._folder)
        return found


def ended(*arguments, **options):
    """A process that has ended, with its exit code, and what it printed."""
    process = Process(*arguments, **options)
    out, err = process.communicate()
    return process.returncode, out, err


def _begun(folder, out, err, environment, function, arguments):
    os.chdir(folder)
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY), number)
    # Those that are there were made for other files, and know whether these can be sought.
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    # A suite that a shell started in the background ignores Ctrl-C, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(function(*arguments))


def pdesolve(*arguments):
    """The command."""
    from pdesolve.cli.main import main

    sys.argv = ["pdesolve", *map(str, arguments)]
    return main()


def with_short_files(size, *arguments):
    """The command where no file can be longer: as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return pdesolve(*arguments)


def killed(rows, *arguments):
    """The command with a checkpoint at every step, killed when its history has so many rows."""
    from pdesolve.cli import session

    class Killed(session.StoppableMonitor):
        def record(self, **row):
            super().record(**row)
            if len(self.history) == rows:
                os.kill(os.getpid(), signal.SIGKILL)

    session.StoppableMonitor = lambda: Killed(checkpoint_every=0.0)
    return pdesolve(*arguments)
