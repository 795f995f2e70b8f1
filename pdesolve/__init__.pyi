"""The public names of pdesolve, for type checkers and editors."""

from pdesolve.approximators import (
    KAN as KAN,
)
from pdesolve.approximators import (
    MLP as MLP,
)
from pdesolve.approximators import (
    AutodiffJet as AutodiffJet,
)
from pdesolve.approximators import (
    GaussianMixture as GaussianMixture,
)
from pdesolve.approximators import (
    Lifting as Lifting,
)
from pdesolve.benchmarking.convergence import convergence as convergence
from pdesolve.checks.check import check as check
from pdesolve.errors import (
    PdesolveError as PdesolveError,
)
from pdesolve.errors import (
    ProblemError as ProblemError,
)
from pdesolve.errors import (
    SolveError as SolveError,
)
from pdesolve.errors import (
    UsageError as UsageError,
)
from pdesolve.geometry import (
    Annulus as Annulus,
)
from pdesolve.geometry import (
    Ball as Ball,
)
from pdesolve.geometry import (
    Box as Box,
)
from pdesolve.geometry import (
    Disk as Disk,
)
from pdesolve.geometry import (
    Domain as Domain,
)
from pdesolve.geometry import (
    Ellipse as Ellipse,
)
from pdesolve.geometry import (
    Extrusion as Extrusion,
)
from pdesolve.geometry import (
    Interval as Interval,
)
from pdesolve.geometry import (
    Point as Point,
)
from pdesolve.geometry import (
    Polygon as Polygon,
)
from pdesolve.geometry import (
    Rectangle as Rectangle,
)
from pdesolve.geometry import (
    Revolution as Revolution,
)
from pdesolve.geometry import (
    RoundedPolygon as RoundedPolygon,
)
from pdesolve.geometry import (
    Sector as Sector,
)
from pdesolve.geometry import (
    SmoothCurve as SmoothCurve,
)
from pdesolve.geometry import (
    StarShaped as StarShaped,
)
from pdesolve.geometry import (
    TimeInterval as TimeInterval,
)
from pdesolve.geometry import (
    airfoil as airfoil,
)
from pdesolve.geometry import (
    circular_cylinder as circular_cylinder,
)
from pdesolve.geometry import (
    load_mesh as load_mesh,
)
from pdesolve.geometry import (
    torus as torus,
)
from pdesolve.output import export as export
from pdesolve.output.plotting import plot as plot
from pdesolve.patches.mixture import PartitionedMixture as PartitionedMixture
from pdesolve.quadrature import (
    gauss_hermite as gauss_hermite,
)
from pdesolve.quadrature import (
    gauss_legendre as gauss_legendre,
)
from pdesolve.references.lines import LinesReference as LinesReference
from pdesolve.references.spectral import SpectralReference as SpectralReference
from pdesolve.runs.monitor import Monitor as Monitor
from pdesolve.solution.solution import Solution as Solution
from pdesolve.solver import solve as solve
from pdesolve.statement.calculus import (
    Complex as Complex,
)
from pdesolve.statement.calculus import (
    Field as Field,
)
from pdesolve.statement.calculus import (
    Vector as Vector,
)
from pdesolve.statement.calculus import (
    curl as curl,
)
from pdesolve.statement.calculus import (
    div as div,
)
from pdesolve.statement.calculus import (
    grad as grad,
)
from pdesolve.statement.calculus import (
    laplace as laplace,
)
from pdesolve.statement.calculus import (
    normal_derivative as normal_derivative,
)
from pdesolve.statement.calculus import (
    vector as vector,
)
from pdesolve.statement.conditions import (
    Condition as Condition,
)
from pdesolve.statement.conditions import (
    Dirichlet as Dirichlet,
)
from pdesolve.statement.conditions import (
    Initial as Initial,
)
from pdesolve.statement.conditions import (
    Integral as Integral,
)
from pdesolve.statement.conditions import (
    Interface as Interface,
)
from pdesolve.statement.conditions import (
    Neumann as Neumann,
)
from pdesolve.statement.conditions import (
    Observation as Observation,
)
from pdesolve.statement.conditions import (
    Periodic as Periodic,
)
from pdesolve.statement.conditions import (
    Piecewise as Piecewise,
)
from pdesolve.statement.conditions import (
    Robin as Robin,
)
from pdesolve.statement.eigenvalues import Eigenvalues as Eigenvalues
from pdesolve.statement.loading import load_problem as load_problem
from pdesolve.statement.matrices import (
    Matrix as Matrix,
)
from pdesolve.statement.matrices import (
    dot as dot,
)
from pdesolve.statement.matrices import (
    identity as identity,
)
from pdesolve.statement.matrices import (
    inner as inner,
)
from pdesolve.statement.matrices import (
    matrix as matrix,
)
from pdesolve.statement.matrices import (
    sym as sym,
)
from pdesolve.statement.matrices import (
    tangential as tangential,
)
from pdesolve.statement.matrices import (
    trace as trace,
)
from pdesolve.statement.problem import Problem as Problem
from pdesolve.statement.quantities import (
    Flux as Flux,
)
from pdesolve.statement.quantities import (
    Maximum as Maximum,
)
from pdesolve.statement.quantities import (
    Mean as Mean,
)
from pdesolve.statement.quantities import (
    Minimum as Minimum,
)
from pdesolve.statement.quantities import (
    Probe as Probe,
)
from pdesolve.statement.scalars import (
    Scalar as Scalar,
)
from pdesolve.surrogates.build import build_surrogate as build_surrogate
from pdesolve.surrogates.surrogate import Surrogate as Surrogate
from pdesolve.sweeps.branch import follow_branch as follow_branch
from pdesolve.sweeps.sweep import sweep as sweep

__version__: str

__all__: list[str]
