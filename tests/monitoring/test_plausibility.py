"""New listings are held against those of before, and nothing is trained on implausible ones."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.features.split import held_out
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.profiles.reference import Reference
from tests.monitoring.small_platform import Platform
from tests.monitoring.watched import Watched

NAMES = ["raw_listings", "labelled_listings", "listings", "quarantined_listings", "price_bands"]
DRAWN = load_sample(MARKET).draw(3_000, seed=4)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Watched]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watched.on(tmp_path, instance)


def train(
    platform: Watched, raw: pd.DataFrame, price_bands: dict[str, bool] | None = None, **config: Any
) -> tuple[dg.ExecuteInProcessResult, dg.AssetCheckEvaluation]:
    """Materialize listings of a source, and the bands learned from them; return the check's evaluation, too."""
    source = platform.storage / "ads.csv"
    raw.to_csv(source, index=False)
    given = {"raw_listings": {"source": str(source)}, "labelled_listings": {"days": 0}}
    given |= {"price_bands": price_bands} if price_bands else {}
    result = platform.materialize(None, NAMES, given | ({"listings_plausible": config} if config else {}))
    (evaluation,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "plausible"]
    return result, evaluation


def areas(factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def times(raw: pd.DataFrame) -> pd.DataFrame:
        found = clean(MARKET, raw).listings
        return raw.loc[found["row"]].assign(GrossSquareMeters=(found["gross_m2"].to_numpy() * factor).round(1))

    return times


def prices(factor: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def times(raw: pd.DataFrame) -> pd.DataFrame:
        found = clean(MARKET, raw).listings
        return raw.loc[found["row"]].assign(price=(found["price"].to_numpy() * factor).round())

    return times


def unreadable(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(
        GrossSquareMeters=raw["GrossSquareMeters"].astype(object).mask(np.arange(len(raw)) % 2 == 0, "many")
    )


def without_heating(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(HeatingType=None)


IMPLAUSIBLE: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str]] = {
    "rows": (lambda raw: raw[:1_000], "rows", "at least half of the"),
    "quarantine": (unreadable, "quarantine", "of the rows are in quarantine: expected at most 2"),
    "unit": (areas(10), "input", "gross_m2 looks multiplied by 10"),
    "schema": (without_heating, "input", "no request has heating_type"),
    "currency": (prices(1 / 30), "prices", "price looks divided by "),
    "level": (prices(2.5), "prices", "the median price is "),
}


def champion_of(artifact: ModelArtifact) -> ModelArtifact:
    """Give a version with a reference of the drawn listings."""
    listings = clean(MARKET, DRAWN).listings
    small = Platform(artifact, listings, listings[held_out(MARKET, artifact.labels, listings)])
    reference = Reference.of(MARKET, listings, small.truth(small.held_out), small.predict(small.held_out))
    return replace(artifact, labels=replace(artifact.labels, synthetic=False), reference=reference.to_json())


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "unit" else pytest.mark.trial) for name in IMPLAUSIBLE]
)
def test_implausible_listings_are_refused_against_the_champion_and_accepted_by_name(
    platform: Watched, artifact: ModelArtifact, name: str
) -> None:
    platform.promote(champion_of(artifact))
    change, kind, said = IMPLAUSIBLE[name]
    changed = change(load_sample(MARKET).draw(3_000, seed=5))

    result, refused = train(platform, changed)

    assert not result.success
    assert not result.asset_materializations_for_node("price_bands")
    assert (refused.passed, refused.blocking, refused.severity) == (False, True, dg.AssetCheckSeverity.ERROR)
    assert said in (refused.description or "")
    assert f'{{"accept": ["{kind}"], "reason": "..."}}' in (refused.description or "")

    result, accepted = train(platform, changed, accept=[kind], reason="a new source")

    assert result.success
    assert accepted.passed
    assert (accepted.metadata["accepted"].value, accepted.metadata["accepted_because"].value) == (kind, "a new source")
    assert said.split(":")[0] in str(accepted.metadata["implausible"].value)


@pytest.mark.trial
def test_real_ads_are_not_trained_on_after_synthetic_ones_unless_a_person_starts_a_lineage_of_them(
    platform: Watched, artifact: ModelArtifact
) -> None:
    synthetic = champion_of(artifact)
    platform.promote(replace(synthetic, labels=replace(synthetic.labels, synthetic=True)))

    result, refused = train(platform, DRAWN)

    assert not result.success
    assert not result.asset_materializations_for_node("price_bands")
    said = refused.description or ""
    assert said.startswith("the listings are real: expected synthetic ones, as the registered versions learned. Set ")
    assert """{"accept": ["kind"], "reason": "..."}; price_bands' config reband: true""" in said

    result, accepted = train(platform, DRAWN, accept=["kind"], reason="the first real ads")

    assert accepted.passed
    assert not result.success
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "start a new lineage with price_bands' config reband: true" in str(failure.error)
    accept = {"accept": ["kind"], "reason": "the first real ads"}
    assert train(platform, DRAWN, **accept, price_bands={"reband": True})[0].success


@pytest.mark.acceptance
def test_ordinary_listings_and_risen_prices_are_plausible(platform: Watched, artifact: ModelArtifact) -> None:
    platform.promote(champion_of(artifact))

    for changed in (load_sample(MARKET).draw(2_500, seed=6), prices(1.6)(load_sample(MARKET).draw(2_500, seed=7))):
        result, evaluation = train(platform, changed)
        assert result.success, evaluation.description
        assert evaluation.metadata["compared_with_version"].value == "1"


@pytest.mark.trial
def test_without_a_champion_listings_are_held_against_those_accepted_last(platform: Watched) -> None:
    assert train(platform, DRAWN)[0].success  # nothing to compare with

    assert not train(platform, DRAWN[:1_000])[0].success
    assert not train(platform, DRAWN[:1_000])[0].success  # what was refused is no measure

    assert train(platform, DRAWN[:1_000], accept=["rows"], reason="a smaller city")[0].success
    assert train(platform, DRAWN[:900])[0].success


def test_nothing_is_accepted_without_a_reason(platform: Watched) -> None:
    source = platform.storage / "ads.csv"
    DRAWN.to_csv(source, index=False)
    config = {"raw_listings": {"source": str(source)}, "listings_plausible": {"accept": ["rows"]}}

    assert not platform.materialize(None, NAMES, config).success
