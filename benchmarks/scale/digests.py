"""Digests of what the mapped steps make: equal ones mean equal results, to the last bit and category."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd


def digest_of(*parts: Any) -> str:
    """Return a SHA-256 of frames, series, sparse matrices, arrays and texts, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        for found in _bytes_of(part):
            digest.update(found)
    return digest.hexdigest()


def _bytes_of(part: Any) -> list[bytes]:
    if isinstance(part, pd.DataFrame):
        return [found for name in part for found in (str(name).encode(), *_bytes_of(part[name]))]
    if isinstance(part, pd.Series) and isinstance(part.dtype, pd.CategoricalDtype):
        return [repr(part.cat.categories.tolist()).encode(), *_bytes_of(part.cat.codes.to_numpy())]
    if isinstance(part, str):
        return [part.encode()]
    if hasattr(part, "indptr"):
        return [found for array in (part.data, part.indices, part.indptr) for found in _bytes_of(array)]
    array = np.ascontiguousarray(part)
    stored = repr(array.tolist()).encode() if array.dtype == object else array.tobytes()
    return [str(array.dtype).encode(), str(array.shape).encode(), stored]
