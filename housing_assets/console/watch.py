"""What the console knows: read from where it lies every few seconds, never while somebody waits for a page.

What cannot be read stands as it was known last, and every page says so.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from housing_assets.console.days import Day, summarize_days
from housing_assets.console.reports import StoredFigures, Unreadable
from housing_assets.console.service_health import NOT_ASKED, ServiceHealth
from housing_assets.console.versions import Registered
from resources.alerts import Raised
from resources.decision_log import Recorded
from resources.judgements import Judgement
from resources.predictions.day_decisions import Days

SECONDS = 10.0
"""From one look at a source to the next."""

LATE = 6
"""Looks after which a source that has not answered is said not to."""

START_SECONDS = 30.0
"""Within which everything should have been seen once: a year of days takes a few."""

MOST_DECISIONS, MOST_ALERTS = 100, 200
"""That are shown: of each kind of decision, and of alerts, the newest."""

T = TypeVar("T")

logger = logging.getLogger("housing.console")


class Sources(Protocol):
    """Where everything is read from; each may fail."""

    def judgements(self, now: datetime) -> Sequence[Judgement]:
        """Return what the monitoring checks said."""

    def figures(self) -> StoredFigures:
        """Return what stored reports say."""

    def report_page(self, day: date) -> bytes | None:
        """Return a day's drift report as a page, None where there is none."""

    def day_decisions(self) -> Days:
        """Return what was decided on days."""

    def decisions(self) -> Sequence[Recorded]:
        """Return what the sensors decided, newest first."""

    def versions(self) -> Sequence[Registered]:
        """Return the registered versions, newest first."""

    def card_page(self, number: int) -> str | None:
        """Return the model card of a version as a page, None where there is none."""

    def alerts(self) -> Sequence[Raised]:
        """Return the alerts, newest first."""

    def service(self) -> ServiceHealth:
        """Return the health of the service."""


@dataclass(frozen=True)
class View:
    """What is known at one time.

    Attributes
    ----------
    at : datetime
        When it was looked at.
    days : tuple of Day
        Oldest first, without a gap.
    versions : sequence of Registered
        Newest first, as the next two.
    decisions : sequence of Recorded
    alerts : sequence of Raised
    service : ServiceHealth
    troubles : tuple of str
        What cannot be read, a sentence each.
    """

    at: datetime
    days: tuple[Day, ...] = ()
    versions: Sequence[Registered] = ()
    decisions: Sequence[Recorded] = ()
    alerts: Sequence[Raised] = ()
    service: ServiceHealth = NOT_ASKED
    troubles: tuple[str, ...] = ()

    def day(self, wanted: date) -> Day | None:
        """Return a day, None where nothing is known of it."""
        return next((one for one in self.days if one.day == wanted), None)


class Watch:
    """Looks at the sources again and again, and holds what is known.

    Each source is looked at in a thread of its own: one that does not answer keeps no other from being up to date.

    Parameters
    ----------
    sources : Sources
    seconds : float
        From one look to the next.

    Attributes
    ----------
    view : View
    report_page : callable
        Returns a day's drift report as a page, None where there is none.
    card_page : callable
        Returns the model card of a version as a page, None where there is none.
    """

    def __init__(self, sources: Sources, seconds: float = SECONDS) -> None:
        self.view = View(datetime.now(UTC))
        self.report_page = sources.report_page
        self.card_page = sources.card_page
        self._seconds = seconds
        self._judgements = _Kept[Sequence[Judgement]](
            "Dagster's event log", lambda: sources.judgements(datetime.now(UTC)), ()
        )
        self._decisions = _Kept[Sequence[Recorded]]("The log of decisions", sources.decisions, ())
        self._figures = _Kept[StoredFigures]("The stored reports", sources.figures, StoredFigures())
        self._days = _Kept[Days]("The prediction store", sources.day_decisions, Days())
        self._versions = _Kept[Sequence[Registered]]("MLflow's registry", sources.versions, ())
        self._alerts = _Kept[Sequence[Raised]]("The log of alerts", sources.alerts, ())
        self._service = _Kept[ServiceHealth]("The service", sources.service, NOT_ASKED)
        self._every: tuple[_Kept[Any], ...] = (
            *(self._judgements, self._decisions, self._figures, self._days),
            *(self._versions, self._alerts, self._service),
        )
        self._building = threading.Lock()
        self._ended = threading.Event()

    def refresh(self) -> None:
        """Look at everything once."""
        for kept in self._every:
            kept.refresh()
        self._build()

    def start(self) -> None:
        """Look at everything from now on; return when all was seen, or what has not answered within a while is left."""
        for kept in self._every:
            threading.Thread(target=self._look, args=(kept,), name="console-watch", daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while any(not kept.tried for kept in self._every) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._build()

    def stop(self) -> None:
        """Look at nothing any more."""
        self._ended.set()

    def _look(self, kept: "_Kept[Any]") -> None:
        while not self._ended.is_set():
            kept.refresh()
            self._build()
            self._ended.wait(self._seconds)

    def _build(self) -> None:
        with self._building:
            now = datetime.now(UTC)
            late = timedelta(seconds=LATE * self._seconds)
            figures, decided = self._figures.value, self._days.value.newest
            troubles = (*(kept.trouble(now, late) for kept in self._every), _tell_unreadable(figures.unreadable))
            self.view = View(
                at=now,
                days=summarize_days(self._judgements.value, figures.by_day, decided, now.date()),
                versions=self._versions.value,
                decisions=self._decisions.value,
                alerts=self._alerts.value,
                service=self._service.value,
                troubles=tuple(filter(None, troubles)),
            )


def _tell_unreadable(found: Sequence[Unreadable]) -> str:
    """Say in a few sentences which reports cannot be read, and what makes them anew; nothing where all can."""
    if not found:
        return ""
    first, *others = found
    more = f", and {len(others)} more cannot" if others else ""
    return (
        f"The {first.report} of {first.day} cannot be read ({first.fault}){more}: what is shown of it is what was "
        f"known before. Make the day's reports again with: housing judge {first.day}"
    )


class _Kept(Generic[T]):
    """What was read last of a source."""

    def __init__(self, name: str, read: Callable[[], T], empty: T) -> None:
        self.value = empty
        self.tried = False
        self._name = name
        self._read = read
        self._read_at: datetime | None = None
        self._fault = ""

    def refresh(self) -> None:
        """Read it again."""
        try:
            self.value = self._read()
        except Exception as fault:  # whichever library it comes of: the page says so, and the other sources go on
            if not self._fault:
                logger.exception("%s cannot be read", self._name)
            self._fault = type(fault).__name__
        else:
            self._fault, self._read_at = "", datetime.now(UTC)
        finally:
            self.tried = True

    def trouble(self, now: datetime, late: timedelta) -> str:
        """Return what is wrong with it in a sentence, empty where nothing is."""
        shown = (
            f"what is shown was known at {self._read_at:%H:%M:%S} UTC" if self._read_at else "nothing of it is shown"
        )
        if self._fault:
            return f"{self._name} cannot be read ({self._fault}): {shown}."
        if self._read_at is None or now - self._read_at > late:
            return f"{self._name} does not answer: {shown}."
        return ""
