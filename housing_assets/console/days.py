"""What became of each day of production: one word and the reason, of what its checks said and what was decided."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from housing_assets.console.reports import NOTHING, Figures
from housing_assets.monitoring.checks import (
    DRIFT_CHECKS,
    FEATURES_CHECK,
    INPUT_CHECK,
    LEARNED_CHECK,
    PERFORMANCE_CHECK,
)
from resources.judgements import Judgement, newest_of_each_window
from resources.predictions.day_decisions import DayDecision, State

LONGEST = timedelta(days=400)
"""Age of the oldest day that is shown: a year, and the month before it."""


COUNTING = ("psi_within_limit", "prediction_drift_within_limit", FEATURES_CHECK, PERFORMANCE_CHECK)
"""Checks whose failures count toward retraining, as a rule; each verdict says whether that one does."""


class Outcome(StrEnum):
    """What a day came to."""

    PASSED = "passed"
    DRIFTED = "drifted"
    HELD = "held"
    ALERT = "alert"
    NO_PREDICTIONS = "no predictions"
    NOT_JUDGED = "not judged"


MEANINGS: Mapping[Outcome, str] = {
    Outcome.PASSED: "every check passed",
    Outcome.DRIFTED: "what was found counts toward retraining",
    Outcome.HELD: "its input is broken, or looks so: nothing learns from it",
    Outcome.ALERT: "checks failed, but none that calls for retraining",
    Outcome.NO_PREDICTIONS: "there were no requests",
    Outcome.NOT_JUDGED: "too few rows, or no report",
}
"""What each outcome says, for people."""


@dataclass(frozen=True)
class Day:
    """A day of production.

    Attributes
    ----------
    day : date
        UTC; of a window of several days, the last.
    outcome : Outcome
    reason : str
        Why, in a sentence.
    judgements : tuple of Judgement
        The newest of each check, failed ones first.
    figures : Figures
    decision : DayDecision or None
        In force, where it is not that the day is clean.
    """

    day: date
    outcome: Outcome
    reason: str
    judgements: tuple[Judgement, ...] = ()
    figures: Figures = NOTHING
    decision: DayDecision | None = None

    @property
    def failed(self) -> tuple[Judgement, ...]:
        """The checks that failed."""
        return tuple(one for one in self.judgements if not one.passed)

    @property
    def version(self) -> int:
        """The version that was judged; 0 if none was."""
        return max((one.verdict.model_version for one in self.judgements), default=0)


def report_name(judgement: Judgement) -> str:
    """Return the report that was judged, without the prefix of its market."""
    return judgement.report.rpartition("/")[2]


def summarize_days(
    judgements: Iterable[Judgement],
    figures: Mapping[date, Figures],
    decisions: Mapping[date, DayDecision],
    today: date,
) -> tuple[Day, ...]:
    """Return every day from the first that anything is known of to yesterday, oldest first.

    Parameters
    ----------
    judgements : iterable of Judgement
        Of all monitoring checks.
    figures : mapping of date to Figures
        What stored reports say.
    decisions : mapping of date to DayDecision
        In force.
    today : date
        It is shown only once it has been judged.
    """
    by_day: dict[date, list[Judgement]] = defaultdict(list)
    for one in newest_of_each_window(tuple(judgements)):
        by_day[date.fromisoformat(one.window)].append(one)
    known = {*by_day, *figures, *decisions}
    if not known:
        return ()
    first, last = max(min(known), today - LONGEST), max(*known, today - timedelta(days=1))
    every = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return tuple(_summarize(day, by_day[day], figures.get(day, NOTHING), decisions.get(day)) for day in every)


def _summarize(day: date, judgements: Sequence[Judgement], figures: Figures, decision: DayDecision | None) -> Day:
    ordered = tuple(sorted(judgements, key=_urgency))
    outcome, reason = _outcome(ordered, figures, decision)
    shown = None if decision is None or decision.state is State.CLEAN else decision
    return Day(day, outcome, reason, ordered, figures, shown)


def _outcome(judgements: Sequence[Judgement], figures: Figures, decision: DayDecision | None) -> tuple[Outcome, str]:
    by_check = {one.check: one for one in judgements}
    failed = [one for one in judgements if not one.passed]
    input_check = by_check.get(INPUT_CHECK)
    if decision is not None and decision.state is State.HELD:
        return Outcome.HELD, decision.reason
    if decision is None and input_check is not None and not input_check.passed:
        return Outcome.HELD, input_check.verdict.cause or input_check.verdict.summary
    drifted = [one for one in failed if _counts(one)]
    if drifted:
        return Outcome.DRIFTED, _told(drifted)
    others = [one for one in failed if one.check != INPUT_CHECK]
    if figures.answered == 0:
        return Outcome.NO_PREDICTIONS, _told(others) or "There were no requests for a prediction."
    if others:
        return Outcome.ALERT, _told(others)
    drift = [by_check[name] for name in DRIFT_CHECKS if name in by_check]
    if not drift:
        return Outcome.NOT_JUDGED, "There is no report on this day."
    if all(one.verdict.insufficient for one in drift):
        return Outcome.NOT_JUDGED, drift[0].verdict.summary
    return Outcome.PASSED, figures.drift.summary if figures.drift else drift[0].verdict.summary


def _counts(one: Judgement) -> bool:
    """Return whether a failed check counts toward retraining, or would if its version still were in production."""
    return one.verdict.counts_toward_retraining or (one.check in COUNTING and not one.verdict.in_production)


def _told(failed: Sequence[Judgement]) -> str:
    if not failed:
        return ""
    more = len(failed) - 1
    others = f" ({more} more {'check' if more == 1 else 'checks'} failed.)" if more else ""
    return f"{failed[0].verdict.summary or failed[0].check}{others}"


def _urgency(one: Judgement) -> tuple[bool, bool, bool, bool, str, str]:
    """Failed ones come first: of these, what is about broken input, what counts toward retraining, what is severe."""
    return (
        one.passed,
        one.check not in (INPUT_CHECK, LEARNED_CHECK),
        not one.verdict.counts_toward_retraining,
        not one.verdict.severe,
        one.report,
        one.check,
    )
