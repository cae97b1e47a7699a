"""Searches every layer of an image for secrets: who has the image can also read what a later layer removes."""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

NAMES = re.compile(
    r"(^|/)(\.env(\.[^/]*)?|\.netrc|\.pypirc|\.git-credentials|\.git|\.pgpass|id_(rsa|dsa|ecdsa|ed25519)|[^/]+\.(p12|pfx|key))$"
    r"|(^|/)(\.aws/credentials|\.docker/config\.json|\.kube/config|\.config/gh/hosts\.yml)$"
    r"|^data/keys$"
)
"""Files that have no business in an image, whatever is in them."""


class Rule(NamedTuple):
    """A secret's form, and parts of which it has one, which are quickly found."""

    what: str
    parts: tuple[bytes, ...]
    form: re.Pattern[bytes]


RULES = (
    Rule(
        "a private key",
        (b"PRIVATE KEY-----",),
        re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\\?[rn\s]+[A-Za-z0-9+/=\\\s]{60,}"),
    ),
    Rule("an access key of AWS", (b"AKIA",), re.compile(rb"\bAKIA(?![A-Z0-9]*EXAMPLE)[0-9A-Z]{16}\b")),
    Rule(
        "a secret key of AWS",
        (b"aws_secret_access_key",),
        re.compile(rb"aws_secret_access_key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}\b"),
    ),
    Rule("a token of GitHub", (b"gh",), re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b")),
    Rule("a token of GitHub", (b"github_pat_",), re.compile(rb"\bgithub_pat_[A-Za-z0-9_]{50,}\b")),
    Rule(
        "a webhook of Slack", (b"hooks.slack.com",), re.compile(rb"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}")
    ),
    Rule("a token of Slack", (b"xox",), re.compile(rb"\bxox[abprs]-[A-Za-z0-9-]{20,}\b")),
    Rule(
        "a secret of the platform",
        (b"HOUSING_", b"MLFLOW_", b"AWS_SECRET_ACCESS_KEY", b"POSTGRES_PASSWORD", b"RELEASE_API_KEY"),
        re.compile(
            rb"\b(HOUSING_SIGNING_KEY|HOUSING_API_KEYS|HOUSING_ALERT_WEBHOOK|MLFLOW_TRACKING_PASSWORD|"
            rb"MLFLOW_AUTH_ADMIN_PASSWORD|AWS_SECRET_ACCESS_KEY|POSTGRES_PASSWORD|RELEASE_API_KEY)[\"']?[=:]\s?[\"']?[^\s\"'$<{]{8,}"
        ),
    ),
    Rule(
        "a password in a URL",
        (b"://",),
        re.compile(rb"\bHOUSING_[A-Z_]*STORE[\"']?[=:]\s?[\"']?[a-z+]+://[^\s:/@\"']+:[^\s:/@\"'*$]+@"),
    ),
)


PUBLISHED = re.compile(r"^usr/lib/[^/]+/libgnutls\.so\.")
"""Files with keys that everybody has: those that GnuTLS tests itself with."""


class Found(NamedTuple):
    """A secret: which part of the image, which file of it, and what it looks like. The secret itself is not told."""

    layer: str
    file: str
    what: str


class Searched(NamedTuple):
    """What was looked at, and what was found."""

    layers: int
    files: int
    found: list[Found]


def search(archive: Path) -> Searched:
    """Search an image that ``docker save`` has written: its layers, its configuration and its history.

    Parameters
    ----------
    archive : Path

    Raises
    ------
    ValueError
        If there is no layer in it.
    """
    layers, files = 0, 0
    found: list[Found] = []
    with tarfile.open(archive) as image:
        for part in image:
            opened = image.extractfile(part) if part.isfile() else None
            if opened is None:
                continue
            if not _is_tar(opened):
                found += [Found(part.name, "", what) for what in secrets_in(opened.read())]
                continue
            layers += 1
            for name, content in _files(opened):
                files += 1
                whats = () if PUBLISHED.search(name) else (*secret_name(name), *secrets_in(content))
                found += [Found(part.name, name, what) for what in whats]
    if not layers:
        raise ValueError(f"{archive} has no layers: nothing was searched")
    return Searched(layers, files, found)


def secret_name(name: str) -> Iterator[str]:
    """Yield what is wrong with a file by its name alone."""
    if NAMES.search(name):
        yield "a file of secrets"


def secrets_in(content: bytes) -> Iterator[str]:
    """Yield what looks like a secret in the content of a file."""
    for rule in RULES:
        if any(part in content for part in rule.parts) and rule.form.search(content):
            yield rule.what


def _is_tar(opened: IO[bytes]) -> bool:
    try:
        with tarfile.open(fileobj=opened):
            return True
    except tarfile.ReadError:
        return False
    finally:
        opened.seek(0)


def _files(layer: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=layer) as inner:
        for member in inner:
            name = member.name.removeprefix("./")
            opened = inner.extractfile(member) if member.isfile() else None
            yield name, b"" if opened is None else opened.read()
