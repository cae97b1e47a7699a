"""Labelled predictions: whose they are, on which day the label came, and what is true."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.labels import LabelScheme
from housing_assets.listings.price_kinds import judge
from housing_assets.monitoring.production.labelled import (
    count_others,
    first_rows,
    label_window,
    period_start,
    summarize_labels,
    true_labels,
)
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_markets import FIVE_BANDS, LABELS
from tests.monitoring.small_platform import as_stored, outcomes_of
from tests.other_markets import BOTH_KINDS

BANDS, CLASSES = LABELS["five_bands"], LABELS["classes"]


def stored(version: int, day: int, rows: int, role: str = "answer") -> pd.DataFrame:
    """Give predictions that are all right."""
    truth = np.arange(rows) % 3
    said = as_stored(np.eye(3)[truth], CLASSES.categories)
    moment = datetime(2026, 3, day, 12, tzinfo=UTC)
    front = pd.DataFrame(
        {
            "received_at": pd.Series([moment] * rows, dtype="datetime64[us, UTC]"),
            "predicted_at": pd.Series([moment] * rows, dtype="datetime64[us, UTC]"),
            "request_key": [f"k{row // 5}" for row in range(rows)],
            "role": role,
            "tier": "production",
            "model_version": str(version),
            "price": np.nan,
            "true_category": said["price_category"],
            "price_kind": None,
            "comparable": True,
        }
    )
    return pd.concat([front, said], axis="columns")


def test_truth_is_a_price_or_a_class() -> None:
    frame = pd.DataFrame({"price": [500.0, 800.0, np.nan], "true_category": [None, None, "good"]})

    assert true_labels(BANDS, frame).tolist() == [0, 1, -1]
    assert true_labels(CLASSES, frame).tolist() == [-1, -1, 0]


def test_answers_are_summarized_by_version_and_day_without_shadows_and_unknown_versions() -> None:
    frames = [stored(1, 1, 30), stored(1, 2, 20), stored(2, 2, 10), stored(2, 2, 5, "shadow"), stored(9, 2, 7)]

    def labels_of(version: int) -> LabelScheme | None:
        return CLASSES if version < 9 else None

    found = summarize_labels([*frames, stored(1, 2, 3)], labels_of)

    rows = {version: {day: one.rows for day, one in by_day.items()} for version, by_day in found.items()}
    assert rows == {1: {date(2026, 3, 1): 30, date(2026, 3, 2): 23}, 2: {date(2026, 3, 2): 10}}
    assert found[1][date(2026, 3, 2)].accuracy == 1


def test_prices_of_another_kind_are_counted_and_neither_summarized_nor_compared() -> None:
    paid = stored(1, 1, 10).assign(comparable=False, price_kind="paid")
    unsaid = stored(1, 1, 5).assign(comparable=False)
    shadow = stored(1, 1, 7, "shadow").assign(comparable=False, price_kind="paid")
    frames = [stored(1, 1, 30), paid, unsaid, shadow]

    assert count_others(frames) == {"paid": 10, "unknown": 5}
    assert summarize_labels(frames, lambda version: CLASSES)[1][date(2026, 3, 1)].rows == 30
    assert len(first_rows(iter([paid, *frames]), "answer", 1, 35)) == 30


def test_where_requests_say_the_kind_of_price_only_one_of_that_kind_judges_the_answer() -> None:
    kinds = pd.DataFrame({"price_kind": pd.Series(["asking", "paid", "paid", None, "paid"], dtype=object)})
    asked = pd.DataFrame({"offer": ["asking", "asking", "paid", "paid", "sold"]})

    assert judge(BOTH_KINDS, kinds, asked).tolist() == [True, False, True, False, False]
    assert judge(FIVE_BANDS, kinds, None).tolist() == [True, False, False, False, False]


def test_labels_that_were_stored_without_the_kind_of_their_prices_are_refused() -> None:
    with pytest.raises(ProfileRefused, match="without the kind of their prices"):
        summarize_labels([stored(1, 1, 3).drop(columns="comparable")], lambda version: CLASSES)


def labels_on(*days: tuple[int, int]) -> dict[date, Outcomes]:
    """Give so many labelled rows on some days of March."""
    return {date(2026, 3, day): outcomes_of(np.zeros(rows, int), np.eye(3)[[0] * rows]) for day, rows in days}


def test_a_labelled_row_counts_in_one_window() -> None:
    """The newest 1,000 rows were those of one bad day on each of the five days after it."""
    by_day = labels_on((3, 1_000), (5, 120), (6, 90), (9, 30))
    first = period_start(date(2026, 3, 3))
    assert first <= date(2026, 3, 3)
    assert period_start(date(2026, 3, 9)) == first

    windows = {day: [one.day for one in label_window(by_day, date(2026, 3, day), 200)] for day in range(3, 11)}

    assert windows == {3: [3], 4: [], 5: [5], 6: [5, 6], 7: [], 8: [], 9: [9], 10: [9]}
    judged = [days for day, days in windows.items() if sum(by_day[date(2026, 3, one)].rows for one in days) >= 200]
    assert judged == [[3], [5, 6]]


def test_a_window_of_labels_is_the_same_whenever_it_is_made() -> None:
    days = [(day, 70 + day) for day in range(1, 29)]
    of_month = labels_on(*days)
    for day in range(1, 29):
        so_far = {one: outcomes for one, outcomes in of_month.items() if one.day <= day}
        assert label_window(so_far, date(2026, 3, day), 200).keys() == (
            label_window(of_month, date(2026, 3, day), 200).keys()
        )


def test_the_first_rows_are_those_of_one_version_in_one_role() -> None:
    frames = [stored(1, 1, 30), stored(2, 2, 40), stored(1, 3, 20), stored(1, 3, 9, "shadow")]

    found = first_rows(iter(frames), "answer", 1, 35)

    assert [moment.day for moment in found["received_at"]] == [1] * 30 + [3] * 5
    assert set(found["role"]) == {"answer"}
