"""Memory of the process."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Names and numbers of `mallopt` (malloc.h of the GNU C library).
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Let the process keep the memory that it frees, up to its largest need, instead of asking the system anew.

    The GNU C library maps every array of more than 32 MB afresh and gives it back when it is freed; the system clears
    each page again, which is a third of a factorisation. For a process that solves and ends; a library that is
    imported should leave the allocator alone.

    Returns:
        Whether the C library has these settings and took them. It must also tell how much is kept (`available_memory`).
    """
    try:
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
        library.mallinfo2  # noqa: B018  (asked for by `available_memory`; missing before glibc 2.33)
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl, glibc < 2.33
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 2**31 - 1)) and bool(mallopt(M_TRIM_THRESHOLD, -1))


class _Mallinfo2(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    )


def _kept() -> float:
    """Bytes that the process has freed and kept."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (OSError, TypeError, AttributeError):
        return 0.0
    mallinfo2.restype = _Mallinfo2
    return float(mallinfo2().fordblks)


def available_memory(device: torch.device) -> float:
    """Free memory in bytes of the device, or of the machine: what the process has kept counts."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo") as lines:
            found = dict(line.split(":", 1) for line in lines)
        return 1024.0 * float(found["MemAvailable"].split()[0]) + _kept()
    except (OSError, KeyError, ValueError):
        return 8e9  # unknown: a modest machine
