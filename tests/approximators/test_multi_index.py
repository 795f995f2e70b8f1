import pytest
import sympy

from pdesolve.approximators.multi_index import bell_polynomials, checked_indices, lower_closure
from pdesolve.errors import UsageError


@pytest.mark.parametrize("alpha", [(1,), (4,), (2, 1), (2, 2), (1, 1, 2)])
def test_bell_polynomials_reproduce_the_chain_rule(alpha):
    x = sympy.symbols(f"x:{len(alpha)}")
    inner, f, t = sympy.Function("h")(*x), sympy.Function("f"), sympy.Symbol("t")

    def derivative(expression, beta):
        for variable, order in zip(x, beta, strict=True):
            expression = sympy.diff(expression, variable, order) if order else expression
        return expression

    total = 0
    for k, monomials in enumerate(bell_polynomials(alpha), start=1):
        outer = sympy.diff(f(t), t, k).subs(t, inner)
        total += outer * sum(
            count * sympy.prod(derivative(inner, beta) for beta in parts) for count, parts in monomials
        )
    # Both sides are tried on a polynomial h and f, where they must agree identically.
    h = sum((i + 1) * v**2 + v for i, v in enumerate(x)) + sympy.prod(x)
    difference = (derivative(f(inner), alpha) - total).subs(f, sympy.exp).subs(inner, h).doit()
    assert sympy.simplify(difference) == 0


def test_lower_closure_holds_everything_below_and_rises_in_order():
    closure = lower_closure(((2, 0), (1, 1)))
    assert set(closure) == {(0, 0), (1, 0), (0, 1), (2, 0), (1, 1)}
    assert [sum(beta) for beta in closure] == sorted(sum(beta) for beta in closure)


def test_negative_orders_and_an_empty_list_are_refused():
    with pytest.raises(UsageError, match="non-negative orders"):
        checked_indices([(-1, 0)], 2)
    with pytest.raises(UsageError, match="no derivative at all"):
        checked_indices([], 2)
