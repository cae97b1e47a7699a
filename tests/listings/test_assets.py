"""The assets of the group, materialized from real files: what they store and what the lineage page shows of it."""

import gzip
import re

import dagster as dg
import pandas as pd
import pytest

from housing_assets.lineage_page import MASKED
from housing_assets.listings.assets import MAX_REASONS, MAX_SKIPPED, cleaned_listings, labelled_listings, raw_listings
from housing_assets.listings.checks import contract_check
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from resources import retries
from resources.compute.resource import Compute
from resources.listing_source import ListingSource
from resources.mlflow.registry import ModelRegistry
from resources.object_store import ObjectStore
from resources.predictions.store import PredictionStore
from resources.values.asset_storage import AssetStorage
from tests.listings.ads import PLAIN_AD, RAW, ad, drawn_ads, frame
from tests.other_markets import PARCELS, drawn_sales

STREET = "Gizli Sokak 7"
WITHOUT_STORE = {"labelled_listings": {"config": {"days": 0}}}


def resources_of(storage, location, *, rows=200, market=MARKET):
    return {
        "io_manager": AssetStorage(folder=str(storage)),
        "source": ListingSource(location=str(location), sample_rows=rows, object_store=ObjectStore()),
        "predictions": PredictionStore(url=f"sqlite:///{storage}/predictions.db"),
        "registry": ModelRegistry(tracking_uri=f"sqlite:///{storage}/mlflow.db"),
        "compute": Compute(),
        "market": market,
    }


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "storage"


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def materialize(storage, instance):
    def run(location, *, of_run="", rows=200, market=MARKET):
        return dg.materialize(
            [raw_listings, labelled_listings, cleaned_listings, contract_check(dg.AssetKey("listings"))],
            instance=instance,
            resources=resources_of(storage, location, rows=rows, market=market),
            run_config={"ops": {"raw_listings": {"config": {"source": str(of_run)}}, **WITHOUT_STORE}},
            raise_on_error=False,
        )

    return run


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "ads.csv"
    raw = frame(
        ad(address=f"['A', 'Satılık Ev', '{STREET} Satılık Ev']"),
        ad(price="650,000EUR", address=STREET),
        ad(price="700,000EUR"),
        ad(GrossSquareMeters="-5 m2"),
        ad(price="800,000EUR"),
        ad(price="650,000EUR", address=STREET),
        ad(address=f"[{STREET}]"),
    )
    raw.to_csv(path, index=False)
    return path


def metadata_of(run, key):
    (event,) = [event for event in run.get_asset_materialization_events() if event.asset_key == dg.AssetKey(key)]
    return event.materialization.metadata


def stored(storage, key):
    return pd.read_parquet(storage / key / "table.parquet")


def test_a_file_becomes_listings_and_quarantined_listings(materialize, storage, csv):
    run = materialize(csv)
    assert run.success
    assert len(stored(storage, "raw_listings")) == 7
    assert stored(storage, "listings")["row"].tolist() == [0]
    quarantined = stored(storage, "quarantined_listings")
    assert quarantined["row"].tolist() == [1, 2, 3, 4, 6]
    assert quarantined["source_row"].tolist() == [2, 3, 4, 5, 7]
    assert quarantined["source_file"].unique().tolist() == [str(csv)]
    assert set(RAW) <= set(quarantined)


def test_the_metadata_counts_the_rows(materialize, csv):
    run = materialize(csv)
    raw, listings, quarantined = (metadata_of(run, key) for key in ("raw_listings", "listings", "quarantined_listings"))
    assert raw["dagster/row_count"].value == 7
    assert raw["files"].value == {str(csv): 7}
    assert raw["synthetic"].value is False
    assert listings["dagster/row_count"].value == 1
    assert listings["duplicates_removed"].value == 1
    assert quarantined["dagster/row_count"].value == 5
    types = {column.name: column.type for column in listings["dagster/column_schema"].value.columns}
    assert (types["price"], types["district"], types["created_on"]) == ("float64", "category", "datetime64[s]")


def test_the_metadata_tells_the_reasons_the_commonest_first(materialize, csv):
    quarantined = metadata_of(materialize(csv), "quarantined_listings")
    assert next(iter(quarantined["reasons"].value.items())) == ("price: not in Turkish lira (TL): 'EUR'", 3)
    assert quarantined["reasons"].value == {
        "price: not in Turkish lira (TL): 'EUR'": 3,
        "GrossSquareMeters: -5 is not within 5 to 200,000": 1,
        "address: an address path without names": 1,
    }
    assert quarantined["distinct_reasons"].value == 3


def test_a_source_of_many_different_faults_has_a_short_list_of_reasons(materialize, tmp_path):
    path = tmp_path / "ads.csv"
    frame(ad(), *(ad(GrossSquareMeters=f"-{area} m2") for area in range(1, 101))).to_csv(path, index=False)
    quarantined = metadata_of(materialize(path), "quarantined_listings")
    assert len(quarantined["reasons"].value) == MAX_REASONS
    assert quarantined["distinct_reasons"].value == 100


@pytest.mark.parametrize("key", ["raw_listings", "listings", "quarantined_listings"])
def test_addresses_are_masked_wherever_the_page_shows_rows(materialize, csv, key):
    records = [record.data for record in metadata_of(materialize(csv), key)["sample"].records]
    assert records
    assert {record["address"] for record in records} == {MASKED}
    if key != "listings":
        assert STREET not in str(records)


def test_the_cell_that_is_shown_beside_its_reason_is_masked_for_addresses_alone(materialize, csv, storage):
    records = [record.data for record in metadata_of(materialize(csv), "quarantined_listings")["sample"].records]
    assert [(record["column"], record["value"]) for record in records] == [
        ("price", "650,000EUR"),
        ("price", "700,000EUR"),
        ("GrossSquareMeters", "-5 m2"),
        ("price", "800,000EUR"),
        ("address", MASKED),
    ]
    assert stored(storage, "quarantined_listings")["value"].tolist()[-1] == f"[{STREET}]"


def test_both_checks_pass_and_account_for_every_row(materialize, csv):
    evaluations = {found.check_name: found for found in materialize(csv).get_asset_check_evaluations()}
    assert set(evaluations) == {"every_row_accounted_for", "obeys_contract"}
    assert all(found.passed for found in evaluations.values())
    counts = {name: value.value for name, value in evaluations["every_row_accounted_for"].metadata.items()}
    assert counts == {
        "rows_read": 7,
        "listings": 1,
        "quarantined": 5,
        "implausible_prices": 0,
        "duplicates_removed": 1,
        "labelled_rows": 0,
        "labelled_known_already": 0,
        "labelled_of_another_kind": 0,
    }


def test_a_folder_of_thousands_is_read_whole(materialize, storage, tmp_path):
    folder = tmp_path / "scraped"
    folder.mkdir()
    for seed in range(3):
        drawn_ads(1_000, seed).to_csv(folder / f"{seed}.csv.gz", index=False)
    run = materialize(folder)
    assert run.success
    assert metadata_of(run, "raw_listings")["files"].value == {
        str(folder / f"{seed}.csv.gz"): 1_000 for seed in range(3)
    }
    assert stored(storage, "quarantined_listings")["source_file"].nunique() == 3


def test_files_of_a_folder_that_are_not_read_are_told(materialize, csv):
    metadata = metadata_of(materialize(csv.parent), "raw_listings")
    assert (metadata["files_skipped"].value, metadata["first_files_skipped"].value) == (0, [])
    notes = [csv.parent / f"{number:02d}.xlsx" for number in range(MAX_SKIPPED + 1)]
    for path in notes:
        path.touch()
    metadata = metadata_of(materialize(csv.parent), "raw_listings")
    assert metadata["files_skipped"].value >= len(notes)
    assert metadata["first_files_skipped"].value == [str(path) for path in notes[:MAX_SKIPPED]]


def test_a_run_may_name_another_source(materialize, csv, tmp_path):
    run = materialize(tmp_path / "nowhere", of_run=csv)
    assert run.success
    assert metadata_of(run, "raw_listings")["files"].value == {str(csv): 7}


def test_without_a_source_the_synthetic_sample_is_read(materialize, storage):
    run = materialize("", rows=300)
    assert run.success
    metadata = metadata_of(run, "raw_listings")
    assert metadata["synthetic"].value is True
    assert metadata["dagster/row_count"].value == len(stored(storage, "raw_listings")) == 300


def test_a_source_that_cannot_be_read_fails_the_run_and_says_why(materialize, storage, tmp_path):
    path = tmp_path / "ads.csv.gz"
    path.write_bytes(gzip.compress(drawn_ads(100, 0).to_csv(index=False).encode())[:-100])
    run = materialize(path)
    assert not run.success
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    described = failed.step_failure_data.user_failure_data
    assert described.description.startswith(f"{path}: the gzip file is truncated or damaged")
    assert "Traceback" not in described.description
    assert "\n" not in described.description
    assert not (storage / "raw_listings").exists()


def test_a_source_of_unusable_rows_stops_at_the_contract(materialize, storage, tmp_path):
    path = tmp_path / "ads.csv"
    frame(ad(price="?"), PLAIN_AD | {"price": "??"}).to_csv(path, index=False)
    run = materialize(path)
    assert not run.success
    assert {found.check_name: found.passed for found in run.get_asset_check_evaluations()} == {
        "every_row_accounted_for": True,
        "obeys_contract": False,
    }
    assert len(stored(storage, "quarantined_listings")) == 2


def test_a_failed_run_leaves_the_last_complete_listings(materialize, storage, csv, tmp_path):
    assert materialize(csv).success
    assert not materialize(tmp_path / "nowhere").success
    assert len(stored(storage, "raw_listings")) == 7


@pytest.mark.parametrize("name", ["listings", "quarantined_listings"])
def test_listings_and_quarantined_listings_can_be_materialized_alone(materialize, storage, instance, csv, name):
    materialize(csv)
    result = dg.materialize(
        [raw_listings, labelled_listings, cleaned_listings],
        instance=instance,
        resources=resources_of(storage, ""),
        selection=[name],
    )
    built = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert built == {name}


@pytest.mark.parametrize("location", ["a file", ""])
def test_listings_tell_whether_they_were_generated(materialize, storage, csv, location):
    assert materialize(csv if location else "").success
    expected = "source" if location else "synthetic"
    for key in ("raw_listings", "listings"):
        assert stored(storage, key)["origin"].unique().tolist() == [expected]


@pytest.mark.parametrize("location", ["postgresql://127.0.0.1:1/ads#SELECT * FROM ads", "s3://ads/new"])
def test_a_source_that_is_away_is_tried_again_and_then_named(materialize, monkeypatch, location):
    monkeypatch.setattr(retries, "DELAYS", (0.1,))
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "housing",
        "AWS_SECRET_ACCESS_KEY": "housing",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    run = materialize(location)

    assert [event.step_key for event in run.all_events if event.is_step_up_for_retry] == ["raw_listings"]
    (failed,) = [event for event in run.all_events if event.is_step_failure and event.step_key == "raw_listings"]
    assert failed.step_failure_data.user_failure_data.description.startswith(location.partition("#")[0])


def test_a_prediction_store_that_cannot_be_read_fails_the_run_and_says_what_does_without(storage, instance, csv):
    unreadable = csv.with_name("no.db")
    unreadable.write_text("no database")
    resources = resources_of(storage, csv) | {"predictions": PredictionStore(url=f"sqlite:///{unreadable}")}
    run = dg.materialize([labelled_listings], instance=instance, resources=resources, raise_on_error=False)
    (failed,) = [event for event in run.all_events if event.is_step_failure]
    described = failed.step_failure_data.user_failure_data.description
    assert described.startswith("the prediction store (HOUSING_PREDICTION_STORE), whose labelled rows")
    assert described.endswith("days: 0 in labelled_listings' config does without")


def test_an_empty_prediction_store_teaches_nothing(storage, instance, csv):
    run = dg.materialize(
        [raw_listings, labelled_listings, cleaned_listings], instance=instance, resources=resources_of(storage, csv)
    )
    assert metadata_of(run, "labelled_listings")["dagster/row_count"].value == 0
    assert stored(storage, "listings")["row"].tolist() == [0]


def test_a_market_without_a_generator_needs_a_source(materialize):
    run = materialize("", market=PARCELS)
    (failed,) = [event for event in run.all_events if event.is_step_failure and event.step_key == "raw_listings"]
    described = failed.step_failure_data.user_failure_data.description
    assert described == "parcels has no synthetic sample: set HOUSING_SOURCE to your listings"


def test_sales_of_another_market_become_its_listings(materialize, storage, tmp_path):
    path = tmp_path / "sales.csv"
    drawn_sales(PARCELS, 50).to_csv(path, index=False)
    run = materialize(path, market=PARCELS)
    assert run.success
    listings = stored(storage, "listings")
    assert len(listings) == 50
    assert listings["zip_code"].str.len().eq(5).all()
    for key in ("raw_listings", "listings"):
        records = [record.data for record in metadata_of(run, key)["sample"].records]
        assert {record.get("id", record.get("parcel")) for record in records} == {MASKED}


def test_a_price_that_no_home_like_it_has_is_quarantined_and_every_row_is_accounted_for(materialize, storage, tmp_path):
    path = tmp_path / "ads.csv"
    drawn = RawListings.of_sample(MARKET, synthetic_listings(800, seed=2)).frame[RAW].astype(object)
    drawn.loc[700, "price"] = "900,000,000TL"
    drawn.to_csv(path, index=False)
    run = materialize(path)
    quarantined = stored(storage, "quarantined_listings").set_index("row")
    assert re.fullmatch(r"price is \d+\.\d times what homes like it cost", quarantined.loc[700, "reason"])
    assert quarantined.loc[700, "source_row"] == 701
    assert 700 not in set(stored(storage, "listings")["row"])
    assert metadata_of(run, "listings")["implausible_prices"].value >= 1
    assert all(found.passed for found in run.get_asset_check_evaluations())
