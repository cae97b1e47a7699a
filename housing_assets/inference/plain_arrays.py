"""Archives of plain arrays (``.npz``), read as what they are: no pickle, nothing packed, each of its declared type."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

_OF_THE_FILE = (None, errno.EINVAL, errno.ENOENT)
"""Error numbers that a damaged archive leads to, such as by an offset before its start; others are the system's."""


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
    OSError
        If the system cannot read it now, which tells nothing of the archive.
    """
    try:
        _require_stored(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in dtypes}
    except OSError as fault:
        if fault.errno not in _OF_THE_FILE:
            raise
        raise ArraysDamaged(str(fault)) from None
    except (
        BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        EOFError,
        MemoryError,  # an array that says it has more numbers than there is memory
        NotImplementedError,
        RuntimeError,
    ) as fault:
        raise ArraysDamaged(str(fault)) from None
    for name, dtype in dtypes.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != n_dimensions.get(name, 1):
            raise ArraysDamaged(f"{name} has another type")
    return arrays


def _require_stored(path: Path) -> None:
    """Refuse an archive that unpacks to more than the file itself: ``savez`` compresses nothing."""
    with ZipFile(path) as archive:
        entries = archive.infolist()
    packed = [entry.filename for entry in entries if entry.compress_type != ZIP_STORED]
    if packed:
        raise ValueError(f"{packed[0]} is compressed")
    size, allowed = sum(entry.file_size for entry in entries), path.stat().st_size
    if size > allowed:
        raise ValueError(f"its arrays would unpack to {size:,} bytes, more than the {allowed:,} of the file")
