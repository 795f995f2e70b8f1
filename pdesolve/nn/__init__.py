"""Trainable Gaussian mixtures as layers of torch: `from pdesolve.nn import GMNM`. They know nothing of equations."""

from pdesolve.nn.activation import GMNMActivation
from pdesolve.nn.blocks import GMNMFeedForward, GMNMGate, GMNMHead
from pdesolve.nn.expansion import GaussianExpansion
from pdesolve.nn.gm_layer import GMLayer
from pdesolve.nn.gmnm import GMNM
from pdesolve.nn.univariate import UnivariateMixtureNeurons

__all__ = [
    "GMNM",
    "GMLayer",
    "GMNMActivation",
    "GMNMFeedForward",
    "GMNMGate",
    "GMNMHead",
    "GaussianExpansion",
    "UnivariateMixtureNeurons",
]
