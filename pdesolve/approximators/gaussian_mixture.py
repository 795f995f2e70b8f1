"""GMNM, the Gaussian-mixture nonlinear module, with closed-form jets and parameter derivatives."""

from collections.abc import Iterable, Sequence
from math import prod, sqrt
from typing import Any, Self

import torch
from torch import Tensor

from pdesolve.approximators.approximator import (
    Pullback,
    TrainableApproximator,
    as_dtype,
    as_floats,
    dtype_name,
)
from pdesolve.approximators.gaussian_kinds import KINDS, Components
from pdesolve.approximators.multi_index import Index, unit_index, value_index
from pdesolve.errors import UsageError


class GaussianMixture(TrainableApproximator):
    """u_o(x) = Σ_k c_ko exp(-½ |y_k|²) [+ a_o + B_o·x],   y_k = A_k (x - μ_k).

    A mixture without its probabilistic constraints: coefficients of any sign, nothing normalised, covariance
    only through projections (GMNM, arXiv 2510.06660). For one Gaussian g with P = AᵀA and ξ = x - μ

        ∇g = -Pξ g,   ∇²g = (Pξξᵀ P - P) g,   Δg = (|Pξ|² - tr P) g,

    and to any order by the recursion of ``gaussian_moments``, with all derivatives with respect to
    parameters. It is an ordinary ``torch.nn.Module`` and can be a layer of a larger network.

    Kinds and their shape parameters (k components, d coordinates):
        ``isotropic``: centres μ (k, d), log_widths log s (k,), A = I/s
        ``diagonal``: centres (k, d), log_widths (k, d), A = diag(1/s)
        ``full``: centres (k, d), projections A (k, d, d)
        ``low-rank``: centres (k, d), projections A (k, r, d), r < d: constant along d - r directions
        ``ridge``: directions w (k, d), offsets b (k,), y = w·x - b: one projection, for many dimensions
    then coefficients c (k, u) and, with ``skip``, skip (1 + d, u) holding a and B.

    Args:
        inputs: Coordinates d.
        outputs: Unknowns u.
        components: Number of Gaussians k.
        kind: As above.
        rank: Rows r of A, for ``low-rank`` only.
        skip: Adds a linear function.
        lower: Lower corner of the box the random centres are drawn from; default -1.
        upper: Upper corner; default 1.
        width_factor: Initial widths in units of (volume of the box / k)^(1/d).
        seed: Of centres, projections and coefficients.
        dtype: ``float64`` (default) or ``float32``.

    Raises:
        UsageError: If the kind is unknown, or rank or bounds do not fit.
    """

    centres: Tensor
    log_widths: Tensor
    projections: Tensor
    directions: Tensor
    offsets: Tensor
    coefficients: Tensor
    skip: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        components: int = 64,
        kind: str = "diagonal",
        rank: int | None = None,
        skip: bool = False,
        lower: Sequence[float] | None = None,
        upper: Sequence[float] | None = None,
        width_factor: float = 1.5,
        seed: int = 0,
        dtype: torch.dtype | str = torch.float64,
    ):
        super().__init__()
        self.inputs = int(inputs)
        self.outputs = int(outputs)
        self.components = int(components)
        self.kind = kind
        self.rank = rank
        self.skipping = bool(skip)
        _check_kind(kind, rank, self.inputs)
        # Kept to say how it was made; the parameters move away from them.
        self._lower = as_floats(lower) or [-1.0] * inputs
        self._upper = as_floats(upper) or [1.0] * inputs
        _check_box(self._lower, self._upper, self.inputs)
        self._width_factor = float(width_factor)
        self._seed = int(seed)
        for name, values in self._initial_values().items():
            self.register_parameter(name, torch.nn.Parameter(values.to(as_dtype(dtype))))

    @classmethod
    def on_grid(
        cls,
        lower: Sequence[float],
        upper: Sequence[float],
        per_axis: int | Sequence[int],
        width_factor: float = 4.0,
        margin: float = 0.0,
        outputs: int = 1,
        kind: str = "isotropic",
        **settings: Any,
    ) -> Self:
        """Centres on a tensor grid over [lower - margin, upper + margin], widths ``width_factor`` spacings.

        Coefficients start at zero: solve for them. An isotropic width takes the spacings' geometric mean.

        Args:
            lower: Lower corner of the bounding box.
            upper: Upper corner.
            per_axis: Centres along each axis.
            width_factor: Width in units of the grid spacing.
            margin: How far the grid reaches beyond the box, in units of its length per axis.
            outputs: Unknowns u.
            kind: Any but ``ridge`` and ``low-rank``, whose components are not places.
            **settings: Further constructor arguments.

        Raises:
            UsageError: If the kind has no centres to place.
        """
        d = len(lower)
        if isinstance(per_axis, int):
            counts = [int(per_axis)] * d
        else:
            counts = [int(count) for count in per_axis]
        if kind in ("ridge", "low-rank") or len(counts) != d or min(counts) < 1:
            message = (
                f"received kind {kind!r} with {counts} centres per axis in {d} dimensions; expected "
                "isotropic, diagonal or full, and one positive count per axis."
            )
            raise UsageError(message)
        mixture = cls(d, outputs, prod(counts), kind=kind, lower=lower, upper=upper, **settings)
        axes = []
        spacings = []
        for low, high, count in zip(lower, upper, counts, strict=True):
            # Beyond the box, since a function near its boundary needs Gaussians from both sides.
            reach = margin * (high - low)
            axis, spacing = _grid_axis(low - reach, high + reach, count)
            axes.append(axis)
            spacings.append(spacing)
        widths = width_factor * torch.tensor(spacings, dtype=torch.float64)
        mixture.place(torch.cartesian_prod(*axes).reshape(-1, d), widths)
        return mixture

    @torch.no_grad()
    def place(self, centres: Tensor, widths: Tensor) -> None:
        """Sets centres (k, d) and per-axis widths, (d,) or (k, d); coefficients and skip become zero."""
        self.centres.copy_(centres)
        logs = widths.to(self.coefficients).log().expand(self.components, self.inputs)
        if self.kind == "isotropic":
            self.log_widths.copy_(logs.mean(-1))
        elif self.kind == "diagonal":
            self.log_widths.copy_(logs)
        else:
            self.projections.copy_(torch.diag_embed(torch.exp(-logs)))
        self.coefficients.zero_()
        if self.skipping:
            self.skip.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """u(x), (n, u)."""
        x = self._points(x)
        u = KINDS[self.kind].value(self._shape(), x) @ self.coefficients
        if self.skipping:
            return u + self.skip[0] + x @ self.skip[1:]
        return u

    def jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α u as (n, u, a), in closed form and plain torch operations."""
        x, indices = self._checked(x, indices)
        if torch.is_grad_enabled():  # the graph keeps every chunk: nothing would be saved
            return self._jet(self._table(x, indices), x, indices)
        return torch.cat([self._jet(self._table(part, indices), part, indices) for part in self._split(x)])

    def basis_jet(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """D^α of the functions u is linear in, (n, b, a): Gaussians, then 1 and x with ``skip``.

        jet = Σ_b basis_jet_nba · ``linear_coefficients``_bo, the table of a linear least-squares solve.
        """
        x, indices = self._checked(x, indices)
        table = self._table(x, indices)
        columns = []
        for alpha in indices:
            column = table.derivative(alpha)
            columns.append(torch.cat([column, _affine(x, alpha)], 1) if self.skipping else column)
        return torch.stack(columns, dim=-1)

    @torch.no_grad()
    def row_basis(self, x: Tensor, indices: Iterable[Index], weights: Tensor) -> Tensor:
        """Σ_a weights_nmua D^α of the functions u is linear in, (n, m, b, u): Gaussians, then 1 and x with ``skip``."""
        x, indices = self._checked(x, indices)
        affine = (1 + self.inputs) * self.skipping
        result = x.new_zeros(*weights.shape[:2], self.components + affine, self.outputs)
        size = self._chunk()
        for part, w, out in zip(x.split(size), weights.split(size), result.split(size), strict=True):
            table = self._table(part, indices)
            for m in range(weights.shape[1]):
                for o in range(self.outputs):
                    terms = _by_derivative(indices, w[:, m, o])
                    if terms:
                        out[:, m, : self.components, o] = table.combined(terms)
                    if self.skipping:
                        for alpha, weight in terms.items():
                            out[:, m, self.components :, o] += weight * _affine(part, alpha)
        return result

    @property
    def linear_coefficients(self) -> Tensor:
        """(b, u): coefficients, then skip."""
        if self.skipping:
            return torch.cat([self.coefficients, self.skip])
        return self.coefficients

    @torch.no_grad()
    def set_linear_coefficients(self, values: Tensor) -> None:
        """Takes (b, u), the solution of a linear least-squares solve."""
        self.coefficients.copy_(values[: self.components])
        if self.skipping:
            self.skip.copy_(values[self.components :])

    @torch.no_grad()
    def jet_jacobian(self, x: Tensor, indices: Iterable[Index]) -> Tensor:
        """∂(D^α u)/∂θ as (n, u, a, p) in closed form."""
        x, indices = self._checked(x, indices)
        result = x.new_zeros(len(x), self.outputs, len(indices), self._parameter_count())
        one = x.new_ones(1, 1)
        for part, out in zip(self._split(x), result.split(self._chunk()), strict=True):
            table = self._table(part, indices)
            for a, alpha in enumerate(indices):
                self._add_rows(table, part, [{alpha: one}] * self.outputs, out[:, :, a], diagonal=True)
        return result

    @torch.no_grad()
    def row_jacobian(self, x: Tensor, indices: Iterable[Index], weights: Tensor) -> Tensor:
        """Σ_ua weights_nmua ∂(D^α u)/∂θ as (n, m, p): derivatives are summed before parameters multiply them."""
        x, indices = self._checked(x, indices)
        result = x.new_zeros(len(x), weights.shape[1], self._parameter_count())
        size = self._chunk()
        for part, w, out in zip(x.split(size), weights.split(size), result.split(size), strict=True):
            table = self._table(part, indices)
            for m in range(weights.shape[1]):
                terms = [_by_derivative(indices, w[:, m, o]) for o in range(self.outputs)]
                self._add_rows(table, part, terms, out[:, m, None], diagonal=False)
        return result

    @torch.no_grad()
    def jet_and_pullback(self, x: Tensor, indices: Iterable[Index]) -> tuple[Tensor, Pullback]:
        """The jet (n, u, a) and the map from cotangents (n, u, a) to (p,), both in closed form."""
        x, indices = self._checked(x, indices)
        table = self._table(x, indices)

        @torch.no_grad()
        def pullback(cotangent: Tensor) -> Tensor:
            gradients = self._shape_gradients(table, indices, cotangent)
            basis = torch.cat([table.derivative(alpha) for alpha in indices])
            gradients["coefficients"] = basis.T @ cotangent.permute(2, 0, 1).reshape(-1, self.outputs)
            if self.skipping:
                affine = torch.cat([_affine(x, alpha) for alpha in indices])
                gradients["skip"] = affine.T @ cotangent.permute(2, 0, 1).reshape(-1, self.outputs)
            return torch.cat([gradients[name].reshape(-1) for name, _ in self.named_parameters()])

        return self._jet(table, x, indices), pullback

    def config(self) -> dict[str, Any]:
        """JSON-able constructor arguments."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            "components": self.components,
            "kind": self.kind,
            "rank": self.rank,
            "skip": self.skipping,
            "lower": self._lower,
            "upper": self._upper,
            "width_factor": self._width_factor,
            "seed": self._seed,
            "dtype": dtype_name(self.coefficients.dtype),
        }

    def _shape(self) -> dict[str, Tensor]:
        return {name: p for name, p in self.named_parameters() if name not in ("coefficients", "skip")}

    def _table(self, x: Tensor, indices: tuple[Index, ...]) -> Components:
        return KINDS[self.kind].table(self._shape(), x, indices)

    def _split(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.split(self._chunk())

    def _chunk(self) -> int:
        """Points whose tables stay in cache."""
        # 2^16 float64 are half a megabyte for each derivative.
        return max(64, 2**16 // self.components)

    def _jet(self, table: Components, x: Tensor, indices: tuple[Index, ...]) -> Tensor:
        columns = [table.derivative(alpha) @ self.coefficients for alpha in indices]
        if self.skipping:
            columns = [u + _affine(x, alpha) @ self.skip for u, alpha in zip(columns, indices, strict=True)]
        return torch.stack(columns, dim=-1)

    def _shape_gradients(
        self, table: Components, indices: tuple[Index, ...], cotangent: Tensor
    ) -> dict[str, Tensor]:
        # With one output the coefficient is a common factor and waits until the points are summed.
        single = self.outputs == 1
        weights: dict[Index, Tensor] = {}
        for a, alpha in enumerate(indices):
            if single:
                weight = cotangent[:, :, a]
            else:
                weight = cotangent[:, :, a] @ self.coefficients.T
            if alpha in weights:
                weights[alpha] = weights[alpha] + weight
            else:
                weights[alpha] = weight
        gradients = table.gradient(weights)
        if not single:
            return gradients
        factor = self.coefficients[:, 0]
        return {name: _scaled(g, factor, axis=0) for name, g in gradients.items()}

    def _add_rows(
        self, table: Components, x: Tensor, terms: list[dict[Index, Tensor]], out: Tensor, diagonal: bool
    ) -> None:
        """Add Σ_α terms[o]_α ∂(D^α u_o)/∂θ to out (n, rows, p): output o to row o if diagonal, else all to row 0."""
        names = [name for name, _ in self.named_parameters()]
        blocks = dict(zip(names, out.split([p.numel() for p in self.parameters()], dim=-1), strict=True))
        shared: tuple[dict, dict[str, Tensor]] | None = None
        for o, weights in enumerate(terms):
            if not weights:
                continue
            # Without the diagonal, all outputs are summed in one row.
            row = o * diagonal
            if shared is None or shared[0] is not weights:
                shared = (weights, table.rows(weights))
            for name, derivative in shared[1].items():
                blocks[name][:, row] += _scaled(derivative, self.coefficients[:, o], axis=1).flatten(1)
            blocks["coefficients"][:, row, o :: self.outputs] += table.combined(weights)
            if self.skipping:
                for alpha, weight in weights.items():
                    blocks["skip"][:, row, o :: self.outputs] += weight * _affine(x, alpha)

    def _initial_values(self) -> dict[str, Tensor]:
        """Drawn in float64 whatever the dtype, so that both start at the same point."""
        generator = torch.Generator().manual_seed(self._seed)
        k = self.components
        d = self.inputs
        lower = torch.tensor(self._lower).double()
        upper = torch.tensor(self._upper).double()
        centres = lower + (upper - lower) * torch.rand(k, d, generator=generator, dtype=torch.float64)
        widths = self._width_factor * (upper - lower) * k ** (-1 / d)
        values = _initial_shape(self.kind, self.rank or 1, centres, widths, generator)
        noise = torch.randn(k, self.outputs, generator=generator, dtype=torch.float64)
        # A sum of k independent ones then has a variance that does not grow with k.
        values["coefficients"] = noise / sqrt(k)
        if self.skipping:
            values["skip"] = torch.zeros(1 + d, self.outputs, dtype=torch.float64)
        return values


def _initial_shape(
    kind: str, rows: int, centres: Tensor, widths: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """Parameters of Gaussians of a kind around centres (k, d), of widths (d,) along the axes."""
    k, d = centres.shape
    if kind == "isotropic":
        return {"centres": centres, "log_widths": widths.log().mean().expand(k).clone()}
    if kind == "diagonal":
        return {"centres": centres, "log_widths": widths.log().expand(k, d).clone()}
    if kind == "full":
        return {"centres": centres, "projections": torch.diag(1 / widths).expand(k, d, d).clone()}
    normals = torch.randn(k, rows, d, generator=generator, dtype=torch.float64)
    # Orthonormal rows: every one narrows the Gaussian along a direction of its own.
    frames = torch.linalg.qr(normals.transpose(1, 2)).Q.transpose(1, 2) / widths
    if kind == "low-rank":
        return {"centres": centres, "projections": frames}
    return {"directions": frames[:, 0], "offsets": (frames[:, 0] * centres).sum(-1)}


def _grid_axis(start: float, end: float, count: int) -> tuple[Tensor, float]:
    """Equidistant places and their spacing; a single one sits in the middle and counts as one interval."""
    if count == 1:
        return torch.tensor([(start + end) / 2], dtype=torch.float64), end - start
    return torch.linspace(start, end, count, dtype=torch.float64), (end - start) / (count - 1)


def _by_derivative(indices: tuple[Index, ...], weights: Tensor) -> dict[Index, Tensor]:
    """Columns (n, 1) of weights (n, a) that are not all zero, by derivative; one asked for twice adds its two."""
    found: dict[Index, Tensor] = {}
    for a in torch.nonzero(weights.any(0)).flatten().tolist():
        column = weights[:, a, None]
        if indices[a] in found:
            found[indices[a]] = found[indices[a]] + column
        else:
            found[indices[a]] = column
    return found


def _affine(x: Tensor, alpha: Index) -> Tensor:
    """D^α of (1, x_1, …, x_d), (n, 1 + d)."""
    n, d = x.shape
    result = x.new_zeros(n, 1 + d)
    if alpha == value_index(d):
        result[:, 0] = 1
        result[:, 1:] = x
    for axis in range(d):
        if alpha == unit_index(d, axis):
            result[:, 1 + axis] = 1
    return result


def _scaled(values: Tensor, factor: Tensor, axis: int) -> Tensor:
    """``values`` times ``factor`` (k,) along ``axis``."""
    return values * factor.reshape(-1, *[1] * (values.ndim - axis - 1))


def _check_kind(kind: str, rank: int | None, inputs: int) -> None:
    if kind not in KINDS:
        message = f"received kind {kind!r}, expected one of {', '.join(KINDS)}."
        raise UsageError(message)
    if (kind == "low-rank") != (rank is not None) or (rank is not None and not 1 <= rank <= inputs):
        message = (
            f"received kind {kind!r} with rank {rank} in {inputs} dimensions; 'low-rank' needs a rank "
            f"between 1 and {inputs}, the other kinds none."
        )
        raise UsageError(message)


def _check_box(lower: list[float], upper: list[float], inputs: int) -> None:
    fits = len(lower) == len(upper) == inputs
    if not fits or any(low >= high for low, high in zip(lower, upper, strict=True)):
        message = f"received lower={lower}, upper={upper}; expected {inputs} numbers each, lower below upper."
        raise UsageError(message)
