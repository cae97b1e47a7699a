"""What came back from production is learned from: labelled rows behind the source's, and the say they have."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, held_out
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Code
from housing_assets.listings.origins import ASKED_ON, ORIGIN, PRODUCTION, SOURCE
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.packaging import batch
from housing_assets.packaging.promotion import BEST, TESTS, decide_promotion
from housing_assets.training.parameters import MIN_FRESH, PromotionRule
from housing_assets.training.promotion import Decision
from resources import retries
from resources.predictions.day_decisions import DayDecision, State
from resources.predictions.store import PredictionStore
from resources.settings import Settings
from tests.monitoring.small_platform import ads
from tests.monitoring.watched import Watched, failed

YESTERDAY: date = (datetime.now(UTC) - timedelta(days=1)).date()

pytestmark = pytest.mark.acceptance


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Watched]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watched.on(tmp_path, instance)


def as_synthetic(model: ModelArtifact) -> ModelArtifact:
    return replace(model, labels=replace(model.labels, synthetic=True))


def as_real(model: ModelArtifact) -> ModelArtifact:
    return replace(model, labels=replace(model.labels, synthetic=False))


def read(platform: Watched, *, source: str = "", days: int = 90) -> tuple[pd.DataFrame, int]:
    """Return the listings, and how many of them are labelled requests."""
    names = ["raw_listings", "labelled_listings", "listings"]
    few = {
        "accept": ["rows", "input", "kind"],
        "reason": "a small sample, rows that a person has released, and the first real ads",
    }
    config = {"raw_listings": {"source": source}, "labelled_listings": {"days": days}, "listings_plausible": few}
    result = platform.materialize(None, names, config)
    assert result.success
    checks = result.get_asset_check_evaluations()
    assert {one.check_name: one.passed for one in checks}["every_row_accounted_for"]
    stored = pd.read_parquet(platform.storage / "assets" / "listings" / "table.parquet")
    return stored, int((stored[ORIGIN] == PRODUCTION).sum())


def test_labelled_requests_stand_behind_the_newest_listings(platform: Watched, artifact: ModelArtifact) -> None:
    platform.promote(as_synthetic(artifact))
    answered = platform.answer(artifact, YESTERDAY, 200, seed=1, labelled=True)
    platform.answer(artifact, YESTERDAY, 100, seed=2)
    assert read(platform)[1] == 0  # nobody has looked at the day yet
    platform.judge(YESTERDAY)

    listings, labelled = read(platform)

    assert answered - 15 < labelled <= answered
    assert (listings[ORIGIN] == PRODUCTION).to_numpy()[-labelled:].all()
    assert (listings["row"] >= 500).sum() == labelled


def test_rows_of_a_broken_day_teach_only_when_a_person_has_released_it(
    platform: Watched, artifact: ModelArtifact
) -> None:
    platform.promote(as_synthetic(artifact))
    platform.answer(artifact, YESTERDAY - timedelta(days=1), 200, seed=1, labelled=True)
    broken = platform.answer(artifact, YESTERDAY, 200, seed=2, labelled=True, gross_area_factor=10)
    platform.judge(YESTERDAY - timedelta(days=1))
    assert "input_not_broken" in failed(platform.judge(YESTERDAY))

    listings, labelled = read(platform)
    assert 180 < labelled <= 200
    assert set(listings["asked_on"].dropna().dt.date) == {YESTERDAY - timedelta(days=1)}

    store = PredictionStore(url=platform.settings.prediction_store_url)
    store.decide(
        DayDecision(YESTERDAY, State.RELEASED, "it is so", "ayse", causes=store.days().newest[YESTERDAY].causes)
    )
    assert read(platform)[1] > labelled + broken - 30
    platform.judge(YESTERDAY)  # a person's decision stands
    assert store.days().newest[YESTERDAY].state is State.RELEASED


@pytest.mark.trial
@pytest.mark.parametrize(("days", "wanted"), [(0, False), (30, False), (90, True)])
def test_only_requests_of_late_are_learned_from(
    platform: Watched, artifact: ModelArtifact, days: int, wanted: bool
) -> None:
    platform.promote(as_synthetic(artifact))
    platform.answer(artifact, YESTERDAY - timedelta(days=60), 50, seed=1, labelled=True)
    platform.judge(YESTERDAY - timedelta(days=60))

    assert (read(platform, days=days)[1] > 0) is wanted


def test_an_empty_store_adds_nothing(platform: Watched) -> None:
    listings, labelled = read(platform)

    assert labelled == 0
    assert 400 < len(listings) <= 500


@pytest.mark.trial
def test_requests_of_a_demonstration_do_not_end_up_among_real_ads(
    platform: Watched, artifact: ModelArtifact, tmp_path: Path
) -> None:
    source = str(tmp_path / "ads.csv")
    load_sample(MARKET).draw(300, seed=9).to_csv(source, index=False)
    platform.promote(as_synthetic(artifact))
    platform.answer(artifact, YESTERDAY, 50, seed=1, labelled=True)
    platform.judge(YESTERDAY)

    _, of_demonstration = read(platform, source=source)
    real = platform.promote(as_real(artifact))
    platform.answer(artifact, YESTERDAY, 60, seed=2, labelled=True, version=real.number)
    platform.judge(YESTERDAY)
    _, of_both = read(platform, source=source)

    assert of_demonstration == 0
    assert 50 <= of_both <= 60


def test_a_store_that_cannot_be_read_is_tried_again_and_not_passed_over(
    platform: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "DELAYS", (0.1, 0.1))
    unreachable = Settings(
        storage=platform.storage,
        prediction_store="postgresql://127.0.0.1:1/predictions",
        MLFLOW_TRACKING_URI=platform.settings.mlflow_uri,
    )
    elsewhere = replace(platform, settings=unreachable)

    result = elsewhere.materialize(None, ["labelled_listings"])

    assert sum(event.is_step_up_for_retry for event in result.all_events) == 2
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "whose labelled rows are learned from, cannot be read" in str(failure.event_specific_data)
    without = elsewhere.materialize(None, ["labelled_listings"], {"labelled_listings": {"days": 0}})
    assert without.success


ROWS = 8_900
DAYS = np.datetime64("2026-03-01") + (np.arange(ROWS) > ROWS - 600)


def listings() -> pd.DataFrame:
    return ads(ROWS, seed=80)


def holdout_of(model: ModelArtifact) -> np.ndarray:
    return held_out(MARKET, model.labels, listings())


@cache
def encode(labels: LabelScheme) -> tuple[pd.DataFrame, EncodedListings]:
    """Return the listings, crossed and split, and encoded: once, as every decision is made of the same ones."""
    crossed = cross_frame(MARKET, listings()).assign(**{HELD_OUT: held_out(MARKET, labels, listings())})
    return crossed, EncodedListings.encode(crossed, labels, ListingEncoder(MARKET, n_buckets=2**12))


def decide(
    platform: Watched,
    model: ModelArtifact,
    fresh: np.ndarray,
    right_on: np.ndarray,
    market: Market = MARKET,
    as_before: np.ndarray | None = None,
    forest: str = "of its own",
) -> Decision:
    """Decide on a challenger that is right on some of the held-out listings, and wrong on the others.

    Of those of ``as_before`` it says what the champion does.
    """
    crossed, encoded = encode(model.labels)
    truth = encoded.y_holdout
    answers = np.eye(3)[np.where(right_on[holdout_of(model)], truth, (truth + 1) % 3)]
    if as_before is not None:
        kept = as_before[holdout_of(model)]
        answers[kept] = batch.probabilities(model, listings()[holdout_of(model)])[kept]
    described = crossed.assign(**{ORIGIN: np.where(fresh, PRODUCTION, SOURCE), ASKED_ON: DAYS})
    return decide_promotion(platform.registry, market, described, encoded, answers, forest, PromotionRule())


@pytest.fixture
def champion(platform: Watched, artifact: ModelArtifact) -> ModelArtifact:
    platform.promote(artifact)
    return artifact


def newest(rows: int) -> np.ndarray:
    return np.arange(ROWS) >= ROWS - rows


def test_a_challenger_that_is_better_on_fresh_rows_is_promoted_though_the_old_ones_speak_against_it(
    platform: Watched, champion: ModelArtifact
) -> None:
    fresh = newest(1_200)
    assert holdout_of(champion)[fresh].sum() >= MIN_FRESH

    decision = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh)

    assert decision.promoted
    days = re.search(r"fresh labelled listings of 2026-03-01 \((\d+)\), 2026-03-02 \((\d+)\)", decision.reason)
    assert days
    assert sum(map(int, days.groups())) == holdout_of(champion)[fresh].sum()
    assert not decide(platform, champion, newest(0), right_on=fresh).promoted


@pytest.mark.trial
def test_a_challenger_that_falls_far_on_the_older_rows_is_not_promoted_however_good_it_is_on_fresh_ones(
    platform: Watched, champion: ModelArtifact
) -> None:
    fresh = newest(1_200)

    decision = decide(platform, champion, fresh, right_on=fresh)

    assert not decision.promoted
    assert "in macro-F1 on the " in decision.reason
    assert "older held-out listings, at most 0.0500 is allowed" in decision.reason


def test_decisions_in_a_row_on_the_same_rows_are_counted(platform: Watched, champion: ModelArtifact) -> None:
    fresh = newest(1_200)
    first = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh)
    tried = platform.stage(champion)
    platform.registry.tag(tried, first.tags)

    again = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh)
    on_others = decide(platform, champion, newest(0), right_on=fresh, as_before=~fresh)

    assert (first.tags[TESTS], again.tags[TESTS], on_others.tags[TESTS]) == ("1", "2", "1")
    assert "by +" in again.reason
    assert "at a risk of 10.0% (test 2 in a row on these)" in again.reason


def test_a_decision_that_is_taken_again_on_the_same_forest_is_the_one_before_and_not_counted(
    platform: Watched, champion: ModelArtifact
) -> None:
    fresh = newest(1_200)
    first = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh, forest="a forest")
    broken_off = platform.stage(champion)
    platform.registry.tag(broken_off, {**first.tags, "forest_digest": "a forest"})

    again = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh, forest="a forest")
    of_another = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh, forest="another")

    assert again == first
    assert of_another.tags[TESTS] == "2"
    platform.promote(champion)
    of_another_champion = decide(platform, champion, fresh, right_on=fresh, as_before=~fresh, forest="a forest")
    assert of_another_champion.tags[TESTS] == "2"


@pytest.mark.trial
def test_losses_count_from_the_best_version_until_one_is_better(platform: Watched, champion: ModelArtifact) -> None:
    fresh = newest(1_200)
    as_good = decide(platform, champion, newest(0), right_on=fresh, as_before=newest(ROWS))
    better = decide(platform, champion, newest(0), right_on=newest(ROWS))

    assert as_good.tags[BEST] == "1"
    assert BEST not in better.tags

    second = platform.promote(champion)
    platform.registry.tag(second, {BEST: "1"})
    assert decide(platform, champion, newest(0), fresh, as_before=newest(ROWS)).tags[BEST] == "1"


def test_a_challenger_that_is_worse_on_fresh_rows_is_not_promoted_though_the_old_ones_speak_for_it(
    platform: Watched, champion: ModelArtifact
) -> None:
    fresh = newest(1_200)

    decision = decide(platform, champion, fresh, right_on=~fresh)

    assert not decision.promoted
    assert "fresh labelled listings" in decision.reason
    assert decide(platform, champion, newest(0), right_on=~fresh).promoted


@pytest.mark.trial
def test_a_champion_that_reads_a_column_otherwise_is_not_compared(platform: Watched, champion: ModelArtifact) -> None:
    reread = replace(
        MARKET, columns=tuple(replace(each, rule=Code()) if each.raw == "district" else each for each in MARKET.columns)
    )

    decision = decide(platform, champion, newest(0), right_on=newest(1_200), market=reread)

    assert not decision.promoted
    assert "reads district, which the declaration no longer has, or reads by another rule" in decision.reason


def test_too_few_fresh_rows_do_not_decide(platform: Watched, champion: ModelArtifact) -> None:
    fresh = newest(300)
    assert 0 < holdout_of(champion)[fresh].sum() < MIN_FRESH

    decision = decide(platform, champion, fresh, right_on=~fresh)

    assert decision.promoted
    assert "held-out listings" in decision.reason
