"""Memory of the process."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pdesolve.errors import OutOfMemoryError
from pdesolve.runs.wording import named

if TYPE_CHECKING:
    import torch

# Names and numbers of `mallopt` (malloc.h of the GNU C library).
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
# Bytes, where the system does not say what is free: a modest machine
UNKNOWN = 8e9


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
    """Free memory in bytes of the device, or of the machine: what the process has kept counts, and so do its limits."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    return min(_free_in_machine(), *_left_in_groups(), *_left_to_process()) + _kept()


def _free_in_machine() -> float:
    found = _table("/proc/meminfo")
    if "MemAvailable" not in found:
        return UNKNOWN
    return found["MemAvailable"]


def _left_in_groups() -> Iterator[float]:
    """What the control groups of the process leave it, as in a container; files that the system caches can go."""
    for line in _lines("/proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            root = Path("/sys/fs/cgroup")
            names = ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = Path("/sys/fs/cgroup/memory")
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        place = root / path.lstrip("/")
        for folder in (place, *place.parents):
            limit = _number(folder / names[0])
            used = _number(folder / names[1])
            if limit is not None and used is not None:
                yield limit - used + _statistic(folder / "memory.stat", names[2])
            if folder == root:
                break


def _left_to_process() -> Iterator[float]:
    """What limits on the process itself leave it (`ulimit -v`, `ulimit -d`)."""
    try:
        import resource
    except ImportError:  # Windows
        return
    held = _table("/proc/self/status")
    for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY and name in held:
            yield limit - held[name]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for that was not there."""
    if isinstance(error, (MemoryError, OutOfMemoryError)):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    # On the CPU torch has no class of its own for it.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


@contextmanager
def memory_watched() -> Iterator[None]:
    """While the block runs, an allocation that fails is an error with a sentence.

    Raises:
        OutOfMemoryError: one has failed.
    """
    try:
        yield
    except OutOfMemoryError:
        raise  # it has its sentence
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = f"the next step needs more memory than there is; ask for a looser {named('tol')}"
        raise OutOfMemoryError(message) from error


# ---------------------------------------------------------------- files of the Linux kernel


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _table(path: str) -> dict[str, float]:
    """Lines such as `VmSize:  3892 kB`, in bytes."""
    found = {}
    for line in _lines(path):
        name, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = 1024.0 * float(words[0])
    return found


def _number(path: Path) -> float | None:
    """The number in a file; None where there is none, as for `max`."""
    for line in _lines(path):
        if line.strip().isdigit():
            return float(line)
    return None


def _statistic(path: Path, name: str) -> float:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name:
            return float(value)
    return 0.0
