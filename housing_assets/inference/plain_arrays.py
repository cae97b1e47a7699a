"""Archives of plain arrays (``.npz``), read as what they are: no pickle, nothing packed, each of its declared type."""

import errno
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

MISSING_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What opening a file raises where there is none; other errors are the system's."""

_WRONG_OFFSET = (None, errno.EINVAL)
"""Error numbers of reading where nothing can be: an archive that is damaged leads there."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class ArraysDamaged(ValueError):
    """An archive that cannot be trusted; the message says why."""


def load_arrays(path: Path, dtypes: Mapping[str, Any], n_dimensions: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Read the arrays of an archive that ``numpy.savez`` wrote.

    Parameters
    ----------
    path : Path
    dtypes : mapping of str to dtype
        Of each array.
    n_dimensions : mapping of str to int
        Of the arrays that have not one.

    Raises
    ------
    ArraysDamaged
        If it is no such archive, or an array is missing or of another type.
    OSError, MemoryError
        If this process cannot read it now, for want of files, say, which tells nothing of the archive.
    """
    try:
        _require_stored(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in dtypes}
    except (BadZipFile, KeyError, TypeError, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as fault:
        if isinstance(fault, OSError) and not isinstance(fault, MISSING_FILE) and fault.errno not in _WRONG_OFFSET:
            raise
        raise ArraysDamaged(str(fault)) from None
    for name, dtype in dtypes.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != n_dimensions.get(name, 1):
            raise ArraysDamaged(f"{name} has another type")
    return arrays


def _require_stored(path: Path) -> None:
    """Refuse an archive that takes more memory than the file itself: ``savez`` compresses nothing."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
        packed = [entry.filename for entry in entries if entry.compress_type != ZIP_STORED]
        if packed:
            raise ValueError(f"{packed[0]} is compressed")
        size, allowed = sum(entry.file_size for entry in entries), path.stat().st_size
        if size > allowed:
            raise ValueError(f"its arrays would unpack to {size:,} bytes, more than the {allowed:,} of the file")
        for entry in entries:
            with archive.open(entry) as array:
                declared = _declared_bytes(array)
            if declared > entry.file_size:
                raise ValueError(f"{entry.filename} has {entry.file_size:,} bytes and says that it has {declared:,}")


def _declared_bytes(array: IO[bytes]) -> int:
    """Return how many bytes an array has by its header."""
    shape, _, dtype = _HEADERS[np.lib.format.read_magic(array)](array)
    return int(prod(shape)) * int(dtype.itemsize)
