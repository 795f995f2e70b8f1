"""The exponents of a wedge: what solutions of a second-order equation do at a corner of the domain.

With the principal part Σ A_ij ∂_i∂_j u of constant coefficients and T A Tᵀ = 1, the equation is Laplace's in T y, and
its solutions are u = Re f(ζ) with the complex coordinate ζ = (T y)₁ + i (T y)₂ about the corner. Along arg ζ = θ

    u = 0              says  Re C e^{iλθ} = 0              for f = C ζ^λ,
    n·A ∇u = 0         says  Re C e^{iλθ} e^{iγ} = 0,      γ = π/2,

so that with γ = 0 for values and an angle ω between the edges  λ_k = (kπ + γ_begin - γ_end)/ω,  k integer: kπ/ω
between two edges of one kind, (k - ½)π/ω between values and fluxes. Where λ is an integer, ζ^λ is a polynomial, and
what is singular is ζ^λ log ζ, which data may ask for; values that jump at the corner ask for arg ζ = Im log ζ.

Source: Grisvard, Elliptic Problems in Nonsmooth Domains (1985), §4.4; Williams, J. Appl. Mech. 19 (1952) 526.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass, replace

INTEGER = 1e-7  # an exponent that near to an integer is one: ends of curves are found to 1e-9
LEAST_POWER = 1e-3  # a smaller exponent is that of a constant


@dataclass(frozen=True)
class Edge:
    """One side of a wedge.

    Attributes:
        angle: θ, of ζ along it.
        phase: γ, 0 where a condition fixes values.
        values: whether it does.
    """

    angle: float
    phase: float
    values: bool


@dataclass(frozen=True)
class Power:
    """A function Re C ζ^λ |ζ|^2k, or the same times log ζ under Re.

    Attributes:
        exponent: λ.
        factor: C.
        log: whether there is a logarithm.
        rounds: k. What a term without derivatives adds: -Δu = c u is met by J_λ(√c r) sin λθ = Σ_k a_k r^(λ+2k) sin λθ.
    """

    exponent: float
    factor: complex
    log: bool = False
    rounds: int = 0

    @property
    def singular(self) -> bool:
        """Whether it is no polynomial."""
        return self.log or abs(self.exponent - round(self.exponent)) > INTEGER


def exponents(begin: Edge, end: Edge, most: float) -> list[float]:
    """All λ in (0, most], in rising order."""
    angle = end.angle - begin.angle
    shift = (begin.phase - end.phase) / angle
    first = math.ceil((LEAST_POWER - shift) * angle / math.pi)
    last = math.floor((most - shift) * angle / math.pi)
    return [k * math.pi / angle + shift for k in range(first, last + 1)]


def source_asks_for_logarithm(begin: Edge, end: Edge) -> bool:
    """Whether no quadratic function meets Δu = 1 and both conditions with zero on the right: then u ~ r² log r.

    It would be r² (¼ + b cos 2θ + c sin 2θ), in which the conditions fix b and c unless 2 is an exponent.
    """
    rows = []
    for edge in (begin, end):
        cosine = math.cos(2 * edge.angle)
        sine = math.sin(2 * edge.angle)
        if edge.values:
            rows.append((cosine, sine, -0.25))
        else:
            rows.append((-sine, cosine, 0.0))
    (a, b, f), (c, d, g) = rows
    # Two equations that depend on each other contradict each other unless their right sides do as well.
    return abs(a * d - b * c) <= INTEGER and max(abs(a * g - c * f), abs(b * g - d * f)) > INTEGER


def powers(begin: Edge, end: Edge, most: float) -> list[Power]:
    """The singular functions of a wedge with exponents up to `most`, the strongest first."""
    found = []
    if begin.values and end.values:
        found.append(Power(0.0, -1j, log=True))  # Re -i log ζ = arg ζ
    for exponent in exponents(begin, end, most):
        # Re C e^{iλθ + iγ} = 0 at the first edge; the exponent sees to the second one.
        factor = cmath.exp(1j * (math.pi / 2 - exponent * begin.angle - begin.phase))
        integer = abs(exponent - round(exponent)) <= INTEGER
        if integer:
            exponent = float(round(exponent))
        found.append(Power(exponent, factor, log=integer))
    return found


def powers_of_modes(begin: Edge, end: Edge, most: float) -> list[Power]:
    """The singular functions of modes, for which right-hand sides are zero and λ is not known: ζ^λ |ζ|^2k.

    Nothing asks for logarithms or for a jump, and of J_λ with integer λ all terms are polynomials.
    """
    found = []
    for power in powers(begin, end, most):
        if power.log:
            continue
        for k in range(1 + int((most - power.exponent) / 2)):
            found.append(replace(power, rounds=k))
    return found
