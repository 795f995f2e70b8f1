"""Memory of the process."""

from __future__ import annotations

import ctypes

# Names and numbers of `mallopt` (malloc.h of the GNU C library).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, up to its largest need, instead of asking the system anew.

    The GNU C library maps every array of more than 32 MB afresh and gives it back when it is freed; the system clears
    each page again, which is a third of a factorisation. For a process that solves and ends; a library that is
    imported should leave the allocator alone.

    Returns:
        Whether the C library has these settings and took them.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 2**31 - 1)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
