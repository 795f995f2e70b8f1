"""One run of a comparison: what is solved, how, and within which limits."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pdesolve.runs.own_code import is_own


@dataclass(frozen=True)
class MethodSpec:
    """A method with its settings under the name it has in tables.

    Attributes:
        label: name in tables.
        method: one of `pdesolve.methods.METHODS`.
        settings: the method's own, by name.
        tol: tolerance, None for that of the suite.
    """

    label: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tol: float | None = None


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        problem: path of the problem file.
        method: with its settings.
        seed: of everything random.
        budget: seconds that the method may use.
        clock: what counts them, "wall" or "cpu": seconds of a core, which other work on the machine does not spend.
        memory: MiB that its process may hold.
        tol: relative error at which the method may stop.
        dtype: float64 or float32.
        device: auto, cpu or cuda.
        threads: of torch.
        grace: seconds beside the budget, for imports and measuring, before the process is killed.
        field: whether values for a picture of the error are kept.
    """

    problem: str
    method: MethodSpec
    seed: int = 0
    budget: float = 60.0
    memory: int = 4096
    # Small, so that methods are compared by what they reach within the budget.
    tol: float = 1e-10
    dtype: str = "float64"
    device: str = "cpu"
    threads: int = 1
    grace: float = 60.0
    field: bool = False
    clock: str = "wall"

    @property
    def problem_name(self) -> str:
        """Stem of the problem file."""
        return Path(self.problem).stem

    @property
    def name(self) -> str:
        """File name of its record, without an ending."""
        # Anything else may mean something to a shell, or to a file system.
        parts = (self.problem_name, self.method.label, f"s{self.seed}")
        return "--".join(re.sub(r"[^A-Za-z0-9.+_]+", "-", part).strip("-") for part in parts)

    @property
    def command(self) -> str:
        """The command that makes the same numbers again."""
        spec = self.method
        words = ["pdesolve", "bench", self.problem, "--methods", spec.method, "--seeds", str(self.seed)]
        words += ["--budget", f"{self.budget:g}s", "--tol", f"{spec.tol or self.tol:g}"]
        if self.clock != "wall":
            words += ["--clock", self.clock]
        if self.dtype != "float64":
            words += ["--dtype", self.dtype]
        if self.device != "cpu":
            words += ["--device", self.device]
        if self.threads != 1:
            words += ["--threads", str(self.threads)]
        for key, value in spec.settings.items():
            words += ["--set", f"{key}={value}"]
        return shlex.join(words)

    @property
    def identity(self) -> str:
        """A short name of everything that decides the numbers, the text of the problem file included."""
        own = {**asdict(self), "problem": self.problem_name, "source": file_sha256(self.problem)}
        own["module"] = self._hash_of("approximator")
        # Only where there is one: records from before optimisers could be in files keep their names.
        if is_own(self.method.settings.get("optimiser")):
            own["optimiser_module"] = self._hash_of("optimiser")
        # What is kept beside the numbers, and when a run that hangs is given up.
        for unimportant in ("field", "grace"):
            del own[unimportant]
        # 64 bits: two of a million records share one with a probability of 3e-8.
        return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def _hash_of(self, setting: str) -> str | None:
        """Of the user's file that a setting names."""
        file = str(self.method.settings.get(setting, "")).rpartition(":")[0]
        if file:
            return file_sha256(file)
        return None

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Case:
        """What `to_json` made."""
        return cls(**{**content, "method": MethodSpec(**content["method"])})


def file_sha256(path: str) -> str | None:
    """Hash of a file; None where it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None


def method_spec(text: str) -> MethodSpec:
    """A method as written after `--methods`.

    `gmnm`, `pinn`, … are methods by name; `mlp-sine+lbfgs` is method `network` with that approximator and
    optimiser; `my_module.py:MyNet`, with or without `+optimiser`, the same with a class of the user's own, as is
    `mlp-sine+my_module.py:my_optimiser`.
    """
    from pdesolve.methods import METHODS

    if text in METHODS:
        return MethodSpec(text, text)
    approximator, _, optimiser = text.partition("+")
    settings = {"approximator": approximator}
    if optimiser:
        settings["optimiser"] = optimiser
    # A table shows the name of a module, not the folders around it.
    label = "+".join(re.sub(r"^.*/", "", part) for part in text.split("+"))
    return MethodSpec(label, "network", settings)
