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
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

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
    window : str
        The partition.
    record_id : int
        Of the check's record; it grows.
    at : float
        When it was evaluated, in seconds since 1970.
    passed, counts, severe, insufficient, in_production : bool
        The last is whether the version that was judged was still in production.
    verdict, report_id, columns, version : str
        The last is that of the model that was judged.
    """

    report: str
    check: str
    window: str
    record_id: int
    at: float
    passed: bool
    counts: bool = False
    severe: bool = False
    insufficient: bool = False
    in_production: bool = True
    verdict: str = ""
    report_id: str = ""
    columns: str = ""
    version: str = ""

    @property
    def calls_for_retraining(self) -> bool:
        """Whether it is a failure of a kind that retraining can mend."""
        return not self.passed and self.counts and not self.insufficient


@dataclass(frozen=True)
class History:
    """What there is to decide on.

    Attributes
    ----------
    judgements : tuple of Judgement
    troubles : tuple of str
        Evaluations that are missing or cannot be read, a sentence each.
    """

    judgements: tuple[Judgement, ...]
    troubles: tuple[str, ...] = ()


def read_history(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey], now: datetime) -> History:
    """Return the evaluations of some checks within the horizon."""
    judgements: list[Judgement] = []
    troubles: list[str] = []
    for check in checks:
        records = list(recent_records(instance, check, (now - HORIZON).timestamp()))
        evaluated = {record.run_id for record in records if evaluation_of(record)}
        judged: set[str | None] = set()
        for record in records:  # newest first, so that what was judged since is known
            judgement = as_judgement(record)
            if judgement:
                judgements.append(judgement)
                judged |= {judgement.window, None}
            elif evaluation_of(record):
                troubles.append(f"{_name(check)} of run {record.run_id} lacks the metadata to judge it by")
            elif not {record.partition} <= judged and record.run_id not in evaluated and _crashed(instance, record):
                of = f" of {record.partition}" if record.partition else ""
                troubles.append(f"{_name(check)}{of} crashed in run {record.run_id} before it said anything")
    return History(tuple(judgements), tuple(sorted(troubles)))


def recent_records(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, since: float
) -> Iterator[AssetCheckExecutionRecord]:
    """Yield the records of a check that were made after a point in time, newest first."""
    before = None
    for _ in range(MOST_RECORDS // _PAGE):
        page = instance.event_log_storage.get_asset_check_execution_history(check, limit=_PAGE, cursor=before)
        yield from (record for record in page if record.create_timestamp >= since)
        if len(page) < _PAGE or page[-1].create_timestamp < since:
            return
        before = page[-1].id


def evaluation_of(record: AssetCheckExecutionRecord) -> dg.AssetCheckEvaluation | None:
    """Return a record's evaluation, None where the check is only planned."""
    return record.evaluation if isinstance(record.evaluation, dg.AssetCheckEvaluation) else None


def as_judgement(record: AssetCheckExecutionRecord) -> Judgement | None:
    """Return what a record says, None if it says nothing that can be judged."""
    evaluation = evaluation_of(record)
    if evaluation is None or record.event is None:
        return None
    said = {key: entry.value for key, entry in evaluation.metadata.items()}
    window = said.get("partition") or record.partition
    flags = [said.get(key) for key in ("counts_toward_retraining", "severe", "insufficient")]
    if not window or not all(isinstance(flag, bool) for flag in flags):
        return None
    counts, severe, insufficient = map(bool, flags)
    return Judgement(
        report=record.key.asset_key.to_user_string(),
        check=record.key.name,
        window=str(window),
        record_id=record.id,
        at=record.event.timestamp,
        passed=evaluation.passed,
        counts=counts,
        severe=severe,
        insufficient=insufficient,
        in_production=bool(said.get("in_production", True)),
        verdict=str(said.get("verdict", "")),
        report_id=str(said.get("report_id", "")),
        columns=str(said.get("offending_columns", "")),
        version=str(said.get("model_version", "")),
    )


def newest_of_each_window(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Return the newest evaluation of each check on each window: a day that is materialized again is one window."""
    newest: dict[tuple[str, str, str], Judgement] = {}
    for one in sorted(judgements, key=lambda judgement: (judgement.at, judgement.record_id)):
        newest[one.report, one.check, one.window] = one
    return list(newest.values())


def _crashed(instance: dg.DagsterInstance, record: AssetCheckExecutionRecord) -> bool:
    run = instance.get_run_by_id(record.run_id)
    return run is not None and run.is_finished


def _name(check: dg.AssetCheckKey) -> str:
    return f"{check.asset_key.to_user_string()}.{check.name}"
