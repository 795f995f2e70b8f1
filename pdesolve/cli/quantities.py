"""`--integral von_mises@right`, `--probe 0.5,0.5`, …: quantities that are asked for on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from pdesolve.cli.values import short
from pdesolve.errors import UsageError

# Kind and what was written, as ("integral", "von_mises@right").
Asked = tuple[tuple[str, str], ...]

_OPTIONS = {
    "integral": ("F[@PART]", "Integral of an unknown or output over a part of the boundary, or the domain."),
    "mean": ("F[@PART]", "Mean, alike."),
    "maximum": ("F[@PART]", "Largest value, alike."),
    "minimum": ("F[@PART]", "Smallest value, alike."),
    "flux": ("[U]@PART", "The flux that the equation means through a part of the boundary."),
    "probe": ("[F@]X,Y,…", "Value at a point."),
}


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of all kinds, each of which may be given many times."""
    for kind in reversed(_OPTIONS):
        metavar, text = _OPTIONS[kind]
        command = click.option(f"--{kind}", multiple=True, metavar=metavar, help=text)(command)
    return command


def taken_from(given: dict[str, Any]) -> Asked:
    """Take what was asked for out of the options of a command."""
    return tuple((kind, text) for kind in _OPTIONS for text in given.pop(kind))


def stated(problem: Any, asked: Asked) -> Any:
    """The problem with the quantities that were asked for.

    Raises:
        UsageError: the boundary has no part of such a name, or a point is no point.
    """
    found: dict[str, Any] = {}
    for kind, text in asked:
        if kind == "probe":
            found |= _probes(problem, text)
        else:
            found[f"{kind} {text}"] = _quantity(problem, kind, text)
    return problem.with_quantities(found) if found else problem


def _quantity(problem: Any, kind: str, text: str) -> Any:
    from pdesolve.statement import quantities

    word, at, part = text.partition("@")
    if at and not part.strip():
        message = f"--{kind} {text}: expected a part of the boundary after @, one of {_parts(problem)}"
        raise UsageError(message)
    place = _part(problem, kind, text, part.strip()) if part.strip() else None
    if kind == "flux":
        if place is None:
            message = f"--flux {text}: expected @ and a part of the boundary, one of {_parts(problem)}"
            raise UsageError(message)
        return quantities.Flux(place, word.strip() or None)
    f = word.strip() or (problem.unknowns[0] if len(problem.unknowns) == 1 else "")
    return getattr(quantities, kind.capitalize())(f, on=place)


def _part(problem: Any, kind: str, text: str, name: str) -> Any:
    domain = problem.domain.in_space
    if name == "boundary":
        return domain.boundary
    if name not in domain.part_names:
        message = f"--{kind} {text}: there is no part '{name}'; expected one of {_parts(problem)}"
        raise UsageError(message)
    return domain.part(name)


def _parts(problem: Any) -> str:
    return ", ".join([*problem.domain.in_space.part_names, "boundary"])


def _probes(problem: Any, text: str) -> dict[str, Any]:
    from pdesolve.statement.quantities import Probe

    word, at, numbers = text.rpartition("@")
    names = problem.domain.in_space.coordinates
    try:
        point = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        point = ()
    if len(point) != len(names) or (at and not word):
        message = (
            f"--probe {text}: expected numbers {','.join(names)}, NAME@ before them for one unknown or output"
        )
        raise UsageError(message)
    wanted = [word] if at else [*problem.unknowns, *problem.outputs]
    return {f"{name}@{numbers}": Probe(point, name) for name in wanted}


def table_rows(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of the answer, such as ("drag", "5.57953 ± 1.2e-8")."""
    return [(name, _shown(found)) for name, found in (record.get("quantities") or {}).items()]


def _shown(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return f"unknown: {found['error']}"
    values = found["value"]
    errors = found["estimated_error"]
    if isinstance(values, Sequence):
        return ", ".join(_number(v, e) for v, e in zip(values, errors, strict=True))
    text = _number(values, errors)
    if "place" in found:
        text += f" at ({', '.join(f'{c:.6g}' for c in found['place'])})"
    return text


def _number(value: float, error: float | None) -> str:
    """A number to one digit beyond its error."""
    if error is None:
        return f"{value:.10g}"
    if not error > 0 or not abs(value) > 0:
        return f"{value:.10g} ± {short(error)}"
    digits = max(2, min(16, math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2))
    return f"{value:.{digits}g} ± {short(error)}"
