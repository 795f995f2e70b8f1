"""Records: one JSON file per run under DIR/records, with everything that a table, figure or verdict needs.

Records that are kept lie together in one file, FILE.jsonl, a line for each run.

The outcome of a run is "finished", "incomplete" (a march that stopped early), "not finite", "crashed", "timed out",
"out of memory" or "refused" (its error says what was wrong with the request).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pdesolve.errors import UsageError

# Raised when a key changes its meaning; a record of another format is none.
FORMAT = "pdesolve benchmark 1"
Record = dict[str, Any]


def write_record(folder: Path, record: Mapping[str, Any], name: str) -> Path:
    """Write a record under a temporary name and rename it; numbers that are not finite become null."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = path.with_suffix(".part")
    # A line for each key, so that a difference of two records can be read.
    lines = [
        f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in _finite(record).items()
    ]
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    temporary.replace(path)
    return path


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records into one file, a line for each; pictures, which the reports alone show, are left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(_finite({k: v for k, v in record.items() if k != "picture"}), allow_nan=False)
        for record in records
    ]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def read_record(path: Path) -> Record | None:
    """A record, None where there is none that can be read."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(record, dict) and record.get("format") == FORMAT:
        return record
    return None


def read_records(directory: Path) -> list[Record]:
    """All records of a result set, in the order in which they were asked for.

    Args:
        directory: what `pdesolve bench --out` was given, its folder `records`, or a file of `write_records`.

    Raises:
        UsageError: there are none.
    """
    if (directory / "records").is_dir():
        folder = directory / "records"
    else:
        folder = directory
    if directory.suffix == ".jsonl" and directory.is_file():
        found = [json.loads(line) for line in directory.read_text("utf-8").splitlines()]
    else:
        found = [
            record for path in sorted(folder.glob("*.json")) if (record := read_record(path)) is not None
        ]
    if not found:
        message = f"{directory} holds no records; expected the directory of a pdesolve bench"
        raise UsageError(message)
    return sorted(found, key=lambda record: record.get("position", 0))


def error_of(record: Mapping[str, Any]) -> float:
    """The relative L2 error, infinite where the run failed, NaN where the solution is not known."""
    if record["outcome"] != "finished":
        return math.inf
    error = record["relative_l2_error"]
    if error is None:
        return math.nan
    return float(error)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
