"""Files of listings, in the formats that ``source.py`` reads."""

from pathlib import Path

import pandas as pd


def write_listings(frame: pd.DataFrame, path: str | Path) -> None:
    """Write listings to `path` as its suffix says: .csv, .csv.gz, or .parquet (the quick one for millions of rows).

    Raises
    ------
    ValueError
        If the suffix is another.
    """
    require_suffix(path)
    name = str(path)
    if name.endswith(".parquet"):
        frame.to_parquet(name, index=False)
    elif name.endswith(".gz"):
        # No time stamp inside, so that the same listings give the same bytes.
        frame.to_csv(name, index=False, compression={"method": "gzip", "mtime": 0})
    else:
        frame.to_csv(name, index=False)


def require_suffix(path: str | Path) -> None:
    """Refuse a path that `write_listings` would, before the listings are made."""
    if not str(path).endswith((".csv", ".csv.gz", ".parquet")):
        raise ValueError(f"cannot write listings to {str(path)!r}: expected a name ending in .csv, .csv.gz or .parquet")
