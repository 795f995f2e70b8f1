"""Weights of rows, in units of the unknown itself.

Values are weighted above fluxes because the discrete trace of a value controls the solution. The factor 10 is that of a
collocation penalty; results move little between 3 and 100.
"""

VALUE_WEIGHT = 10.0
FLUX_WEIGHTS = (10.0, 1.0, 0.3, 0.1, 0.03, 0.01)  # of ∂^k/∂n^k, k = 0, 1, …
