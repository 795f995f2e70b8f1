"""Methods that train all parameters of an approximator: gmnm-trained, pinn, kan."""

from pdesolve.methods_trained.solve import Trained, solve_trained

__all__ = ["Trained", "solve_trained"]
