"""The calls of MLflow's REST API that the service makes: one attempt each, without timeouts or retries."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from housing_assets.inference.artifact import MANIFEST, ArtifactRefused, files_named, require_intact, sha256

SHA256_TAG = "artifact_sha256"
"""Tag of a registered version: the SHA-256 of its manifest, which in turn has those of the other files."""

SIGNATURE_TAG = "artifact_signature"
"""Tag of a registered version: the signature of that SHA-256; see ``resources/signatures.py``."""

ARTIFACT_PATH = "data/artifact"
"""Where a registered model keeps the artifact: in MLflow's ``data``, under the name of the registered folder."""

_ANSWER_BYTES = 4 * 2**20
"""Size limit of a look-up's answer: a version with its tags takes a few thousand bytes."""


class RegistryFault(Exception):
    """The registry's answer cannot be used; asking again at once would give the same."""


class RegistryUnreachable(RegistryFault):
    """The registry did not answer, timed out, or failed itself; a later attempt may succeed."""


class _Absent(RegistryFault):
    """The registry does not have what was asked for."""


class _TooLong(RegistryFault):
    """An answer has more bytes than allowed."""


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model; equal ones have equal files.

    Attributes
    ----------
    number : int
    source : str
        Where MLflow took the version from: tells it apart from the same number in another registry.
    artifact_sha256 : str or None
        The manifest's expected SHA-256; None for a version that was registered without one.
    artifact_signature : str or None
    """

    number: int
    source: str
    artifact_sha256: str | None
    artifact_signature: str | None = None

    @property
    def key(self) -> str:
        """A folder name that is unique to the version."""
        identity = f"{self.source} {self.artifact_sha256}"
        return f"{self.number}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def require_manifest(self, folder: Path) -> None:
        """Refuse a folder without a manifest, or whose is not the one that the version was registered with, if known.

        Raises
        ------
        ArtifactRefused
        OSError
            If a manifest that is there cannot be read.
        """
        try:
            found = sha256(folder / MANIFEST)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
            raise ArtifactRefused(f"{MANIFEST} is missing") from fault
        if self.artifact_sha256 not in (None, found):
            raise ArtifactRefused(f"{MANIFEST} is not the one that version {self.number} was registered with")

    def require_files(self, folder: Path) -> None:
        """Refuse a folder that does not have the files that the version was registered with.

        Raises
        ------
        ArtifactRefused
            If one is missing or damaged.
        OSError
            If one that is there cannot be read: too many files are open, say. That tells nothing of what is in it.
        """
        self.require_manifest(folder)
        try:
            checksums = dict(json.loads((folder / MANIFEST).read_bytes())["sha256"])
        except (ValueError, KeyError, TypeError) as fault:
            raise ArtifactRefused(f"{MANIFEST} is damaged: {fault}") from fault
        require_intact(folder, checksums)


async def resolve(client: httpx.AsyncClient, model_name: str, aliases: Iterable[str]) -> dict[str, RegisteredVersion]:
    """Return the versions that aliases point to; an alias that does not exist is left out.

    Parameters
    ----------
    client : httpx.AsyncClient
        With the server's URL as its base.
    model_name : str
    aliases : iterable of str

    Raises
    ------
    RegistryFault
        If the answer is an error, or not MLflow's.
    httpx.HTTPError
        If there is no answer.
    """
    try:
        model = await _look_up(client, "registered-models/get", {"name": model_name})
    except _Absent:
        return {}
    try:
        named = {each["alias"]: each["version"] for each in model["registered_model"].get("aliases", [])}
        found = {}
        for alias in set(aliases) & set(named):
            answer = await _look_up(client, "model-versions/get", {"name": model_name, "version": named[alias]})
            found[alias] = _as_version(answer["model_version"])
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise RegistryFault(f"the answer is not MLflow's: {type(fault).__name__}: {fault}") from fault
    return found


async def fetch(
    client: httpx.AsyncClient, model_name: str, version: RegisteredVersion, folder: Path, max_bytes: int
) -> None:
    """Download the artifact's files through the server; those that are in the folder already are kept.

    Parameters
    ----------
    client : httpx.AsyncClient
        With the server's URL as its base.
    model_name : str
    version : RegisteredVersion
    folder : Path
        Where the files are written; it must exist.
    max_bytes : int
        Total size of the files, at most.

    Raises
    ------
    ArtifactRefused
        If a file is missing, the files are too large, or the manifest is not the one that was registered.
    RegistryFault
        If the answer is an error.
    httpx.HTTPError
        If there is no answer.
    """
    left = max_bytes

    async def fetch_file(name: str) -> None:
        nonlocal left
        if not (folder / name).exists():
            query = {"name": model_name, "version": str(version.number), "path": f"{ARTIFACT_PATH}/{name}"}
            part = folder / f"{name}.part"
            try:
                with part.open("wb") as sink:
                    await _read(client, "model-versions/get-artifact", query, sink, left)
            except _Absent as fault:
                raise ArtifactRefused(f"{name} is missing") from fault
            except _TooLong as fault:
                raise ArtifactRefused(f"its files are larger than the {max_bytes:,} bytes that are allowed") from fault
            part.replace(folder / name)
        left -= (folder / name).stat().st_size

    await fetch_file(MANIFEST)
    version.require_manifest(folder)
    for name in files_named(folder):
        await fetch_file(name)


async def _look_up(client: httpx.AsyncClient, endpoint: str, query: Mapping[str, str]) -> Any:
    sink = io.BytesIO()
    await _read(client, f"api/2.0/mlflow/{endpoint}", query, sink, _ANSWER_BYTES)
    try:
        return json.loads(sink.getvalue())
    except ValueError as fault:
        raise RegistryFault(f"the answer is not MLflow's: {fault}") from fault


async def _read(client: httpx.AsyncClient, path: str, query: Mapping[str, str], sink: BinaryIO, limit: int) -> None:
    async with client.stream("GET", path, params=query) as response:
        if response.status_code != HTTPStatus.OK:
            raise await _fault(response)
        packed = response.headers.get("content-encoding", "identity")
        if packed != "identity":  # a small answer may unpack to any size
            raise RegistryFault(f"the answer is compressed ({packed}), which was not asked for")
        async for chunk in response.aiter_raw():
            limit -= len(chunk)
            if limit < 0:
                raise _TooLong("the answer has more bytes than allowed")
            sink.write(chunk)


async def _fault(response: httpx.Response) -> RegistryFault:
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return RegistryUnreachable(f"answered with status {status}")
    body = await anext(response.aiter_raw(), b"")
    try:
        error = str(json.loads(body)["error_code"])
    except (ValueError, KeyError, TypeError):
        error = "not an error of MLflow's"
    return (_Absent if error == "RESOURCE_DOES_NOT_EXIST" else RegistryFault)(f"answered with status {status}: {error}")


def _as_version(answer: Mapping[str, Any]) -> RegisteredVersion:
    tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
    return RegisteredVersion(
        int(answer["version"]), str(answer["source"]), tags.get(SHA256_TAG), tags.get(SIGNATURE_TAG)
    )
