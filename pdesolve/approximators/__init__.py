"""Maps from parameters θ to jets: Gaussian mixtures, networks, and anything else by nested autodiff."""

from pdesolve.approximators.approximator import Approximator, TrainableApproximator
from pdesolve.approximators.autodiff_jet import AutodiffJet
from pdesolve.approximators.gaussian_mixture import GaussianMixture
from pdesolve.approximators.mlp import MLP

__all__ = ["MLP", "Approximator", "AutodiffJet", "GaussianMixture", "TrainableApproximator"]
