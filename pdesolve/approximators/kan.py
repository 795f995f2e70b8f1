"""The Kolmogorov-Arnold network: a learnt function of one variable on every edge."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import torch

from pdesolve.approximators.approximator import as_dtype, as_floats, dtype_name
from pdesolve.approximators.spline_basis import ChebyshevBasis, GaussianBasis, SplineBasis
from pdesolve.approximators.taylor_network import TaylorNetwork
from pdesolve.approximators.univariate import Tanh
from pdesolve.errors import UsageError

BASES = ("spline", "chebyshev", "gaussian")
# Where none is given; cubic as in Liu et al. 2024, and 5 for the others
DEGREES = {"spline": 3}
Edges = SplineBasis | ChebyshevBasis | GaussianBasis


class KAN(TaylorNetwork):
    """h^{l+1}_o = Σ_i φ_oi(h^l_i), every φ a sum over a fixed basis with closed-form derivatives.

    ``spline``: φ = w SiLU + Σ_j c_j B_j, cubic B-splines on a grid of [-1, 1], after Liu et al.
    (2024, arXiv 2404.19756; their scale of the spline is part of c). In hidden layers the grid covers
    [-r, r]; values outside meet splines that fade smoothly to zero beside SiLU.
    ``chebyshev``: φ = Σ_j c_j T_j and a bias (Sidharth et al. 2024, arXiv 2405.07200); tanh takes the
    values of hidden layers to [-1, 1].
    ``gaussian``: φ = w SiLU + Σ_j c_j exp(-((h - g_j)/δ)²) and a bias, g_j on [-r, r] in every layer (FastKAN,
    Li 2024, arXiv 2405.06721), started as there; its layer normalisation is left out, as it would leave of two
    coordinates nothing but which is the larger.

    Args:
        inputs: Coordinates d.
        outputs: Unknowns u.
        hidden: Widths of the hidden layers.
        basis: ``"spline"``, ``"chebyshev"`` or ``"gaussian"``.
        grid: Intervals of the spline's grid, or the number of Gaussians (8 in the paper).
        degree: Of splines (default 3) or polynomials (default 5).
        hidden_range: r above.
        lower: Lower corner of the points' bounding box, which is taken to [-1, 1]; none: left as it is.
        upper: Upper corner.
        seed: Of the initial coefficients.
        dtype: ``float64`` (default) or ``float32``.

    Raises:
        UsageError: If the basis is unknown or a number is out of range.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        hidden: Sequence[int] = (8, 8),
        basis: str = "spline",
        grid: int = 5,
        degree: int | None = None,
        hidden_range: float = 2.0,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
    ):
        dtype = as_dtype(dtype)
        super().__init__(inputs, outputs, lower, upper, dtype)
        if degree is None:
            degree = DEGREES.get(basis, 5)
        degree = int(degree)
        _check(basis, grid, degree, hidden_range)
        self._settings = {
            "hidden": [int(width) for width in hidden],
            "basis": basis,
            "grid": int(grid),
            "degree": degree,
            "hidden_range": float(hidden_range),
            "lower": as_floats(lower),
            "upper": as_floats(upper),
            "seed": int(seed),
        }
        generator = torch.Generator().manual_seed(seed)
        for layer, (fan_in, fan_out) in enumerate(pairwise([inputs, *hidden, outputs])):
            # Beyond [-1, 1] Chebyshev polynomials grow like powers of their argument.
            if basis == "chebyshev" and layer:
                self.steps.append(Tanh())
            half_width = hidden_range
            if layer == 0 and basis != "gaussian":
                half_width = 1.0  # inputs are scaled to [-1, 1]
            functions = _edge_functions(basis, grid, degree, half_width)
            # The constant is a sum of B-splines already, but not of Gaussians or of T_1 … T_m.
            linear = torch.nn.Linear(fan_in * functions.size, fan_out, bias=basis != "spline", dtype=dtype)
            _initialise(linear, fan_in, functions, generator)
            self.steps.extend([functions, linear])

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            **self._settings,
            "dtype": dtype_name(self.shift.dtype),
        }


def _edge_functions(basis: str, grid: int, degree: int, half_width: float) -> Edges:
    if basis == "gaussian":
        return GaussianBasis(grid, half_width)
    if basis == "spline":
        return SplineBasis(grid, degree, half_width)
    return ChebyshevBasis(degree)


@torch.no_grad()
def _initialise(linear: torch.nn.Linear, fan_in: int, functions: Edges, generator: torch.Generator) -> None:
    """Splines and Gaussians start near zero beside SiLU, as in their papers; Chebyshev coefficients fall as 1/j."""
    fan_out = linear.weight.shape[0]
    noise = torch.randn(fan_out, fan_in, functions.size, generator=generator, dtype=torch.float64)
    if isinstance(functions, SplineBasis):
        noise[..., 0] *= sqrt(2 / (fan_in + fan_out))
        # Small beside SiLU, whose weights are drawn as by Glorot & Bengio 2010: training begins near a plain network.
        noise[..., 1:] *= 0.3 / sqrt(fan_in)
    elif isinstance(functions, GaussianBasis):
        # The variance of torch.nn.Linear's default
        noise[..., 0] *= 1 / sqrt(3 * fan_in)
        noise[..., 1:] *= 0.1
    else:
        noise /= sqrt(fan_in) * torch.arange(1, functions.size + 1)
    linear.weight.copy_(noise.reshape(fan_out, -1))
    if linear.bias is not None:
        linear.bias.zero_()


def _check(basis: str, grid: int, degree: int, hidden_range: float) -> None:
    if basis not in BASES:
        message = f"received basis {basis!r}, expected one of {', '.join(BASES)}."
        raise UsageError(message)
    if grid < 1 or degree < 1 or hidden_range <= 0:
        message = (
            f"received grid={grid}, degree={degree}, hidden_range={hidden_range}; expected "
            "at least one interval, a degree of at least one, and a positive range."
        )
        raise UsageError(message)
