"""What the monitoring checks found, window by window, as Dagster's check history holds it.

A check of a partitioned asset leaves up to two rows a run: one when it is planned, which carries the partition and
stays PLANNED for ever unless the specification names its partitions, and one with the evaluation, which then carries
no partition. So the window is read from the evaluation's metadata, and a planned row says that a check crashed only
where the same run left no evaluation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from resources.dagster_internals import AssetCheckExecutionRecord
from resources.verdicts import Verdict

HORIZON = timedelta(days=30)
"""Age of evaluations that are not looked at any more: five daily windows and three weeks without a daemon fit."""

MOST_RECORDS = 1_000
"""Records of one check that are looked at: a backfill of a year, planned and evaluated, with a margin."""

_PAGE = 100


@dataclass(frozen=True)
class Judgement:
    """One evaluation of one check on one window.

    Attributes
    ----------
    report : str
        The asset that was checked.
    check : str
    record_id : int
        Of the check's record; it grows.
    at : float
        When it was evaluated, in seconds since 1970.
    passed : bool
    verdict : Verdict
    """

    report: str
    check: str
    record_id: int
    at: float
    passed: bool
    verdict: Verdict

    @property
    def window(self) -> str:
        """The last day of the window, by which it is named."""
        return self.verdict.partition

    @property
    def first_day(self) -> str:
        """The first day of the window."""
        return self.verdict.first_day or self.window

    def shares_days(self, other: "Judgement") -> bool:
        """Return whether a day is in the windows of both."""
        return self.first_day <= other.window and other.first_day <= self.window

    @property
    def calls_for_retraining(self) -> bool:
        """Whether it is a failure of a kind that retraining can mend."""
        return not self.passed and self.verdict.counts_toward_retraining and not self.verdict.insufficient


@dataclass(frozen=True)
class History:
    """What there is to decide on.

    Attributes
    ----------
    judgements : tuple of Judgement
    unreadable : tuple of str
        Evaluations that never came or that have no verdict, a sentence each.
    """

    judgements: tuple[Judgement, ...]
    unreadable: tuple[str, ...] = ()


def read_history(
    instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey], now: datetime, horizon: timedelta = HORIZON
) -> History:
    """Return the evaluations of some checks within the horizon."""
    judgements: list[Judgement] = []
    unreadable: list[str] = []
    for check in checks:
        records = list(recent_records(instance, check, (now - horizon).timestamp()))
        evaluated = {record.run_id for record in records if evaluation_of(record)}
        judged: set[str | None] = set()
        for record in records:  # newest first, so that what was judged since is known
            judgement = as_judgement(record)
            if judgement:
                judgements.append(judgement)
                judged |= {judgement.window, None}
            elif evaluation_of(record):
                unreadable.append(f"{_name(check)} of run {record.run_id} has no verdict in its metadata")
            elif not {record.partition} <= judged and record.run_id not in evaluated and _ended(instance, record):
                of = f" of {record.partition}" if record.partition else ""
                unreadable.append(f"{_name(check)}{of} crashed in run {record.run_id} before it was evaluated")
    return History(tuple(judgements), tuple(sorted(unreadable)))


def recent_records(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, since: float, *, page: int = _PAGE
) -> Iterator[AssetCheckExecutionRecord]:
    """Yield the records of a check that were made after a point in time, newest first.

    Parameters
    ----------
    instance : DagsterInstance
    check : AssetCheckKey
    since : float
        Seconds since 1970.
    page : int
        Records that are read at once: few where few are new, for each has to be read whole.
    """
    before = None
    for _ in range(MOST_RECORDS // page):
        records = instance.event_log_storage.get_asset_check_execution_history(check, limit=page, cursor=before)
        yield from (record for record in records if record.create_timestamp >= since)
        if len(records) < page or records[-1].create_timestamp < since:
            return
        before = records[-1].id


def evaluation_of(record: AssetCheckExecutionRecord) -> dg.AssetCheckEvaluation | None:
    """Return a record's evaluation, None where the check is only planned."""
    return record.evaluation if isinstance(record.evaluation, dg.AssetCheckEvaluation) else None


def as_judgement(record: AssetCheckExecutionRecord) -> Judgement | None:
    """Return what a record says, None if it has no verdict."""
    evaluation = evaluation_of(record)
    if evaluation is None or record.event is None:
        return None
    partition = {"partition": record.partition} if record.partition else {}
    verdict = Verdict.from_metadata({**partition, **evaluation.metadata})
    if verdict is None:
        return None
    return Judgement(
        report=record.key.asset_key.to_user_string(),
        check=record.key.name,
        record_id=record.id,
        at=record.event.timestamp,
        passed=evaluation.passed,
        verdict=verdict,
    )


def newest_of_each_window(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return the newest evaluation of each check on each window: a day that is materialized again is one window."""
    newest: dict[tuple[str, str, str], Judgement] = {}
    for one in sorted(judgements, key=lambda judgement: (judgement.at, judgement.record_id)):
        newest[one.report, one.check, one.window] = one
    return list(newest.values())


def separate_windows(judgements: Iterable[Judgement]) -> int:
    """Return the largest number of windows of which no two have a day in common.

    It is found by taking the window that ends first, again and again, of those that begin after the one before.
    """
    taken, until = 0, ""
    for one in sorted(judgements, key=lambda judgement: judgement.window):
        if one.first_day > until:
            taken, until = taken + 1, one.window
    return taken


def _ended(instance: dg.DagsterInstance, record: AssetCheckExecutionRecord) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and run.is_finished


def _name(check: dg.AssetCheckKey) -> str:
    return f"{check.asset_key.to_user_string()}.{check.name}"
