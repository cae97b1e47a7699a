"""A day's traffic: how much was answered and what was refused, beside the days before it.

None of it can be mended by retraining: a client that broke sends what cannot be used, or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from housing_assets.monitoring.thresholds import Thresholds
from resources.predictions.store import PredictionStore, Refusals

WEEK = 7

DAYS_BEFORE = 2 * WEEK
"""Days that a day is compared with. The same weekday a week ago is one of them; the week before that tells whether
there was a service on it already."""

FEWEST_DAYS_BEFORE = 3
"""Days that the comparison needs: a median of fewer is whatever one of them was."""

FEEDBACK = "feedback"
"""Endpoint whose refusals are no refused listings."""

_SHOWN = 3
"""Kinds of refusals that a sentence names."""


@dataclass(frozen=True)
class Traffic:
    """What a day was asked, until it ended or until it was looked at.

    Attributes
    ----------
    answered : int
        Listings.
    refusals : tuple of Refusals
        The most frequent kind first.
    before : tuple of int
        Listings answered on each of the days before until the same time of day, oldest first.
    unmatched_feedback : int
        Feedback on predictions that are not in the store.
    """

    answered: int
    refusals: tuple[Refusals, ...]
    before: tuple[int, ...]
    unmatched_feedback: int = 0

    @property
    def refused(self) -> int:
        """Listings that were refused; a request that was none at all counts as one."""
        return sum(one.requests for one in self.refusals if one.endpoint != FEEDBACK)


@dataclass(frozen=True)
class TrafficReport:
    """What a day's traffic comes to.

    Attributes
    ----------
    traffic : Traffic
    refused_share : float
        Of all listings that were sent.
    expected : float or None
        Answers that were expected from the days before; None if they are too few, or had too few answers.
    thresholds : Thresholds
    """

    traffic: Traffic
    refused_share: float
    expected: float | None
    thresholds: Thresholds

    @property
    def sent(self) -> int:
        """Listings that were sent."""
        return self.traffic.answered + self.traffic.refused

    @property
    def too_few_to_judge_refusals(self) -> bool:
        """Whether a share of so few says nothing."""
        return self.sent < self.thresholds.min_rows

    @property
    def too_many_refused(self) -> bool:
        """Whether more was refused than the limit allows."""
        return not self.too_few_to_judge_refusals and self.refused_share > self.thresholds.refused_share

    @property
    def share_of_expected(self) -> float:
        """Answers divided by those expected; 1 where nothing can be expected."""
        return self.traffic.answered / self.expected if self.expected else 1.0

    @property
    def too_few_answered(self) -> bool:
        """Whether far fewer were answered than were expected from the days before."""
        return self.share_of_expected < self.thresholds.traffic_share

    @property
    def refusals_summary(self) -> str:
        """What was refused, in a sentence."""
        counted = f"{self.traffic.refused:,} of {self.sent:,} listings were refused"
        if self.too_few_to_judge_refusals:
            return f"Not judged: {counted}; at least {self.thresholds.min_rows} must have been sent."
        kinds = [
            f"{one.field or 'the request itself'} {one.reason.replace('_', ' ')} ({one.requests:,})"
            for one in self.traffic.refusals
            if one.endpoint != FEEDBACK
        ]
        named = f": {', '.join(kinds[:_SHOWN])}" if kinds else ""
        return f"{counted} ({self.refused_share:.1%}, limit {self.thresholds.refused_share:.1%}){named}."

    @property
    def traffic_summary(self) -> str:
        """How much was answered, in a sentence."""
        answered = f"{self.traffic.answered:,} listings were answered"
        if self.expected is None:
            return (
                f"Not judged: {answered}; it takes {FEWEST_DAYS_BEFORE} days before with a median of "
                f"{self.thresholds.min_rows} or more."
            )
        share = f" ({self.share_of_expected:.0%}, limit {self.thresholds.traffic_share:.0%})" if self.expected else ""
        return f"{answered}; about {self.expected:,.0f} were expected from the days before{share}."

    @property
    def refused_fields(self) -> tuple[str, ...]:
        """The fields that requests were refused for, the most frequent first."""
        fields = (one.field for one in self.traffic.refusals if one.endpoint != FEEDBACK)
        return tuple(dict.fromkeys(field for field in fields if field))


def read_traffic(store: PredictionStore, start: datetime, end: datetime, now: datetime) -> Traffic:
    """Count what a day was asked.

    A day that is not over is compared with the days before until the same time.

    Parameters
    ----------
    store : PredictionStore
    start, end : datetime
        Of the day.
    now : datetime
    """
    until = max(start, min(end, now))
    days = [timedelta(days=back) for back in range(DAYS_BEFORE, 0, -1)]
    before = tuple(store.count_predictions(start - day, until - day) for day in days)
    return Traffic(
        answered=store.count_predictions(start, until),
        refusals=tuple(store.refusals(start, until)),
        before=before,
        unmatched_feedback=store.count_unmatched_feedback(start, until),
    )


def judge_traffic(traffic: Traffic, thresholds: Thresholds) -> TrafficReport:
    """Return what a day's traffic comes to.

    Parameters
    ----------
    traffic : Traffic
    thresholds : Thresholds
    """
    sent = traffic.answered + traffic.refused
    share = traffic.refused / sent if sent else 0.0
    return TrafficReport(traffic, share, expected_answers(traffic.before, thresholds.min_rows), thresholds)


def expected_answers(before: Sequence[int], min_rows: int) -> float | None:
    """Return the answers that are expected from the days before: their median, or a week ago's where these are fewer.

    Days before the first answer do not count: there was no service yet. A day without any after it does.

    Parameters
    ----------
    before : sequence of int
        Answers of each of the days before, oldest first.
    min_rows : int
        Fewer expected answers are none to compare with.
    """
    first = next((position for position, answers in enumerate(before) if answers), len(before))
    known = before[first:]
    if len(known) < FEWEST_DAYS_BEFORE or median(known) < min_rows:
        return None
    week_ago = known[-WEEK] if len(known) >= WEEK else median(known)
    return min(median(known), week_ago)
