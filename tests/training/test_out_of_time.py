"""The out-of-time judgement learns from older listings alone, and notices a market that moves."""

from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import group_keys
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.price_index import month_name
from housing_assets.markets.istanbul import MARKET
from housing_assets.training import out_of_time
from housing_assets.training.assets import _time_check
from housing_assets.training.evaluation import evaluate
from housing_assets.training.out_of_time import (
    FEWEST_JUDGED,
    FoldJudgement,
    OutOfTime,
    folds_table,
    judge_out_of_time,
    macro_f1_at_mix,
)
from housing_assets.training.parameters import Balancing, ForestParameters

TINY = ForestParameters(n_trees=10, n_jobs=1)
CLOCK = "updated_on"


class RecordingEncoder(ListingEncoder):
    """An encoder that remembers which listings it has learned from and which it has encoded."""

    made: ClassVar[list["RecordingEncoder"]] = []

    @classmethod
    def like(cls, fitted: FittedEncoder) -> "RecordingEncoder":
        cls.made.append(cls(fitted.market, fitted.n_buckets, n_folds=2))
        return cls.made[-1]

    def fit_transform(self, crossed: pd.DataFrame, *rest: Any) -> csr_matrix:
        self.learned = crossed["row"].to_numpy()
        return super().fit_transform(crossed, *rest)

    def transform_with_prices(self, crossed: pd.DataFrame) -> tuple[csr_matrix, np.ndarray | None]:
        self.encoded = crossed["row"].to_numpy()
        return super().transform_with_prices(crossed)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[RecordingEncoder]:
    monkeypatch.setattr(out_of_time, "ListingEncoder", RecordingEncoder)
    monkeypatch.setattr(RecordingEncoder, "made", [])
    return RecordingEncoder.made


@pytest.fixture(scope="module")
def dated(crossed: pd.DataFrame) -> pd.DataFrame:
    """Give listings of 300 days, five a day."""
    days = np.datetime64("2021-01-01", "s") + np.random.default_rng(0).permutation(len(crossed)) // 5 * np.timedelta64(
        86_400, "s"
    )
    return crossed.assign(**{CLOCK: days})


def judge(crossed: pd.DataFrame, encoded: EncodedListings, **changed: Any) -> OutOfTime:
    told = {"balancing": Balancing("class_weight", 20), "share": 0.2, **changed}
    return judge_out_of_time(crossed, encoded.labels, encoded.encoder, TINY, **told)


def test_nothing_is_learned_from_the_judged_days_or_their_homes(
    dated: pd.DataFrame, encoded: EncodedListings, recorded: list[RecordingEncoder]
) -> None:
    judged = judge(dated, encoded, n_folds=2)
    assert judged.reason == ""
    day_of = dict(zip(dated["row"], dated[CLOCK], strict=True))
    home_of = dict(zip(dated["row"], group_keys(MARKET, dated), strict=True))
    for encoder, fold in zip(recorded, judged.folds, strict=True):
        assert max(day_of[row] for row in encoder.learned) < min(day_of[row] for row in encoder.encoded)
        assert not {home_of[row] for row in encoder.learned} & {home_of[row] for row in encoder.encoded}
        assert (fold.learned_rows, fold.judged_rows) == (len(encoder.learned), len(encoder.encoded))
        assert np.sum(fold.confusion) == fold.judged_rows
        assert encoder.fitted_.index.exists
        assert month_name(encoder.fitted_.index.base_month) <= fold.first_day[:7]
        assert encoder.fitted_.index.rows.sum() <= len(encoder.learned)
        assert fold.metrics["macro_f1"] > 0.5
    assert judged.folds[1].last_day < judged.folds[0].first_day
    assert folds_table(judged)["macro_f1"].tolist() == [fold.metrics["macro_f1"] for fold in judged.folds]


def test_of_too_many_older_listings_the_newest_teach(
    dated: pd.DataFrame, encoded: EncodedListings, recorded: list[RecordingEncoder]
) -> None:
    (fold,) = judge(dated, encoded, max_rows=700).folds
    assert fold.learned_rows == 700
    learned, rest = set(recorded[0].learned), set(recorded[0].encoded)
    day_of = dict(zip(dated["row"], dated[CLOCK], strict=True))
    left_out = [day for row, day in day_of.items() if row not in learned | rest and day < pd.Timestamp(fold.first_day)]
    taken = sorted(day_of[row] for row in learned)
    assert len(left_out) > 100
    assert np.mean([day < taken[0] for day in left_out]) > 0.95  # homes of judged listings are left out whenever


def test_prices_that_rise_at_the_end_are_seen_out_of_time(
    dated: pd.DataFrame, encoded: EncodedListings, recorded: list[RecordingEncoder]
) -> None:
    """The holdout does not see it: its forest has learned from the dearer months, too."""
    risen = dated[CLOCK] >= dated[CLOCK].quantile(0.79)
    dearer = dated.assign(price=np.where(risen, dated["price"] * 2.5, dated["price"]))
    counts = np.bincount(encoded.y_holdout, minlength=3)
    (steady, moved) = (judge(rows, encoded).metrics(counts) for rows in (dated, dearer))
    assert moved["out_of_time_macro_f1_at_mix"] < steady["out_of_time_macro_f1_at_mix"] - 0.1
    assert moved["out_of_time_rows"] == steady["out_of_time_rows"]
    assert abs(steady["out_of_time_price_median_bias"]) < 0.1
    assert moved["out_of_time_price_median_bias"] == pytest.approx(1 / 2.5 - 1, abs=0.1)
    assert moved["out_of_time_price_mdape"] > 2 * steady["out_of_time_price_mdape"]


@pytest.mark.parametrize(
    ("changed", "options", "reason"),
    [
        (lambda rows: rows, {"share": 0.0}, "switched off"),
        (lambda rows: rows.assign(**{CLOCK: pd.NaT, "created_on": pd.NaT}), {}, "istanbul has no clock, or no listing"),
        (lambda rows: rows.assign(**{CLOCK: np.datetime64("2022-01-15", "s")}), {}, "allow for 0 of 1 folds"),
        (lambda rows: rows, {"share": 0.1}, f"there are 144 listings, {FEWEST_JUDGED} are needed"),
        (lambda rows: rows.assign(price=100_000.0), {}, "no listing is 'medium'"),
    ],
)
def test_what_cannot_be_judged_is_said(
    dated: pd.DataFrame, encoded: EncodedListings, changed: Any, options: dict[str, Any], reason: str
) -> None:
    judged = judge(changed(dated), encoded, **options)
    assert judged.folds == ()
    assert reason in judged.reason
    assert judged.metrics(np.ones(3)) == {}
    assert len(folds_table(judged)) == 0
    check = _time_check({"macro_f1": 0.8}, judged.reason, 0.05)
    assert check.passed
    assert reason in str(check.description)


def test_a_category_that_older_homes_hardly_have_is_said(dated: pd.DataFrame, encoded: EncodedListings) -> None:
    newest = dated[CLOCK] >= dated[CLOCK].quantile(0.79)
    cheap_before = dated.assign(price=np.where(newest, dated["price"], 100_000.0))
    assert "older homes are 'medium'" in judge(cheap_before, encoded).reason


CONFUSION = np.array([[40, 10, 0], [5, 40, 5], [0, 10, 40]])


def test_macro_f1_is_compared_at_the_same_mix() -> None:
    assert macro_f1_at_mix(CONFUSION, np.array([50, 50, 50])) == pytest.approx(float(macro_f1(CONFUSION)))
    rarer = np.array([[80, 20, 0], [5, 40, 5], [0, 2, 8]])  # of the same recalls and mistakes
    assert macro_f1_at_mix(rarer, np.array([50, 50, 50])) == pytest.approx(float(macro_f1(CONFUSION)))
    assert float(macro_f1(rarer)) != pytest.approx(float(macro_f1(CONFUSION)), abs=0.01)


def fold(confusion: np.ndarray, first_day: str) -> FoldJudgement:
    return FoldJudgement(first_day, "2022-03-15", 900, int(confusion.sum()), {"macro_f1": 0.5}, confusion.tolist())


def test_rolling_origins_are_summed_up(tmp_path: Path) -> None:
    worse = np.array([[30, 20, 0], [15, 25, 10], [0, 20, 30]])
    judged = OutOfTime((fold(CONFUSION, "2022-02-01"), fold(worse, "2022-01-01")), "2 of 3")
    even = np.array([10, 10, 10])
    metrics, both = judged.metrics(even), [float(macro_f1(one)) for one in (CONFUSION, worse)]
    assert metrics["out_of_time_macro_f1"] == 0.5
    assert metrics["out_of_time_macro_f1_at_mix"] == pytest.approx(both[0])
    assert metrics["rolling_origin_macro_f1_mean"] == pytest.approx(np.mean(both))
    assert metrics["rolling_origin_macro_f1_std"] == pytest.approx(np.std(both, ddof=1))
    assert metrics["rolling_origin_macro_f1_lowest"] == pytest.approx(both[1])
    assert not any(name.startswith("rolling") for name in OutOfTime(judged.folds[:1]).metrics(even))
    judged.save(tmp_path)
    assert OutOfTime.load(tmp_path) == judged


def test_a_fall_out_of_time_warns_and_holds_nothing_up() -> None:
    near, far = (
        _time_check({"macro_f1": 0.85, "out_of_time_macro_f1_at_mix": newest}, "", 0.05) for newest in (0.81, 0.79)
    )
    assert (near.passed, far.passed) == (True, False)
    assert far.severity == dg.AssetCheckSeverity.WARN
    assert "0.7900 out of time, 0.8500 on the holdout" in str(far.description)


def test_a_confusion_says_what_the_metrics_say(dated: pd.DataFrame, encoded: EncodedListings) -> None:
    truth = np.repeat([0, 1, 2], [20, 20, 10])
    probabilities = np.eye(3)[np.roll(truth, 3)]
    counts = count_confusion(truth, probabilities.argmax(axis=1), 3)
    told = evaluate(truth, probabilities, encoded.labels.categories)["macro_f1"]
    assert macro_f1_at_mix(counts, np.bincount(truth)) == pytest.approx(told)
