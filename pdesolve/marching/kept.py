"""A march that was interrupted goes on from its last slab, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pdesolve.marching.evolution import Evolution
from pdesolve.marching.saved import (
    shown_state,
    slab_from,
    slab_state,
    slabs_from,
    slabs_state,
    space_from,
    space_state,
    stepper_from,
    stepper_state,
    tensor_of,
)
from pdesolve.marching.shared import Shared
from pdesolve.marching.state import State, Track
from pdesolve.marching.verify import MORE_DEGREES

METHOD = "collocation"
# Of a state: numbers, kept as they are.
NUMBERS = ("time", "length", "share", "handed", "rough", "since", "weighted", "first", "noise", "unseen")


def checkpoint_of(state: State, restarts: int, lasting: float) -> dict[str, Any]:
    """All that is needed to go on, and what there is to show of the slabs so far."""
    tracks = {}
    for name, track in (("coarse", state.coarse), ("fine", state.fine)):
        before = None
        if track.before is not None:
            before = slab_state(track.before)
        # Factors are large, and are made again: only where they were made is kept.
        tracks[name] = {"start": track.start, "before": before, "stepper": stepper_state(track.stepper)}
    shown = {
        "ends": [s.begin for s in state.slabs] + [state.time],
        "slabs": [shown_state(s) for s in state.slabs],
    }
    return {
        "method": METHOD,
        "progress": shown,
        "restarts": restarts,
        "lasting": lasting,
        "solved": slabs_state(state.slabs),
        "verifying": slabs_state(state.verifying),
        "space": space_state(state.coarse.space),
        "scale": state.scale,
        "expected": state.expected,
        "squares": tensor_of(state.squares),
        "shared": (state.shared.square, state.shared.integral),
        **tracks,
        **{name: getattr(state, name) for name in NUMBERS},
    }


def resumed(saved: Mapping[str, Any], evolution: Evolution, interrupted: Callable[[], bool]) -> State:
    """The state of `checkpoint_of`; the factors at hand then are made again."""
    space = space_from(saved["space"], evolution)
    tracks = []
    for name, own in (("coarse", space), ("fine", space.raised(MORE_DEGREES))):
        kept = saved[name]
        before = None
        if kept["before"] is not None:
            before = slab_from(kept["before"], own)
        tracks.append(Track(stepper_from(kept["stepper"], own, interrupted), kept["start"], before))
    return State(
        coarse=tracks[0],
        fine=tracks[1],
        scale=saved["scale"],
        expected=saved.get("expected"),
        squares=saved["squares"].numpy().copy(),
        shared=Shared(*saved.get("shared", ())),
        slabs=slabs_from(saved["solved"], evolution),
        verifying=slabs_from(saved["verifying"], evolution),
        **{name: saved[name] for name in NUMBERS},
    )
