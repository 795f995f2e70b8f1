"""Suites: which problems, methods and seeds a comparison has, and what each run may use."""

from __future__ import annotations

import glob
import os
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pdesolve.benchmarking.case import Case, MethodSpec, method_spec
from pdesolve.errors import UsageError

KEYS = (
    "title problems methods seeds budget clock memory tol dtype device threads grace settings quick published tuned"
).split()
METHOD_KEYS = ("label", "method", "settings", "tol")
CLOCKS = ("wall", "cpu")
# Seconds in each, and MiB in each: batch systems write GB and mean 1024 MB.
UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
MEMORY_UNITS = {"": 1, "MB": 1, "MiB": 1, "GB": 1024, "GiB": 1024}
# What a suite cannot do without, and where it comes from.
NEEDED = {"problems": "name a suite or problem files", "methods": "--methods a,b or in the suite"}


@dataclass(frozen=True)
class Suite:
    """Problems × methods × seeds, and the limits of each run.

    Attributes:
        title: heads the report.
        problems: paths of problem files.
        methods: with their settings.
        seeds: one run for each.
        limits: fields of `Case` that all runs share.
        settings: of all methods, unless a method has its own.
    """

    title: str
    problems: tuple[str, ...]
    methods: tuple[MethodSpec, ...]
    seeds: tuple[int, ...]
    limits: Mapping[str, Any]
    settings: Mapping[str, Any]

    def cases(self) -> list[Case]:
        """Every run, those of one problem and seed together; pictures are kept of the first seed."""
        return [
            Case(problem, self._with_settings(spec), seed, **self.limits, field=seed == self.seeds[0])
            for problem in self.problems
            for seed in self.seeds
            for spec in self.methods
        ]

    def _with_settings(self, spec: MethodSpec) -> MethodSpec:
        from pdesolve.methods import METHODS

        # One suite has methods of several kinds: each takes what it knows.
        known = METHODS[spec.method].settings
        shared = {key: value for key, value in self.settings.items() if key in known}
        return replace(spec, settings={**shared, **spec.settings})


def read_suite(path: Path, quick: bool = False) -> dict[str, Any]:
    """The content of a suite file, its problems as paths that can be opened from here.

    Args:
        path: a TOML file; its `problems` are paths or patterns relative to it, and so are `published`, a file with
            the best published figure of each problem, and `tuned`, one with further methods for each suite.
        quick: whether its table `[quick]` replaces keys of the same name.

    Raises:
        UsageError: it is no TOML, or has keys that no suite has.
    """
    content = _read_toml(path, "a suite")
    shorter = content.pop("quick", None)
    if quick:
        if shorter is not None:
            content |= shorter
        else:
            # One seed and three seconds: enough to see that everything runs.
            content |= {"seeds": content.get("seeds", [0])[:1], "budget": 3}
    for key in content:
        if key not in KEYS:
            message = f"{path} has a key {key!r}; a suite has {', '.join(KEYS)}"
            raise UsageError(message)
    content["problems"] = [
        file for pattern in content.get("problems", ()) for file in _matching(path.parent, pattern)
    ]
    if "tuned" in content:
        further = _read_toml(path.parent / content.pop("tuned"), "tuned methods").get(path.stem, {})
        rows = [{"label": label, **method} for label, method in further.items()]
        content["methods"] = [*content.get("methods", ()), *rows]
    if "published" in content:
        content["published"] = _read_toml(path.parent / content["published"], "published figures")
    return {"title": path.stem, **content}


def _read_toml(path: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"{path} cannot be read as {what}: {error}"
        raise UsageError(message) from error


def _matching(folder: Path, pattern: str) -> list[str]:
    # Sorted: the order on the disk differs from machine to machine.
    files = sorted(glob.glob(str(folder / pattern)))
    if not files:
        message = f"no problem file matches {folder / pattern}"
        raise UsageError(message)
    return [os.path.relpath(file) for file in files]


def make_suite(content: Mapping[str, Any]) -> Suite:
    """A suite from what a file, or the command line, says.

    Raises:
        UsageError: something is missing or not what it should be.
    """
    for key, hint in NEEDED.items():
        if not content.get(key):
            message = f"there are no {key}: {hint}"
            raise UsageError(message)
    for file in content["problems"]:
        if not Path(file).is_file():
            message = f"there is no problem file {file}"
            raise UsageError(message)
    methods = tuple(_method(entry) for entry in content["methods"])
    for spec in methods:
        _check_settings(spec)
    _require_labels_of_their_own([spec.label for spec in methods])
    return Suite(
        content.get("title", "comparison"),
        tuple(content["problems"]),
        methods,
        tuple(seeds(content.get("seeds", 0))),
        _limits(content),
        dict(content.get("settings", {})),
    )


def _limits(content: Mapping[str, Any]) -> dict[str, Any]:
    """What every run of a suite has in common."""
    limits = {key: content[key] for key in ("tol", "dtype", "device", "threads", "clock") if key in content}
    if limits.get("clock", "wall") not in CLOCKS:
        message = (
            f"clock {limits['clock']!r}; expected {' or '.join(CLOCKS)}: what counts the seconds of a budget"
        )
        raise UsageError(message)
    for key, parse in (("budget", seconds), ("grace", seconds), ("memory", mebibytes)):
        if key in content:
            limits[key] = parse(content[key])
    return limits


def _require_labels_of_their_own(labels: Sequence[str]) -> None:
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        message = f"two methods are called {', '.join(twice)}: give them labels of their own"
        raise UsageError(message)


def _method(entry: str | Mapping[str, Any]) -> MethodSpec:
    from pdesolve.methods import METHODS

    if isinstance(entry, str):
        return method_spec(entry)
    # A misspelled key would be a setting that is never set.
    strange = set(entry) - set(METHOD_KEYS)
    if strange or entry.get("method") is None:
        message = f"a method of a suite has {', '.join(METHOD_KEYS)}, method at least; received {dict(entry)}"
        raise UsageError(message)
    base = method_spec(entry["method"])
    if base.method not in METHODS:
        message = f"there is no method {entry['method']!r}"
        raise UsageError(message)
    settings = {**base.settings, **entry.get("settings", {})}
    return MethodSpec(entry.get("label", base.label), base.method, settings, entry.get("tol"))


def _check_settings(spec: MethodSpec) -> None:
    """See that a method knows its settings, before anything runs.

    Raises:
        UsageError: a name is wrong.
    """
    from pdesolve.methods import METHODS

    known = METHODS[spec.method].settings
    for key in spec.settings:
        if key not in known:
            message = (
                f"{spec.label} has no setting {key!r}; the settings of {spec.method} are {', '.join(known)}"
            )
            raise UsageError(message)
    if spec.method != "network":
        return
    from pdesolve.trained.networks import check_network
    from pdesolve.trained.train_any import check_optimiser

    approximator = str(spec.settings.get("approximator", ""))
    check_network(approximator)
    file = approximator.rpartition(":")[0]
    if file and not Path(file).is_file():
        message = f"there is no file {file} for the method {spec.label}"
        raise UsageError(message)
    if "optimiser" in spec.settings:
        check_optimiser(spec.settings["optimiser"])


def seeds(given: int | str | Sequence[int]) -> list[int]:
    """Seeds from 3, [0, 1], "0-4" or "0,2,5-7".

    >>> seeds("0-2,7")
    [0, 1, 2, 7]
    """
    if isinstance(given, int):
        return [given]
    if not isinstance(given, str):
        return [int(seed) for seed in given]
    found: list[int] = []
    try:
        for part in given.split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        found = []
    if not found:
        message = f"--seeds {given}: expected numbers such as 0-4 or 0,3,5"
        raise UsageError(message)
    return found


def seconds(given: float | str) -> float:
    """Seconds from 60, "60s", "2min" or "1h".

    >>> seconds("2min")
    120.0
    """
    return float(_quantity(given, UNITS, "a time such as 60s, 2min or 1h"))


def mebibytes(given: float | str) -> int:
    """MiB from 4096 or "4GB".

    >>> mebibytes("4GB")
    4096
    """
    return round(_quantity(given, MEMORY_UNITS, "an amount of memory such as 800MB or 4GB"))


def _quantity(given: float | str, units: Mapping[str, float], expected: str) -> float:
    text = str(given).strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    try:
        value = float(number) * units[text[len(number) :].strip()]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < float("inf"):
        message = f"received {given}, expected {expected}"
        raise UsageError(message)
    return value
