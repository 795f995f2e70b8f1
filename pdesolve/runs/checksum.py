"""A checksum of what is saved, so that a file in which bits have flipped does not load as another solution."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any


def checksum(content: Any) -> str:
    """SHA-256 of tensors, arrays, numbers and strings in dicts, lists and tuples: of what they say, not of a file.

    The archives of torch hold checksums of their own, which torch does not compare when it loads them.

    >>> checksum({"a": 1.0}) == checksum({"a": 1.0}), checksum({"a": 1.0}) == checksum({"a": 2.0})
    (True, False)
    """
    found = hashlib.sha256()
    for part in _parts(content):
        found.update(part)
    return found.hexdigest()


def _parts(content: Any) -> Iterator[bytes]:
    """Bytes that tell contents apart: kind and size go before the values, so that no two run together."""
    if isinstance(content, Mapping):
        yield b"{%d" % len(content)
        for key, value in content.items():
            yield from _parts(key)
            yield from _parts(value)
    elif isinstance(content, (list, tuple)):
        yield b"[%d" % len(content)
        for value in content:
            yield from _parts(value)
    elif hasattr(content, "numpy"):
        array = content.detach().cpu().contiguous().numpy()
        yield f"{array.dtype}{array.shape}".encode()
        yield array.tobytes()
    else:
        yield f"{type(content).__name__} {content!r} ".encode()
