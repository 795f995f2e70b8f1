"""A physics-informed PDE solver with an error you can trust.

Everything public is imported on first use, so that `pdesolve --help` needs no torch.
"""

import os
import sys
from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

# Threads that wait by spinning starve each other on a busy machine: the same solve was seen to take more than
# twice as long. Read by OpenMP when torch loads; a value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "calculus": "Field Vector curl div grad laplace normal_derivative vector",
    "conditions": "Condition Dirichlet Initial Integral Interface Neumann Observation Periodic Piecewise "
    "Robin",
    "errors": "PdesolveError ProblemError SolveError UsageError",
    "geometry": "Annulus Ball Box Disk Domain Ellipse Extrusion Interval Point Polygon Rectangle Revolution "
    "RoundedPolygon Sector SmoothCurve StarShaped TimeInterval airfoil circular_cylinder load_mesh torus",
    "problem": "Problem",
    "quadrature": "gauss_hermite gauss_legendre",
    "approximators": "GaussianMixture KAN MLP AutodiffJet Lifting",
    "approximators.partitioned_mixture": "PartitionedMixture",
    "solution": "Solution",
    "solver": "solve",
    "output": "export",
    "plotting": "plot",
    "loading": "load_problem",
    "check": "check",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        message = f"module 'pdesolve' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(import_module(f"pdesolve.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Keeps `pdesolve.check` the function, although importing the submodule would bind its name to it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
