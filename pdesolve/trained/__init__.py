"""Methods that train all parameters of an approximator: gmnm-trained, pinn, kan."""

from pdesolve.trained.solve import Trained, solve_trained

__all__ = ["Trained", "solve_trained"]
