"""The pages: what each of them shows, of what is known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from housing_assets.console.charts import Chart, Point, Series, draw, sparkline
from housing_assets.console.days import MEANINGS, Day, Outcome, report_name
from housing_assets.console.links import Links
from housing_assets.console.reports import Effect
from housing_assets.console.versions import METRICS
from housing_assets.console.watch import View

PERIODS = (30, 90, 365)
"""Days that the page of drift and performance may show."""

RECENT = timedelta(days=7)
"""Age of alerts that the overview shows."""

MOST_ROWS, MOST_COLUMNS = 90, 15
"""Rows of a table of days, and columns of the listings that are shown as the worst."""

SYMBOLS: Mapping[str, str] = {
    Outcome.PASSED: "✓",
    Outcome.DRIFTED: "▲",
    Outcome.HELD: "■",
    Outcome.ALERT: "◆",
    Outcome.NO_PREDICTIONS: "○",
    Outcome.NOT_JUDGED: "–",
    "healthy": "✓",
    "degraded": "◆",
    "failing": "▲",
    "unknown": "–",
}
"""By their shape, outcomes can be told apart without their colours."""


class Month(NamedTuple):
    """A month of a calendar: weeks from Monday to Sunday, with None outside the month or what is known."""

    name: str
    weeks: tuple[tuple[Day | None, ...], ...]
    counts: tuple[tuple[Outcome, int], ...]


class WorstColumn(NamedTuple):
    """A column of the listings over a period."""

    name: str
    days_over: int
    worst: Effect
    worst_day: date
    path: str


class Pages:
    """Writes the pages.

    Parameters
    ----------
    market : str
        Its title.
    links : Links
    """

    def __init__(self, market: str, links: Links) -> None:
        self._market = market
        self._links = links
        self._environment = _open_templates()

    def overview(self, view: View) -> str:
        """Return the health of the day at a glance."""
        champion = next((one for one in view.versions if one.in_production), None)
        judged = next((one for one in reversed(view.days) if one.judgements), None)
        return self._write(
            "overview",
            view,
            newest=judged or next(reversed(view.days), None),
            champion=champion,
            decision=next(iter(view.decisions), None),
            alerts=[one for one in view.alerts if view.at.timestamp() - one.alert.at < RECENT.total_seconds()][:10],
            strip=view.days[-30:],
            metrics=METRICS,
        )

    def versions(self, view: View) -> str:
        """Return the registered versions."""
        return self._write("versions", view, metrics=METRICS)

    def windows(self, view: View, year: int | None = None) -> str | None:
        """Return the calendar of a year, or of the last twelve months; None of a year that nothing is known of."""
        years = sorted({one.day.year for one in view.days})
        if year is not None and year not in years:
            return None
        shown = [one for one in view.days if year in (None, one.day.year)]
        months = _months(shown)
        return self._write("windows", view, months=months[:12] if year is None else months, years=years, year=year)

    def day(self, view: View, wanted: date) -> str | None:
        """Return what was found on a day, None where nothing is known of it."""
        found = view.day(wanted)
        if found is None:
            return None
        return self._write(
            "day",
            view,
            found=found,
            before=view.day(wanted - timedelta(days=1)),
            after=view.day(wanted + timedelta(days=1)),
        )

    def drift(self, view: View, period: int) -> str:
        """Return drift and performance over a period of days."""
        shown = view.days[-period:]
        return self._write(
            "drift",
            view,
            period=period,
            periods=PERIODS,
            charts=[chart for chart in (_drift(shown), _performance(shown), _traffic(shown)) if chart],
            worst=_worst_columns(shown),
            shown=shown[::-1][:MOST_ROWS],
        )

    def decisions(self, view: View) -> str:
        """Return what the sensors decided."""
        return self._write("decisions", view)

    def alerts(self, view: View) -> str:
        """Return the alerts."""
        return self._write("alerts", view)

    def unavailable(self, view: View, what: str) -> str:
        """Return the page for what cannot be fetched because something does not answer.

        Parameters
        ----------
        view : View
        what : str
            Does not answer, as a sentence begins with it.
        """
        return self._write("unavailable", view, what=what)

    def missing(self, view: View) -> str:
        """Return what is shown where there is no such page."""
        return self._write("missing", view)

    def _write(self, name: str, view: View, **shown: Any) -> str:
        template = self._environment.get_template(f"{name}.html.jinja")
        return template.render(page=name, view=view, market=self._market, links=self._links, **shown)


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago something was.

    Examples
    --------
    >>> ago(datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 4, 12, tzinfo=UTC))
    '3 days ago'
    """
    seconds = max((now - at).total_seconds(), 0)
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"


def moment(at: datetime) -> str:
    """Return a moment, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _open_templates() -> Environment:
    """Return the templates, all of them compiled: the first to open a page does not wait for that."""
    environment = Environment(
        loader=PackageLoader("housing_assets.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": True}
    environment.globals |= {"meanings": MEANINGS, "symbols": SYMBOLS, "report_name": report_name}
    environment.filters |= {
        "ago": ago,
        "moment": moment,
        "from_timestamp": lambda at: datetime.fromtimestamp(at, UTC),
    }
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


def _months(days: Iterable[Day]) -> list[Month]:
    """Return the months of some days, newest first."""
    by_month: dict[tuple[int, int], dict[int, Day]] = defaultdict(dict)
    for one in days:
        by_month[one.day.year, one.day.month][one.day.day] = one
    return [_month(year, month, known) for (year, month), known in sorted(by_month.items(), reverse=True)]


def _month(year: int, month: int, known: Mapping[int, Day]) -> Month:
    import calendar

    weeks = calendar.Calendar().monthdayscalendar(year, month)
    outcomes = [one.outcome for one in known.values()]
    return Month(
        f"{date(year, month, 1):%B %Y}",
        tuple(tuple(known.get(number) for number in week) for week in weeks),
        tuple((outcome, outcomes.count(outcome)) for outcome in Outcome if outcome in outcomes),
    )


def _drift(days: Sequence[Day]) -> Chart | None:
    drifts = [(one.day, one.figures.drift) for one in days if one.figures.drift]
    worst = tuple(Point(day, max(one.worst.times, 0.0), one.worst.over) for day, one in drifts if one.worst)
    predicted = tuple(
        Point(day, max(one.predictions.times, 0.0), one.predictions.over) for day, one in drifts if one.predictions
    )
    return draw(
        "drift",
        "Drift, as a multiple of its limit",
        "Each day: the column of the listings that is furthest from the reference, and the mix of predictions. 1 is "
        "the limit; a triangle is over it, and not by chance.",
        [Series("worst column", "main", worst), Series("predictions", "second", predicted)],
        limit=(1.0, "limit"),
    )


def _performance(days: Sequence[Day]) -> Chart | None:
    reports = [(one.day, one.figures.performance) for one in days if one.figures.performance]
    found = tuple(Point(day, one.accuracy, one.failed) for day, one in reports if one.accuracy is not None)
    expected = tuple(Point(day, one.expected) for day, one in reports if one.expected is not None)
    estimated = tuple(Point(day, one.estimate[0]) for day, one in reports if one.estimate)
    lowest = min((point.value for point in (*found, *expected, *estimated)), default=0.0)
    return draw(
        "performance",
        "Accuracy on labelled predictions",
        "Each day, with the accuracy expected from the holdout and the one estimated without labels (CBPE). A triangle "
        "marks a day on which accuracy has fallen.",
        [
            Series("accuracy", "main", found),
            Series("expected", "second", expected),
            Series("estimated without labels", "third", estimated),
        ],
        lowest=lowest,
        as_percent=True,
    )


def _traffic(days: Sequence[Day]) -> Chart | None:
    answered = tuple(
        Point(one.day, one.figures.answered, one.outcome is Outcome.ALERT)
        for one in days
        if one.figures.answered is not None
    )
    return draw("traffic", "Predictions a day", "Listings answered each day.", [Series("answered", "main", answered)])


def _worst_columns(days: Sequence[Day]) -> list[WorstColumn]:
    """Return the columns that were furthest beyond their limits, those over it on most days first."""
    over: dict[str, int] = defaultdict(int)
    worst: dict[str, tuple[Effect, date]] = {}
    for one in days:
        for effect in one.figures.drift.effects if one.figures.drift else ():
            known = worst.get(effect.column)
            if known is None or (effect.times > known[0].times and effect.over >= known[0].over):
                worst[effect.column] = effect, one.day
            if effect.over:
                over[effect.column] += 1
    ranked = sorted(worst, key=lambda name: (over[name], worst[name][0].times, name), reverse=True)[:MOST_COLUMNS]
    courses: dict[str, list[Point]] = {name: [] for name in ranked}
    for one in days:
        for effect in one.figures.drift.effects if one.figures.drift else ():
            if effect.column in courses:
                courses[effect.column].append(Point(one.day, effect.times))
    return [
        WorstColumn(name, over[name], *worst[name], sparkline(courses[name], days[0].day, days[-1].day))
        for name in ranked
    ]
