"""The rule, by table: what was judged and what was run, and what follows from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.judgements import History, Judgement
from resources.verdicts import Verdict
from sensors.retraining import RetrainingRule, decide
from sensors.training_runs import Attempt, TrainingRuns

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
RULE = RetrainingRule()
HOUR = 3600.0
FAILURE, SUCCESS, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED


def ago(hours: float) -> float:
    return NOW.timestamp() - hours * HOUR


def judgements(
    pattern: str,
    report: str = "drift_report",
    first_day: int = 1,
    *,
    version: int = 0,
    in_production: bool = True,
    days: int = 1,
) -> tuple[Judgement, ...]:
    """Return one judgement a day: ``.`` passed, ``x`` failed, ``s`` severe, ``a`` alert only, ``?`` too few rows.

    Each is of so many days, the first ones of fewer.
    """
    return tuple(
        Judgement(
            report=report,
            check="psi_within_limit",
            record_id=position + 1,
            at=ago(40 - position),
            passed=mark == ".",
            verdict=Verdict(
                partition=f"2026-03-{first_day + position:02}",
                report_id=f"{report}-{position}",
                model_version=version,
                in_production=in_production,
                insufficient=mark == "?",
                counts_toward_retraining=mark in "xs",
                severe=mark == "s",
                summary="",
                first_day=f"2026-03-{first_day + max(0, position + 1 - days):02}",
            ),
        )
        for position, mark in enumerate(pattern)
    )


def attempt(status: dg.DagsterRunStatus, hours_ago: float) -> Attempt:
    return Attempt(f"run{hours_ago}", status, launched=ago(hours_ago), ended=ago(hours_ago - 0.1))


@pytest.mark.parametrize(
    ("pattern", "outcome"),
    [
        ("", "no windows"),
        ("???", "no windows"),
        ("?x?x?", "retrain"),
        ("...", "nothing found"),
        ("aaaaa", "nothing found"),
        ("x", "too few windows"),
        ("s", "retrain"),
        ("?s", "retrain"),
        (".s", "too few windows"),
        ("x....", "too few windows"),
        ("x...x", "retrain"),
        ("x....x", "too few windows"),
        ("xx.....", "nothing found"),
        ("x???.?..?x", "retrain"),
        ("xxxxx", "retrain"),
    ],
)
def test_two_of_the_last_five_windows_are_needed(pattern: str, outcome: str) -> None:
    assert decide(History(judgements(pattern)), TrainingRuns(), NOW, RULE)[0].outcome == outcome


@pytest.mark.parametrize(
    ("pattern", "outcome"),
    [
        ("....xxx", "too few windows"),  # one bad day
        ("....xxxxxx", "retrain"),  # bad days in a row
        ("....xxx.xxx", "retrain"),  # two bad days, four apart
        ("xxx.......xxx", "retrain"),  # in the last fifteen days
        ("xxx.............xxx", "too few windows"),
        ("s", "retrain"),
        ("ss", "retrain"),  # its rows have been in no other window
        ("...s", "too few windows"),
    ],
)
def test_in_windows_of_three_days_a_days_rows_count_once(pattern: str, outcome: str) -> None:
    decision, _ = decide(History(judgements(pattern, days=3)), TrainingRuns(), NOW, RetrainingRule(window_days=3))
    assert decision.outcome == outcome
    assert ("which share days" in decision.reason) == (pattern.endswith("xxx") and outcome == "too few windows")


@pytest.mark.parametrize(
    ("before", "since", "outcome"),
    [
        ("xxxx", "xx", "nothing found"),
        ("xxxx", "xxxxx", "too few windows"),
        ("xxxx", "xxxxxx", "retrain"),
    ],
)
def test_rows_that_led_to_one_training_do_not_lead_to_another(before: str, since: str, outcome: str) -> None:
    """Of the version that stays in production; the next one's rows are others."""
    every = judgements(before + since, days=3, version=1)
    trained = TrainingRuns(trained_at=every[len(before) - 1].at + 1)
    rule = RetrainingRule(window_days=3)

    assert decide(History(every), trained, NOW, rule)[0].outcome == outcome

    promoted = tuple(
        replace(one, verdict=replace(one.verdict, model_version=2)) if one.at > trained.trained_at else one  # type: ignore[operator]
        for one in every
    )
    assert decide(History(promoted), trained, NOW, rule)[0].outcome == (
        "retrain" if len(since) > 3 else "too few windows"
    )


@pytest.mark.parametrize(
    ("runs", "outcome"),
    [
        ({}, "retrain"),
        ({"in_flight": (("r", ago(1)),)}, "in flight"),
        ({"trained_at": ago(30)}, "nothing found"),
        ({"trained_at": ago(39.5)}, "too few windows"),  # between the first finding and the second
        ({"trained_at": ago(100)}, "retrain"),
        ({"attempts": (attempt(SUCCESS, 23),)}, "waiting"),
        ({"attempts": (attempt(SUCCESS, 24.1),)}, "retrain"),
        ({"attempts": (attempt(CANCELED, 23),)}, "waiting"),
        ({"attempts": (attempt(FAILURE, 1),)}, "waiting"),
        ({"attempts": (attempt(FAILURE, 1.2),)}, "retrain"),
        ({"attempts": (attempt(FAILURE, 1.9), attempt(FAILURE, 4))}, "waiting"),  # the pause has doubled
        ({"attempts": (attempt(FAILURE, 2.2), attempt(FAILURE, 4))}, "retrain"),
        ({"attempts": tuple(attempt(FAILURE, hours) for hours in (30, 60, 90))}, "weekly cap"),
        ({"attempts": tuple(attempt(SUCCESS, hours) for hours in (30, 60, 169))}, "retrain"),
    ],
)
def test_what_was_run_holds_a_retraining_back(runs: dict[str, Any], outcome: str) -> None:
    assert decide(History(judgements("xx")), TrainingRuns(**runs), NOW, RULE)[0].outcome == outcome


def test_each_report_has_its_own_last_windows() -> None:
    drift = judgements(".....", first_day=10)
    performance = judgements("xx", report="performance_report", first_day=1)

    decision, windows = decide(History(drift + performance), TrainingRuns(), NOW, RULE)

    assert decision.outcome == "retrain"
    assert [window.name for window in windows] == ["2026-03-01", "2026-03-02"]


def test_findings_about_a_version_that_was_replaced_are_history() -> None:
    old = judgements("xx", version=1)
    new = [replace(one, record_id=9) for one in judgements(".", first_day=3, version=2)]
    backfilled = judgements("a", first_day=4, version=1, in_production=False)

    assert decide(History(old), TrainingRuns(), NOW, RULE)[0].outcome == "retrain"
    assert decide(History((*old, *new)), TrainingRuns(), NOW, RULE)[0].outcome == "nothing found"
    found_again = judgements("xx", first_day=3, version=2)
    assert decide(History((*old, *found_again, *backfilled)), TrainingRuns(), NOW, RULE)[0].outcome == "retrain"


def test_a_day_that_passed_before_a_training_and_fails_after_it_is_a_finding() -> None:
    (morning,) = judgements(".")
    (night,) = (replace(one, at=ago(1)) for one in judgements("s"))

    decision, _ = decide(History((morning, night)), TrainingRuns(trained_at=ago(5)), NOW, RULE)

    assert decision.outcome == "retrain"


def test_a_pause_is_never_longer_than_the_cooldown() -> None:
    attempts = tuple(attempt(FAILURE, 24.2 + day) for day in range(10))
    rule = RetrainingRule(attempts_a_week=20)

    assert decide(History(judgements("xx")), TrainingRuns(attempts=attempts), NOW, rule)[0].outcome == "retrain"


@given(st.text("xs.a?", max_size=12), st.integers(0, 3_600))
def test_a_decision_does_not_change_while_nothing_does(pattern: str, seconds: int) -> None:
    history, runs = History(judgements(pattern)), TrainingRuns(attempts=(attempt(SUCCESS, 12),))

    first, _ = decide(history, runs, NOW, RULE)
    later, _ = decide(history, runs, NOW + timedelta(seconds=seconds), RULE)

    assert first.fingerprint == later.fingerprint


@given(st.text("xs.a?", max_size=12))
def test_a_successful_training_resolves_all_that_was_judged_before(pattern: str) -> None:
    runs = TrainingRuns(trained_at=NOW.timestamp())

    assert not decide(History(judgements(pattern)), runs, NOW, RULE)[0].run_key


def test_more_windows_than_are_looked_at_are_refused() -> None:
    with pytest.raises(ValueError, match="windows_needed is 6 of 5 windows"):
        RetrainingRule(windows_needed=6)


def test_what_was_found_in_a_held_window_does_not_count_whenever_it_was_found() -> None:
    history = History(judgements("xx"))
    days = sorted({one.window for one in history.judgements})
    assert decide(history, TrainingRuns(), NOW, RULE)[0].outcome == "retrain"

    decision, windows = decide(history, TrainingRuns(), NOW, RULE, held={days[-1]: NOW})

    assert decision.outcome == "too few windows"
    assert [window.name for window in windows] == days[:-1]
    assert decision.evidence["windows_held"] == days[-1:]


def test_a_window_counts_again_when_it_was_judged_without_the_day_that_is_held() -> None:
    before = judgements("xxxxxx", days=3)
    rule, held = RetrainingRule(window_days=3), {"2026-03-04": NOW - timedelta(hours=1)}
    assert decide(History(before), TrainingRuns(), NOW, rule)[0].outcome == "retrain"

    decision, windows = decide(History(before), TrainingRuns(), NOW, rule, held)

    assert [window.name for window in windows] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert decision.outcome == "too few windows"
    assert decision.evidence["windows_held"] == ["2026-03-04", "2026-03-05", "2026-03-06"]

    anew = tuple(replace(one, at=NOW.timestamp()) for one in before[4:])
    decision, windows = decide(History(before + anew), TrainingRuns(), NOW, rule, held)
    assert [window.name for window in windows][3:] == ["2026-03-05", "2026-03-06"]
    assert decision.outcome == "retrain"
