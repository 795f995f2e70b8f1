"""Build an sdist, a wheel from it, and install and test that wheel where nothing of this checkout is.

Run: python benchmarks/clean_install.py                       the wheel, with the dependencies of this environment
     python benchmarks/clean_install.py --fresh               all dependencies anew, from the index and the pins
     python benchmarks/clean_install.py --tests tests/cli     other tests of the sdist; `tests` are all of them

The exit code is 1 where something fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Rooms whose tests need every kind of file of the package: problems, templates, stubs, docs.
TESTS = ["tests/test_contract.py", "tests/test_layers.py", "tests/cli/test_listing.py"]


def run(*command: object, **options: object) -> None:
    """A command that must not fail."""
    print("$", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload]


def build(folder: Path) -> tuple[Path, Path]:
    """The unpacked sdist, and a wheel that is built from it and not from the checkout."""
    hook = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"
    run(sys.executable, "-c", hook, folder, cwd=ROOT, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "sdist", filter="data")
    (source,) = (folder / "sdist").iterdir()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return source, wheel


def installed(folder: Path, wheel: Path, fresh: bool) -> Path:
    """The Python of a new environment that has the wheel."""
    venv.create(folder / "environment", with_pip=fresh, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    if fresh:
        pins = ROOT / "constraints.txt"
        run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, "torch")
        run(python, "-m", "pip", "install", "--quiet", "--constraint", pins, f"{wheel}[test]")
        return python
    inside = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    site = folder / "environment" / inside
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    # The folder of the dependencies alone: what an editable install put there is not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", "utf-8")
    return python


def main() -> int:
    """Build, install, test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fresh", action="store_true", help="install all dependencies anew")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="tests of the sdist that are run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, wheel = build(folder)
        python = installed(folder, wheel, options.fresh)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        empty = folder / "empty"
        empty.mkdir()
        where = "import pdesolve, sys; print(pdesolve.__version__, pdesolve.__file__)"
        try:
            run(python, "-c", where, cwd=empty, env=environment)
            run(python, "-m", "pdesolve", "new", "poisson", cwd=empty, env=environment)
            run(python, "-m", "pdesolve", "solve", "poisson.py", "--quiet", cwd=empty, env=environment)
            run(python, "-m", "pytest", "-q", "-m", "not slow", *options.tests, cwd=source, env=environment)
        except subprocess.CalledProcessError as error:
            print(f"failed with exit code {error.returncode}: {error.cmd}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
