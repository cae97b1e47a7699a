"""Days that are held: what is decided on them, and whose rows are left out."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.predictions.day_decisions import PLATFORM, DayDecision, Days, State, read_ranges, write_ranges
from resources.predictions.records import insert
from resources.predictions.store import PredictionStore, Purpose
from resources.predictions.tables import migrate, open_store
from tests.databases import KINDS, new_store
from tests.resources.older_store import open_older_store
from tests.resources.prediction_records import feedback, prediction

FIRST = date(2026, 11, 20)
AT = datetime(2026, 11, 25, 2, 30, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> PredictionStore:
    """Give a store with three days of a labelled prediction each, at noon; the label comes a day later."""
    url = new_store(request, tmp_path)
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        for number in range(3):
            day = FIRST + timedelta(days=number)
            asked = prediction(predicted_at=f"{day}T12:00:00Z")
            reported = f"{day + timedelta(days=1)}T12:00:00Z"
            insert(connection, [asked, feedback(asked["prediction_id"], observed_at=reported, received_at=reported)])
    engine.dispose()
    return PredictionStore(url=url)


def decide(store: PredictionStore, number: int, state: State, at: datetime = AT, by: str = PLATFORM) -> None:
    store.decide(DayDecision(FIRST + timedelta(days=number), state, "why", by, at, ("missing: dues",)))


def days_of(store: PredictionStore, purpose: Purpose) -> list[int]:
    frames = pd.concat(store.labels(datetime(2026, 12, 1, tzinfo=UTC), purpose=purpose))
    return [(moment.date() - FIRST).days for moment in frames["predicted_at"]]


def test_rows_of_a_held_day_do_not_judge_whether_asked_for_or_reported_on_it(store: PredictionStore) -> None:
    decide(store, 1, State.HELD)

    assert days_of(store, "judging") == [2]  # the label of day 0 came in on day 1
    assert days_of(store, "looking") == [0, 1, 2]


def test_only_rows_that_a_judgement_has_seen_or_a_person_released_teach(store: PredictionStore) -> None:
    assert days_of(store, "teaching") == []

    decide(store, 0, State.CLEAN)
    decide(store, 1, State.CLEAN, at=datetime(2026, 11, 21, 9, tzinfo=UTC))  # before its row was asked for
    assert days_of(store, "teaching") == [0]

    decide(store, 1, State.CLEAN)
    decide(store, 2, State.HELD)
    assert days_of(store, "teaching") == [0]  # the label of day 1 came in on day 2

    decide(store, 2, State.RELEASED, at=AT + timedelta(hours=1), by="ayse")
    assert days_of(store, "teaching") == [0, 1, 2]


def test_decisions_are_read_back_with_who_took_them_when_and_why(store: PredictionStore) -> None:
    decide(store, 0, State.HELD)
    decide(store, 0, State.RELEASED, at=AT + timedelta(hours=1), by="ayse")

    found = store.days()
    assert [(one.state, one.by, one.reason) for one in found.decisions] == [
        (State.HELD, PLATFORM, "why"),
        (State.RELEASED, "ayse", "why"),
    ]
    assert found.newest[FIRST].at == AT + timedelta(hours=1)
    assert not found.held


def test_a_store_of_an_older_release_has_no_decisions_and_takes_the_first(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    open_older_store(url).dispose()
    store = PredictionStore(url=url)

    assert not store.days().decisions
    decide(store, 0, State.HELD)
    assert list(store.days().held) == [FIRST]


def test_what_a_person_released_is_known_until_it_is_held_again() -> None:
    held, released = (
        DayDecision(FIRST, state, "", by, causes=("missing: dues",))
        for state, by in ((State.HELD, PLATFORM), (State.RELEASED, "ayse"))
    )

    assert not Days([held]).released_causes
    assert Days([held, released]).released_causes == {"missing: dues": released}
    assert not Days([held, released, held]).released_causes


@given(st.sets(st.dates(date(2026, 1, 1), date(2026, 3, 1))))
def test_days_read_back_from_their_ranges(days: set[date]) -> None:
    assert read_ranges(write_ranges(days)) == days
