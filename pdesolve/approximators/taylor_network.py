"""Networks that alternate linear maps and univariate functions: MLP and KAN share jets and adjoints."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from pdesolve.approximators.approximator import Pullback, TrainableApproximator
from pdesolve.approximators.multi_index import Index, unit_index, value_index
from pdesolve.approximators.taylor import (
    LAPLACIAN,
    Bell,
    Jet,
    Rule,
    bell_values,
    collapsed_laplacian_rule,
    compose,
    compose_adjoint,
    composition_rule,
    rule_order,
)
from pdesolve.approximators.univariate import Univariate
from pdesolve.errors import UsageError

Tape = list[tuple]


class FixedLinear(torch.nn.Module):
    """A linear map that is not trained."""

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, h: Tensor) -> Tensor:
        """W h + b."""
        return linear(h, self.weight, self.bias)


class TaylorNetwork(TrainableApproximator):
    """x → (x - shift)·scale → steps, each a ``torch.nn.Linear``, a ``FixedLinear`` or a ``Univariate`` function.

    Jets propagate forward through the steps; gradients and Jacobians with respect to θ run back through the
    same steps with the adjoint of Faà di Bruno's formula, no nested autodiff anywhere.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, inputs: int, outputs: int, lower: Sequence | None, upper: Sequence | None, dtype: torch.dtype
    ):
        super().__init__()
        self.inputs = inputs
        self.outputs = outputs
        shift, scale = normalisation(inputs, lower, upper)
        self.register_buffer("shift", shift.to(dtype))
        self.register_buffer("scale", scale.to(dtype))
        self.steps = torch.nn.ModuleList()

    def forward(self, x: Tensor) -> Tensor:
        """u_θ(x), (n, u)."""
        h = (self._points(x) - self.shift) * self.scale
        for step in self.steps:
            h = step(h)
        return h

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u_θ as (n, u, a) by forward Taylor mode; plain torch operations throughout."""
        x, indices = self._checked(x, indices)
        if torch.is_grad_enabled():
            return self._stack(self._propagate(x, composition_rule(indices), indices), indices, len(x))
        chunks = [
            self._stack(self._propagate(part, composition_rule(indices), indices), indices, len(part))
            for part in x.split(self.points_per_chunk)
        ]
        if len(chunks) == 1:
            return chunks[0]
        return torch.cat(chunks)

    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u_θ)/∂θ as (n, u, a, p): one batched adjoint sweep per derivative."""
        x, indices = self._checked(x, indices)
        result = x.new_empty(len(x), self.outputs, len(indices), self._parameter_count())
        with torch.no_grad():
            for start in range(0, len(x), self.points_per_chunk):
                points = x[start : start + self.points_per_chunk]
                self._jacobian_chunk(points, indices, result[start : start + self.points_per_chunk])
        return result

    def jet_and_pullback(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, Pullback]:
        """The jet (n, u, a) and the map from cotangents (n, u, a) to (p,), by a handwritten adjoint."""
        x, indices = self._checked(x, indices)
        rule = composition_rule(indices)
        tape: Tape = []
        with torch.no_grad():
            jet = self._stack(self._propagate(x, rule, indices, tape), indices, len(x))

        @torch.no_grad()
        def pullback(cotangent: Tensor) -> Tensor:
            return self._gradient(rule, tape, _cotangents(indices, cotangent))

        return jet, pullback

    def laplacian_and_pullback(self, x: Tensor) -> tuple[Tensor, Pullback]:
        """Δu_θ (n, u) and its pullback, by collapsed Taylor mode: d + 2 coefficients in place of 2d + 1."""
        x = self._points(x)
        rule = collapsed_laplacian_rule(self.inputs)
        tape: Tape = []
        with torch.no_grad():
            laplacian = self._stack(self._propagate(x, rule, (LAPLACIAN,), tape), (LAPLACIAN,), len(x))[
                ..., 0
            ]

        @torch.no_grad()
        def pullback(cotangent: Tensor) -> Tensor:
            return self._gradient(rule, tape, {LAPLACIAN: cotangent})

        return laplacian, pullback

    def _propagate(self, x: Tensor, rule: Rule, wanted: Sequence[Hashable], tape: Tape | None = None) -> Jet:
        """The output's jet; the tape, if given, keeps what the adjoint needs."""
        h = self._input_jet(x, rule)
        order = rule_order(rule)
        for position, step in enumerate(self.steps):
            # Of the last nonlinear step only what is wanted; earlier ones need the lower closure.
            if position >= len(self.steps) - 2:
                remaining = tuple(dict.fromkeys(wanted))
            else:
                remaining = tuple(rule)
            if isinstance(step, Univariate):
                f = step.derivatives(h[value_index(self.inputs)], order + (tape is not None))
                bell = bell_values(rule, remaining, h)
                record: tuple = (step, f, h, bell)
                h = compose(f, bell, step.expands)
                if step.expands:
                    h = {key: value.flatten(-2) for key, value in h.items()}
            else:
                record = (step, h)
                h = {key: self._linear(step, key, h[key]) for key in remaining if key in h}
            if tape is not None:
                tape.append(record)
        return h

    def _input_jet(self, x: Tensor, rule: Rule) -> Jet:
        jet: Jet = {value_index(self.inputs): (x - self.shift) * self.scale}
        # One row for all points: the scaling is linear, and its second derivatives are absent.
        rows = torch.diag(self.scale)
        for axis in range(self.inputs):
            unit = unit_index(self.inputs, axis)
            if unit in rule:
                jet[unit] = rows[axis : axis + 1]
        return jet

    def _linear(self, step: Any, key: Hashable, h: Tensor) -> Tensor:
        return linear(h, step.weight, step.bias if key == value_index(self.inputs) else None)

    def _stack(self, jet: Jet, keys: Sequence[Hashable], points: int) -> Tensor:
        zero = self.shift.new_zeros(1, self.outputs)
        return torch.stack([jet.get(key, zero).expand(points, -1) for key in keys], dim=-1)

    def _gradient(self, rule: Rule, tape: Tape, cotangent: Jet) -> Tensor:
        """Σ over points of the adjoint sweep, (p,)."""
        gradients: list[Tensor] = []
        for position in reversed(range(len(tape))):
            step, *saved = tape[position]
            if isinstance(step, Univariate):
                cotangent = _univariate_adjoint(step, rule, saved, cotangent)
                continue
            (h,) = saved
            cotangent = {key: c for key, c in cotangent.items() if key in h}
            if isinstance(step, FixedLinear):
                cotangent = {key: c @ step.weight for key, c in cotangent.items()}
                continue
            bias_cotangent = cotangent.get(value_index(self.inputs))
            if step.bias is not None:
                gradients.append(_column_sums(bias_cotangent, step.bias))
            gradients.append(_weight_gradient(step.weight, h, cotangent).reshape(-1))
            # Nothing is trained before the first step.
            if position:
                cotangent = {key: c @ step.weight for key, c in cotangent.items()}
        return torch.cat(gradients[::-1])

    def _jacobian_chunk(self, x: Tensor, indices: Sequence[Index], out: Tensor) -> None:
        rule = composition_rule(tuple(indices))
        tape: Tape = []
        self._propagate(x, rule, indices, tape)
        seed = torch.eye(self.outputs, dtype=x.dtype, device=x.device)[:, None, :].expand(-1, len(x), -1)
        for a, alpha in enumerate(indices):
            # Blocks come last parameter first, and are written from the end.
            end = out.shape[-1]
            cotangent: Jet = {alpha: seed}
            for position in reversed(range(len(tape))):
                step, *saved = tape[position]
                if isinstance(step, Univariate):
                    cotangent = _univariate_adjoint(step, rule, saved, cotangent)
                    continue
                (h,) = saved
                cotangent = {key: c for key, c in cotangent.items() if key in h}
                for block in (
                    () if isinstance(step, FixedLinear) else self._linear_jacobians(step, h, cotangent)
                ):
                    width = block.shape[-1]
                    out[:, :, a, end - width : end] = block.transpose(0, 1)
                    end -= width
                if position:
                    cotangent = {key: c @ step.weight for key, c in cotangent.items()}

    def _linear_jacobians(self, step: torch.nn.Linear, h: Jet, cotangent: Jet) -> list[Tensor]:
        """Blocks (u, n, ·) of bias and weight, the last parameter first."""
        batch: tuple[int, ...] = (self.outputs, 1)
        if cotangent:
            batch = next(iter(cotangent.values())).shape[:2]
        blocks = []
        if step.bias is not None:
            zero = step.bias.new_zeros(*batch, len(step.bias))
            blocks.append(cotangent.get(value_index(self.inputs), zero))
        weight = step.weight.new_zeros(*batch, *step.weight.shape)
        for key, c in cotangent.items():
            weight.addcmul_(c.unsqueeze(-1), h[key].unsqueeze(-2))
        return [*blocks, weight.flatten(2)]


def _univariate_adjoint(step: Univariate, rule: Rule, saved: list, cotangent: Jet) -> Jet:
    f: list[Tensor]
    bell: Bell
    f, h, bell = saved
    if step.expands:
        cotangent = {key: c.unflatten(-1, f[0].shape[-2:]) for key, c in cotangent.items()}
    return compose_adjoint(rule, f, h, bell, cotangent, step.expands)


def _weight_gradient(weight: Tensor, h: Jet, cotangent: Jet) -> Tensor:
    """Σ_n,key c_no h_ni as (o, i); a single row of h stands for all points."""
    gradient = torch.zeros_like(weight)
    for key, c in cotangent.items():
        if len(c) != len(h[key]):
            c = c.sum(0, keepdim=True)
        gradient.addmm_(c.T, h[key])
    return gradient


def _column_sums(cotangent: Tensor | None, bias: Tensor) -> Tensor:
    if cotangent is None:
        return torch.zeros_like(bias)
    return cotangent.sum(0)


def _cotangents(indices: Sequence[Index], cotangent: Tensor) -> Jet:
    """Cotangents by derivative; a derivative asked for twice adds its two."""
    jet: Jet = {}
    for a, alpha in enumerate(indices):
        if alpha in jet:
            jet[alpha] = jet[alpha] + cotangent[..., a]
        else:
            jet[alpha] = cotangent[..., a]
    return jet


def normalisation(inputs: int, lower: Any, upper: Any) -> tuple[Tensor, Tensor]:
    """Shift and scale that take [lower, upper] to [-1, 1]; none where no bounds are given."""
    if lower is None and upper is None:
        return torch.zeros(inputs, dtype=torch.float64), torch.ones(inputs, dtype=torch.float64)
    if lower is None or upper is None or len(lower) != inputs or len(upper) != inputs:
        message = (
            f"received lower={lower}, upper={upper}; expected both, with {inputs} numbers each, or neither."
        )
        raise UsageError(message)
    low, high = (torch.as_tensor(bound, dtype=torch.float64) for bound in (lower, upper))
    if not bool((high > low).all()):
        message = f"received lower={lower}, upper={upper}; every upper bound must exceed its lower bound."
        raise UsageError(message)
    return (low + high) / 2, 2 / (high - low)
