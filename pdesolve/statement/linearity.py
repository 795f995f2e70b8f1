"""Is a term affine in the jets of its unknowns? Proved from the operations it does, not from values it takes.

A term is evaluated once while every tensor that depends on the jets is followed through the operations that torch does,
comparisons and backward passes included. It is affine if only sums, rearrangements and products with what does not
depend on them occur. Values alone cannot prove it: `where(u > 0.01, u, u**3)` is linear wherever one happens to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Linear in all tensors they take: sums, and what only moves numbers about.
SUMS = frozenset(
    """add add_ sub sub_ rsub neg neg_ sum mean stack cat unbind select slice narrow split split_with_sizes view
    _unsafe_view _reshape_alias reshape expand squeeze unsqueeze t transpose permute clone detach alias _to_copy
    lift_fresh copy_ select_backward slice_backward unsafe_split flip roll cumsum repeat diagonal as_strided
    contiguous""".split()
)
# Linear where one factor depends on the jets.
PRODUCTS = frozenset("mul mul_ mm bmm mv dot".split())
# Of unknowns, in a polynomial that is to vary slowly; what is narrow is made by high ones.
SMALL_POWERS = (0, 1, 2, 3, 4, 5)
# Linear in these arguments, by position, where the others do not depend on the jets.
LINEAR_IN = {
    "div": (0,),
    "div_": (0,),
    "where": (1, 2),
    "masked_fill": (0, 2),
    "index": (0,),
    "index_select": (0,),
    "gather": (0,),
}
# Of the shape of what they take, whatever its values.
SHAPES = frozenset(
    "zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full is_same_size".split()
)


class _Follow(TorchDispatchMode):
    """Follows what depends on some tensors, by the storage it lies in.

    Attributes:
        affine: until an operation is not.
        polynomial: until an operation is none of sums, products and small powers.
    """

    def __init__(self, roots: Sequence[Tensor]):
        super().__init__()
        self.kept: list[Tensor] = []  # alive, so that no storage is given to another tensor
        self.marked: set[int] = set()
        self.affine = True
        self.polynomial = True
        self._mark(roots)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled in here; torch would import its compiler to say so, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        depends = [self._any(argument) for argument in args]
        by_keyword = any(map(self._any, kwargs.values()))
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if (any(depends) or by_keyword) and name not in SHAPES:
            self.affine = self.affine and not by_keyword and _is_linear(name, args, depends)
            self.polynomial = self.polynomial and not by_keyword and _is_polynomial(name, args, depends)
            self._mark(_tensors(result))
        return result

    def _any(self, argument: Any) -> bool:
        return any(_place(tensor) in self.marked for tensor in _tensors(argument))

    def _mark(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            self.kept.append(tensor)
            self.marked.add(_place(tensor))


def _is_linear(name: str, args: tuple, depends: Sequence[bool]) -> bool:
    if name in SUMS:
        return True
    if name in PRODUCTS:
        return sum(depends) == 1
    if name == "pow":
        return depends == [True, False] and args[1] == 1
    allowed = LINEAR_IN.get(name, ())
    return all(i in allowed for i, one in enumerate(depends) if one)


def _is_polynomial(name: str, args: tuple, depends: Sequence[bool]) -> bool:
    if name in PRODUCTS:
        return True
    if name == "pow":
        return depends == [True, False] and args[1] in SMALL_POWERS
    return _is_linear(name, args, depends)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def is_affine(function: Callable[[Sequence[Tensor]], Sequence[Tensor]], variables: Sequence[Tensor]) -> bool:
    """Whether a function of tensors does nothing to these variables that is not affine in them together.

    Args:
        function: variables ↦ tensors, evaluated once, where derivatives may be taken inside.
        variables: tensors (n,) of their own storage each.

    Returns:
        True only where it is affine; False also where an operation is not known to be.
    """
    return _followed(function, variables).affine


def is_polynomial(
    function: Callable[[Sequence[Tensor]], Sequence[Tensor]], variables: Sequence[Tensor]
) -> bool:
    """Whether a function of tensors, as for `is_affine`, is a polynomial in these variables, of few factors.

    True only where it is; False also where an operation is not known to be.
    """
    return _followed(function, variables).polynomial


def _followed(
    function: Callable[[Sequence[Tensor]], Sequence[Tensor]], variables: Sequence[Tensor]
) -> _Follow:
    follow = _Follow(variables)
    with torch.enable_grad(), follow:
        function(variables)
    return follow
