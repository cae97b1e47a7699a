from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import InvalidRequestError, OperationalError

from resources.predictions.frames import read_listings, read_probabilities
from resources.predictions.records import insert
from resources.predictions.store import PredictionStore, Refusals
from resources.predictions.tables import migrate, open_store
from tests.databases import KINDS, new_store
from tests.resources.older_store import fill_older_store, open_older_store
from tests.resources.prediction_records import feedback, older_prediction, prediction, refusal

START = datetime(2026, 11, 21, 10, tzinfo=UTC)
END = START + timedelta(hours=1)
PREDICTION_TYPES = {
    "prediction_id": "object",
    "role": "object",
    "predicted_at": "datetime64[us, UTC]",
    "protocol": "object",
    "request_key": "object",
    "request_id": "object",
    "tier": "object",
    "model_version": "object",
    "price_category": "object",
    "probabilities": "object",
    "estimate": "object",
    "listing": "object",
}
LABEL_TYPES = PREDICTION_TYPES | {
    "feedback_id": "object",
    "price": "float64",
    "true_category": "object",
    "price_kind": "object",
    "observed_at": "datetime64[us, UTC]",
    "received_at": "datetime64[us, UTC]",
}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


def write(url: str, *records: dict[str, Any]) -> None:
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, records)
    engine.dispose()


def types(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


def test_predictions_come_in_order_and_in_pages_none_left_out_and_none_twice(url: str) -> None:
    records = [prediction(number // 3) for number in range(60)]  # three share each moment
    write(url, *reversed(records))
    for rows_at_once in (1, 7, 20, 60, 1_000):
        pages = list(PredictionStore(url=url, rows_at_once=rows_at_once).predictions(START, END))
        assert all(0 < len(page) <= rows_at_once for page in pages)
        together = pd.concat(pages)
        assert together["prediction_id"].tolist() == [record["prediction_id"] for record in records]
        assert together["predicted_at"].is_monotonic_increasing
        assert types(together) == PREDICTION_TYPES


def test_an_interval_includes_its_start_and_not_its_end(url: str) -> None:
    records = [prediction(number) for number in range(5)]
    write(url, *records)
    store = PredictionStore(url=url)
    start, end = (datetime.fromisoformat(records[number]["predicted_at"]) for number in (1, 3))
    (page,) = store.predictions(start, end)
    assert page["prediction_id"].tolist() == [records[1]["prediction_id"], records[2]["prediction_id"]]
    istanbul = ZoneInfo("Europe/Istanbul")
    (again,) = store.predictions(start.astimezone(istanbul), end.astimezone(istanbul))
    assert again.equals(page)


def test_shadows_are_read_only_when_asked_for(url: str) -> None:
    answer = prediction()
    write(url, answer, answer | {"role": "shadow", "model_version": "4", "request_key": "k"})
    store = PredictionStore(url=url)
    (answers,) = store.predictions(START, END)
    (both,) = store.predictions(START, END, roles=("answer", "shadow"))
    assert answers["model_version"].tolist() == ["3"]
    assert both["role"].tolist() == ["answer", "shadow"]
    assert both["request_key"].tolist() == [None, "k"]


def test_answers_and_refusals_of_an_interval_are_counted(url: str) -> None:
    store = PredictionStore(url=url)
    assert (store.count_predictions(START, END), store.refusals(START, END)) == (0, [])
    answer = prediction()
    late, early = END.isoformat(), (START - timedelta(seconds=1)).isoformat()
    kinds = [refusal(3), refusal(4, field="district", reason="missing"), refusal(2, field=None), refusal(5)]
    outside = [refusal(100, refused_at=late), refusal(100, refused_at=early)]
    write(url, answer, answer | {"role": "shadow"}, prediction(predicted_at=late), prediction(1), *kinds, *outside)
    assert store.count_predictions(START, END) == 2
    assert store.refusals(START, END) == [
        Refusals("predict", "GrossSquareMeters", "unusable", 8),
        Refusals("predict", "district", "missing", 4),
        Refusals("predict", None, "unusable", 2),
    ]


def test_feedback_on_predictions_that_the_store_does_not_have_is_counted(url: str) -> None:
    store = PredictionStore(url=url)
    assert store.count_unmatched_feedback(START, END) == 0
    known, unknown = prediction(), prediction()["prediction_id"]
    within = {"received_at": START.isoformat()}
    write(url, known, feedback(known["prediction_id"], **within), feedback(unknown, **within), feedback(unknown))
    assert store.count_unmatched_feedback(START, END) == 1


def test_a_listing_is_expanded_to_the_cells_that_were_sent(url: str) -> None:
    cells = [{"district": "Şişli", "GrossSquareMeters": "160 m2"}, {"district": "Adalar", "GrossSquareMeters": 99}]
    write(url, *(prediction(number, listing=each) for number, each in enumerate(cells)))
    (page,) = PredictionStore(url=url).predictions(START, END)
    page.index = pd.Index([5, 6])
    found = read_listings(page)
    assert found.to_dict("list") == {"district": ["Şişli", "Adalar"], "GrossSquareMeters": ["160 m2", 99]}
    assert found.index.tolist() == [5, 6]
    assert set(types(found).values()) == {"object"}
    assert read_listings(page, ["BuildingAge", "district"])["BuildingAge"].isna().all()
    assert read_listings(page.head(0), ["district"]).columns.tolist() == ["district"]


def test_the_newest_price_known_by_a_moment_is_the_label(url: str) -> None:
    first, second, third = (prediction(number) for number in range(3))
    shadow = first | {"role": "shadow"}

    def reported(record: dict[str, Any], day: int, price: float) -> dict[str, Any]:
        return feedback(record["prediction_id"], price=price, received_at=f"2026-12-{day:02d}T00:00:00Z")

    unknown = feedback("00000000-0000-7000-8000-000000000000")
    write(url, first, shadow, second, third, reported(first, 1, 1e6), reported(first, 3, 3e6), unknown)
    write(url, reported(first, 2, 2e6), reported(second, 3, 5e6), reported(second, 3, 6e6))

    def labels(day: int, **options: Any) -> dict[str, float]:
        pages = list(PredictionStore(url=url, rows_at_once=1).labels(datetime(2026, 12, day, 1, tzinfo=UTC), **options))
        assert types(pages[0]) == LABEL_TYPES
        together = pd.concat(pages)
        assert together["prediction_id"].is_unique
        assert (together["role"] == "answer").all()
        return dict(zip(together["prediction_id"], together["price"], strict=True))

    one, two = first["prediction_id"], second["prediction_id"]
    assert labels(1) == {one: 1e6}
    assert labels(2) == {one: 2e6}
    assert labels(4) == {one: 3e6, two: 6e6}
    assert labels(4, since=datetime.fromisoformat(second["predicted_at"])) == {two: 6e6}


def test_a_price_of_another_kind_replaces_none_and_an_unsaid_one_counts_as_the_common_kind(url: str) -> None:
    answers = [prediction(number) for number in range(3)]

    def reported(number: int, day: int, price: float, kind: str | None) -> dict[str, Any]:
        moment = f"2026-12-{day:02d}T00:00:00Z"
        identifier = answers[number]["prediction_id"]
        return feedback(identifier, price=price, price_kind=kind, received_at=moment)

    write(url, *answers, reported(0, 1, 5e6, None), reported(0, 2, 4e6, "paid"), reported(1, 1, 3e6, None))
    write(url, reported(1, 3, 3.5e6, "asking"), reported(1, 2, 2e6, "paid"), reported(2, 1, 1e6, "paid"))
    names = {answer["prediction_id"]: number for number, answer in enumerate(answers)}

    def labels(kind: str | None) -> set[tuple[int, float, str | None]]:
        pages = PredictionStore(url=url, rows_at_once=2).labels(datetime(2026, 12, 4, tzinfo=UTC), price_kind=kind)
        together = pd.concat(pages)
        kinds = together["price_kind"].tolist()
        return set(zip(map(names.get, together["prediction_id"]), together["price"], kinds, strict=True))  # type: ignore[arg-type]

    paid = {(0, 4e6, "paid"), (1, 2e6, "paid"), (2, 1e6, "paid")}
    assert labels("asking") == {(0, 5e6, "asking"), (1, 3.5e6, "asking")} | paid
    assert labels("paid") == {(1, 3.5e6, "asking")} | paid
    assert labels(None) == {(0, 5e6, None), (1, 3e6, None), (1, 3.5e6, "asking")} | paid
    store, end = PredictionStore(url=url), datetime(2026, 12, 4, tzinfo=UTC)
    found = {kind: sorted(store.reported_prices(START, end, kind).tolist()) for kind in ("asking", "paid", None)}
    assert found == {
        "asking": [3e6, 3.5e6, 5e6],
        "paid": [1e6, 2e6, 3e6, 4e6, 5e6],
        None: [1e6, 2e6, 3e6, 3.5e6, 4e6, 5e6],
    }


def test_a_category_that_was_reported_stands_beside_the_one_that_was_predicted(url: str) -> None:
    first, second = prediction(1), prediction(2)
    write(url, first, second, feedback(first["prediction_id"], price=None, price_category="high"))
    write(url, feedback(second["prediction_id"], price=2e6, received_at="2026-12-02T00:00:00Z"))
    (page,) = PredictionStore(url=url).labels(datetime(2026, 12, 3, tzinfo=UTC))
    assert types(page) == LABEL_TYPES
    assert page["price_category"].tolist() == ["low", "low"]
    assert page["true_category"].tolist() == ["high", None]
    assert page["price"].fillna(-1.0).tolist() == [-1.0, 2e6]


def test_what_a_challenger_predicted_has_the_labels_of_the_answers(url: str) -> None:
    answers = [prediction(number) for number in range(2)]
    shadow = answers[0] | {"role": "shadow", "model_version": "4"}
    write(url, *answers, shadow, *(feedback(answer["prediction_id"]) for answer in answers))
    store = PredictionStore(url=url)
    moment = datetime(2026, 12, 3, tzinfo=UTC)
    (answered,), (shadowed,) = store.labels(moment), store.labels(moment, role="shadow")
    assert answered["model_version"].tolist() == ["3", "3"]
    assert shadowed[["prediction_id", "model_version"]].values.tolist() == [[shadow["prediction_id"], "4"]]
    assert types(shadowed) == LABEL_TYPES


def test_probabilities_are_read_as_they_were_written(url: str) -> None:
    shares = [
        {"low": 1 / 3, "high": 0.1 + 0.2},
        {"high": 5e-324, "luxury": 1 - 2**-53},
        {"low": 1 / 3, "high": 0.1 + 0.2},
    ]
    write(url, *(prediction(n, price_category="high", probabilities=each) for n, each in enumerate(shares)))
    (page,) = PredictionStore(url=url).predictions(START, END)
    found = read_probabilities(page["probabilities"], ["high", "low"])
    expected = [[0.1 + 0.2, 1 / 3], [5e-324, float("nan")], [0.1 + 0.2, 1 / 3]]
    np.testing.assert_array_equal(found, np.array(expected), strict=True)


@given(
    st.lists(st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1))), st.lists(st.sampled_from("abcde"), unique=True)
)
def test_every_share_is_found_in_its_row_and_column(shares: list[dict[str, float]], categories: list[str]) -> None:
    found = read_probabilities((orjson.dumps(row).decode() for row in shares), categories)
    assert found.shape == (len(shares), len(categories))
    assert found.dtype == np.float64
    for row, each in zip(shares, found, strict=True):
        known = {category: share for category, share in zip(categories, each, strict=True) if not np.isnan(share)}
        assert known == {category: share for category, share in row.items() if category in categories}


def test_the_store_of_an_older_release_is_refused_until_the_service_has_migrated_it(url: str) -> None:
    with open_older_store(url).begin() as connection:
        fill_older_store(connection, [older_prediction()], [])
    store = PredictionStore(url=url)
    with pytest.raises(InvalidRequestError, match=r"no column request_id, probabilities, estimate; the service"):
        next(store.predictions(START, END))
    with pytest.raises(InvalidRequestError, match=r"feedback is of another release"):
        next(store.labels(END))
    migrate(open_store(url))
    (page,) = store.predictions(START, END)
    assert len(page) == 1


@pytest.mark.parametrize("migrated", [False, True])
def test_a_store_without_rows_gives_one_empty_frame_of_the_right_form(url: str, migrated: bool) -> None:
    if migrated:
        migrate(open_store(url))
    store = PredictionStore(url=url)
    for pages, expected in (
        (store.predictions(START, END), PREDICTION_TYPES),
        (store.labels(END), LABEL_TYPES),
    ):
        (page,) = pages
        assert len(page) == 0
        assert types(page) == expected


def test_a_store_that_cannot_be_reached_raises(tmp_path: Path) -> None:
    store = PredictionStore(url=f"postgresql://ada:secret@/db?host={tmp_path}")
    with pytest.raises(OperationalError) as refusal:
        next(iter(store.predictions(START, END)))
    assert "secret" not in str(refusal.value)


def test_an_asset_reads_the_store_that_a_variable_names(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(url, prediction())
    monkeypatch.setenv("STORE_OF_PREDICTIONS", url)
    store = PredictionStore(url=dg.EnvVar("STORE_OF_PREDICTIONS"))

    @dg.asset
    def answered(store: PredictionStore) -> int:
        return sum(len(page) for page in store.predictions(START, END))

    result = dg.materialize([answered], resources={"store": store})
    assert result.output_for_node("answered") == 1
    assert sum(len(page) for page in store.predictions(START, END)) == 1  # outside of a run, too


def test_reading_holds_up_no_writer_between_two_pages(url: str) -> None:
    write(url, *(prediction(number) for number in range(4)))
    pages = PredictionStore(url=url, rows_at_once=2).predictions(START, END)
    next(pages)
    write(url, prediction(5))
    assert sum(len(page) for page in pages) == 3
