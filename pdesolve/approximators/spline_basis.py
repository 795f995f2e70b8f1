"""Bases of functions of one variable for the edges of a KAN: B-splines, Gaussians, Chebyshev polynomials."""

from math import comb

import torch
from torch import Tensor

from pdesolve.approximators.univariate import Univariate, silu_derivatives


class SplineBasis(Univariate):
    """SiLU and the B-splines of a uniform grid (Liu et al. 2024, arXiv 2404.19756, eqs. 2.10-2.12).

    With t = (h + r)/δ + m, δ = 2r/G, the splines are M_m(t - j), j = 0 … G + m - 1, M the cardinal B-spline:

        M_p(t) = (t M_{p-1}(t) + (p + 1 - t) M_{p-1}(t - 1)) / p,    M_0 = 1 on [0, 1),
        M_m^(k)(t) = Σ_l (-1)^l binomial(k, l) M_{m-k}(t - l).

    They are m - 1 times continuously differentiable everywhere and fade to zero within m spacings outside the
    grid, where SiLU carries on: every value is finite, everywhere.

    Args:
        intervals: Grid intervals G.
        degree: Of the splines, m; 3 as in the paper.
        half_width: The grid covers [-r, r].
    """

    expands = True

    def __init__(self, intervals: int = 5, degree: int = 3, half_width: float = 1.0):
        super().__init__()
        self.intervals = intervals
        self.degree = degree
        self.half_width = half_width

    @property
    def size(self) -> int:
        """Functions per edge."""
        return 1 + self.intervals + self.degree

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """SiLU, then the splines, (n, w, b), and their derivatives."""
        density = self.intervals / (2 * self.half_width)
        splines = self._cardinal((h + self.half_width) * density + self.degree)
        result = []
        for k, silu in enumerate(silu_derivatives(h, order)):
            values = self._difference(splines, k) * density**k
            result.append(torch.cat([silu.unsqueeze(-1), values], dim=-1))
        return result

    def _cardinal(self, t: Tensor) -> list[Tensor]:
        """M_p(t - j) for p = 0 … m; one function fewer with every degree."""
        shifts = torch.arange(self.intervals + 2 * self.degree, dtype=t.dtype, device=t.device)
        local = t.unsqueeze(-1) - shifts
        splines = [((local >= 0) & (local < 1)).to(t.dtype)]
        for p in range(1, self.degree + 1):
            lower = splines[-1]
            at = local[..., : -p or None]
            splines.append((at * lower[..., :-1] + (p + 1 - at) * lower[..., 1:]) / p)
        return splines

    def _difference(self, splines: list[Tensor], k: int) -> Tensor:
        """M_m^(k)(t - j), from the splines of degree m - k; zero beyond the degree."""
        count = self.intervals + self.degree
        if k > self.degree:  # between the knots, where splines are polynomials
            return torch.zeros_like(splines[-1])
        lower = splines[self.degree - k]
        return sum((-1) ** i * comb(k, i) * lower[..., i : i + count] for i in range(k + 1))


class GaussianBasis(Univariate):
    """SiLU and Gaussians of equal width around equidistant centres (Li 2024, arXiv 2405.06721, FastKAN).

    φ_j = exp(-((h - g_j)/δ)²), g_j from -r to r, δ their spacing; with y = (h - g_j)/δ

        φ^(k+1) = -(2/δ) y φ^(k) - (2k/δ²) φ^(k-1).

    Args:
        count: Gaussians.
        half_width: r.
    """

    expands = True

    def __init__(self, count: int = 8, half_width: float = 2.0):
        super().__init__()
        self.count = count
        self.half_width = half_width

    @property
    def size(self) -> int:
        """Functions per edge."""
        return 1 + self.count

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """SiLU, then the Gaussians, (n, w, b), and their derivatives."""
        r = self.half_width
        # A single Gaussian is as wide as the interval.
        spacing = 2 * self.half_width / max(1, self.count - 1)
        y = (h.unsqueeze(-1) - torch.linspace(-r, r, self.count, dtype=h.dtype, device=h.device)) / spacing
        gaussians = [torch.exp(-y * y)]
        for k in range(order):
            # Hermite's recursion, in units of the spacing.
            value = (-2 / spacing) * y * gaussians[k]
            if k:
                lower = torch.add(value, gaussians[k - 1], alpha=-2 * k / spacing**2)
            else:
                lower = value
            gaussians.append(lower)
        silu = silu_derivatives(h, order)
        return [torch.cat([s.unsqueeze(-1), g], dim=-1) for s, g in zip(silu, gaussians, strict=True)]


class ChebyshevBasis(Univariate):
    """T_1 … T_m with T_{j+1}^(k) = 2h T_j^(k) + 2k T_j^(k-1) - T_{j-1}^(k); the constant is the layer's bias.

    Args:
        degree: Highest degree m.
    """

    expands = True

    def __init__(self, degree: int = 8):
        super().__init__()
        self.degree = degree

    @property
    def size(self) -> int:
        """Functions per edge."""
        return self.degree

    def derivatives(self, h: Tensor, order: int) -> list[Tensor]:
        """The polynomials, (n, w, b), and their derivatives."""
        one = torch.ones_like(h)
        zero = torch.zeros_like(h)
        table: list[list[Tensor]] = []
        for k in range(order + 1):
            row = list(((one, h), (zero, one), (zero, zero))[min(k, 2)])  # of 1 and of h
            for j in range(1, self.degree):
                value = 2 * h * row[j] - row[j - 1]
                if k:
                    value = torch.add(value, table[k - 1][j], alpha=2 * k)
                row.append(value)
            table.append(row)
        return [torch.stack(row[1:], dim=-1) for row in table]
