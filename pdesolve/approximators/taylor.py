"""Forward Taylor mode: jets through y = f(h) by Faà di Bruno's formula, and the adjoint of that step.

A *jet* here is a dict derivative → tensor; an absent derivative is zero, and one row stands for all points
where a derivative does not depend on the point. A *rule* says which Bell polynomials make each derivative:

    D^α f(h) = Σ_k f^(k)(h) B_{α,k}(D^β h, β ≤ α)

The derivatives may be multi-indices or ``LAPLACIAN``: Δf(h) = f'(h) Δh + f''(h) Σ_i (∂_i h)², the collapsed
propagation (Dangel et al. 2025, "Collapsing Taylor mode automatic differentiation"), one sum in place of d
second derivatives.
"""

from collections.abc import Hashable, Iterable, Mapping

import torch
from torch import Tensor

from pdesolve.approximators.multi_index import (
    Indices,
    bell_polynomials,
    lower_closure,
    unit_index,
    value_index,
)

LAPLACIAN = "laplacian"
Jet = dict[Hashable, Tensor]
Rule = Mapping[Hashable, tuple]
Bell = dict[Hashable, list[Tensor | None]]


def composition_rule(indices: Indices) -> Rule:
    """Bell polynomials of every derivative that the given ones need, by rising order; the value first."""
    return {alpha: bell_polynomials(alpha) for alpha in lower_closure(indices)}


def collapsed_laplacian_rule(dimension: int) -> Rule:
    """Value, first derivatives and the Laplacian as one derivative."""
    units = [unit_index(dimension, axis) for axis in range(dimension)]
    rule: dict[Hashable, tuple] = {value_index(dimension): ()}
    rule |= {unit: bell_polynomials(unit) for unit in units}
    rule[LAPLACIAN] = (((1, (LAPLACIAN,)),), tuple((1, (unit, unit)) for unit in units))
    return rule


def rule_order(rule: Rule) -> int:
    """The highest derivative of f that the rule needs."""
    return max(len(polynomials) for polynomials in rule.values())


def bell_values(rule: Rule, wanted: Iterable[Hashable], h: Jet) -> Bell:
    """B_{α,k}(h) for the wanted α; None where it vanishes."""
    return {alpha: [_monomial_sum(monomials, h) for monomials in rule[alpha]] for alpha in wanted}


def compose(f: list[Tensor], bell: Bell, expands: bool = False) -> Jet:
    """The jet of f(h), from f^(k)(h) and the Bell polynomials of h's jet.

    Args:
        f: f^(k)(h) as (n, w), or (n, w, b) for a basis of b functions (``expands``).
        bell: (n, w) tensors by ``bell_values``; an entry without polynomials is the value.
        expands: f is a basis.
    """
    y: Jet = {}
    for alpha, polynomials in bell.items():
        if not polynomials:
            y[alpha] = f[0]
            continue
        terms = [(f_k, b) for f_k, b in zip(f[1:], polynomials, strict=False) if b is not None]
        total = None
        for f_k, b in terms:
            total = _accumulate(total, f_k, b.unsqueeze(-1) if expands else b)
        if total is not None:
            y[alpha] = total
    return y


def compose_adjoint(
    rule: Rule, f: list[Tensor], h: Jet, bell: Bell, cotangent: Jet, expands: bool = False
) -> Jet:
    """Cotangents of h's jet from those of f(h)'s.

        h̄_0 = Σ_α Σ_k ⟨ȳ_α, f^(k+1)⟩ B_{α,k},     h̄_β = Σ_α Σ_k ⟨ȳ_α, f^(k)⟩ ∂B_{α,k}/∂h_β.

    ⟨·,·⟩ sums over a basis and is the plain product otherwise. ``f`` holds one order more than
    ``compose`` needs.
    """
    h_bar: Jet = {}
    # For a plain f: Σ_α ȳ_α B_{α,k}, so that f^(k+1) is multiplied with once, at the end.
    orders: dict[int, Tensor] = {}
    value = next(iter(rule))
    # Lower orders first: fewer temporaries
    for alpha in (alpha for alpha in rule if alpha in cotangent):
        y_bar = cotangent[alpha]
        if not bell[alpha]:
            _add(h_bar, value, _contract(y_bar, f[1], expands))
        elif expands:
            _add_values_of_basis(h_bar, value, y_bar, f, bell[alpha])
        else:
            _add_orders(orders, y_bar, bell[alpha])
        for k, polynomial in enumerate(rule[alpha]):
            live = [term for term in polynomial if _may_vary(term[1], h)]
            if live:
                _add_polynomial_derivatives(h_bar, _contract(y_bar, f[k + 1], expands), live, h)
    for k, total in orders.items():
        _add(h_bar, value, total, f[k + 2])
    return h_bar


def _add_values_of_basis(
    h_bar: Jet, value: Hashable, y_bar: Tensor, f: list[Tensor], polynomials: list[Tensor | None]
) -> None:
    """h̄_0 += Σ_k ⟨ȳ_α, f^(k+1)⟩ B_{α,k}, where ȳ_α is one for each function of a basis."""
    for k, b in enumerate(polynomials):
        if b is not None:
            _add(h_bar, value, _contract(y_bar, f[k + 2], True), b)


def _add_orders(orders: dict, y_bar: Tensor, polynomials: list[Tensor | None]) -> None:
    """ȳ_α B_{α,k} added for each k."""
    for k, b in enumerate(polynomials):
        if b is not None:
            _add(orders, k, y_bar, b)


def _add_polynomial_derivatives(h_bar: Jet, weight: Tensor, terms: list, h: Jet) -> None:
    """Add weight · ∂B/∂h_β for B, a sum of monomials with multiplicities."""
    for multiplicity, parts in terms:
        _add_monomial_derivatives(h_bar, weight, multiplicity, parts, h)


def _may_vary(parts: tuple, h: Jet) -> bool:
    """Whether a monomial has a derivative: at most one of its factors is absent."""
    return sum(part not in h for part in parts) <= 1


def _add_monomial_derivatives(h_bar: Jet, weight: Tensor, multiplicity: int, parts: tuple, h: Jet) -> None:
    """h̄_β += weight · ∂(multiplicity Π h_parts)/∂h_β for every β among the parts."""
    for beta in set(parts):
        others = list(parts)
        others.remove(beta)
        if not all(other in h for other in others):
            continue
        term = weight
        for other in others[:-1]:
            term = term * h[other]
        _add(h_bar, beta, term, h[others[-1]] if others else None, multiplicity * parts.count(beta))


def _monomial_sum(monomials: tuple, h: Jet) -> Tensor | None:
    total = None
    for multiplicity, parts in monomials:
        if not all(part in h for part in parts):
            continue
        if total is None and multiplicity == 1 and len(parts) == 1:
            total = h[parts[0]]
            continue
        if multiplicity == 1:
            product = h[parts[0]]
        else:
            product = multiplicity * h[parts[0]]
        for part in parts[1:-1]:
            product = product * h[part]
        if len(parts) > 1:
            last = h[parts[-1]]
        else:
            last = None
        total = _accumulate(total, product, last)
    return total


def _accumulate(total: Tensor | None, a: Tensor, b: Tensor | None) -> Tensor:
    if b is None:
        if total is None:
            return a
        return total + a
    if total is None:
        return a * b
    return torch.addcmul(total, a, b)


def _add(jet: dict, key: Hashable, a: Tensor, b: Tensor | None = None, scale: int = 1) -> None:
    """Adds scale · a · b to an entry, in place: every entry begins as a product of its own."""
    if key in jet:
        if b is None:
            _ = jet[key].add_(a, alpha=scale)
        else:
            _ = jet[key].addcmul_(a, b, value=scale)
    else:
        if scale != 1:
            a = scale * a
        if b is None:
            jet[key] = a
        else:
            jet[key] = a * b


def _contract(y_bar: Tensor, f_k: Tensor, expands: bool) -> Tensor:
    if expands:
        return (y_bar * f_k).sum(-1)
    return y_bar * f_k
