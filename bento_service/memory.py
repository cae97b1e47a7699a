"""How a worker treats memory: what loading a model takes, and what garbage collection walks."""

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024


def return_large_blocks() -> None:
    """Make blocks of loading go back to the system when they are freed; to be called before anything is loaded.

    glibc raises its threshold for blocks of their own to the largest one that was freed, and keeps all below it: with
    a forest of 20 MB that is 20 MB more for good.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # of glibc
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE)


def keep_what_is_loaded() -> None:
    """Take what has been loaded out of garbage collection, which would make every hundredth request wait for it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
