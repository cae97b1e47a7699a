"""A listing is removed from the store, the days and the training data, on a platform that has learned of it."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from resources.predictions.store import PredictionStore
from resources.values.asset_storage import TABLE
from resources.values.disk import LinkReplaced
from resources.values.store import ValueLost
from tests.command_line.conftest import Housing
from tests.monitoring.answered import store_answers
from tests.monitoring.watched import Watched

pytestmark = pytest.mark.acceptance

DAY, OTHER_DAY = date(2026, 3, 1), date(2026, 3, 2)
MARK = "Silinecek Sokak"
STREET = f"['Anasayfa', 'Satılık Daire', '{MARK} Satılık Daire']"
LEARNED = ["raw_listings", "labelled_listings", "listings", "quarantined_listings"]
ALL_DAYS = {
    "labelled_listings": {"days": 3_650},
    "listings_plausible": {"accept": ["rows"], "reason": "a small sample"},
}
DAILY = ["production_predictions", "production_profile", "input_report", "production_labels"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory, artifact: ModelArtifact) -> Iterator[Watched]:
    """Give two days of labelled answers, on the first of which a listing has a street of its own, all stored."""
    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched.on(tmp_path_factory.mktemp("storage"), instance)
        watched.promote(artifact)
        for seed, day in enumerate((DAY, OTHER_DAY)):
            raw = load_sample(MARKET).draw(60, seed=seed).astype({"address": object})
            if day == DAY:
                raw.loc[raw.index[0], "address"] = STREET
            store_answers(watched.settings.prediction_store_url, artifact, day, raw, labelled=True)
            assert watched.materialize(day, DAILY).success
        assert watched.materialize(None, LEARNED, ALL_DAYS).success
        yield watched


@pytest.fixture
def platform(learned: Watched, housing: Housing, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Give the platform that the command finds; each test removes something else of it."""
    monkeypatch.setenv("HOUSING_STORAGE", str(learned.storage))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", learned.settings.mlflow_uri)
    return learned


def stored(watched: Watched) -> pd.DataFrame:
    store = PredictionStore(url=watched.settings.prediction_store_url)
    return pd.concat(store.predictions(pd.Timestamp(DAY, tz="UTC"), pd.Timestamp("2026-04-01", tz="UTC")))


def test_what_is_found_is_shown_and_nothing_removed_before_it_is_said(platform: Watched, housing: Housing) -> None:
    before = stored(platform)

    said = housing("erase", "--cell", f"address={STREET}").stdout

    assert "1 prediction, of 2026-03-01" in said
    assert "production_labels|2026-03-02" in said  # the labels of a day reach back
    assert "labelled_listings" in said
    assert "version 1          may have learned of it" in said  # it was registered after the price came in
    assert "Nothing was removed" in said
    assert len(stored(platform)) == len(before)


def test_nothing_of_a_listing_is_left_and_the_rest_is_made_again(platform: Watched, housing: Housing) -> None:
    before = stored(platform)
    files = [path for path in platform.storage.rglob("*") if path.is_file()]
    assert any(MARK.encode() in path.read_bytes() for path in files)

    said = housing("erase", "--cell", f"address={STREET}", "--yes").stdout

    assert "Removed: 2 rows of the prediction store" in said  # the answer, and its price
    assert "make judge DAY=2026-03-01" in said
    assert len(stored(platform)) == len(before) - 1
    left = [path for path in platform.storage.rglob("*") if path.is_file()]
    assert not [path for path in left if MARK.encode() in path.read_bytes()]
    assert platform.value("production_predictions", OTHER_DAY).exists()
    assert not platform.value("production_predictions", DAY).exists()
    assert platform.materialize(DAY, DAILY).success
    again = pd.read_parquet(platform.value("production_predictions", DAY) / "frames.parquet")
    assert not again["address"].astype(str).str.contains(MARK).any()
    assert platform.materialize(None, LEARNED, ALL_DAYS).success


def test_an_answer_without_a_price_is_removed_by_its_id_however_it_is_written(
    platform: Watched, artifact: ModelArtifact, housing: Housing
) -> None:
    before = set(stored(platform)["prediction_id"])
    store_answers(
        platform.settings.prediction_store_url, artifact, OTHER_DAY, load_sample(MARKET).draw(1, seed=9), labelled=False
    )
    (meant,) = set(stored(platform)["prediction_id"]) - before

    said = housing("erase", "--prediction", f"{{{meant.upper()}}}", "--yes").stdout

    assert "version 1          is not known to have learned of it" in said
    assert "Removed: 1 row of the prediction store, 0 stored values" in said
    assert meant not in set(stored(platform)["prediction_id"])


def test_an_ad_that_was_taken_out_of_the_source_before_is_found_and_removed(
    platform: Watched, housing: Housing, tmp_path: Path
) -> None:
    raw, ads = pd.read_parquet(platform.storage / "assets" / "raw_listings" / TABLE), tmp_path / "ads.csv"
    address = raw["address"].iloc[3]
    raw[raw["address"] != address].drop(columns=["source_file", "source_row"]).to_csv(ads, index=False)
    assert platform.materialize(None, ["raw_listings"], {"raw_listings": {"source": str(ads)}}).success

    said = housing("erase", "--cell", f"address={address}", "--yes").stdout

    assert "that only trainings before it have read" in said
    assert "raw_listings, a value before the newest" in said
    assert "version 1          may have learned of it" in said
    assert "Take the rows out of the source" not in said
    assert platform.materialize(None, LEARNED[:1], {"raw_listings": {"source": str(ads)}}).success
    assert "Nothing was found" in housing("erase", "--cell", f"address={address}").stdout


def test_rows_of_the_source_are_named_with_their_file(platform: Watched, housing: Housing) -> None:
    raw = pd.read_parquet(platform.storage / "assets" / "raw_listings" / TABLE)

    said = housing("erase", "--cell", f"address={raw['address'].iloc[7]}", "--yes").stdout

    assert f"row {raw['source_row'].iloc[7]:,}" in said
    assert "Take the rows out of the source" in said
    assert "version 1          may have learned of it" in said
    assert not (platform.storage / "assets" / "raw_listings").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "no listing is named"),
        (("--cell", "street=x"), "istanbul has no column street; there are "),
        (("--cell", "address="), "--cell is 'address=': expected COLUMN=TEXT"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(housing: Housing, given: tuple[str, ...], said: str) -> None:
    ended = housing("erase", *given)

    assert ended.exit_code == 1
    assert said in ended.stderr


def test_records_that_a_service_has_not_shipped_are_waited_for(housing: Housing, tmp_path: Path) -> None:
    journal = tmp_path / "storage" / "serving" / "journal"
    journal.mkdir(parents=True)
    (journal / "1.journal").write_bytes(b"00000000 {}\n")

    ended = housing("erase", "--prediction", "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10")

    assert ended.exit_code == 1
    assert "let the service ship them" in ended.stderr


def test_what_is_no_id_of_an_answer_is_refused(housing: Housing) -> None:
    ended = housing("erase", "--prediction", "5")
    assert ended.exit_code == 1
    assert ended.stderr.startswith("housing: --prediction is '5': expected the prediction_id of an answer, such as ")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            ValueLost("the value 1-2 of raw_listings is gone"),
            "nothing was removed, because a stored value is gone or damaged: the value 1-2 of raw_listings is gone. "
            "Run this again when no run is in progress",
        ),
        (LinkReplaced("listings is a folder: move it away"), "nothing was removed: listings is a folder: move it away"),
    ],
)
def test_a_value_that_cannot_be_looked_through_ends_it_in_words(
    housing: Housing, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str
) -> None:
    def find(*_: object) -> None:
        raise fault

    monkeypatch.setattr("housing_assets.erasure.find", find)

    result = housing("erase", "--cell", f"address={STREET}", "--yes")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"housing: {told}")
