"""A torch module of the user's own as an approximator."""

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pdesolve.approximators.approximator import as_dtype, dtype_name
from pdesolve.approximators.autodiff_jet import AutodiffJet
from pdesolve.errors import UsageError
from pdesolve.runs.own_code import load_own
from pdesolve.runs.random_numbers import drawing_from


class _ScaledNetwork(AutodiffJet):
    """A module of the user's own, its outputs multiplied by the sizes of the unknowns."""

    @torch.no_grad()
    def scale_outputs(self, sizes: Tensor) -> None:
        """Multiply U."""
        scaled: Any = self.module
        scaled.sizes.mul_(sizes.to(scaled.sizes))


class ForeignNetwork(_ScaledNetwork):
    """u = U û for a class û of the user's, with jets by nested autodiff; U starts at one.

    The class is a `torch.nn.Module` that maps points (n, d) to values (n, u), each point by itself. Its
    constructor gets by name what it asks for: inputs, outputs, width, seed, lower, upper.

    Args:
        name: "my_module.py:MyNet".
        inputs: Coordinates d.
        outputs: Unknowns u.
        width: For a class that asks for one.
        lower: Lower corner of the points' bounding box.
        upper: Upper corner.
        seed: Of torch's generator, before the class is called.
        dtype: ``float64`` (default) or ``float32``.

    Raises:
        UsageError: If there is no such class, or it does not work as an approximator.
    """

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int = 1,
        width: int = 16,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
    ):
        dtype = as_dtype(dtype)
        offered = {
            "inputs": inputs,
            "outputs": outputs,
            "width": width,
            "lower": lower,
            "upper": upper,
            "seed": seed,
        }
        # Modules draw their parameters from torch's own generator.
        with drawing_from(seed):
            module = _instance(name, _load_class(name), offered).to(dtype)
        _check(module, name, inputs, outputs, dtype)
        super().__init__(_Scaled(module, outputs, dtype), inputs, outputs)
        self._settings = {"name": name, **offered, "dtype": dtype_name(dtype)}

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return dict(self._settings)


class GivenNetwork(_ScaledNetwork):
    """As `ForeignNetwork`, of a module that is given: itself, or a class or function that makes it.

    A module that is given is copied, so that a second solve begins where the first one did.

    Args:
        given: a `torch.nn.Module` of points (n, d) to values (n, u), or what makes one.
        inputs: Coordinates d.
        outputs: Unknowns u.
        width: For a class that asks for one.
        lower: Lower corner of the points' bounding box.
        upper: Upper corner.
        seed: Of torch's generator, before the class is called.
        dtype: ``float64`` (default) or ``float32``.

    Raises:
        UsageError: If it does not work as an approximator.
    """

    def __init__(
        self,
        given: Any,
        inputs: int,
        outputs: int = 1,
        width: int = 16,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
    ):
        dtype = as_dtype(dtype)
        name = getattr(given, "__name__", type(given).__name__)
        if isinstance(given, torch.nn.Module):
            module = copy.deepcopy(given)
        else:
            offered = {"inputs": inputs, "outputs": outputs, "width": width, "lower": lower, "upper": upper}
            with drawing_from(seed):
                module = _instance(name, given, {**offered, "seed": seed})
        if not isinstance(module, torch.nn.Module):
            message = f"{name} made a {type(module).__name__}; expected a torch.nn.Module"
            raise UsageError(message)
        module = module.to(dtype)
        try:
            _check(module, name, inputs, outputs, dtype)
        except (RuntimeError, TypeError, IndexError) as error:
            # So torch and Python say that shapes do not fit.
            message = f"{name} cannot take points (3, {inputs}): {type(error).__name__}: {error}"
            raise UsageError(message) from error
        super().__init__(_Scaled(module, outputs, dtype), inputs, outputs)


class _Scaled(torch.nn.Module):
    sizes: Tensor

    def __init__(self, module: torch.nn.Module, outputs: int, dtype: torch.dtype):
        super().__init__()
        self.module = module
        self.register_buffer("sizes", torch.ones(outputs, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x) * self.sizes


def _load_class(name: str) -> type[torch.nn.Module]:
    return load_own(name, "approximator", "torch.nn.Module", _is_module)


def _is_module(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, torch.nn.Module)


def _instance(name: str, kind: Any, offered: Mapping[str, Any]) -> Any:
    """Call the constructor with what it asks for, by name."""
    arguments = inspect.signature(kind).parameters.values()
    named = [a for a in arguments if a.kind in (a.POSITIONAL_OR_KEYWORD, a.KEYWORD_ONLY)]
    unknown = [a.name for a in named if a.name not in offered and a.default is a.empty]
    if unknown:
        message = (
            f"{name} asks for {', '.join(unknown)}; its constructor may ask for {', '.join(offered)}, and "
            "other arguments need default values"
        )
        raise UsageError(message)
    return kind(**{a.name: offered[a.name] for a in named if a.name in offered})


def _check(module: torch.nn.Module, name: str, inputs: int, outputs: int, dtype: torch.dtype) -> None:
    """See that it has parameters and maps three points to three values."""
    if not any(p.requires_grad for p in module.parameters()):
        message = f"{name} has no trainable parameters"
        raise UsageError(message)
    # Three points and not one: a batch of one hides what mixes points up.
    with torch.no_grad():
        shape = tuple(module(torch.full((3, inputs), 0.5, dtype=dtype)).shape)
    if shape != (3, outputs):
        message = f"{name} maps points (3, {inputs}) to {shape}; expected (3, {outputs})"
        raise UsageError(message)
    _check_derivatives(module, name, inputs, dtype)


def _check_derivatives(module: torch.nn.Module, name: str, inputs: int, dtype: torch.dtype) -> None:
    """See that it can be differentiated twice, which what torch compiles cannot be."""
    x = torch.full((3, inputs), 0.5, dtype=dtype, requires_grad=True)
    try:
        (slope,) = torch.autograd.grad(module(x).sum(), x, create_graph=True)
        if slope.requires_grad:
            torch.autograd.grad(slope.sum(), [x], allow_unused=True)
    except RuntimeError as error:
        message = (
            f"{name} cannot be differentiated twice by its inputs: {error}; a module that torch.compile made is passed "
            "as it was, or compiled with backend='eager'"
        )
        raise UsageError(message) from error
