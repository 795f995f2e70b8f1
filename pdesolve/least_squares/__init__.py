"""Linear and nonlinear least squares; no PDE in it."""
