"""Perceptron, convolutions, recurrent units and attention with Gaussian mixtures as layer, head, block and activation.

python benchmarks/architectures.py               table and picture of the committed records
python benchmarks/architectures.py --run         makes the records that are missing before: about 20 minutes of a core
python benchmarks/architectures.py --run --fresh makes all of them anew
python benchmarks/architectures.py --quick       a short form to the terminal, under a minute

A run that is in the records is not made again, so that a sitting may be interrupted and shared (`--shard 0/2`). Needs
the extra `architectures`. Every run has its record, whatever came out; the last state counts, not the best.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import architecture_data
import torch
from architecture_networks import RELATIVES, VARIANTS, FourierOperator, count, network
from architecture_pages import write

from pdesolve.nn import GMLayer
from pdesolve.runs.versions import machine, versions

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks" / "records" / "architectures.jsonl"
SUITE = ROOT / "benchmarks" / "architectures.toml"
# Where the error is looked at on the way, as parts of all steps: the clock stands still meanwhile.
LOOKS = (0.25, 0.5, 0.75)
WARMING = 0.1  # of the steps

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One line of the records: what is trained, on what, from which start."""

    task: str
    architecture: str
    variant: str
    seed: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What makes it the run it is."""
        return (self.task, self.architecture, self.variant, self.seed)


def suite(quick: bool = False) -> dict[str, Any]:
    """The content of architectures.toml."""
    content = tomllib.loads(SUITE.read_text("utf-8"))
    shorter = content.pop("quick")
    if quick:
        content |= shorter
    return content


def runs(content: Mapping[str, Any]) -> Iterator[Run]:
    """All runs, seed by seed, so that an interrupted sitting has something of everything."""
    for seed in content["seeds"]:
        for architecture in content["architectures"]:
            variants = VARIANTS
            if architecture == "perceptron":
                variants = (*VARIANTS, *RELATIVES)
            for task in content["tasks"]:
                for variant in variants:
                    yield Run(task, architecture, variant, seed)
        if "darcy" in content["tasks"]:
            yield Run("darcy", "fourier-operator", "standard", seed)


def groups(model: torch.nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW; for a layer that says so, its paper's descent with the paper's learning rates."""
    paper = [part for part in model.modules() if isinstance(part, GMLayer) and part.start == "paper"]
    if not paper:
        return torch.optim.AdamW(model.parameters(), rate, weight_decay=decay, fused=True)
    found = [group for part in paper for group in part.groups()]
    held = {id(parameter) for group in found for parameter in group["params"]}
    others = [parameter for parameter in model.parameters() if id(parameter) not in held]
    return torch.optim.SGD([*found, {"params": others, "lr": found[1]["lr"]}])


def train(run: Run, task: architecture_data.Task, content: Mapping[str, Any]) -> Record:
    """Train once; the record says what came out."""
    torch.manual_seed(run.seed)
    record: Record = {**vars(run), "outcome": "finished", "steps": content["steps"]}
    if run.architecture == "fourier-operator":
        model = FourierOperator()
    else:
        shape = tuple(task.x.shape[1:])
        model, parts = network(
            run.architecture, run.variant, shape, task.outputs, content["parameters"], task.periodic
        )
        record |= {"width": parts.width, "hidden": parts.hidden}
    record["parameters"] = count(model)
    optimiser = groups(model, content["rate"], content["decay"])
    steps = content["steps"]
    warming = max(1, round(WARMING * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda i: min(1, (i + 1) / warming) * 0.5 * (1 + math.cos(math.pi * min(1, i / steps))),
    )
    loss_of = torch.nn.functional.cross_entropy if task.classes else torch.nn.functional.mse_loss
    looks = {round(part * steps) for part in LOOKS}
    history = []
    seconds = 0.0
    order = torch.randperm(len(task.x))
    began = time.process_time()
    for step in range(1, steps + 1):
        if len(order) < content["batch"]:
            order = torch.randperm(len(task.x))
        chosen = order[: content["batch"]]
        order = order[content["batch"] :]
        loss = loss_of(model(task.x[chosen]), task.y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step in looks:
            seconds += time.process_time() - began
            history.append([round(seconds, 3), step, errors(model, task, 1)["error"]])
            began = time.process_time()
    seconds += time.process_time() - began
    found = errors(model, task)
    history.append([round(seconds, 3), steps, found["error"]])
    if not math.isfinite(found["error"]):
        record["outcome"] = "not finite"
    return record | found | {"loss": float(loss.detach()), "seconds": round(seconds, 3), "history": history}


@torch.no_grad()
def errors(model: torch.nn.Module, task: architecture_data.Task, horizon: int = 16) -> dict[str, float]:
    """What a model does on the test part."""
    model.eval()
    found = task.errors(model, horizon)
    model.train()
    return found


def baselines(name: str, task: architecture_data.Task) -> Iterator[Record]:
    """Rows of what is not trained by gradients."""
    for variant, answer in task.baselines.items():
        run = Run(name, "baseline", variant, 0)
        yield {**vars(run), "outcome": "finished", **task.errors(answer, architecture_data.HORIZON)}


def measure(
    content: Mapping[str, Any], target: Path | None, shard: tuple[int, int], quick: bool
) -> list[Record]:
    """Make the records that are missing, each written as soon as it is there."""
    torch.set_num_threads(1)
    kept = read(target)
    there = {Run(r["task"], r["architecture"], r["variant"], r["seed"]).key for r in kept}
    about = {"versions": versions(), "machine": machine()}
    tasks: dict[str, architecture_data.Task] = {}
    for position, run in enumerate(runs(content)):
        if run.key in there or position % shard[1] != shard[0]:
            continue
        if run.task not in tasks:
            task = tasks[run.task] = architecture_data.TASKS[run.task](quick)
            fresh = [
                r for r in baselines(run.task, task) if (run.task, "baseline", r["variant"], 0) not in there
            ]
            kept += [_keep({**record, **about}, target) for record in fresh if shard[0] == 0]
        record = train(run, tasks[run.task], content)
        kept.append(_keep({**record, **about, "started": time.strftime("%Y-%m-%dT%H:%M:%S")}, target))
        print(*run.key, f"{record['error']:.4g} in {record['seconds']:.1f} s", flush=True)
    return kept


def _keep(record: Record, target: Path | None) -> Record:
    """Append it in one write: shards share the file."""
    if target is not None:
        line = (json.dumps(_finite(record), allow_nan=False) + "\n").encode()
        descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    return record


def _finite(value: Any) -> Any:
    """With null for numbers that are not finite, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read(path: Path | None) -> list[Record]:
    """The records that are there."""
    if path is None or not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure where asked, then write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="make the records that are missing")
    parser.add_argument("--fresh", action="store_true", help="make all records anew")
    parser.add_argument("--quick", action="store_true", help="the short form, to the terminal")
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="every N-th run only, from the I-th on")
    options = parser.parse_args(arguments)
    content = suite(options.quick)
    first, _, number = options.shard.partition("/")
    if options.quick:
        print(write(measure(content, None, (0, 1), quick=True), content, folder=None))
        return
    if options.fresh:
        RECORDS.unlink(missing_ok=True)
    if options.run or options.fresh:
        measure(content, RECORDS, (int(first), int(number)), quick=False)
    if number == "1":
        print(write(read(RECORDS), content, folder=ROOT / "docs"))


if __name__ == "__main__":
    main()
