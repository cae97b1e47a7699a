"""Which files of a folder or an S3 prefix hold listings: one rule for reading them and for watching what lands."""

from collections.abc import Sequence

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet",)
SUFFIXES = CSV_SUFFIXES + PARQUET_SUFFIXES

_UNFINISHED = (".", "_")
"""What begins the names of files and folders that programs keep beside their results, or write until they are done."""


def is_listing_file(name: str, below: Sequence[str]) -> bool:
    """Return whether a file is read, by its name and the parts of its path below the place that was named."""
    return has_known_suffix(name) and not is_hidden(below)


def has_known_suffix(name: str) -> bool:
    """Return whether a name ends as those of listing files do, in capitals or not."""
    return name.lower().endswith(SUFFIXES)


def is_hidden(below: Sequence[str]) -> bool:
    """Return whether a file, or a folder on the way to it, is hidden or temporary."""
    return any(part.startswith(_UNFINISHED) for part in below if part != "..")


def parts_below(prefix: str, key: str) -> list[str]:
    """Return the parts of an S3 key below a prefix.

    Where the prefix ends within a name, the rest of that name was asked for, whatever it begins with.
    """
    ends_within_name = not prefix.endswith("/") and prefix != ""
    return key.removeprefix(prefix).split("/")[ends_within_name:]
