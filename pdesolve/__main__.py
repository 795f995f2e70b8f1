"""`python -m pdesolve`: the same command as `pdesolve`."""

import sys

from pdesolve.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
