"""Maps from parameters θ to jets: Gaussian mixtures, networks, and anything else by nested autodiff."""

from pdesolve.approximators.approximator import Approximator, TrainableApproximator
from pdesolve.approximators.autodiff_jet import AutodiffJet
from pdesolve.approximators.foreign import ForeignNetwork, GivenNetwork
from pdesolve.approximators.gabor import GaborNet
from pdesolve.approximators.gaussian_mixture import GaussianMixture
from pdesolve.approximators.gaussian_network import GaussianNetwork
from pdesolve.approximators.gm_layer import GMLayer
from pdesolve.approximators.kan import KAN
from pdesolve.approximators.lifting import Lifting, box_distance, box_extension, disk_distance
from pdesolve.approximators.mlp import MLP

__all__ = [
    "KAN",
    "MLP",
    "Approximator",
    "AutodiffJet",
    "ForeignNetwork",
    "GMLayer",
    "GaborNet",
    "GaussianMixture",
    "GaussianNetwork",
    "GivenNetwork",
    "Lifting",
    "TrainableApproximator",
    "box_distance",
    "box_extension",
    "disk_distance",
]
