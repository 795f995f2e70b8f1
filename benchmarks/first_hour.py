"""Play the quick start of docs/index.md as a newcomer would, command by command, with its times.

Run: python benchmarks/first_hour.py            in this environment, from an empty folder
     python benchmarks/first_hour.py --wheel    build a wheel, install it elsewhere, play it from there

The exit code is 1 where a command fails, or `--help` or `ls` take more than 0.3 s, or a whole `pdesolve solve
poisson_1d.py` more than 3 s, by the clock or by the processor, whichever is less: the clock says as much of what else
the machine does, and the processor counts threads that wait for each other.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "index.md").read_text("utf-8")
SMALL_SOLVE = ["solve", str(ROOT / "problems" / "poisson_1d.py")]
# Seconds that a newcomer takes for "at once": without torch, and with torch, scipy and matplotlib, whose
# imports alone take two thirds of the second figure.
LIMITS = {"--help": 0.3, "ls": 0.3, " ".join(SMALL_SOLVE): 3.0}
# Of these only the least is compared: the first run after an installation writes bytecode.
TRIES = 5


def steps() -> list[list[str]]:
    """The commands and the Python of the page, in their order; first those that have a limit."""
    found = [["--help"], ["ls"], SMALL_SOLVE]
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.M | re.S):
        if language == "python":
            found.append(["-c", block])
        else:
            found += [shlex.split(line, comments=True)[1:] for line in block.splitlines() if line.strip()]
    return found


def play(python: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """Run all steps in a folder; what went wrong."""
    wrong = []
    for step in steps():
        command = [python, *step] if step[0] == "-c" else [python, "-m", "pdesolve", *step]
        name = "the Python block" if step[0] == "-c" else " ".join(["pdesolve", *step])
        seconds, done = [], None
        clock = worked = 0.0
        limit = LIMITS.get(" ".join(step))
        for _ in range(1 if limit is None else TRIES):
            start, busy = time.perf_counter(), _children()
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
            clock = time.perf_counter() - start
            worked = _children() - busy
            seconds.append(min(clock, worked))
        print(f"{clock:7.2f} s, {worked:6.2f} s of a processor  {name}", flush=True)
        if done.returncode:
            wrong.append(f"{name}: exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        if limit is not None and min(seconds) > limit:
            wrong.append(f"{name}: {min(seconds):.2f} s, expected at most {limit} s")
    return wrong


def newcomer() -> dict[str, str]:
    """The environment of a newcomer, whose Python keeps the bytecode of what it has once imported.

    Without it every start compiles 363 modules of the package: a third of a second.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _children() -> float:
    """Seconds of a processor that ended child processes took."""
    spent = os.times()
    return spent.children_user + spent.children_system


def install_wheel(folder: Path) -> dict[str, str]:
    """Build a wheel and unpack it where no source of the repository lies; the environment that finds it."""
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    return {**newcomer(), "PYTHONPATH": str(site)}


def main() -> int:
    """Play, print, and say what went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", action="store_true", help="with a wheel that is installed elsewhere")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = install_wheel(folder) if options.wheel else newcomer()
        (folder / "empty").mkdir()
        wrong = play(sys.executable, folder / "empty", environment)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
