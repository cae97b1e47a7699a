"""Frames in shards: taken apart for an engine, and put together as if they had never been."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from resources.compute.engines import Engine

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


def split_frame(frame: "pd.DataFrame", engine: Engine) -> "Iterator[pd.DataFrame]":
    """Return a frame's rows by shards; where there is but one, the frame itself.

    Categories that no row of a shard has are left out of it: they would travel with each.
    """
    import pandas as pd

    blocks = engine.blocks(len(frame))
    if len(blocks) == 1:
        yield frame
        return
    coded = [str(name) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    for block in blocks:
        rows = frame.iloc[block]
        yield rows.assign(**{name: rows[name].cat.remove_unused_categories() for name in coded})


def split_rows(matrix: "csr_matrix", engine: Engine) -> "Iterator[csr_matrix]":
    """Return a matrix's rows by shards; where there is but one, the matrix itself."""
    blocks = engine.blocks(matrix.shape[0])
    yield from (matrix,) if len(blocks) == 1 else (matrix[block] for block in blocks)


def join_frames(parts: "Sequence[pd.DataFrame]", *, sort_texts: bool) -> "pd.DataFrame":
    """Return the rows of shards in one frame.

    Parameters
    ----------
    parts : sequence of DataFrame
        One at least; of the same columns.
    sort_texts : bool
        Whether categories are sorted, or in the order in which rows first have them: as they are in each part.
    """
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    columns = {name: _join([part[name] for part in parts], sort_texts) for name in parts[0]}
    return pd.DataFrame(columns, index=pd.RangeIndex(sum(map(len, parts))))


def _join(parts: "list[pd.Series]", sort_texts: bool) -> Any:
    import pandas as pd

    if isinstance(parts[0].dtype, pd.CategoricalDtype):
        return pd.api.types.union_categoricals(parts, sort_categories=sort_texts)
    return np.concatenate([part.to_numpy() for part in parts])
