"""The table of a sweep: a mapping of arrays, one row for each point."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdesolve.errors import UsageError
from pdesolve.output.files import replacing
from pdesolve.runs import html
from pdesolve.solution.solution import Solution
from pdesolve.sweeps.point import FAILED, SOLVED, Row

ERROR = "_estimated_error"  # the end of the name of a column beside that of a quantity
_TEXT = ("verdict", "status")


class SweepTable(Mapping[str, NDArray[Any]]):
    """Columns of equal length (n,): the constants, then quantities with their errors, measures, verdicts.

    Attributes:
        names: of the constants that vary.
        quantities: names of the quantities that the problem states.
        directories: of the runs, None where nothing was written.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[Row],
        directories: Sequence[Path | None],
        load: Sequence[Callable[[], Solution]],
    ):
        columns = [name for name in _columns(rows) if name not in _TEXT]
        self._arrays: dict[str, NDArray[Any]] = {
            name: np.array([row.get(name, np.nan) for row in rows], dtype=float) for name in columns
        }
        self._arrays |= {name: np.array([row[name] for row in rows], dtype=object) for name in _TEXT}
        self.names = tuple(names)
        first = len(columns)
        if "estimated_error" in columns:
            first = columns.index("estimated_error")
        own = columns[len(self.names) : first]
        self.quantities = tuple(name for name in own if name.removesuffix(ERROR) == name)
        self.directories = tuple(directories)
        self._load = tuple(load)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        """Number of columns, as of any mapping."""
        return len(self._arrays)

    @property
    def solved(self) -> NDArray[np.bool_]:
        """Points (n,) whose tolerance was verified."""
        return self["verdict"] == SOLVED

    def solution(self, number: int) -> Solution:
        """The solution of a point, from memory or from its run directory.

        Raises:
            UsageError: there is no such point, or it failed.
        """
        count = len(self._load)
        if not 0 <= number < count:
            message = f"there is no point {number}; the points are 0 to {count - 1}"
            raise UsageError(message)
        # Nothing was saved of it, and a missing file would not say why.
        if self["verdict"][number] == FAILED:
            message = f"point {number} has no solution: {self['status'][number]}"
            raise UsageError(message)
        return self._load[number]()

    def to_pandas(self) -> Any:
        """A pandas DataFrame, where pandas is installed.

        Raises:
            UsageError: it is not.
        """
        try:
            import pandas
        except ImportError:
            message = "to_pandas needs pandas, which is not installed: pip install pandas, or use the table as a dict"
            raise UsageError(message) from None
        return pandas.DataFrame(dict(self))

    def write_csv(self, path: str | Path) -> Path:
        """Write a line for each point; numbers read back to the bit, what is not known is empty."""
        return write_columns(self, Path(path))

    def __repr__(self) -> str:
        points = len(self["verdict"])
        solved = int(self.solved.sum())
        return f"SweepTable(over {', '.join(self.names)}: {points} points, {solved} solved; columns {', '.join(self)})"

    def _repr_html_(self) -> str:
        solved = f"{int(self.solved.sum())} of {len(self.solved)} points solved"
        return html.columns(f"Over {', '.join(self.names)}: {solved}", list(self), table_lines(self))


def table_lines(table: Mapping[str, NDArray[Any]]) -> Iterator[tuple[Any, ...]]:
    """The rows of columns of equal length."""
    return zip(*table.values(), strict=True)


def write_columns(table: Mapping[str, NDArray[Any]], path: Path) -> Path:
    """Write columns of equal length as CSV."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        for row in table_lines(table):
            writer.writerow(map(_cell, row))
    return path


def _columns(rows: Sequence[Row]) -> list[str]:
    """Names in the order of the fullest row: a point that failed has no quantities."""
    fullest = max(rows, key=len)
    return [*fullest, *(name for row in rows for name in row if name not in fullest)]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return ""
    return repr(float(value)).removesuffix(".0")
