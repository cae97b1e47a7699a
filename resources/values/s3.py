"""Values in an S3 bucket: immutable objects below their id, and one small object that says which of them is meant.

Below ``s3://bucket/prefix/<asset key>/``, and for a partition below ``.partitions/<partition>/`` there:

- ``.values/<id>/...``: the files of a value;
- ``.values/<id>.json``: what it was made of, and its files with their sizes and SHA-256;
- ``.newest.json``: the ids of the newest value and of the one before it.

A value is uploaded whole before ``.newest.json`` is replaced, which S3 does in one step and only if nobody else has
replaced it meanwhile. A writer that dies before leaves objects that nothing names; who writes to the name a day later
removes them. Parts of keys are escaped (``ç`` is ``.c3.a7``): they have neither a slash of their own nor a character
that proxies and tools read in their own way.

Values are read from copies on the local disk. An id never stands for anything else, so a copy is never stale.
"""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from resources.object_store import ObjectStore, again_if_broken_off, split_location
from resources.values.ancestry import Provenance, StoredValue
from resources.values.cache import ValueCache
from resources.values.store import KeptValue, ValueLost, Written, named_partition

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

ABANDONED_AFTER = timedelta(days=1)
"""Age at which what no name stands for was left by a dead writer: far longer than an upload takes."""

_NEWEST, _VALUES, _PARTITIONS = ".newest.json", ".values", ".partitions"
_REPLACED_MEANWHILE = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404"}
_MISSING = {"NoSuchKey", "404"}


class S3Values:
    """Values below a location ``s3://bucket/prefix``: a ``ValueStore``."""

    def __init__(self, location: str, cache: ValueCache) -> None:
        self._location = location.rstrip("/")
        self._bucket, self._prefix = split_location(self._location)
        self._cache = cache

    @cached_property
    def _client(self) -> "S3Client":
        return ObjectStore().client()

    def where(self, name: str) -> str:
        """Return the location that all values of the name lie below."""
        return f"s3://{self._bucket}/{self._base(name)}"

    def write(self, name: str, provenance: Provenance, save: Callable[[Path], None]) -> Written:
        """Upload a value, then switch the name to it; the local copy is kept for whoever reads it next."""
        value_id = f"{time.time_ns()}-{uuid4().hex[:12]}"
        with self._cache.draft() as folder:
            save(folder)
            files = {
                path.relative_to(folder).as_posix(): _File(path.stat().st_size, _sha256(path))
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
            value = _Value(provenance, files)
            for file in files:
                self._client.upload_file(str(folder / file), self._bucket, self._key(name, value_id, file))
            self._put(self._description(name, value_id), value.to_json())
            replaced = self._switch(name, value_id)
            self._cache.keep(folder, self._base(name), value_id)
        self._remove_unnamed(name, replaced)
        at_the_top = (file for file in files if re.fullmatch(r"[^/]+\.html", file))
        pages = {file.removesuffix(".html"): self._url(name, value_id, file) for file in at_the_top}
        return Written(value_id, self.where(name), value.n_bytes, pages)

    def newest(self, name: str) -> StoredValue | None:
        """Return the value that a name stands for."""
        lost = None
        for _ in range(3):  # it may be replaced twice between the two requests
            pointer, _ = self._pointer(name)
            if pointer is None:
                return None
            try:
                return StoredValue(name, pointer.newest, self._describe(name, pointer.newest).provenance)
            except ValueLost as fault:
                lost = fault
        raise ValueLost(f"{name} has no whole value in {self.where(name)}") from lost

    def open(self, value: StoredValue) -> Path:
        """Return the folder of a value's local copy, which is made and checked where there is none."""
        base = self._base(value.name)
        if copy := self._cache.find(base, value.id):
            return copy
        described = self._describe(value.name, value.id)
        with self._cache.draft() as folder:
            for file, expected in described.files.items():
                path = folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                self._download(self._key(value.name, value.id, file), path)
                if _File(path.stat().st_size, _sha256(path)) != expected:
                    raise ValueLost(f"{self._url(value.name, value.id, file)} is damaged: its checksum differs")
            return self._cache.keep(folder, base, value.id)

    def names(self, asset: str, *, partitioned: bool) -> Iterator[str]:
        """Yield the names whose ``.newest.json`` is there."""
        if not partitioned:
            if self._pointer(asset)[0] is not None:
                yield asset
            return
        below = f"{self._base(asset)}/{_PARTITIONS}/"
        for key in self._list(below):
            partition, _, rest = key["Key"].removeprefix(below).partition("/")
            if rest == _NEWEST:
                yield f"{asset}|{_unescape(partition)}"

    def kept(self, asset: str, *, partitioned: bool) -> Iterator[KeptValue]:
        """Yield the values that have an object."""
        base, sizes = self._base(asset), Counter[tuple[str, str]]()
        for entry in self._list(f"{base}/{_PARTITIONS if partitioned else _VALUES}/"):
            below, name = f"{base}/", asset
            if partitioned:
                partition = entry["Key"].removeprefix(f"{base}/{_PARTITIONS}/").partition("/")[0]
                below, name = f"{base}/{_PARTITIONS}/{partition}/", f"{asset}|{_unescape(partition)}"
            place, _, rest = entry["Key"].removeprefix(below).partition("/")
            if place == _VALUES:
                sizes[name, _value_of(rest, "")] += entry["Size"]
        newest: dict[str, str] = {}
        for (name, value_id), n_bytes in sizes.items():
            if name not in newest:
                pointer, _ = self._pointer(name)
                newest[name] = pointer.newest if pointer else ""
            yield KeptValue(name, value_id, n_bytes, newest[name] == value_id)

    def describe(self, value: KeptValue) -> StoredValue | None:
        """Return a kept value with its description, which is uploaded after its files."""
        try:
            return StoredValue(value.name, value.id, self._describe(value.name, value.id).provenance)
        except ValueLost:
            if value.newest:
                raise
            return None

    def drop(self, value: KeptValue) -> None:
        """Remove a value's objects, and the local copy."""
        self._remove(value.name, value.id)

    def forget(self, name: str) -> None:
        """Remove what says which value is meant, then the values."""
        base = self._base(name)
        self._client.delete_object(Bucket=self._bucket, Key=f"{base}/{_NEWEST}")
        self._delete([entry["Key"] for entry in self._list(f"{base}/{_VALUES}/")])
        self._cache.forget(base)

    def _switch(self, name: str, value_id: str) -> set[str]:
        """Let a name stand for a value, and return the ids that nothing names any more."""
        unnamed: set[str] = set()
        while True:
            pointer, condition = self._pointer(name)
            if pointer and value_id in (pointer.newest, pointer.previous):  # it was done, and only the answer was lost
                return unnamed - {"", pointer.newest, pointer.previous}
            unnamed.add(pointer.previous if pointer else "")
            new = _Pointer(value_id, pointer.newest if pointer else "")
            if self._put(f"{self._base(name)}/{_NEWEST}", json.dumps(asdict(new)), condition):
                return unnamed - {"", new.newest, new.previous}

    def _remove_unnamed(self, name: str, replaced: set[str]) -> None:
        """Remove the values that were replaced, and those of writers that have died."""
        for value_id in replaced:
            self._remove(name, value_id)
        pointer, _ = self._pointer(name)
        named = {pointer.newest, pointer.previous} if pointer else set()
        below = f"{self._base(name)}/{_VALUES}/"
        found = [(_value_of(entry["Key"], below), entry["LastModified"]) for entry in self._list(below)]
        now = max((moment for _, moment in found), default=datetime.now(UTC))  # by the server's clock
        last = {value_id: max(at for one, at in found if one == value_id) for value_id, _ in found}
        for value_id in last.keys() - named:
            if now - last[value_id] > ABANDONED_AFTER:
                self._remove(name, value_id)

    def _remove(self, name: str, value_id: str) -> None:
        below = f"{self._base(name)}/{_VALUES}/"
        found = [entry["Key"] for entry in self._list(f"{below}{value_id}")]
        self._delete([key for key in found if _value_of(key, below) == value_id])
        self._cache.forget(self._base(name), value_id)

    def _pointer(self, name: str) -> "tuple[_Pointer | None, dict[str, str]]":
        """Return which values a name stands for, and the condition under which nobody has replaced that meanwhile."""
        stored = self._get(f"{self._base(name)}/{_NEWEST}")
        if stored is None:
            return None, {"IfNoneMatch": "*"}
        return _Pointer(**json.loads(stored[0])), {"IfMatch": stored[1]}

    def _describe(self, name: str, value_id: str) -> "_Value":
        stored = self._get(self._description(name, value_id))
        if stored is None:
            raise ValueLost(f"the value {value_id} of {name} is gone from {self.where(name)}: it was replaced twice")
        return _Value.from_json(stored[0])

    def _get(self, key: str) -> tuple[bytes, str] | None:
        from botocore.exceptions import ClientError

        try:
            return again_if_broken_off(self._read)(key)
        except ClientError as fault:
            if _code(fault) in _MISSING:
                return None
            raise

    def _read(self, key: str) -> tuple[bytes, str]:
        found = self._client.get_object(Bucket=self._bucket, Key=key)
        return found["Body"].read(), found["ETag"]

    def _put(self, key: str, text: str, condition: Mapping[str, str] | None = None) -> bool:
        """Store a text; return False where the condition does not hold."""
        from botocore.exceptions import ClientError

        options: dict[str, Any] = dict(condition or {})
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=text.encode(), **options)
        except ClientError as fault:
            if condition and _code(fault) in _REPLACED_MEANWHILE:
                return False
            raise
        return True

    def _download(self, key: str, path: Path) -> None:
        from botocore.exceptions import ClientError

        try:
            self._client.download_file(self._bucket, key, str(path))
        except ClientError as fault:
            if _code(fault) in _MISSING:
                raise ValueLost(f"s3://{self._bucket}/{key} is gone: the value was replaced twice") from fault
            raise

    def _list(self, prefix: str) -> "Iterator[Any]":
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            yield from page.get("Contents", ())

    def _delete(self, keys: list[str]) -> None:
        for start in range(0, len(keys), 1000):  # as many as one request may name
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            answer = self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            if failed := answer.get("Errors"):
                raise OSError(f"{len(failed)} objects could not be deleted, such as {failed[0]}")

    def _base(self, name: str) -> str:
        asset, partition = named_partition(name)
        parts = [self._prefix, *map(_escape, asset.split("/"))]
        if partition is not None:
            parts += [_PARTITIONS, _escape(partition)]
        return "/".join(filter(None, parts))

    def _key(self, name: str, value_id: str, file: str) -> str:
        return f"{self._base(name)}/{_VALUES}/{value_id}/{file}"

    def _description(self, name: str, value_id: str) -> str:
        return f"{self._base(name)}/{_VALUES}/{value_id}.json"

    def _url(self, name: str, value_id: str, file: str) -> str:
        return f"s3://{self._bucket}/{self._key(name, value_id, file)}"


@dataclass(frozen=True)
class _Pointer:
    newest: str
    previous: str


@dataclass(frozen=True)
class _File:
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class _Value:
    """What is stored beside a value."""

    provenance: Provenance
    files: Mapping[str, _File]

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files.values())

    def to_json(self) -> str:
        files = {name: asdict(file) for name, file in self.files.items()}
        return json.dumps({"provenance": json.loads(self.provenance.to_json()), "files": files}, indent=1)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        stored = json.loads(text)
        provenance = Provenance.from_json(json.dumps(stored["provenance"]))
        return cls(provenance, {name: _File(**file) for name, file in stored["files"].items()})


def _escape(part: str) -> str:
    """Return a part of a key as ASCII letters, digits, ``-`` and ``_``, all else as ``.`` and the hex of its bytes."""
    return re.sub(rb"[^A-Za-z0-9_-]", lambda found: b".%02x" % found[0][0], part.encode()).decode()


def _unescape(part: str) -> str:
    return re.sub(rb"\.([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), part.encode()).decode()


def _value_of(key: str, below: str) -> str:
    """Return the id of the value that a key belongs to."""
    value_id, is_file, _ = key.removeprefix(below).partition("/")
    return value_id if is_file else value_id.removesuffix(".json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _code(fault: "ClientError") -> str:
    return str(fault.response.get("Error", {}).get("Code"))
