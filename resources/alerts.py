"""Where alerts go: a local log always, and a webhook in Slack's format where one is set."""

import html
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

if TYPE_CHECKING:
    import httpx

PATIENCE = 8.0
"""Seconds that one delivery may take: other sensors wait for this one."""

_LONGEST = 3_000
"""Characters of a message: what Slack shows of one block."""

_FIELDS = frozenset({"at", "kind", "text", "key", "outcome"})

_TAIL = 1_000_000
"""Bytes of the log that are read back: thousands of alerts, more than any cursor can have lost."""


class NotDelivered(Exception):
    """The webhook did not take an alert; the message holds no address, which is a secret.

    Attributes
    ----------
    refused : bool
        Whether it was this alert that was refused, so that another one may pass.
    """

    def __init__(self, reason: str, *, refused: bool) -> None:
        super().__init__(reason)
        self.refused = refused


@dataclass(frozen=True)
class Alert:
    """What a person should hear of.

    Attributes
    ----------
    key : str
        Of the finding, run or report: the same key is delivered once.
    kind : str
        ``run``, ``finding`` or ``decision``.
    text : str
    at : float
        When it happened, in seconds since 1970.
    """

    key: str
    kind: str
    text: str
    at: float


class Raised(NamedTuple):
    """An alert as it stands in the log, with what last became of it."""

    alert: Alert
    outcome: str


@dataclass(frozen=True)
class Webhook:
    """An incoming webhook that takes ``{"text": ...}``, as Slack's and those of most chats do."""

    url: str = field(repr=False)
    patience: float = PATIENCE

    def deliver(self, alert: Alert) -> None:
        """Send an alert; what fails for the moment is tried again for a few seconds.

        Raises
        ------
        NotDelivered
            If it was not taken.
        """
        import httpx

        tries = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(3) | stop_after_delay(self.patience / 2),
            wait=wait_random_exponential(multiplier=0.2, max=self.patience / 4),
            reraise=True,
        )
        text = html.escape(alert.text[:_LONGEST], quote=False)
        try:
            tries(self._post, {"text": text})
        except httpx.HTTPStatusError as refusal:
            status = refusal.response.status_code
            raise NotDelivered(f"answered {status}", refused=not _may_pass(refusal)) from None
        except httpx.HTTPError as fault:
            raise NotDelivered(type(fault).__name__, refused=False) from None
        except (httpx.InvalidURL, ValueError):
            raise NotDelivered("HOUSING_ALERT_WEBHOOK is no URL", refused=False) from None

    def _post(self, body: dict[str, str]) -> None:
        import httpx

        httpx.post(self.url, json=body, timeout=self.patience / 4).raise_for_status()


@dataclass(frozen=True)
class AlertLog:
    """Alerts as JSON lines, oldest first: each when it was raised, and again when the webhook took it at last."""

    path: Path

    def write(self, alert: Alert, outcome: str) -> None:
        """Append an alert with what became of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "at": datetime.fromtimestamp(alert.at, UTC).isoformat(timespec="seconds"),
            "kind": alert.kind,
            "text": alert.text,
            "key": alert.key,
            "outcome": outcome,
        }
        with self.path.open("ab") as log:  # the line feed comes first: a crash may have cut off the line before
            log.write(b"\n" * (log.tell() > 0) + json.dumps(line, ensure_ascii=False).encode())
            log.flush()
            os.fsync(log.fileno())

    def outcomes(self) -> dict[str, str]:
        """Return what last became of each recent alert, by its key."""
        return {str(line["key"]): str(line["outcome"]) for line in self._lines()}

    def recent(self, limit: int) -> list[Raised]:
        """Return the newest alerts, newest first."""
        found = {
            str(line["key"]): Raised(
                Alert(str(line["key"]), str(line["kind"]), str(line["text"]), _moment(line["at"])), str(line["outcome"])
            )
            for line in self._lines()
        }
        return sorted(found.values(), key=lambda raised: raised.alert.at, reverse=True)[:limit]

    def _lines(self) -> Iterator[dict[str, object]]:
        try:
            with self.path.open("rb") as log:
                log.seek(max(0, self.path.stat().st_size - _TAIL))
                text = log.read()
        except FileNotFoundError:
            return
        for line in text.split(b"\n"):
            try:
                entry = json.loads(line)
            except ValueError:  # the first line of the tail, or one that a crash cut off
                continue
            if isinstance(entry, dict) and entry.keys() >= _FIELDS:
                yield entry


def _moment(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def _may_pass(fault: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    import httpx

    if isinstance(fault, httpx.HTTPStatusError):
        return _is_temporary(fault.response)
    return isinstance(fault, httpx.TransportError) and not isinstance(fault, httpx.UnsupportedProtocol)


def _is_temporary(response: "httpx.Response") -> bool:
    return response.status_code == 429 or response.status_code >= 500
