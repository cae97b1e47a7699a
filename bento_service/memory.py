"""How a process manages memory: freeing what loading a model took, and what garbage collection visits."""

import ctypes
import gc
from pathlib import Path

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024

_MAPPINGS = Path("/proc/self/maps")
_COMPILER = "libllvmlite"
_MADV_DONTNEED = 4


def return_large_blocks() -> None:
    """Return large blocks to the system when they are freed; call it before anything is loaded.

    glibc raises its mmap threshold to the largest block that was freed, and keeps smaller ones for itself: with a
    forest of 20 MB the process stays 20 MB larger for ever.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE)


def return_compiler() -> None:
    """Return the pages of LLVM's code to the system; call it when everything is compiled that requests need.

    numba needs the compiler at the start alone, even where it has compiled before. Its code stays in the file that it
    was read from, and is read again if it should be called.
    """
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None or not _MAPPINGS.exists():
        return
    for mapping in _MAPPINGS.read_text().splitlines():
        if _COMPILER in mapping and mapping.split()[1] == "r-xp":  # what may be written to would be lost
            first, last = (int(address, 16) for address in mapping.split()[0].split("-"))
            advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _MADV_DONTNEED)


def freeze_loaded_objects() -> None:
    """Exclude everything loaded so far from garbage collection: every hundredth request would wait for it.

    In the process that ships records, a third of its time went into visiting again and again what it had loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
