"""Architectures of the comparison, each with its standard parts and with Gaussian mixtures in the place of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pdesolve.nn import (
    GMNM,
    GMLayer,
    GMNMActivation,
    GMNMFeedForward,
    GMNMHead,
    UnivariateMixtureNeurons,
)

RANK = 4
VARIANTS = ("standard", "layer", "head", "block", "activation")
# In a perceptron only: ridges, for inputs of many numbers, and relatives of other papers that were proposed for one.
RELATIVES = ("gm-layer", "gm-layer-paper", "ugmm", "ridge-layer")
PATCH = 4  # positions in a token


@dataclass(frozen=True)
class Parts:
    """What a variant puts in the places that all architectures have, of width h and with m hidden units.

    Attributes:
        variant: its name.
        width: h, of the features between parts.
        hidden: m: units of the feed-forward block, or Gaussians where a mixture takes its place.
    """

    variant: str
    width: int
    hidden: int

    @property
    def units(self) -> int:
        """Units of a standard block."""
        if self.variant in ("layer", "ridge-layer", "head"):
            return 2 * self.width
        return self.hidden

    def activation(self, features: int) -> nn.Module:
        """GELU, or a mixture that begins as GELU."""
        if self.variant == "activation":
            return GMNMActivation(features, 8)
        return nn.GELU()

    def layer(self, inputs: int) -> nn.Module:
        """A linear map with its activation."""
        if self.variant == "layer":
            return GMNM(inputs, self.width, self.hidden, min(RANK, inputs))
        if self.variant == "ridge-layer":
            return GMNM(inputs, self.width, self.hidden, 1)
        if self.variant == "ugmm":
            return UnivariateMixtureNeurons(inputs, self.width)
        return nn.Sequential(nn.Linear(inputs, self.width), self.activation(self.width))

    def block(self) -> nn.Module:
        """A feed-forward block with norm and residual."""
        h = self.width
        if self.variant == "block":
            return GMNMFeedForward(h, self.hidden, min(RANK, h))
        if self.variant.startswith("gm-layer"):
            start = {"gm-layer": "even", "gm-layer-paper": "paper"}[self.variant]
            return Residual(nn.Sequential(nn.LayerNorm(h), GMLayer(h, h, 20, start)))
        inner = [nn.Linear(h, self.units), self.activation(self.units), nn.Linear(self.units, h)]
        return Residual(nn.Sequential(nn.LayerNorm(h), *inner))

    def head(self, outputs: int) -> nn.Module:
        """The last map."""
        if self.variant == "head":
            return GMNMHead(self.width, outputs, self.hidden, min(RANK, self.width))
        return nn.Sequential(
            nn.LayerNorm(self.width, elementwise_affine=False), nn.Linear(self.width, outputs)
        )


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """(…, h) → (…, h)."""
        return x + self.inner(x)


def perceptron(parts: Parts, positions: int, channels: int, periodic: bool) -> nn.Module:  # noqa: ARG001
    """A layer of all inputs."""
    return nn.Sequential(nn.Flatten(), parts.layer(positions * channels), parts.block())


class Convolutions(nn.Module):
    """Three convolutions of stride two; the last is a layer of windows, so that a mixture can take its place."""

    def __init__(self, parts: Parts, positions: int, channels: int, periodic: bool):
        super().__init__()
        h = parts.width
        around = {"padding_mode": "circular"} if periodic else {}
        self.first = nn.Sequential(
            nn.Conv1d(channels, h, 5, stride=2, padding=2, **around), Channels(parts.activation(h))
        )
        self.second = nn.Sequential(
            nn.Conv1d(h, h, 3, stride=2, padding=1, **around), Channels(parts.activation(h))
        )
        self.windows = parts.layer(3 * h)
        self.out = nn.Sequential(nn.Flatten(), nn.Linear(len(range(0, positions, 8)) * h, h), parts.block())
        self.mode = "circular" if periodic else "constant"

    def forward(self, x: Tensor) -> Tensor:
        """(n, positions, channels) → (n, h)."""
        y = nn.functional.pad(self.second(self.first(x.transpose(1, 2))), (1, 1), self.mode)
        return self.out(self.windows(y.unfold(2, 3, 2).transpose(1, 2).flatten(2)))


class Channels(nn.Module):
    """An activation of (n, channels, positions), where features are the last axis elsewhere."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, positions) → the same."""
        if isinstance(self.inner, nn.GELU):
            return self.inner(x)
        return self.inner(x.transpose(1, 2)).transpose(1, 2)


def tokens(x: Tensor) -> Tensor:
    """(n, positions, channels) → (n, positions / 4, 4 channels)."""
    return x.unflatten(1, (-1, PATCH)).flatten(2)


class Recurrent(nn.Module):
    """A layer at every token of four positions, gated recurrent units over the tokens, the last state."""

    def __init__(self, parts: Parts, positions: int, channels: int, periodic: bool):  # noqa: ARG002
        super().__init__()
        self.layer = parts.layer(PATCH * channels)
        self.units = nn.GRU(parts.width, parts.width, batch_first=True)
        self.block = parts.block()

    def forward(self, x: Tensor) -> Tensor:
        """(n, positions, channels) → (n, h)."""
        return self.block(self.units(self.layer(tokens(x)))[0][:, -1])


class Attention(nn.Module):
    """Tokens of four positions, two heads of attention, a block at each token, a linear map of all tokens."""

    def __init__(self, parts: Parts, positions: int, channels: int, periodic: bool):  # noqa: ARG002
        super().__init__()
        h = parts.width
        count = positions // PATCH
        self.layer = parts.layer(PATCH * channels)
        self.places = nn.Parameter(0.02 * torch.randn(count, h))
        self.norm = nn.LayerNorm(h)
        self.attention = nn.MultiheadAttention(h, 2, batch_first=True)
        self.block = parts.block()
        self.out = nn.Linear(count * h, h)

    def forward(self, x: Tensor) -> Tensor:
        """(n, positions, channels) → (n, h)."""
        y = self.layer(tokens(x)) + self.places
        z = self.norm(y)
        y = self.block(y + self.attention(z, z, z, need_weights=False)[0])
        return self.out(y.flatten(1))


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "perceptron": perceptron,
    "convolution": Convolutions,
    "recurrent": Recurrent,
    "attention": Attention,
}


class FourierOperator(nn.Module):
    """Two Fourier layers of the lowest 4 × 4 frequencies between pointwise maps: (n, 16, 16) → (n, 64).

    Source: Li et al. 2021, "Fourier neural operator for parametric partial differential equations", arXiv:2010.08895.
    """

    def __init__(self, width: int = 8, modes: int = 4):
        super().__init__()
        self.modes = modes
        self.lift = nn.Linear(3, width)
        shape = (2, 2, width, width, modes, modes)
        self.spectral = nn.Parameter(torch.randn(*shape, 2) / width)
        self.local = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, 1))
        axis = (torch.arange(16) + 0.5) / 16
        self.register_buffer("places", torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1))

    def forward(self, x: Tensor) -> Tensor:
        """Field to field, of which every second point is kept."""
        y = self.lift(torch.cat([x[..., None], self.places.expand(len(x), -1, -1, -1)], -1))
        weights = torch.view_as_complex(self.spectral)
        m = self.modes
        for depth, local in enumerate(self.local):
            spectrum = torch.fft.rfft2(y, dim=(1, 2), norm="ortho")
            low = torch.einsum("nxyi,ioxy->nxyo", spectrum[:, :m, :m], weights[depth, 0])
            high = torch.einsum("nxyi,ioxy->nxyo", spectrum[:, -m:, :m], weights[depth, 1])
            gap = torch.zeros(len(x), 16 - 2 * m, m, y.shape[-1], dtype=low.dtype)
            kept = nn.functional.pad(torch.cat([low, gap, high], 1), (0, 0, 0, spectrum.shape[2] - m))
            y = nn.functional.gelu(torch.fft.irfft2(kept, s=(16, 16), dim=(1, 2), norm="ortho") + local(y))
        return self.out(y)[:, ::2, ::2, 0].flatten(1)


def count(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def network(
    architecture: str,
    variant: str,
    shape: tuple[int, int],
    outputs: int,
    parameters: int,
    periodic: bool = False,
) -> tuple[nn.Module, Parts]:
    """A network with as many parameters as asked for: the widest with its usual hidden units, then more of these."""

    def made(width: int, hidden: int) -> nn.Module:
        parts = Parts(variant, width, hidden)
        return nn.Sequential(ARCHITECTURES[architecture](parts, *shape, periodic), parts.head(outputs))

    def size(width: int, hidden: int) -> int:
        with torch.device("meta"):
            return count(made(width, hidden))

    step = 2 if architecture == "attention" else 1  # two heads
    # As many Gaussians as the units that a layer replaces, as many in a block as it had hidden units
    ratio = 1 if variant in ("layer", "ridge-layer") else 2
    width = 4
    while size(width + step, ratio * (width + step)) <= parameters:
        width += step
    hidden = ratio * width
    while size(width, hidden + 1) > size(width, hidden) and size(width, hidden) < 0.97 * parameters:
        hidden += 1
    return made(width, hidden), Parts(variant, width, hidden)
