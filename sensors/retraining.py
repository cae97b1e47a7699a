"""When failed checks lead to a retraining: a pure rule over what was judged and what was run.

What was done is read from the run storage, never from the sensor's cursor: a finding is resolved once a training that
started after it has succeeded, whoever launched that.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import dagster as dg

from resources.decision_log import Decision
from resources.judgements import HORIZON, History, Judgement, newest_of_each_window, separate_windows
from sensors.training_runs import Attempt, TrainingRuns

STUCK_AFTER = timedelta(hours=24)
"""How long a training may be under way before a person hears of it: many times what the largest one takes."""


@dataclass(frozen=True)
class RetrainingRule:
    """The numbers of the rule.

    Attributes
    ----------
    windows_needed, windows_seen : int
        So many of the last so many windows of a report must have unresolved findings that count. Windows that have a
        day in common are one: a day's rows count once.
    cooldown : timedelta
        From the launch of one retraining to the next.
    retry_after : timedelta
        From the end of a failed retraining to the next attempt; doubled by each further failure.
    attempts_a_week : int
        Retrainings that are launched within seven days at most, failed ones included.
    window_days : int
        Days that a report judges together at most.
    """

    windows_needed: int = 2
    windows_seen: int = 5
    cooldown: timedelta = timedelta(hours=24)
    retry_after: timedelta = timedelta(hours=1)
    attempts_a_week: int = 3
    window_days: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.windows_needed <= self.windows_seen:
            raise ValueError(
                f"windows_needed is {self.windows_needed} of {self.windows_seen} windows: "
                "expected 1 or more, and no more than the windows that are looked at"
            )

    @property
    def horizon(self) -> timedelta:
        """Age of evaluations up to which the last windows lie, a night that was missed among them."""
        return max(HORIZON, timedelta(days=self.windows_seen * self.window_days + 1))


@dataclass(frozen=True)
class Window:
    """A day with all that counts toward retraining in it."""

    name: str
    findings: tuple[Judgement, ...]

    @property
    def severe(self) -> bool:
        """Whether one finding alone is reason enough for a young system."""
        return any(finding.verdict.severe for finding in self.findings)

    def as_evidence(self) -> dict[str, Any]:
        """Return the window as JSON types."""
        return {
            "window": self.name,
            "findings": [
                {
                    "check": f"{each.report}.{each.check}",
                    "verdict": each.verdict.summary,
                    "columns": ", ".join(each.verdict.columns),
                    "severe": each.verdict.severe,
                    "report_id": each.verdict.report_id,
                    "record": each.record_id,
                }
                for each in self.findings
            ],
        }


def decide(
    history: History,
    runs: TrainingRuns,
    now: datetime,
    rule: RetrainingRule,
    held: Mapping[str, datetime] = MappingProxyType({}),
) -> tuple[Decision, list[Window]]:
    """Return whether to retrain, with the windows that call for it.

    Parameters
    ----------
    history : History
        Of the checks, at least as far back as the last ``windows_seen`` windows.
    runs : TrainingRuns
    now : datetime
    rule : RetrainingRule
    held : mapping of str to datetime
        Days that are held, and since when: nothing found in them counts, whenever it was found, nor what was found
        before in a window of several days with such a day in it.

    Returns
    -------
    decision : Decision
        Has a run key if a retraining is to be launched.
    windows : list of Window
        The unresolved ones, oldest first.
    """
    newest = newest_of_each_window(history.judgements)
    sufficient = [one for one in newest if not one.verdict.insufficient and not _is_held(one, held)]
    days = sorted({one.window for one in sufficient})
    resolved = _resolved(history.judgements, runs.trained_at)
    unresolved = _unresolved_windows(sufficient, resolved, rule.windows_seen)
    evidence = {
        "windows_judged": days[-rule.windows_seen :],
        "windows_resolved": sorted({one.window for one in resolved} & set(days[-rule.windows_seen :])),
        "windows_held": sorted({one.window for one in newest if _is_held(one, held)}),
        "windows_unresolved": [window.as_evidence() for window in unresolved],
        "unreadable_evaluations": list(history.unreadable),
    }
    outcome, reason, needs_person = _outcome(sufficient, unresolved, runs, now, rule)
    key = _run_key(unresolved, runs) if outcome == "retrain" else ""
    if history.unreadable:
        reason = f"{reason} Unreadable evaluations: {'; '.join(history.unreadable)}."
    return Decision(outcome, reason, evidence, key, needs_person), unresolved


def provenance(decision: Decision, windows: Sequence[Window]) -> Mapping[str, str]:
    """Return the tags that tell, on a run, why it was launched."""
    reports = {finding.verdict.report_id for window in windows for finding in window.findings}
    return {
        "housing/report_ids": ",".join(sorted(filter(None, reports))),
        "housing/windows": ",".join(window.name for window in windows),
        "housing/reason": decision.reason,
    }


def _outcome(
    sufficient: Sequence[Judgement],
    unresolved: Sequence[Window],
    runs: TrainingRuns,
    now: datetime,
    rule: RetrainingRule,
) -> tuple[str, str, bool]:
    if not sufficient:
        return "no windows", "No window has had enough rows to be judged yet.", False
    if not unresolved:
        last = max(one.window for one in sufficient)
        return "nothing found", f"The last windows, up to {last}, have no unresolved findings.", False
    found = f"Unresolved findings in {_listed(unresolved)}"
    alone = separate_windows(sufficient) == 1 and any(window.severe for window in unresolved)
    separate = separate_windows(finding for window in unresolved for finding in window.findings)
    if separate < rule.windows_needed and not alone:
        shared = ", which share days" if separate < len(unresolved) else ""
        needed = f"{rule.windows_needed} of {rule.windows_seen} windows are needed"
        return "too few windows", f"{found}{shared}: {needed}.", False
    if runs.in_flight:
        return _wait_for_run(found, runs, now)
    if runs.attempts and (until := _paused_until(runs.attempts, rule)) > now:
        newest = runs.attempts[0]
        ended = f"retraining {newest.run_id} ended as {newest.status.value} at {_clock(_moment(newest.ended))}"
        return "waiting", f"{found}, but {ended}: not before {_clock(until)}.", False
    recent = [one for one in runs.attempts if now - _moment(one.launched) < timedelta(days=7)]
    if len(recent) >= rule.attempts_a_week:
        free = _moment(recent[rule.attempts_a_week - 1].launched) + timedelta(days=7)
        tried = f"{len(recent)} retrainings were launched within seven days"
        return "weekly cap", f"{found}, but {tried}: not before {_clock(free)}, and a person should look.", True
    newest_finding = unresolved[-1].findings[0]
    return "retrain", f"{found}: {newest_finding.verdict.summary or newest_finding.check}", False


def _wait_for_run(found: str, runs: TrainingRuns, now: datetime) -> tuple[str, str, bool]:
    run_id, created = min(runs.in_flight, key=lambda run: run[1])
    since = _moment(created)
    stuck = now - since > STUCK_AFTER
    advice = " It looks stuck: terminate it in the lineage page if so." if stuck else ""
    return "in flight", f"{found}, but training run {run_id} has been running since {_clock(since)}.{advice}", stuck


def _is_held(one: Judgement, held: Mapping[str, datetime]) -> bool:
    """Return whether a window was judged by the rows of a day that is held."""
    return any(
        day == one.window or (one.first_day <= day < one.window and one.at < since.timestamp())
        for day, since in held.items()
    )


def _resolved(judgements: Sequence[Judgement], trained_at: float | None) -> list[Judgement]:
    """Return the findings from before the last training: it resolved their windows, even if judged anew."""
    if trained_at is None:
        return []
    return [one for one in judgements if one.at <= trained_at and one.calls_for_retraining]


def _is_resolved(one: Judgement, resolved: Sequence[Judgement]) -> bool:
    """Return whether a window, or rows of the same version in it, counted toward the last training."""
    version = one.verdict.model_version
    return any(
        one.window == before.window or (version == before.verdict.model_version and one.shares_days(before))
        for before in resolved
    )


def _last_windows(judgements: Sequence[Judgement], seen: int) -> set[str]:
    """Return the last so many windows without a day in common, and those that lie between them."""
    last: set[str] = set()
    separate, begins = 0, ""
    for one in sorted(judgements, key=lambda judgement: judgement.window, reverse=True):
        if not last or one.window < begins:
            if separate == seen:
                break
            separate, begins = separate + 1, one.first_day
        last.add(one.window)
    return last


def _unresolved_windows(sufficient: Sequence[Judgement], resolved: Sequence[Judgement], seen: int) -> list[Window]:
    """Return the windows with unresolved findings about the version that was in production in the newest one.

    Each report has its own last windows: the performance of a day is known when its labels are, days after its drift.
    """
    current = [one for one in sufficient if one.verdict.in_production]
    version = max(current, key=lambda one: (one.window, one.at)).verdict.model_version if current else 0
    of_report: dict[str, list[Judgement]] = defaultdict(list)
    for one in sufficient:
        of_report[one.report].append(one)
    last = {report: _last_windows(judged, seen) for report, judged in of_report.items()}
    found: dict[str, list[Judgement]] = defaultdict(list)
    for one in sufficient:
        if (
            one.verdict.model_version == version
            and one.calls_for_retraining
            and one.window in last[one.report]
            and not _is_resolved(one, resolved)
        ):
            found[one.window].append(one)
    return [
        Window(day, tuple(sorted(found[day], key=lambda one: (not one.verdict.severe, one.report, one.check))))
        for day in sorted(found)
    ]


def _paused_until(attempts: Sequence[Attempt], rule: RetrainingRule) -> datetime:
    """Return when the next attempt may be made: a person who cancelled one is not contradicted within the cooldown."""
    newest = attempts[0]
    if newest.status != dg.DagsterRunStatus.FAILURE:
        return _moment(newest.launched) + rule.cooldown
    failures = sum(1 for _ in takewhile(lambda one: one.status == dg.DagsterRunStatus.FAILURE, attempts))
    return _moment(newest.ended) + min(rule.retry_after * 2 ** (failures - 1), rule.cooldown)


def _run_key(unresolved: Sequence[Window], runs: TrainingRuns) -> str:
    """Return a key that is the same however often the decision is taken, and another one once an attempt has ended."""
    newest = max(finding.record_id for window in unresolved for finding in window.findings)
    return f"retraining-{newest}-{runs.attempts[0].run_id[:8] if runs.attempts else 'first'}"


def _listed(windows: Sequence[Window]) -> str:
    return ", ".join(window.name for window in windows)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
