"""An inverse problem: the conductivity k of a rod from measured temperatures.

-k u'' = q on (0, 1), u = 0 at both ends. The eleven values below were made with k = 0.7
and normally distributed errors of 0.001.
"""

import torch

from pdesolve import Dirichlet, Interval, Observation, Problem

rod = Interval(0, 1)
places = torch.linspace(0.0, 1.0, 13, dtype=torch.float64)[1:-1, None]  # (n, d)
temperatures = torch.tensor(
    [0.0559, 0.1007, 0.1340, 0.1580, 0.1725, 0.1786, 0.1726, 0.1573, 0.1341, 0.0993, 0.0551],
    dtype=torch.float64,
)


def conduction(u, k):
    return -k * u.xx - 1.0


problem = Problem(
    domain=rod,
    equation=conduction,
    conditions=[Dirichlet(0, on=rod.boundary)],
    parameters={"k": 1.0},  # name → where to start
    data=[Observation(places, temperatures, sigma=0.001)],
)
