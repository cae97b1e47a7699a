"""Opens the store of values at a place: a folder of a disk, or a bucket."""

from pathlib import Path

from resources.values.store import S3, ValueStore


def open_value_store(folder: str, *, cache: str = "", cache_bytes: int = 0) -> ValueStore:
    """Return the store at a place.

    Parameters
    ----------
    folder : str
        A path, or ``s3://bucket/prefix``.
    cache : str
        Folder for copies of an object store's values.
    cache_bytes : int
        How large it may grow.
    """
    if folder.startswith(S3):
        from resources.values.cache import ValueCache
        from resources.values.s3 import S3Values

        return S3Values(folder, ValueCache(Path(cache), cache_bytes))
    from resources.values.disk import DiskValues

    return DiskValues(Path(folder))
