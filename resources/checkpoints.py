"""Where forests in training keep their checkpoints: on the local disk, and in production in the object store, too.

A checkpoint is read and written on the disk alone. Its mirror has the same files: the parts, whose names never stand
for anything else, and the manifests, the newest last, so that a process that dies leaves a whole checkpoint there. What
is damaged on the way is found by whoever reads the checkpoint, as on the disk.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg

from resources.object_store import ObjectStore, again_if_broken_off, split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOREST = "price_forest"
"""The forest that is trained, by the name of its checkpoints."""

MANIFEST = "checkpoint.json"
"""The file that makes the others a checkpoint."""

_PART = ".npz"
_MIRRORED = ".mirrored"
"""Has the manifest that disk and mirror last had in common."""


class Checkpoints(dg.ConfigurableResource):
    """A folder for each forest in training, on a disk that outlives the process.

    ``mirror`` is an ``s3://bucket/prefix``, by which another machine goes on where this one stopped; empty: there is
    none. One run at a time trains a forest.
    """

    folder: str
    mirror: str = ""

    def path_of(self, name: str) -> Path:
        """Return the folder of one forest's checkpoints."""
        return Path(self.folder) / name

    def fetch(self, name: str) -> None:
        """Bring the folder of a forest up to the mirror, unless nobody has written there since this machine did."""
        if not self.mirror:
            return
        folder, client = self.path_of(name), ObjectStore().client()
        bucket, prefix = self._place(name)
        files = _listed(client, bucket, prefix)
        if MANIFEST not in files:
            return
        newest = again_if_broken_off(_read)(client, bucket, f"{prefix}{MANIFEST}")
        common = folder / _MIRRORED
        if common.exists() and common.read_bytes() == newest:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(files, key=_last_the_manifest):
            if not (file.endswith(_PART) and (folder / file).exists()):
                _download(client, bucket, f"{prefix}{file}", folder / file)
        shutil.copyfile(folder / MANIFEST, common)

    def push(self, name: str) -> None:
        """Bring the mirror up to the folder of a forest: only parts that it has not yet are uploaded."""
        if not self.mirror:
            return
        folder, client = self.path_of(name), ObjectStore().client()
        bucket, prefix = self._place(name)
        there = _listed(client, bucket, prefix)
        here = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        for file in sorted(here, key=_last_the_manifest):
            if not (file.endswith(_PART) and file in there):
                client.upload_file(str(folder / file), bucket, f"{prefix}{file}")
        shutil.copyfile(folder / MANIFEST, folder / _MIRRORED)
        for file in there - here:
            client.delete_object(Bucket=bucket, Key=f"{prefix}{file}")

    def stored_bytes(self, name: str) -> int:
        """Return how much the folder of a forest holds."""
        folder = self.path_of(name)
        return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0

    def remove(self, name: str) -> None:
        """Remove a forest's checkpoints, and first those in the mirror, from which they would come back."""
        if self.mirror:
            bucket, prefix = self._place(name)
            client = ObjectStore().client()
            for file in _listed(client, bucket, prefix):
                client.delete_object(Bucket=bucket, Key=f"{prefix}{file}")
        shutil.rmtree(self.path_of(name), ignore_errors=True)

    def _place(self, name: str) -> tuple[str, str]:
        bucket, prefix = split_location(self.mirror)
        return bucket, f"{prefix}/{name}/".lstrip("/")


def _last_the_manifest(file: str) -> tuple[bool, bool, str]:
    return file == MANIFEST, not file.endswith(_PART), file


def _listed(client: "S3Client", bucket: str, prefix: str) -> set[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", ())}


def _read(client: "S3Client", bucket: str, key: str) -> bytes:
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def _download(client: "S3Client", bucket: str, key: str, path: Path) -> None:
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        client.download_file(bucket, key, str(unfinished))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
