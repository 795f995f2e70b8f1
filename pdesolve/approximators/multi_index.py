"""Multi-indices: a derivative is a tuple of orders, one per coordinate; u_xx in (x, y) is ``(2, 0)``."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from math import comb, prod

from pdesolve.errors import UsageError

Index = tuple[int, ...]
Indices = tuple[Index, ...]


def value_index(dimension: int) -> Index:
    """The index of the function itself.

    >>> value_index(3)
    (0, 0, 0)
    """
    return (0,) * dimension


def unit_index(dimension: int, axis: int, order: int = 1) -> Index:
    """The pure derivative of the given order along one axis.

    >>> unit_index(3, 1, 2)
    (0, 2, 0)
    """
    return tuple(order if i == axis else 0 for i in range(dimension))


def laplacian_indices(dimension: int) -> Indices:
    """The pure second derivatives, whose sum is the Laplacian.

    >>> laplacian_indices(2)
    ((2, 0), (0, 2))
    """
    return tuple(unit_index(dimension, axis, 2) for axis in range(dimension))


def lowered(index: Index, axis: int) -> Index:
    """One order less along ``axis``: α - e_axis."""
    return (*index[:axis], index[axis] - 1, *index[axis + 1 :])


@lru_cache(maxsize=512)
def lower_closure(indices: Indices) -> Indices:
    """All β ≤ α for some α in ``indices``, by rising order: what a product or chain rule needs.

    >>> lower_closure(((1, 1),))
    ((0, 0), (0, 1), (1, 0), (1, 1))
    """
    below = {beta for alpha in indices for beta in product(*(range(order + 1) for order in alpha))}
    return tuple(sorted(below, key=lambda beta: (sum(beta), beta)))


def binomial(alpha: Index, beta: Index) -> int:
    """Leibniz coefficient of D^β in D^α of a product: Π_i α_i! / (β_i! (α_i - β_i)!)."""
    return prod(comb(a, b) for a, b in zip(alpha, beta, strict=True))


Monomials = tuple[tuple[int, tuple[Index, ...]], ...]


@lru_cache(maxsize=4096)
def bell_polynomials(alpha: Index) -> tuple[Monomials, ...]:
    """Faà di Bruno: D^α f(h) = Σ_k f^(k)(h) B_{α,k}, B_{α,k} = Σ over partitions of α into k parts Π h_β.

    Returns:
        Entry k-1 holds B_{α,k} as monomials (multiplicity, (β_1, …, β_k)); empty for α = 0.

    >>> bell_polynomials((2,))
    (((1, ((2,),)),), ((1, ((1,), (1,))),))
    """
    # Differentiations are told apart, then counted by what they do: the multiplicities of the formula.
    elements = [axis for axis, order in enumerate(alpha) for _ in range(order)]
    counted: list[Counter] = [Counter() for _ in elements]
    for partition in _set_partitions(elements) if elements else ():
        parts = sorted(tuple(block.count(axis) for axis in range(len(alpha))) for block in partition)
        counted[len(parts) - 1][tuple(parts)] += 1
    return tuple(tuple((count, parts) for parts, count in sorted(c.items())) for c in counted)


def _set_partitions(elements: list[int]) -> Iterator[list[list[int]]]:
    if not elements:
        yield []
        return
    first = elements[0]
    rest = elements[1:]
    # The first element stands alone, or joins one of the blocks of the others.
    for partition in _set_partitions(rest):
        yield [[first], *partition]
        for i, block in enumerate(partition):
            yield [*partition[:i], [first, *block], *partition[i + 1 :]]


def checked_indices(indices: Iterable[Iterable[int]], dimension: int) -> Indices:
    """The indices as tuples.

    Raises:
        UsageError: If an index is not ``dimension`` non-negative integers, or none is given.
    """
    result = tuple(tuple(index) for index in indices)
    for index in result:
        if len(index) != dimension or any(order < 0 or order != int(order) for order in index):
            message = (
                f"derivative {index} does not fit {dimension} coordinates: "
                f"give {dimension} non-negative orders, such as {value_index(dimension)} for the value."
            )
            raise UsageError(message)
    if not result:
        message = "received no derivative at all: give at least one multi-index, such as the value's zeros."
        raise UsageError(message)
    return result
