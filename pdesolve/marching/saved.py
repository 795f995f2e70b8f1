"""The state of a march as tensors and numbers, from which it goes on to the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pdesolve.marching.evolution import Evolution
from pdesolve.marching.expansion import CollocatedMixture
from pdesolve.marching.radau import radau
from pdesolve.marching.semi_discrete import SemiDiscrete
from pdesolve.marching.space import Space
from pdesolve.marching.step import Frozen, Slab, Stepper
from pdesolve.patches.cover import Patches
from pdesolve.patches.partition import Partition

PARTS = ("start", "stages", "following")


def space_state(space: Space) -> dict[str, Any]:
    """Patches and degree."""
    return {**space.patches.partition.state(), "q": space.q}


def space_from(state: dict[str, Any], evolution: Evolution) -> Space:
    """Rebuild from `space_state`."""
    patches, _ = Patches.over(evolution.frame, Partition.from_state(state))
    return Space(evolution, patches, state["q"])


def slab_state(slab: Slab) -> dict[str, Any]:
    """A slab without its patches."""
    numbers = {"begin": slab.begin, "end": slab.end, "method": slab.method.stages}
    return {**numbers, **{name: getattr(slab, name) for name in PARTS}}


def slab_from(state: dict[str, Any], space: Space) -> Slab:
    """Rebuild from `slab_state`."""
    return Slab(state["begin"], state["end"], space, radau(state["method"]), *(state[name] for name in PARTS))


def slabs_state(slabs: Sequence[Slab]) -> dict[str, Any]:
    """Slabs, with patches that several share once."""
    spaces = list({id(slab.space): slab.space for slab in slabs}.values())
    place = {id(space): i for i, space in enumerate(spaces)}
    return {
        "spaces": [space_state(space) for space in spaces],
        "place": [place[id(slab.space)] for slab in slabs],
        "slabs": [slab_state(slab) for slab in slabs],
    }


def slabs_from(state: dict[str, Any], evolution: Evolution) -> list[Slab]:
    """Rebuild from `slabs_state`."""
    spaces = [space_from(s, evolution) for s in state["spaces"]]
    return [slab_from(s, spaces[i]) for s, i in zip(state["slabs"], state["place"], strict=True)]


def stepper_state(stepper: Stepper) -> dict[str, Any]:
    """Where the rows were last linearised: the factors are made again from that."""
    frozen, state = stepper.frozen, None
    if frozen is not None:
        state = {"derivatives": frozen.derivatives, "time": frozen.time, "length": frozen.length}
    return {"frozen": state, "rate": stepper.rate, "method": stepper.method.stages}


def stepper_from(state: dict[str, Any], space: Space, interrupted: Any) -> Stepper:
    """Rebuild from `stepper_state`."""
    stepper = Stepper(SemiDiscrete(space), radau(state["method"]), interrupted)
    if state["frozen"] is not None:
        stepper.freeze(Frozen(**state["frozen"]))
    stepper.rate = state["rate"]
    return stepper


def shown_state(slab: Slab) -> dict[str, Any]:
    """A slab as a solution of its own, for what shows a run under way."""
    return CollocatedMixture.of([slab]).state()


def tensor_of(array: Any) -> torch.Tensor:
    """A tensor of its own of a numpy array."""
    return torch.from_numpy(array.copy())
