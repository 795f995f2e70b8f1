"""A comparison in Python: problems, modules and optimisers that are in no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pdesolve.benchmarking.case import Case, MethodSpec, method_spec
from pdesolve.benchmarking.records import Record
from pdesolve.benchmarking.suite import seconds
from pdesolve.benchmarking.worker import execute
from pdesolve.errors import UsageError
from pdesolve.methods import METHODS
from pdesolve.statement.problem import Problem

Show = Callable[[Record], None]


def run_here(
    problems: Mapping[str, Problem],
    methods: Mapping[str, str | Mapping[str, Any]],
    *,
    seeds: Iterable[int] = (0,),
    budget: float | str = "10s",
    clock: str = "cpu",
    show: Show | None = None,
    **settings: Any,
) -> list[Record]:
    """Run methods on problems side by side in this process, one after the other.

    The records are those of `pdesolve bench`, for `report.write_report` and the functions of `tables` and `budgets`.
    What is run here is not guarded against crashes and too much memory; `pdesolve bench` is.

    Args:
        problems: label → problem.
        methods: label → a method as on the command line ("mlp-tanh+lm"), or what `solve(problem, "network", …)` takes:
            {"approximator": a class, module or function that makes one, "optimiser": a function that makes one}.
        seeds: one run for each.
        budget: time of each run, in seconds or as "2min".
        clock: what counts it: seconds of a core ("cpu"), or "wall".
        show: called with every record.
        settings: of all methods that know them, such as parameters=300.

    Raises:
        UsageError: there are no problems or methods, or a setting is one that no method has.
    """
    specs = _specs(problems, methods, settings)
    cases = [
        (name, Case(name, spec, seed, seconds(budget), clock=clock))
        for name in problems
        for seed in seeds
        for spec in specs
    ]
    records: list[Record] = []
    for position, (name, case) in enumerate(cases):
        # A problem that is in no file cannot be run by a command.
        own = {"problem": name, "command": f"# in Python: {name}, {case.method.label}", "position": position}
        records.append(execute(case, problems[name]) | own)
        if show:
            show(records[-1])
    return records


def _specs(
    problems: Mapping[str, Problem],
    methods: Mapping[str, str | Mapping[str, Any]],
    settings: Mapping[str, Any],
) -> list[MethodSpec]:
    """The methods with what is set for all."""
    if not problems or not methods:
        received = f"{len(problems)} problems and {len(methods)} methods"
        message = f"run_here received {received}; expected one of each at least"
        raise UsageError(message)
    specs = [_spec(label, method) for label, method in methods.items()]
    unknown = [key for key in settings if not any(key in METHODS[spec.method].settings for spec in specs)]
    if unknown:
        message = f"no method of these has a setting {', '.join(map(repr, unknown))}"
        raise UsageError(message)
    return [_with(spec, settings) for spec in specs]


def _spec(label: str, method: str | Mapping[str, Any]) -> MethodSpec:
    if isinstance(method, str):
        found = method_spec(method)
        return MethodSpec(label, found.method, found.settings)
    return MethodSpec(label, "network", dict(method))


def _with(spec: MethodSpec, settings: Mapping[str, Any]) -> MethodSpec:
    """What is set for all, as far as the method knows it, under its own settings."""
    shared = {key: value for key, value in settings.items() if key in METHODS[spec.method].settings}
    return MethodSpec(spec.label, spec.method, {**shared, **spec.settings}, spec.tol)
