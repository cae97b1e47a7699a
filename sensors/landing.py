"""New files in the landing place: which are complete, and which were not seen before.

A file is complete once its size and its time of change were the same in two looks that lie the settling time apart; an
object of an S3 store appears whole and need not settle. What counts as a listing file is what the source reads; writers
may use other names until they are done.

A run reads all files that lie there. So a batch waits while any file may still grow, and files that arrive together
are one batch.
"""

import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from resources.listing_files import is_listing_file, parts_below
from sensors.cursor import Cursor

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Landed:
    """A file as it lies there.

    Attributes
    ----------
    path : str
    fingerprint : str
        Of its path, size and time of change (or ETag): that of a file that was replaced is another one.
    whole : bool
        Whether it cannot still be growing.
    """

    path: str
    fingerprint: str
    whole: bool = False


class Batch(BaseModel):
    """Files for which one run is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_key: str
    paths: tuple[str, ...]
    fingerprints: tuple[str, ...]


class LandingCursor(Cursor):
    """What is remembered of the landing place.

    Attributes
    ----------
    handled : tuple of str
        Fingerprints of files that are there and for which a run was asked.
    seen : mapping of str to float
        Fingerprints of the other files, and when each was first seen, in seconds since 1970.
    asked : Batch or None
        The last batch, until its run is known to exist.
    decision : str
        Fingerprint of the decision that was recorded last.
    """

    handled: tuple[str, ...] = ()
    seen: Mapping[str, float] = {}
    asked: Batch | None = None
    decision: str = ""


@dataclass(frozen=True)
class Arrivals:
    """The files for which no run was asked."""

    complete: tuple[Landed, ...]
    growing: tuple[Landed, ...]

    def as_batch(self) -> Batch:
        """Return the complete ones as one batch, whose key is the same whenever it is made."""
        fingerprints = tuple(sorted(file.fingerprint for file in self.complete))
        return Batch(
            run_key=f"landing-{_fingerprint(*fingerprints)}",
            paths=tuple(file.path for file in self.complete),
            fingerprints=fingerprints,
        )


def collect(
    landed: Sequence[Landed], cursor: LandingCursor, now: float, settle_seconds: float
) -> tuple[Arrivals, LandingCursor]:
    """Return what has arrived, and the cursor after the look.

    Parameters
    ----------
    landed : sequence of Landed
        What lies there.
    cursor : LandingCursor
    now : float
        Seconds since 1970.
    settle_seconds : float
        How long a file must have stayed the same.
    """
    handled = {file.fingerprint for file in landed} & set(cursor.handled)
    new = [file for file in landed if file.fingerprint not in handled]
    seen = {file.fingerprint: cursor.seen.get(file.fingerprint, now) for file in new}
    settled = {fingerprint for fingerprint, first in seen.items() if now - first >= settle_seconds}
    arrivals = Arrivals(
        complete=tuple(file for file in new if file.whole or file.fingerprint in settled),
        growing=tuple(file for file in new if not file.whole and file.fingerprint not in settled),
    )
    return arrivals, cursor.model_copy(update={"handled": tuple(sorted(handled)), "seen": seen})


def look(location: str, s3_client: Callable[[], "S3Client"]) -> list[Landed]:
    """Return the listing files of a folder or ``s3://bucket/prefix``, by path.

    Raises
    ------
    OSError
        If it cannot be looked into.
    """
    found = _in_bucket(location, s3_client) if location.startswith("s3://") else _in_folder(Path(location))
    return sorted(found, key=lambda file: file.path)


def _in_folder(folder: Path) -> Iterator[Landed]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    for path in folder.rglob("*"):
        if is_listing_file(path.name, path.relative_to(folder).parts):
            try:
                status = path.stat()
            except FileNotFoundError:  # renamed or removed since it was listed
                continue
            if stat.S_ISREG(status.st_mode):
                yield Landed(str(path), _fingerprint(path, status.st_size, status.st_mtime_ns))


def _in_bucket(location: str, s3_client: Callable[[], "S3Client"]) -> Iterator[Landed]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    try:
        for page in s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if is_listing_file(item["Key"], parts_below(prefix, item["Key"])):
                    path = f"s3://{bucket}/{item['Key']}"
                    yield Landed(path, _fingerprint(path, item["Size"], item["ETag"]), whole=True)
    except (BotoCoreError, ClientError) as fault:
        raise OSError(f"{location}: {fault}") from fault


def _fingerprint(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]
