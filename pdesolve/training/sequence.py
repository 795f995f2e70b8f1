"""Optimisers one after another, say Adam and then SSBroyden, as one optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pdesolve.runs.monitor import Monitor
from pdesolve.training.minimiser import LossAndGradient, Result, Settings
from pdesolve.training.registry import minimiser
from pdesolve.training.torch_optimiser import Factory


class _StageMonitor:
    """A monitor for one stage: it adds the stage to rows and states and counts iterations through."""

    def __init__(self, monitor: Monitor, stage: int, before: int, resume_state: dict[str, Any] | None):
        self._monitor = monitor
        self._stage = stage
        self._before = before
        self.resume_state = resume_state
        self.out_of_time = monitor.out_of_time
        self.time_limit = monitor.time_limit

    @property
    def seconds(self) -> float:
        return self._monitor.seconds

    def record(self, **row: Any) -> None:
        self._monitor.record(**{**row, "iteration": row["iteration"] + self._before})

    def checkpoint(self, state: dict[str, Any], force: bool = False) -> None:
        whole = {"method": "sequence", "stage": self._stage, "before": self._before, "stage_state": state}
        self._monitor.checkpoint(whole, force)


def minimise(
    loss_and_gradient: LossAndGradient,
    theta0: Tensor,
    monitor: Monitor | None = None,
    settings: Sequence[tuple[str | Factory, Settings | dict[str, Any]]] = (("adam", {}), ("ssbroyden", {})),
) -> Result:
    """Run the named optimisers in turn, each from the best iterate of the one before.

    Args:
        loss_and_gradient: θ (p,) → (loss, gradient (p,)).
        theta0: starting point, shape (p,).
        monitor: history, time limit, checkpoints; the state names the stage.
        settings: (name or factory, settings) of each stage.

    Returns:
        The result of the last stage, with the iterations of all.
    """
    monitor = monitor or Monitor()
    saved = monitor.resume_state
    resumed = None
    first = 0
    before = 0
    if saved is not None and saved.get("method") == "sequence":
        resumed = saved
        first = saved["stage"]
        before = saved["before"]
    result = Result(theta0, float("inf"), 0, "nothing to do: the sequence is empty.", converged=False)
    for stage in range(first, len(settings)):
        name, own = settings[stage]
        state = None
        if resumed and stage == first:
            state = resumed["stage_state"]
        inner = _StageMonitor(monitor, stage, before, state)
        result = minimiser(name)(loss_and_gradient, result.theta, inner, own)
        before += result.iterations
    return Result(result.theta, result.loss, before, result.status, result.converged)
