"""Answers that are drawn to be reviewed, and what was found of them: in both kinds of databases."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from resources.predictions.answer_reviews import Review, ReviewCounts, count, is_drawn
from resources.predictions.records import erase, insert, prune
from resources.predictions.store import PredictionStore
from resources.predictions.tables import migrate, open_store
from tests.databases import KINDS, new_store
from tests.resources.older_store import open_older_store
from tests.resources.prediction_records import prediction

DAY = date(2026, 11, 21)
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def numbered(number: int) -> str:
    """Return an id that is the same in each run."""
    return f"0199aee2-6e1c-7e53-9c2d-{number:012x}"


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


@pytest.fixture
def ids(url: str) -> list[str]:
    """Give the ids of 40 answers of a day, beside which there are shadows, and answers of the next day."""
    answers = [prediction(number, prediction_id=numbered(number)) for number in range(40)]
    shadows = [
        prediction(number, prediction_id=one["prediction_id"], role="shadow") for number, one in enumerate(answers)
    ]
    later = [prediction(predicted_at="2026-11-22T00:00:00Z") for _ in range(5)]
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, [*answers, *shadows, *later])
    engine.dispose()
    return [str(one["prediction_id"]) for one in answers]


def test_a_sample_is_of_the_day_and_a_larger_one_has_the_smaller_in_it(url: str, ids: list[str]) -> None:

    def sample(day: date, share: float) -> list[str]:
        return PredictionStore(url=url, rows_at_once=7, review_share=share).drawn_for_review(day)

    drawn = sample(DAY, 0.25)
    assert drawn == [one for one in sample(DAY, 0.5) if is_drawn(one, 0.25)]
    assert set(drawn) < set(sample(DAY, 0.5)) < set(ids)
    assert set(sample(DAY, 1)) == set(ids)
    assert sample(DAY, 0) == sample(DAY - timedelta(days=1), 1) == []


def test_an_answer_that_is_shipped_late_takes_no_others_place(url: str, ids: list[str]) -> None:
    store = PredictionStore(url=url, review_share=0.25)
    drawn = store.drawn_for_review(DAY)
    late = [prediction(number, prediction_id=numbered(number)) for number in range(40, 120)]
    engine = open_store(url)
    with engine.begin() as connection:
        insert(connection, late)
    engine.dispose()
    of_late = {str(one["prediction_id"]) for one in late}
    after = store.drawn_for_review(DAY)
    assert [one for one in after if one not in of_late] == drawn
    assert set(after) - set(drawn) == {one for one in of_late if is_drawn(one, 0.25)} != set()


def test_every_answer_is_as_likely_to_be_drawn_as_any_other() -> None:
    drawn = [is_drawn(numbered(number), 0.1) for number in range(20_000)]
    assert 1_800 < sum(drawn) < 2_200  # 2,000, with a standard deviation of 42
    assert 150 < sum(first and second for first, second in pairwise(drawn)) < 250  # of 200, whatever the one before


def test_the_newest_review_of_an_answer_counts(url: str, ids: list[str]) -> None:
    store = PredictionStore(url=url)
    store.review(Review(ids[0], "3", reasonable=True, note="", by="ayse", at=AT))
    store.review(Review(ids[1], "3", reasonable=True, note="as others there", by="ayse", at=AT))
    store.review(Review(ids[2], "", reasonable=False, note="a garage", by="mehmet", at=AT))
    changed = Review(ids[0], "3", reasonable=False, note="twice the street's", by="mehmet", at=AT + timedelta(hours=1))
    store.review(changed)
    assert store.reviews()[ids[0]] == changed
    assert store.reviews([ids[1]]).keys() == {ids[1]}
    assert count(store.reviews().values()) == {"3": ReviewCounts(2, 1), "": ReviewCounts(1, 1)}
    assert store.answers([ids[0]])[ids[0]]["model_version"] == "3"


def test_what_is_erased_or_too_old_has_no_review_any_more(url: str, ids: list[str]) -> None:
    store = PredictionStore(url=url)
    for number in range(3):
        at = AT + timedelta(days=number)
        store.review(Review(ids[number], "3", reasonable=True, note="his garden", by="ayse", at=at))
    engine = open_store(url)
    erase(engine, [ids[2]])
    with engine.begin() as connection:
        prune(connection, AT + timedelta(hours=1), 1_000)
    engine.dispose()
    assert store.reviews().keys() == {ids[1]}


def test_a_store_of_an_older_release_has_no_review_and_takes_one(url: str) -> None:
    open_older_store(url).dispose()
    store = PredictionStore(url=url)
    assert store.reviews() == {}
    review = Review("0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10", "3", reasonable=True, note="", by="ayse", at=AT)
    store.review(review)
    assert list(store.reviews().values()) == [review]
