"""Settings of a method: frozen, each with its range and its meaning, refused in a sentence where they make no sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from pdesolve.errors import UsageError, did_you_mean

# Arguments of `solve` itself, and other words for them: they are often looked for among the settings.
ARGUMENTS = {
    "method": (),
    "tol": ("tolerance", "rtol", "eps", "accuracy", "error"),
    "norm": ("measure",),
    "absolute": ("atol", "abs_tol", "absolute_error"),
    "seed": (),
    "time_limit": ("timeout", "max_time", "limit", "budget"),
    "dtype": (),
    "device": (),
    "monitor": (),
}


@dataclass(frozen=True)
class ValueKind:
    """What values a setting may have: in words, and as a test."""

    expected: str
    accepts: Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


COUNT = ValueKind("a positive whole number", lambda v: _number(v) and isinstance(v, int) and v > 0)
POSITIVE = ValueKind("a positive number", lambda v: _number(v) and v > 0)
WORD = ValueKind("a word", lambda v: isinstance(v, str))
WORD_OR_MAKER = ValueKind("a word, or what makes one", lambda v: isinstance(v, str) or callable(v))


def one_of(*words: str, otherwise: str = "") -> ValueKind:
    """One of some words; `otherwise` says what it means to leave the setting out."""
    return ValueKind(" or ".join(words) + otherwise, lambda v: v in words)


def setting(meaning: str, kind: ValueKind = COUNT, also: tuple[str, ...] = (), formerly: str = "") -> Any:
    """A field of `Settings`, which is None where the method's default holds.

    Args:
        meaning: one line for lists of settings.
        kind: the values it may have.
        also: other names under which people look for it.
        formerly: a name that it had, and that is still understood.
    """
    return field(
        default=None, metadata={"meaning": meaning, "kind": kind, "also": also, "formerly": formerly}
    )


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a method; every field is made by `setting`."""

    @classmethod
    def of(cls, method: str, given: Mapping[str, Any], known: tuple[str, ...] = ()) -> Self:
        """The settings given by name.

        Args:
            method: for messages.
            given: name → value.
            known: those that apply to the method; empty: all.

        Raises:
            UsageError: there is no such setting, or a value is out of its range.
        """
        meanings = cls.meanings(known)
        by_name = {one.name: one.metadata for one in fields(cls)}
        given = cls._renamed(given)
        for key, value in given.items():
            if key not in meanings:
                message = (
                    f"method {method} has no setting '{key}'; its settings are {', '.join(meanings)}"
                    f"{cls._suggestion(key, meanings)}"
                )
                raise UsageError(message)
            kind: ValueKind = by_name[key]["kind"]
            if not kind.accepts(value):
                message = f"{key}={value!r}; expected {kind.expected}"
                raise UsageError(message)
        return cls(**given)

    @classmethod
    def _renamed(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """The same under the names that settings have now.

        Raises:
            UsageError: one is given under both of its names.
        """
        former = {one.metadata["formerly"]: one.name for one in fields(cls)}
        found: dict[str, Any] = {}
        for key, value in given.items():
            name = former.get(key, key)
            if name in found:
                message = f"{name} was given twice, as {name} and by its former name: leave one of them out"
                raise UsageError(message)
            found[name] = value
        return found

    @classmethod
    def meanings(cls, known: tuple[str, ...] = ()) -> dict[str, str]:
        """Name → meaning, of those that apply, in their order."""
        found = {one.name: one.metadata["meaning"] for one in fields(cls)}
        return {name: found[name] for name in known or found}

    @property
    def given(self) -> dict[str, Any]:
        """Those that are set, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def require_none(self, why: str) -> None:
        """See that nothing is set.

        Raises:
            UsageError: naming what is set, and why it does not apply.
        """
        for name, value in self.given.items():
            message = f"{name}={value!r}: {why}; leave it out"
            raise UsageError(message)

    @classmethod
    def _suggestion(cls, key: str, known: Mapping[str, str]) -> str:
        """The nearest setting or argument of `solve`, by its name or another name for it."""
        names = {name: name for name in (*known, *ARGUMENTS)}
        for argument, others in ARGUMENTS.items():
            names |= dict.fromkeys(others, argument)
        for one in fields(cls):
            if one.name in known:
                others = (*one.metadata["also"], one.metadata["formerly"] or one.name)
                names |= dict.fromkeys(others, one.name)
        return did_you_mean(key, names)
