"""How a worker manages memory: freeing what loading a model took, and what garbage collection visits."""

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024


def return_large_blocks() -> None:
    """Return large blocks to the system when they are freed; call it before anything is loaded.

    glibc raises its mmap threshold to the largest block that was freed, and keeps smaller ones for itself: with a
    forest of 20 MB the process stays 20 MB larger for ever.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE)


def freeze_loaded_objects() -> None:
    """Exclude everything loaded so far from garbage collection: every hundredth request would wait for it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
