"""The contract of listings: what it accepts, each kind of violation, and that a run stops at it."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.checks import contract_check
from housing_assets.listings.cleaning import clean
from housing_assets.listings.contract import MAX_FAILURE_CASES, failure_cases, listings_schema
from housing_assets.listings.origins import ORIGINS
from housing_assets.markets.istanbul import MARKET
from resources.values.asset_storage import AssetStorage
from tests.listings.ads import ad, drawn_ads, frame
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales


def typed(raw, market=MARKET):
    listings = clean(market, raw).listings
    return listings.assign(origin=pd.Categorical(["source"] * len(listings), categories=ORIGINS))


@pytest.fixture(scope="module")
def listings():
    return typed(drawn_ads(1_000, seed=3))


def stored(listings, folder):
    storage = AssetStorage(folder=str(folder))
    with dg.build_output_context(asset_key="listings", run_id="a-run") as written:
        storage.handle_output(written, listings)
        a_frame = dg.PythonObjectDagsterType(pd.DataFrame)
        with dg.build_input_context(asset_key="listings", upstream_output=written, dagster_type=a_frame) as read:
            return storage.load_input(read)


def failures(listings, market=MARKET):
    found = failure_cases(listings_schema(market), listings)
    checks = [check.partition("(")[0] for check in found["check"]]
    return set(zip(found["column"], checks, strict=True))


def test_cleaned_listings_obey_it(listings):
    assert failures(listings) == set()


def test_stored_listings_obey_it(listings, tmp_path):
    read_back = stored(listings, tmp_path)
    assert len(read_back) == len(listings) > 200
    assert failures(read_back) == set()


def test_stored_listings_whose_texts_are_all_empty_obey_it(tmp_path):
    empty = dict.fromkeys(
        ("address", "HeatingType", "FloorLocation", "AdUpdateDate", "AdCreationDate", "NumberOfRooms"), ""
    )
    listings = typed(frame(ad(**empty), ad(district="sile", **empty)))
    read_back = stored(listings, tmp_path)
    assert read_back["heating_type"].isna().all()
    assert isinstance(read_back["heating_type"].dtype, pd.CategoricalDtype)
    assert failures(read_back) == set()


def test_a_single_listing_obeys_it(tmp_path):
    assert failures(stored(typed(frame(ad())), tmp_path)) == set()


@pytest.mark.parametrize(
    ("violate", "found"),
    [
        (lambda frame: frame.assign(price=999.0), ("price", "in_range")),
        (lambda frame: frame.assign(net_m2=200_001.0), ("net_m2", "in_range")),
        (lambda frame: frame.assign(floor=-11.0), ("floor", "in_range")),
        (lambda frame: frame.assign(dues=np.inf), ("dues", "in_range")),
        (lambda frame: frame.assign(price=np.nan), ("price", "not_nullable")),
        (lambda frame: frame.assign(gross_m2=frame["gross_m2"].where(frame.index != 5)), ("gross_m2", "not_nullable")),
        (lambda frame: frame.assign(district=frame["district"].where(frame.index != 5)), ("district", "not_nullable")),
        (lambda frame: frame.assign(bathrooms=frame["bathrooms"].fillna(0).astype(int)), ("bathrooms", "dtype")),
        (lambda frame: frame.assign(price=frame["price"].astype(str)), ("price", "dtype")),
        (lambda frame: frame.assign(district=frame["district"].astype(str)), ("district", "dtype")),
        (lambda frame: frame.assign(created_on=frame["created_on"].astype(str)), ("created_on", "dtype")),
        (lambda frame: frame.assign(heating_type=pd.Categorical([" "] * len(frame))), ("heating_type", "not_blank")),
        (lambda frame: frame.assign(origin=pd.Categorical(["hearsay"] * len(frame))), ("origin", "isin")),
        (lambda frame: frame.assign(origin="source"), ("origin", "dtype")),
        (lambda frame: frame.drop(columns="origin"), (None, "column_in_dataframe")),
        (lambda frame: frame.assign(row=0), ("row", "field_uniqueness")),
        (lambda frame: frame.assign(row=frame["row"] - 10_000), ("row", "greater_than_or_equal_to")),
        (lambda frame: frame.drop(columns="wcs"), (None, "column_in_dataframe")),
        (lambda frame: frame.assign(price_category="high"), (None, "column_in_schema")),
        (lambda frame: frame.iloc[:0], (None, "at least one listing")),
    ],
)
def test_it_finds_each_kind_of_violation(listings, violate, found):
    column, check = found
    violations = failures(violate(listings))
    assert check in {violated for _, violated in violations}
    if column is not None:
        assert found in violations


def test_all_violations_are_found_at_once(listings):
    both = listings.assign(price=1.0, net_m2=-1.0).drop(columns="wcs")
    assert {"price", "net_m2"} <= {column for column, _ in failures(both)}
    assert len(failure_cases(listings_schema(MARKET), both)) == 2 * len(listings) + 1


def test_every_declared_value_is_in_it():
    schema = listings_schema(MARKET)
    assert list(schema.columns) == [
        "row",
        "origin",
        "asked_on",
        "reported_on",
        *(value.name for value in MARKET.values()),
    ]
    for column in MARKET.columns:
        for value in column.values:
            declared = schema.columns[value.name]
            assert declared.nullable == (not column.required)
            assert bool(declared.checks) == (value.is_number or value.is_text)


def run_with(listings, folder):
    """Materialize listings as stored ones, their check, and an asset that comes after them."""

    @dg.asset(name="listings")
    def these_listings() -> pd.DataFrame:
        return listings

    @dg.asset
    def downstream(listings: pd.DataFrame) -> int:
        (folder / "reached").touch()
        return len(listings)

    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [these_listings, contract_check(dg.AssetKey("listings")), downstream],
            instance=instance,
            resources={"io_manager": AssetStorage(folder=str(folder)), "market": MARKET},
            raise_on_error=False,
            selection=dg.AssetSelection.all(),
        )


def test_the_check_passes_for_listings_that_obey(listings, tmp_path):
    run = run_with(listings, tmp_path)
    (evaluation,) = run.get_asset_check_evaluations()
    assert evaluation.passed
    assert evaluation.metadata["failures"].value == 0
    assert evaluation.metadata["rows"].value == len(listings)
    assert (tmp_path / "reached").exists()


def test_the_check_fails_and_blocks_what_comes_after(listings, tmp_path):
    run = run_with(listings.assign(price=1.0), tmp_path)
    (evaluation,) = run.get_asset_check_evaluations()
    assert not run.success
    assert not evaluation.passed
    assert evaluation.check_name == "obeys_contract"
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert evaluation.blocking
    assert not (tmp_path / "reached").exists()


def test_the_table_of_failures_is_capped_and_their_number_is_not(listings, tmp_path):
    (evaluation,) = run_with(listings.assign(price=1.0), tmp_path).get_asset_check_evaluations()
    records = evaluation.metadata["failure_cases"].records
    assert len(records) == MAX_FAILURE_CASES
    assert evaluation.metadata["failures"].value == len(listings) > MAX_FAILURE_CASES
    assert records[0].data["column"] == "price"
    assert records[0].data["failure_case"] == 1.0


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=["bands", "three classes", "two classes"])
def test_listings_of_another_market_obey_its_own_contract(market, tmp_path):
    listings = stored(typed(drawn_sales(market, 200), market), tmp_path)
    assert failures(listings, market) == set()
    assert ("living_sqft", "in_range") in failures(listings.assign(living_sqft=99.0), market)
    assert failures(listings)


def test_a_class_that_is_missing_breaks_the_contract():
    listings = typed(drawn_sales(THREE_GRADES, 100), THREE_GRADES)
    without = listings.assign(grade=listings["grade"].where(listings.index != 5))
    assert failures(without, THREE_GRADES) == {("grade", "not_nullable")}
