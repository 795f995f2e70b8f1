"""How the command line writes the arguments of `solve` and the settings of methods."""

from __future__ import annotations

# Options of `pdesolve solve` and `sweep`; what is none of them is a setting of the method.
OPTIONS = """method tol norm absolute seed time_limit dtype device param out vtk plot resume force json quiet debug jobs
    threads along over points""".split()


def as_option(name: str, value: str | None = None) -> str:
    """An argument as an option: `--time-limit`, `--method pinn`, `--set max_unknowns`."""
    if name not in OPTIONS and value is None:
        return f"--set {name}"
    if name not in OPTIONS:
        return f"--set {name}={value}"
    option = f"--{name.replace('_', '-')}"
    if value is None:
        return option
    return f"{option} {value}"
