"""What a running release is asked before it answers anybody, and while it is watched."""

import json
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

from deploy.release.sides import Address, Refused

HOST = "127.0.0.1"

TOLERANCE = 1e-6
"""How far a probability may be from the evaluated model's: as for the model's own golden rows."""

BEFORE_EVERYTHING = "2000-01-01T00:00:00+00:00"
"""What golden requests are dated: no day of production has them, and the next retention deletes them."""

_REQUESTS = re.compile(
    r'^housing_requests_total\{endpoint="(?:predict|predict_batch|feedback)"[^}]*\bstatus="([^"]*)"[^}]*\} (\S+)',
    re.MULTILINE,
)
_PENDING = re.compile(r"^housing_journal_pending_bytes (\S+)", re.MULTILINE)
_FAILED = re.compile(r"5..|UNAVAILABLE|INTERNAL|DEADLINE_EXCEEDED")


class GoldenRequest(NamedTuple):
    """A listing, and the probability of each category that the evaluated model gave it."""

    cells: Mapping[str, Any]
    probabilities: Mapping[str, float]


class Counts(NamedTuple):
    """Requests of clients that a release has answered, and those of them that it failed to."""

    requests: float
    failed: float


def read_golden(artifact: Path) -> list[GoldenRequest]:
    """Read the golden rows of a model artifact, as ``housing versions export`` writes one.

    Raises
    ------
    ValueError
        If there are none.
    """
    categories = json.loads((artifact / "labels.json").read_text(encoding="utf-8"))["categories"]
    rows = json.loads((artifact / "golden.json").read_text(encoding="utf-8"))
    if not rows:
        raise ValueError(f"{artifact} has no golden rows: a release could not be told from a wrong one")
    return [GoldenRequest(row["cells"], dict(zip(categories, row["probabilities"], strict=True))) for row in rows]


@dataclass(frozen=True)
class Probe:
    """Asks one side, past the proxy.

    Attributes
    ----------
    address : Address
    key : str
        Of the scopes ``predict``, ``replay`` and ``admin``.
    seconds : float
        That an answer may take.
    """

    address: Address
    key: str
    seconds: float = 1.0

    def is_taken(self) -> bool:
        """Return whether anything listens on one of the ports."""
        return any(_listens(port) for port in self.address)

    def is_ready(self) -> bool:
        """Return whether the release says over HTTP that it is ready, and listens for gRPC."""
        try:
            return _listens(self.address.grpc_port) and self._ask("GET", "/readyz")[0] == HTTPStatus.OK
        except (OSError, HTTPException):
            return False

    def require_golden_answers(self, golden: Sequence[GoldenRequest]) -> None:
        """Refuse a release that answers otherwise than the model in production was evaluated.

        Raises
        ------
        Refused
            With the first request that is answered otherwise, or not at all.
        """
        for number, wanted in enumerate(golden):
            headers = {"Housing-As-Of": BEFORE_EVERYTHING, "Idempotency-Key": f"golden-{number}"}
            try:
                status, body = self._ask("POST", "/predict", json.dumps(wanted.cells), headers)
            except (OSError, HTTPException) as fault:
                raise Refused(f"golden request {number} is not answered: {fault!r}") from fault
            if status != HTTPStatus.OK:
                raise Refused(f"golden request {number} is answered {status}: {body[:500]}")
            answer = json.loads(body)
            found = answer["probabilities"]
            if found.keys() != wanted.probabilities.keys() or any(
                abs(found[name] - probability) > TOLERANCE for name, probability in wanted.probabilities.items()
            ):
                raise Refused(
                    f"golden request {number} is answered with {found} by version {answer['model_version']} "
                    f"({answer['tier']}), the evaluated model's were {dict(wanted.probabilities)}"
                )

    def counts(self) -> Counts:
        """Return how many requests were answered since the release has started.

        Raises
        ------
        OSError, HTTPException, Refused
            If the release does not tell.
        """
        found = [(status, float(count)) for status, count in _REQUESTS.findall(self._metrics())]
        failed = sum(count for status, count in found if _FAILED.fullmatch(status))
        return Counts(sum(count for _, count in found), failed)

    def pending_bytes(self) -> float:
        """Return the bytes of records that are not in the store yet.

        Raises
        ------
        OSError, HTTPException, Refused
            If the release does not tell.
        """
        found = _PENDING.search(self._metrics())
        if found is None:
            raise Refused("the release does not say how many records wait for the store")
        return float(found.group(1))

    def _metrics(self) -> str:
        status, body = self._ask("GET", "/metrics")
        if status != HTTPStatus.OK:
            raise Refused(f"/metrics is answered {status}: the key needs the scopes predict, replay and admin")
        return body

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        connection = HTTPConnection(HOST, self.address.port, timeout=self.seconds)
        try:
            sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body and body.encode(), sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((HOST, port)) == 0
