"""When failed checks lead to a retraining: a pure rule over what was judged and what was run.

What was done is read from the run storage, never from the sensor's cursor: a finding is answered once a training that
started after it has succeeded, whoever launched that.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import dagster as dg

from resources.decision_log import Decision
from sensors.judgements import History, Judgement, newest_of_each_window
from sensors.training_runs import Attempt, TrainingRuns

STUCK_AFTER = timedelta(hours=24)
"""How long a training may be under way before a person hears of it: many times what the largest one takes."""


@dataclass(frozen=True)
class RetrainingRule:
    """The numbers of the rule.

    Attributes
    ----------
    windows_needed, windows_seen : int
        Findings that count must stand in so many of the last so many windows of their report.
    cooldown : timedelta
        From the launch of one retraining to the next.
    retry_after : timedelta
        From the end of a failed retraining to the next attempt; doubled by each further failure.
    attempts_a_week : int
        Retrainings that are launched within seven days at most, failed ones included.
    """

    windows_needed: int = 2
    windows_seen: int = 5
    cooldown: timedelta = timedelta(hours=24)
    retry_after: timedelta = timedelta(hours=1)
    attempts_a_week: int = 3

    def __post_init__(self) -> None:
        if not 1 <= self.windows_needed <= self.windows_seen:
            raise ValueError(
                f"findings in {self.windows_needed} of {self.windows_seen} windows can never stand; "
                "expected 1 or more, and no more than the windows that are looked at"
            )


@dataclass(frozen=True)
class Window:
    """A day with all that counts toward retraining in it."""

    name: str
    findings: tuple[Judgement, ...]

    @property
    def severe(self) -> bool:
        """Whether one finding alone is reason enough for a young system."""
        return any(finding.severe for finding in self.findings)

    def as_evidence(self) -> dict[str, Any]:
        """Return the window as JSON types."""
        return {
            "window": self.name,
            "findings": [
                {
                    "check": f"{each.report}.{each.check}",
                    "verdict": each.verdict,
                    "columns": each.columns,
                    "severe": each.severe,
                    "report_id": each.report_id,
                    "record": each.record_id,
                }
                for each in self.findings
            ],
        }


def decide(history: History, runs: TrainingRuns, now: datetime, rule: RetrainingRule) -> tuple[Decision, list[Window]]:
    """Return whether to retrain, with the windows that call for it.

    Parameters
    ----------
    history : History
        Of the checks, at least as far back as the last ``windows_seen`` windows.
    runs : TrainingRuns
    now : datetime
    rule : RetrainingRule

    Returns
    -------
    decision : Decision
        Has a run key if a retraining is to be launched.
    windows : list of Window
        Those in which findings stand, oldest first.
    """
    sufficient = [one for one in newest_of_each_window(history.judgements) if not one.insufficient]
    days = sorted({one.window for one in sufficient})
    settled = _settled(history.judgements, runs.trained_at)
    standing = _standing(sufficient, settled, rule.windows_seen)
    evidence = {
        "windows_judged": days[-rule.windows_seen :],
        "windows_answered": sorted(settled & set(days[-rule.windows_seen :])),
        "windows_standing": [window.as_evidence() for window in standing],
        "troubles": list(history.troubles),
    }
    outcome, reason, needs_person = _judge(days, standing, runs, now, rule)
    key = _run_key(standing, runs) if outcome == "retrain" else ""
    if history.troubles:
        reason = f"{reason} Mind: {'; '.join(history.troubles)}."
    return Decision(outcome, reason, evidence, key, needs_person), standing


def provenance(decision: Decision, windows: Sequence[Window]) -> Mapping[str, str]:
    """Return the tags that tell, on a run, why it was launched."""
    reports = {finding.report_id for window in windows for finding in window.findings}
    return {
        "housing/report_ids": ",".join(sorted(filter(None, reports))),
        "housing/windows": ",".join(window.name for window in windows),
        "housing/reason": decision.reason,
    }


def _judge(
    days: Sequence[str], standing: Sequence[Window], runs: TrainingRuns, now: datetime, rule: RetrainingRule
) -> tuple[str, str, bool]:
    if not days:
        return "no windows", "No window has been judged on enough rows yet.", False
    if not standing:
        return "nothing found", f"No unanswered finding in the last windows, to {days[-1]}.", False
    found = f"Findings stand in {_listed(standing)}"
    alone = len(days) == 1 and standing[0].severe
    if len(standing) < rule.windows_needed and not alone:
        return "too few windows", f"{found}: {rule.windows_needed} of {rule.windows_seen} windows are needed.", False
    if runs.in_flight:
        return _held_by_run(found, runs, now)
    if runs.attempts and (until := _rests_until(runs.attempts, rule)) > now:
        newest = runs.attempts[0]
        ended = f"retraining {newest.run_id} ended as {newest.status.value} at {_clock(_moment(newest.ended))}"
        return "waiting", f"{found}, but {ended}: not before {_clock(until)}.", False
    recent = [one for one in runs.attempts if now - _moment(one.launched) < timedelta(days=7)]
    if len(recent) >= rule.attempts_a_week:
        free = _moment(recent[rule.attempts_a_week - 1].launched) + timedelta(days=7)
        tried = f"{len(recent)} retrainings were launched within seven days"
        return "weekly cap", f"{found}, but {tried}: not before {_clock(free)}, and a person should look.", True
    return "retrain", f"{found}: {standing[-1].findings[0].verdict or standing[-1].findings[0].check}", False


def _held_by_run(found: str, runs: TrainingRuns, now: datetime) -> tuple[str, str, bool]:
    run_id, created = min(runs.in_flight, key=lambda run: run[1])
    since = _moment(created)
    stuck = now - since > STUCK_AFTER
    advice = " It looks stuck: terminate it in the lineage page if so." if stuck else ""
    return "in flight", f"{found}, but training run {run_id} is under way since {_clock(since)}.{advice}", stuck


def _settled(judgements: Sequence[Judgement], trained_at: float | None) -> set[str]:
    """Return the windows with findings from before the last training: it answered them, even if judged anew."""
    if trained_at is None:
        return set()
    return {one.window for one in judgements if one.at <= trained_at and one.calls_for_retraining}


def _standing(sufficient: Sequence[Judgement], settled: set[str], seen: int) -> list[Window]:
    """Return the windows with unanswered findings about the version that was in production in the newest one.

    Each report has its own last windows: the performance of a day is known when its labels are, days after its drift.
    """
    current = [one for one in sufficient if one.in_production]
    version = max(current, key=lambda one: (one.window, one.at)).version if current else ""
    days_of: dict[str, set[str]] = defaultdict(set)
    for one in sufficient:
        days_of[one.report].add(one.window)
    last = {report: set(sorted(days)[-seen:]) for report, days in days_of.items()}
    found: dict[str, list[Judgement]] = defaultdict(list)
    for one in sufficient:
        if (
            one.version == version
            and one.calls_for_retraining
            and one.window in last[one.report]
            and one.window not in settled
        ):
            found[one.window].append(one)
    return [
        Window(day, tuple(sorted(found[day], key=lambda one: (not one.severe, one.report, one.check))))
        for day in sorted(found)
    ]


def _rests_until(attempts: Sequence[Attempt], rule: RetrainingRule) -> datetime:
    """Return when the next attempt may be made: a person who cancelled one is not contradicted within the cooldown."""
    newest = attempts[0]
    if newest.status != dg.DagsterRunStatus.FAILURE:
        return _moment(newest.launched) + rule.cooldown
    failures = sum(1 for _ in takewhile(lambda one: one.status == dg.DagsterRunStatus.FAILURE, attempts))
    return _moment(newest.ended) + min(rule.retry_after * 2 ** (failures - 1), rule.cooldown)


def _run_key(standing: Sequence[Window], runs: TrainingRuns) -> str:
    """Return a key that is the same however often the decision is taken, and another one once an attempt has ended."""
    newest = max(finding.record_id for window in standing for finding in window.findings)
    return f"retraining-{newest}-{runs.attempts[0].run_id[:8] if runs.attempts else 'first'}"


def _listed(windows: Sequence[Window]) -> str:
    return ", ".join(window.name for window in windows)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
