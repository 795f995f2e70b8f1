"""A physics-informed PDE solver with an error you can trust.

Everything public is imported on first use, so that `pdesolve --help` needs no torch. `__init__.pyi` names the same
things for type checkers and editors; a test compares the two.
"""

import logging
import os
import sys
from importlib import import_module

__version__ = "0.1.0"

# INFO: each level, slab or iteration. DEBUG: each decision, such as a refused step. Silent unless a program listens.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Threads that wait by spinning starve each other on a busy machine: the same solve was seen to take more than
# twice as long. Read by OpenMP when torch loads; a value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "errors": "PdesolveError ProblemError SolveError UsageError",
    "quadrature": "gauss_hermite gauss_legendre",
    "solver": "solve",
    "runs.monitor": "Monitor",
    "statement.calculus": "Complex Field Vector curl div grad laplace normal_derivative vector",
    "statement.conditions": "Condition Dirichlet Initial Integral Interface Neumann Observation Periodic Piecewise "
    "Robin",
    "statement.matrices": "Matrix dot identity inner matrix sym tangential trace",
    "statement.eigenvalues": "Eigenvalues",
    "statement.problem": "Problem",
    "statement.scalars": "Scalar",
    "statement.quantities": "Flux Maximum Mean Minimum Probe",
    "statement.loading": "load_problem",
    "geometry": "Annulus Ball Box Disk Domain Ellipse Extrusion Interval Point Polygon Rectangle Revolution "
    "RoundedPolygon Sector SmoothCurve StarShaped TimeInterval airfoil circular_cylinder load_mesh torus",
    "approximators": "GaussianMixture KAN MLP AutodiffJet Lifting",
    "patches.mixture": "PartitionedMixture",
    "references.lines": "LinesReference",
    "references.spectral": "SpectralReference",
    "solution.solution": "Solution",
    "checks.check": "check",
    "benchmarking.convergence": "convergence",
    "output": "export",
    "output.plotting": "plot",
    "surrogates.build": "build_surrogate",
    "surrogates.surrogate": "Surrogate",
    "sweeps.branch": "follow_branch",
    "sweeps.sweep": "sweep",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        message = f"module 'pdesolve' has no attribute '{name}'"
        raise AttributeError(message)
    # In a notebook, a problem and a solution show what this module draws.
    if name in ("solve", "Solution") or (name == "Problem" and "IPython" in sys.modules):
        import_module("pdesolve.output.plotting")
    return getattr(import_module(f"pdesolve.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
